//! How did the search go on, and how did each trial?

use super::super::html::scale::Scale;
use super::super::html::text::{grouped, number, plain};
use super::area::{Area, dots, instead, line, lines};
use super::told::{Reach, Told};
use crate::sweep::objectives::Objective;
use crate::sweep::trial::{Look, State, Trial};

/// So many curves of trials are drawn at most.
const CURVES: usize = 150;
/// A curve has so many points at most.
const POINTS: usize = 60;

/// Every trial by its number, and the best so far; one drawing for each objective.
pub(super) fn search(told: &Told) -> String {
    (0..told.goals.len()).map(|objective| by_number(told, objective)).collect()
}

fn by_number(told: &Told, objective: usize) -> String {
    let goal = &told.goals[objective];
    let title = if told.goals.len() > 1 { format!("Search for the best {}", goal.name) } else { "Search".to_owned() };
    if !told.facts.trials.iter().any(|trial| told.value(trial, objective).is_some()) {
        return instead(&title, "No trial has a value yet.");
    }
    let last = told.facts.trials.last().map_or(0, |trial| trial.number);
    let place = |number: u64| (number as f64 + 0.5) / (last + 1) as f64;
    let of = |state: State| {
        let trials = told.drawn.iter().filter(move |trial| trial.state == state);
        let points = trials.filter_map(|trial| {
            Some((trial.number, place(trial.number), goal.reach.place(told.value(trial, objective)?)))
        });
        points.collect::<Vec<_>>()
    };
    let failed = told.drawn.iter().filter(|trial| trial.state == State::Failed);
    let failed: Vec<_> = failed.map(|trial| (trial.number, place(trial.number), 0.0)).collect();
    let (complete, pruned) = (of(State::Complete), of(State::Pruned));
    let so_far = best_so_far(told, objective);
    let best = so_far.last().copied();
    let steps: Vec<(f64, f64)> = so_far
        .iter()
        .enumerate()
        .flat_map(|(index, &(number, value))| {
            let until = so_far.get(index + 1).map_or(1.0, |next| place(next.0));
            [(place(number), goal.reach.place(value)), (until, goal.reach.place(value))]
        })
        .collect();
    let mut legend = vec![("complete", "complete".to_owned())];
    legend.extend((!pruned.is_empty()).then(|| ("pruned", "pruned, its best until then".to_owned())));
    legend.extend((!failed.is_empty()).then(|| ("failed", "failed, no value".to_owned())));
    legend.extend((!steps.is_empty()).then(|| ("best", "best so far".to_owned())));
    let mut marks = dots("pruned", pruned.clone()) + &dots("hole", pruned);
    marks += &dots("complete", complete);
    marks += &line("best", &steps);
    marks += &dots("failed", failed);
    if let Some((number, value)) = best {
        marks += &mark(number, place(number), goal.reach.place(value));
    }
    let found = best.map_or("No trial came to its end.".to_owned(), |(trial, value)| {
        format!("The best of {} trials is trial {trial} with {}.", grouped((last + 1) as f64), number(value))
    });
    let ticks = Scale::spanning(0.0, (last + 1) as f64).ticks(6);
    Area {
        title: &title,
        class: "tall",
        upwards: goal.upwards(),
        rightwards: "trial",
        legend,
        remark: goal.reach.remark(),
        x: ticks
            .into_iter()
            .filter(|(value, _)| value.fract() == 0.0 && *value <= last as f64)
            .map(|(value, _)| (place(value as u64), grouped(value)))
            .collect(),
        y: goal.reach.ticks(5),
        description: found,
        marks,
        ..Area::default()
    }
    .draw()
}

/// A trial that everyone should see.
pub(super) fn mark(number: u64, x: f64, y: f64) -> String {
    dots("ring", [(number, x, y)]) + &dots("mark", [(number, x, y)])
}

/// The complete trials that were better than all before them: the number and value of each.
fn best_so_far(told: &Told, objective: usize) -> Vec<(u64, f64)> {
    let goal = &told.goals[objective];
    let mut found: Vec<(u64, f64)> = Vec::new();
    for trial in told.facts.trials.iter().filter(|trial| trial.state == State::Complete) {
        let Some(value) = told.value(trial, objective) else { continue };
        if found.last().is_none_or(|(_, best)| goal.objective.loss(value) < goal.objective.loss(*best)) {
            found.push((trial.number, value));
        }
    }
    found
}

/// What each evaluation of the trials found.
pub(super) fn curves(told: &Told) -> String {
    const TITLE: &str = "Curves of the trials";
    let Some(goal) = told.goals.first() else { return String::new() };
    let all: Vec<&Trial> = told.drawn.iter().copied().filter(|trial| has_values(trial)).collect();
    let most = all.iter().map(|trial| trial.history.len()).max().unwrap_or(0);
    if most < 2 {
        return instead(TITLE, "No trial was evaluated more than once, so there is no curve to draw.");
    }
    let best = told.best(0);
    let chosen = chosen(&all, best);
    let values = chosen.iter().flat_map(|trial| trial.history.iter().filter_map(|look| look.1));
    let reach = Reach::of(values.collect(), goal.objective.direction());
    let place = |evaluation: usize| (evaluation - 1) as f64 / (most - 1) as f64;
    let curve = |trial: &Trial| {
        let every = trial.history.len().div_ceil(POINTS).max(1);
        let last = trial.history.len();
        let kept = (1..=last).filter(|evaluation| (last - evaluation).is_multiple_of(every));
        let points = kept.filter_map(|evaluation| {
            let Look(_, value) = trial.history[evaluation - 1];
            Some((place(evaluation), reach.place(value.filter(|value| value.is_finite())?)))
        });
        points.collect::<Vec<_>>()
    };
    let is_best = |trial: &Trial| best.is_some_and(|best| best.number == trial.number);
    let of = |state: State| {
        let trials = chosen.iter().filter(move |trial| trial.state == state && !is_best(trial));
        trials.map(|trial| (trial.number, curve(trial))).collect::<Vec<_>>()
    };
    let (pruned, mut open) = (of(State::Pruned), of(State::Running));
    open.extend(of(State::Waiting));
    let is_open = !open.is_empty();
    let ends = pruned.iter().filter_map(|(number, points)| points.last().map(|&(x, y)| (*number, x, y)));
    let ends: Vec<_> = ends.collect();
    let mut marks = lines("pruned", pruned) + &lines("running", open) + &lines("complete", of(State::Complete));
    let mut legend = vec![("curve complete", "complete".to_owned())];
    legend.extend((!ends.is_empty()).then(|| ("pruned", "pruned where it ends".to_owned())));
    marks += &(dots("pruned", ends.clone()) + &dots("hole", ends));
    if is_open {
        legend.push(("curve running", "not at its end".to_owned()));
    }
    if let Some(best) = best.filter(|best| has_values(best)) {
        marks += &lines("best", [(best.number, curve(best))]);
        legend.push(("best", format!("trial {}, the best", best.number)));
    }
    let mut remarks = Vec::new();
    if chosen.len() < all.len() {
        remarks.push(format!("{} of {} curves, the best among them", chosen.len(), grouped(all.len() as f64)));
    }
    remarks.extend(Some(reach.remark()).filter(|remark| !remark.is_empty()));
    let ticks = Scale::spanning(1.0, most as f64).ticks(6);
    let log = if reach.is_logarithmic() { ", logarithmic" } else { "" };
    Area {
        title: TITLE,
        class: "tall",
        upwards: format!("{}{log}", goal.name),
        rightwards: "evaluation",
        legend,
        remark: remarks.join("; "),
        x: ticks
            .into_iter()
            .filter(|(value, _)| value.fract() == 0.0)
            .map(|(value, _)| (place(value as usize), plain(value)))
            .collect(),
        y: reach.ticks(5),
        description: described(&chosen, goal.objective),
        marks,
        ..Area::default()
    }
    .draw()
}

fn has_values(trial: &Trial) -> bool {
    trial.state != State::Failed && trial.history.iter().any(|look| look.1.is_some_and(f64::is_finite))
}

/// As many trials as can be told apart: evenly over all of them, and the best.
fn chosen<'a>(all: &[&'a Trial], best: Option<&'a Trial>) -> Vec<&'a Trial> {
    let count = CURVES.min(all.len());
    let mut chosen: Vec<&Trial> = (0..count).map(|place| all[place * all.len() / count]).collect();
    if let Some(best) = best.filter(|best| all.iter().any(|trial| trial.number == best.number))
        && chosen.iter().all(|trial| trial.number != best.number)
    {
        chosen.push(best);
    }
    chosen
}

fn described(chosen: &[&Trial], objective: &Objective) -> String {
    let count = |state: State| chosen.iter().filter(|trial| trial.state == state).count();
    format!(
        "The {} of {} complete and {} pruned trials, evaluation by evaluation.",
        objective.metric,
        count(State::Complete),
        count(State::Pruned)
    )
}
