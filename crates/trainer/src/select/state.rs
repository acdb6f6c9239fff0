//! How far has a selection come? Everything that is known of it stands in one file, and what is to be done next follows from that alone.
//!
//! So it is no matter when the program is killed: whoever reads the file goes on, and comes to the same table.

use model_zoo::Architecture;
use serde::{Deserialize, Serialize};

use super::halving;
use super::rung::Measured;
use crate::metrics::Direction;

/// The newest layout that this program writes and reads.
pub const FORMAT_VERSION: u32 = 2;

/// How much is spent on training, over all candidates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// So many minutes: every candidate of a rung has the same time.
    Minutes(f64),
    /// So many steps: every candidate of a rung has as many.
    Steps(u64),
}

/// Why nothing came of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// A sentence.
    pub reason: String,
    /// Whether it came from outside, as where the machine had no memory left: the same command tries again then.
    pub from_outside: bool,
}

impl Failed {
    /// What the task itself cannot do, today or tomorrow.
    pub fn itself(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), from_outside: false }
    }
}

/// A network in the race.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// What it is called, and the folder of its run.
    pub name: String,
    /// Why it is in the race.
    pub reason: String,
    /// The network.
    pub architecture: Architecture,
    /// The largest learning rate that it is given.
    pub most_rate: Option<f64>,
    /// After how many steps each rung ends; empty before its speed is known.
    pub steps: Vec<u64>,
    /// How it did at the end of each rung that it has been in.
    pub done: Vec<Measured>,
    /// Why it is out of the race.
    pub failed: Option<Failed>,
}

/// What networks are compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// What it is called.
    pub name: String,
    /// What it does.
    pub reason: String,
    /// How it did.
    pub done: Option<Measured>,
    /// Why it did nothing.
    pub failed: Option<Failed>,
}

/// A network that is not in the race.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// What it is called.
    pub name: String,
    /// Why not.
    pub reason: String,
}

/// All that is known of a selection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// The layout of the file.
    pub format_version: u32,
    /// The metric that decides.
    pub watch: String,
    /// How much is spent.
    pub budget: Budget,
    /// How many steps the config asks for; no candidate trains longer.
    pub most_steps: u64,
    /// The networks in the race, as they were proposed.
    pub candidates: Vec<Candidate>,
    /// What they are compared with.
    pub baselines: Vec<Baseline>,
    /// What is not in the race.
    pub left_out: Vec<LeftOut>,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A baseline is to be judged.
    Baseline(usize),
    /// The speed of a candidate is to be measured.
    Probe(usize),
    /// A candidate is to train to the end of a rung.
    Rung {
        /// Which candidate.
        candidate: usize,
        /// Which rung, from 0.
        rung: usize,
    },
}

impl Selection {
    /// How many candidates each rung has.
    pub fn rungs(&self) -> Vec<usize> {
        halving::rungs(self.candidates.len())
    }

    /// Which value of the watched metric is better.
    pub fn direction(&self) -> Direction {
        crate::metrics::direction(&self.watch).unwrap_or(Direction::Lower)
    }

    /// Lets those try again who were stopped from outside.
    pub fn forgive(&mut self) {
        let all = self.candidates.iter_mut().map(|candidate| &mut candidate.failed);
        let all = all.chain(self.baselines.iter_mut().map(|baseline| &mut baseline.failed));
        all.filter(|failed| failed.as_ref().is_some_and(|failed| failed.from_outside))
            .for_each(|failed| *failed = None);
    }

    /// What is to be done next; nothing once the race is over.
    pub fn next(&self) -> Option<Next> {
        let open = |baseline: &Baseline| baseline.done.is_none() && baseline.failed.is_none();
        if let Some(baseline) = self.baselines.iter().position(open) {
            return Some(Next::Baseline(baseline));
        }
        let unknown = |candidate: &Candidate| candidate.steps.is_empty() && candidate.failed.is_none();
        if let Some(candidate) = self.candidates.iter().position(unknown) {
            return Some(Next::Probe(candidate));
        }
        let rungs = self.rungs();
        let mut left: Vec<usize> = (0..self.candidates.len()).collect();
        for rung in 0..rungs.len() {
            let waits = |&&candidate: &&usize| {
                let candidate = &self.candidates[candidate];
                candidate.failed.is_none() && candidate.done.len() <= rung
            };
            if let Some(&candidate) = left.iter().find(waits) {
                return Some(Next::Rung { candidate, rung });
            }
            // Who broke later leaves its place to the next one.
            let runs = |candidate: &Candidate| candidate.failed.is_none() && candidate.done.len() > rung;
            left.retain(|&candidate| runs(&self.candidates[candidate]));
            left.sort_by(|&a, &b| self.compare(&self.candidates[a].done[rung], &self.candidates[b].done[rung]));
            left.truncate(rungs.get(rung + 1).copied().unwrap_or(1));
            left.sort_unstable();
        }
        None
    }

    /// The better one first; of equals that with fewer parameters.
    pub fn compare(&self, a: &Measured, b: &Measured) -> std::cmp::Ordering {
        let by_score = match self.direction() {
            Direction::Higher => b.score.value.total_cmp(&a.score.value),
            Direction::Lower => a.score.value.total_cmp(&b.score.value),
        };
        by_score.then(a.parameters.cmp(&b.parameters))
    }

    /// The best network of those that came farthest.
    pub fn winner(&self) -> Option<&Candidate> {
        let farthest = self.candidates.iter().filter(|c| c.failed.is_none()).map(|c| c.done.len()).max()?;
        let there = self.candidates.iter().filter(|c| c.failed.is_none() && c.done.len() == farthest && farthest > 0);
        there.min_by(|a, b| self.compare(&a.done[farthest - 1], &b.done[farthest - 1]))
    }
}

#[cfg(test)]
mod tests {
    use super::super::jackknife::Score;
    use super::*;

    fn measured(value: f64) -> Measured {
        let score = Score { value, without: vec![Some(value); 2], examples: 2 };
        Measured { step: 1, judged_step: 1, score, parameters: Some(1), seconds: 1.0, peak_memory: None, latency: 0.1 }
    }

    fn race(candidates: usize) -> Selection {
        let candidate = |number: usize| Candidate {
            name: number.to_string(),
            reason: String::new(),
            architecture: (model_zoo::architectures::ARCHITECTURES[0].default)(),
            most_rate: None,
            steps: vec![1, 4],
            done: Vec::new(),
            failed: None,
        };
        Selection {
            format_version: FORMAT_VERSION,
            watch: "accuracy".into(),
            budget: Budget::Steps(12),
            most_steps: 100,
            candidates: (0..candidates).map(candidate).collect(),
            baselines: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// Six train; the two best train on; a candidate that breaks leaves its place to the next.
    #[test]
    fn what_is_next_follows_from_what_was() {
        let mut race = race(6);
        let mut order = Vec::new();
        while let Some(next) = race.next() {
            let Next::Rung { candidate, rung } = next else { panic!("{next:?}") };
            order.push((candidate, rung));
            match (candidate, rung) {
                (3, 0) => race.candidates[3].failed = Some(Failed::itself("NaN")),
                _ => race.candidates[candidate].done.push(measured(candidate as f64 + 10.0 * rung as f64)),
            }
            // A file that was written and read again leads to the same.
            race = serde_json::from_str(&serde_json::to_string(&race).unwrap()).unwrap();
        }
        assert_eq!(order, [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (4, 1), (5, 1)]);
        assert_eq!(race.winner().unwrap().name, "5");
    }

    #[test]
    fn a_race_that_nobody_survives_ends_without_a_winner() {
        let mut race = race(2);
        for candidate in &mut race.candidates {
            candidate.failed = Some(Failed::itself("no memory"));
        }
        assert_eq!((race.next(), race.winner()), (None, None));
    }
}
