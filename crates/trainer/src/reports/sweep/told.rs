//! What of a study does every part of the page need? Its trials in order, their values, and which of them are drawn.

use super::super::html::scale::Scale;
use super::super::html::spoken;
use super::super::html::text::{grouped, tick};
use super::SweepFacts;
use super::axes::{self, Axis, Settings};
use crate::metrics::Direction;
use crate::sweep::importance::Importance;
use crate::sweep::known::Known;
use crate::sweep::objectives::Objective;
use crate::sweep::trial::{self, Look, State, Trial};

/// So many trials are drawn at most; a screen has no room for more dots.
const DRAWN: usize = 1500;
/// So many of them are the best ones, the others are chosen evenly over all numbers.
const BEST: usize = 300;

/// A study, looked through once.
pub(super) struct Told<'a> {
    pub(super) facts: &'a SweepFacts,
    pub(super) goals: Vec<Goal<'a>>,
    pub(super) axes: Vec<Axis>,
    /// The complete trials, the best first.
    pub(super) ranked: Vec<&'a Trial>,
    /// The best trial, or those that none beats.
    pub(super) front: Vec<&'a Trial>,
    /// The trials that are drawn, by their numbers.
    pub(super) drawn: Vec<&'a Trial>,
    /// What matters, for each objective.
    pub(super) importance: Vec<Option<Importance>>,
}

/// An objective as a reader sees it.
pub(super) struct Goal<'a> {
    pub(super) objective: &'a Objective,
    pub(super) name: String,
    /// The axis on which complete and pruned trials lie.
    pub(super) reach: Reach,
    /// The axis on which complete trials lie.
    pub(super) end: Reach,
}

/// The axis of an objective. What went astray lies at its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    scale: Scale,
    direction: Direction,
    /// How many values lie beyond the axis.
    pub(super) beyond: usize,
}

impl<'a> Told<'a> {
    pub(super) fn of(facts: &'a SweepFacts) -> Self {
        // Without an objective there is no order.
        let trials = if facts.objectives.is_empty() { &[] } else { facts.trials.as_slice() };
        let ranked = trial::ranked(trials, &facts.objectives);
        let known: Vec<Known> =
            facts.trials.iter().filter_map(|trial| trial.known(&facts.dimensions, &facts.objectives)).collect();
        let importance = (0..facts.objectives.len())
            .map(|objective| Importance::of(&facts.dimensions, &known, objective, facts.seed))
            .collect();
        let goals = facts.objectives.iter().enumerate();
        let goals = goals.map(|(place, objective)| {
            let values = |trials: &[&Trial]| {
                let values = trials.iter().filter_map(|trial| value(trial, objective, place == 0));
                Reach::of(values.collect(), objective.direction())
            };
            let reach = values(&facts.trials.iter().collect::<Vec<_>>());
            Goal { objective, name: spoken(&objective.metric), reach, end: values(&ranked) }
        });
        Self {
            goals: goals.collect(),
            axes: axes::of(&facts.dimensions, &facts.space),
            front: trial::front(trials, &facts.objectives),
            drawn: drawn(&facts.trials, &ranked),
            facts,
            ranked,
            importance,
        }
    }

    /// What a trial reached in an objective: at its end, or until it was pruned.
    pub(super) fn value(&self, trial: &Trial, objective: usize) -> Option<f64> {
        value(trial, self.goals.get(objective)?.objective, objective == 0)
    }

    /// The best trial in one objective.
    pub(super) fn best(&self, objective: usize) -> Option<&'a Trial> {
        let goal = self.goals.get(objective)?;
        let loss = |trial: &Trial| self.value(trial, objective).map_or(f64::INFINITY, |v| goal.objective.loss(v));
        self.ranked.iter().copied().min_by(|a, b| loss(a).total_cmp(&loss(b)))
    }

    /// The trials that were made in this study.
    pub(super) fn own(&self) -> impl Iterator<Item = &'a Trial> {
        self.facts.trials.iter().filter(|trial| !trial.is_brought())
    }

    /// That not all trials are drawn, if so.
    pub(super) fn thinned(&self) -> Option<String> {
        let (drawn, all) = (self.drawn.len(), self.facts.trials.len());
        (drawn < all).then(|| {
            format!(
                "The drawings show {} of the {} trials: the best {BEST}, and of the others as many at even distances. Counts, the best so \
                 far and shares are those of all.",
                grouped(drawn as f64),
                grouped(all as f64)
            )
        })
    }

    /// The number of an axis in the order in which they matter for an objective.
    pub(super) fn by_importance(&self, objective: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.axes.len()).collect();
        if let Some(Some(importance)) = self.importance.get(objective) {
            let share = |axis: usize| importance.dimensions.get(axis).map_or(0.0, |dimension| dimension.share);
            order.sort_by(|&a, &b| share(b).total_cmp(&share(a)));
        }
        order
    }
}

fn value(trial: &Trial, objective: &Objective, is_first: bool) -> Option<f64> {
    if !matches!(trial.state, State::Complete | State::Pruned) {
        return None;
    }
    let scored = trial.scores.get(&objective.metric).copied().filter(|value| value.is_finite());
    let looked = || {
        let values = trial.history.iter().filter_map(|Look(_, value)| value.filter(|value| value.is_finite()));
        values.min_by(|a, b| objective.loss(*a).total_cmp(&objective.loss(*b)))
    };
    scored.or_else(|| if is_first { looked() } else { None })
}

/// The best ones, and the others at even distances, by their numbers.
fn drawn<'a>(trials: &'a [Trial], ranked: &[&'a Trial]) -> Vec<&'a Trial> {
    if trials.len() <= DRAWN {
        return trials.iter().collect();
    }
    let mut among = vec![false; trials.len()];
    let place = |trial: &Trial| trials.binary_search_by_key(&trial.number, |other| other.number).ok();
    for place in ranked.iter().take(BEST).filter_map(|trial| place(trial)) {
        among[place] = true;
    }
    let left = trials.len() - BEST.min(ranked.len());
    let room = DRAWN - BEST.min(ranked.len());
    let mut met = 0;
    for one in &mut among {
        if !*one {
            // Whole steps of room / left.
            *one = (met + 1) * room / left > met * room / left;
            met += 1;
        }
    }
    trials.iter().zip(among).filter(|(_, among)| *among).map(|(trial, _)| trial).collect()
}

/// The settings of a trial; empty if it has none.
pub(super) fn settings(trial: &Trial) -> &Settings {
    static NONE: Settings = Settings::new();
    trial.settings.as_ref().unwrap_or(&NONE)
}

/// A moment in seconds since 1970, if it lies within the years that are written with four digits.
pub(super) fn moment(seconds: Option<f64>) -> Option<f64> {
    seconds.filter(|seconds| (0.0..2.5e11).contains(seconds))
}

impl Reach {
    /// An axis for the values: by factors if losses span many times, else without those that are far worse than most.
    pub(super) fn of(mut values: Vec<f64>, direction: Direction) -> Self {
        values.retain(|value| value.is_finite());
        values.sort_by(f64::total_cmp);
        if direction == Direction::Higher {
            values.reverse();
        }
        let wide = direction == Direction::Lower && Scale::around(values.iter().copied(), true).is_logarithmic();
        let mut inside = values.len();
        if !wide && !values.is_empty() {
            let at = |tenths: usize| values[(values.len() - 1) * tenths / 10];
            let spread = (at(9) - at(1)).abs();
            if spread > 0.0 {
                inside = values.partition_point(|value| {
                    (value - at(9)).abs() <= 2.0 * spread || is_before(*value, at(9), direction)
                });
            }
        }
        let scale = Scale::around(values[..inside].iter().copied(), wide);
        Self { scale, direction, beyond: values.len() - inside }
    }

    /// Where a value lies, from 0 to 1.
    pub(super) fn place(&self, value: f64) -> f64 {
        self.scale.place(value).clamp(0.0, 1.0)
    }

    /// The place of the worst, 0 or 1.
    pub(super) fn worst(&self) -> f64 {
        match self.direction {
            Direction::Higher => 0.0,
            Direction::Lower => 1.0,
        }
    }

    /// How good a value is, from 0 to 1.
    pub(super) fn goodness(&self, value: f64) -> f64 {
        match self.direction {
            Direction::Higher => self.place(value),
            Direction::Lower => 1.0 - self.place(value),
        }
    }

    /// The values at the worse and at the better end.
    pub(super) fn ends(&self) -> (f64, f64) {
        let (low, high) = self.scale.ends();
        match self.direction {
            Direction::Higher => (low, high),
            Direction::Lower => (high, low),
        }
    }

    pub(super) fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        let ticks = self.scale.ticks(count).into_iter().filter(|(value, _)| value.is_finite());
        ticks.map(|(value, step)| (self.scale.place(value), tick(value, step))).collect()
    }

    pub(super) fn is_logarithmic(&self) -> bool {
        self.scale.is_logarithmic()
    }

    /// That some values lie beyond, if so.
    pub(super) fn remark(&self) -> String {
        match self.beyond {
            0 => String::new(),
            1 => "1 value lies beyond the axis, at its edge".into(),
            some => format!("{} values lie beyond the axis, at its edge", grouped(some as f64)),
        }
    }
}

/// Whether a value is better than another one.
fn is_before(value: f64, than: f64, direction: Direction) -> bool {
    match direction {
        Direction::Higher => value > than,
        Direction::Lower => value < than,
    }
}

impl Goal<'_> {
    /// The objective and which way is better.
    pub(super) fn upwards(&self) -> String {
        self.on(&self.reach)
    }

    /// The same on an axis of a drawing.
    pub(super) fn on(&self, reach: &Reach) -> String {
        let better = match self.objective.direction() {
            Direction::Higher => "higher is better",
            Direction::Lower => "lower is better",
        };
        let scale = if reach.is_logarithmic() { ", logarithmic" } else { "" };
        format!("{} ({better}{scale})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_astray_lies_at_the_edge() {
        let mut values: Vec<f64> = (0..100).map(|k| 0.9 + f64::from(k) * 0.001).collect();
        values.extend([0.1, f64::NAN]);
        let reach = Reach::of(values, Direction::Higher);
        assert_eq!((reach.beyond, reach.place(0.1)), (1, 0.0));
        assert!(reach.goodness(0.95) > 0.4 && reach.goodness(0.95) < 0.6);
        let losses = Reach::of(vec![0.1, 0.2, 0.3, 1e6], Direction::Lower);
        assert!(losses.is_logarithmic() && losses.beyond == 0 && losses.goodness(0.1) > 0.9);
        for few in [vec![], vec![3.0], vec![f64::MAX, f64::MIN], vec![f64::NAN]] {
            let reach = Reach::of(few, Direction::Lower);
            assert!(reach.beyond == 0 && reach.place(3.0).is_finite());
        }
    }

    #[test]
    fn few_of_many_trials_are_drawn() {
        let trials: Vec<Trial> = (0..10_000).map(|number| Trial::new(number, "searcher")).collect();
        let ranked: Vec<&Trial> = trials[5000..6000].iter().collect();
        let chosen = drawn(&trials, &ranked);
        assert_eq!(chosen.len(), DRAWN);
        assert_eq!(chosen.iter().filter(|trial| (5000..5300).contains(&trial.number)).count(), 300);
        assert!(chosen.windows(2).all(|pair| pair[0].number < pair[1].number));
    }
}
