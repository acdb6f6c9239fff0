//! What is known of a trial? Everything that the study keeps of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::dimensions::{Dimensions, Point};
use super::known::{Known, Outcome};
use super::objectives::{Objective, losses};
use super::pareto;
use super::population::Change;
use super::pruners::Track;

/// How a trial stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for a worker: it was asked for by hand, interrupted, or is to be tried again.
    Waiting,
    /// A worker trains it, or died while it did.
    Running,
    /// It came to its end.
    Complete,
    /// It was ended early because others were better.
    Pruned,
    /// It came to no end, for a reason that is kept.
    Failed,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Running, Self::Complete, Self::Pruned, Self::Failed];

    /// The word that is kept.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Pruned => "pruned",
            Self::Failed => "failed",
        }
    }

    /// The state of a word.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether nothing more comes.
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Complete | Self::Pruned | Self::Failed)
    }
}

/// What an evaluation found: the first objective after so many steps; nothing where that was no number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look(pub u64, pub Option<f64>);

/// A trial.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// Which of the study, from 0.
    pub number: u64,
    /// How it stands.
    pub state: State,
    /// Who asked for it: `searcher`, `hand`, or where its history was brought from.
    pub origin: String,
    /// Its settings by their addresses; none before they are proposed.
    pub settings: Option<BTreeMap<String, Value>>,
    /// The worker that has it, or had it last.
    pub worker: Option<String>,
    /// How often a worker took it.
    pub attempt: u64,
    /// How often the worker that had it died.
    pub crashes: u64,
    /// How often it ended with an error.
    pub errors: u64,
    /// When it began first, in seconds since 1970.
    pub began: Option<f64>,
    /// When it was finished.
    pub ended: Option<f64>,
    /// Seconds of training, over all attempts that led on.
    pub seconds: f64,
    /// Steps that are done.
    pub step: u64,
    /// Evaluations that are planned.
    pub planned: u64,
    /// What each evaluation found.
    pub history: Vec<Look>,
    /// The scores of the best evaluation, with `parameters` and `seconds`.
    pub scores: BTreeMap<String, f64>,
    /// In a population, how many generations it has ended, with what others may go on from kept.
    pub generations: u64,
    /// In a population, what it became in each generation.
    pub course: Vec<Change>,
    /// Why it failed, or what went wrong the last time.
    pub error: Option<String>,
}

impl Trial {
    /// A trial that nobody has begun.
    pub fn new(number: u64, origin: &str) -> Self {
        Self {
            number,
            state: State::Waiting,
            origin: origin.to_owned(),
            settings: None,
            worker: None,
            attempt: 0,
            crashes: 0,
            errors: 0,
            began: None,
            ended: None,
            seconds: 0.0,
            step: 0,
            planned: 0,
            history: Vec::new(),
            scores: BTreeMap::new(),
            generations: 0,
            course: Vec::new(),
            error: None,
        }
    }

    /// Its losses, if it came to its end and all are numbers.
    pub fn losses(&self, objectives: &[Objective]) -> Option<Vec<f64>> {
        if self.state == State::Complete { losses(objectives, &self.scores) } else { None }
    }

    /// Its losses, evaluation by evaluation.
    pub fn track(&self, objective: &Objective) -> Track {
        let loss = |look: &Look| look.1.map_or(f64::NAN, |value| objective.loss(value));
        Track {
            number: self.number,
            losses: self.history.iter().map(loss).collect(),
            complete: self.state == State::Complete,
        }
    }

    /// The trial as searchers see it; nothing if it has no settings yet, or some that lie outside the space.
    pub fn known(&self, dimensions: &Dimensions, objectives: &[Objective]) -> Option<Known> {
        self.known_at(dimensions.point_of(self, self.settings.as_ref()?)?, objectives)
    }

    /// The same, where its point is known already.
    pub fn known_at(&self, point: Point, objectives: &[Objective]) -> Option<Known> {
        let outcome = match self.state {
            State::Waiting | State::Running => Outcome::Running,
            State::Failed => Outcome::Failed,
            State::Complete => losses(objectives, &self.scores).map_or(Outcome::Failed, Outcome::Complete),
            State::Pruned => {
                let track = self.track(objectives.first()?);
                let loss = track.best(track.losses.len()).unwrap_or(f64::INFINITY);
                Outcome::Pruned { step: self.step, loss }
            }
        };
        Some(Known { number: self.number, point, outcome })
    }
}

/// The complete trials, the best first; of equals the earlier one. Of two objectives those come first that none beats in both.
pub fn ranked<'a>(trials: impl IntoIterator<Item = &'a Trial>, objectives: &[Objective]) -> Vec<&'a Trial> {
    by_rank(trials, objectives).into_iter().map(|(_, trial)| trial).collect()
}

/// The best trial, or with several objectives all that none beats.
pub fn front<'a>(trials: &'a [Trial], objectives: &[Objective]) -> Vec<&'a Trial> {
    let most = if objectives.len() > 1 { usize::MAX } else { 1 };
    by_rank(trials, objectives)
        .into_iter()
        .take_while(|(rank, _)| *rank == 0)
        .map(|(_, trial)| trial)
        .take(most)
        .collect()
}

/// The complete trials in their order, each with its front.
fn by_rank<'a>(trials: impl IntoIterator<Item = &'a Trial>, objectives: &[Objective]) -> Vec<(usize, &'a Trial)> {
    let (losses, complete): (Vec<Vec<f64>>, Vec<&Trial>) =
        trials.into_iter().filter_map(|trial| Some((trial.losses(objectives)?, trial))).unzip();
    let ranks = match objectives.len() {
        // On fronts of one loss lie equals, and their order is that of the loss.
        1 => vec![0; losses.len()],
        _ => pareto::ranks(&losses.iter().map(Vec::as_slice).collect::<Vec<_>>()),
    };
    let mut order: Vec<usize> = (0..complete.len()).collect();
    let first = |index: usize| losses[index].first().copied().unwrap_or(0.0);
    order.sort_by(|&a, &b| {
        let by_loss = first(a).total_cmp(&first(b));
        ranks[a].cmp(&ranks[b]).then(by_loss).then(complete[a].number.cmp(&complete[b].number))
    });
    order.into_iter().map(|index| (ranks[index], complete[index])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(number: u64, scores: &[(&str, f64)]) -> Trial {
        let scores = scores.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Trial { state: State::Complete, scores, ..Trial::new(number, "searcher") }
    }

    #[test]
    fn the_best_comes_first_and_what_is_no_number_nowhere() {
        let trials = [
            complete(0, &[("accuracy", 0.5)]),
            complete(1, &[("accuracy", f64::NAN)]),
            complete(2, &[("accuracy", 0.75)]),
            Trial { state: State::Pruned, ..complete(3, &[("accuracy", 0.9)]) },
            complete(4, &[("accuracy", 0.75)]),
        ];
        let numbers: Vec<u64> =
            ranked(&trials, &[Objective::of("accuracy")]).iter().map(|trial| trial.number).collect();
        assert_eq!(numbers, [2, 4, 0]);
    }

    #[test]
    fn of_two_objectives_the_front_comes_first() {
        let at = |number, accuracy, seconds| complete(number, &[("accuracy", accuracy), ("seconds", seconds)]);
        let trials = [at(0, 0.5, 1.0), at(1, 0.9, 3.0), at(2, 0.8, 4.0), at(3, 0.7, 2.0), at(4, 0.4, 5.0)];
        let objectives = [Objective::of("accuracy"), Objective::of("seconds")];
        let numbers: Vec<u64> = ranked(&trials, &objectives).iter().map(|trial| trial.number).collect();
        assert_eq!(numbers, [1, 3, 0, 2, 4]);
    }
}
