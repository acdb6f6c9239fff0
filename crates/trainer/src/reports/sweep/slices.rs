//! How does the objective change along each parameter?

use std::fmt::Write as _;

use super::super::html::text::{escape, grouped, plain};
use super::area::{Area, dots, instead, line};
use super::axes::Axis;
use super::history::mark;
use super::told::{Told, settings};
use crate::metrics::Direction;
use crate::sweep::trial::{State, Trial};

/// So many parameters are drawn at most, those that matter most.
const DRAWN: usize = 24;

/// A drawing for each parameter, those that matter most first.
pub(super) fn draw(told: &Told) -> String {
    if told.goals.is_empty() || told.ranked.is_empty() {
        return instead("Each parameter by itself", "No trial came to its end yet.");
    }
    let order = told.by_importance(0);
    let slices: String = order.iter().take(DRAWN).map(|&axis| slice(told, axis)).collect();
    let mut html = legend(told) + &format!("<div class=\"grid3\">{slices}</div>");
    if order.len() > DRAWN {
        let _ = write!(
            html,
            "<p class=\"why\">The {DRAWN} parameters that matter most of {}.</p>",
            grouped(order.len() as f64)
        );
    }
    html
}

fn legend(told: &Told) -> String {
    let mut html = format!(
        "<p class=\"legend\"><span>{}</span><span class=\"sign complete\">complete</span>",
        escape(&told.goals[0].on(&told.goals[0].end))
    );
    if told.drawn.iter().any(|trial| trial.state == State::Pruned) {
        html += "<span class=\"sign pruned\">pruned, at the edge</span>";
    }
    if told.importance.first().is_some_and(Option::is_some) {
        html += "<span class=\"sign expected\">what is expected, all other parameters averaged out</span>";
    }
    let remark = told.goals[0].end.remark();
    if !remark.is_empty() {
        let _ = write!(html, "<span>{remark}</span>");
    }
    html + "</p>"
}

fn slice(told: &Told, number: usize) -> String {
    let (axis, goal) = (&told.axes[number], &told.goals[0]);
    let point = |trial: &Trial| {
        let x = spread(axis, axis.place(settings(trial))?, trial.number);
        // What pruned trials had reached is that of another moment: they show where they were, not how good.
        let ended = trial.state == State::Complete;
        Some((trial.number, x, if ended { goal.end.place(told.value(trial, 0)?) } else { goal.end.worst() }))
    };
    let of = |state: State| {
        let trials = told.drawn.iter().filter(move |trial| trial.state == state);
        trials.filter_map(|trial| point(trial)).collect::<Vec<_>>()
    };
    let (complete, pruned) = (of(State::Complete), of(State::Pruned));
    if complete.is_empty() {
        return instead(&axis.short, "It counted in no complete trial yet.");
    }
    let count = complete.len();
    let mut marks = dots("pruned", pruned.clone()) + &dots("hole", pruned) + &dots("complete", complete);
    let importance = told.importance.first().and_then(Option::as_ref);
    let share = importance.and_then(|importance| importance.dimensions.get(number));
    if let Some(share) = share {
        marks += &expected(told, axis, &share.losses);
    }
    if let Some((number, x, y)) = told.best(0).and_then(point) {
        marks += &mark(number, x, y);
    }
    let scale = if axis.is_logarithmic() { "logarithmic" } else { "" };
    Area {
        title: &axis.short,
        full: &axis.name,
        upwards: scale.to_owned(),
        remark: share.map_or_else(String::new, |share| percent(share.share)),
        x: axis.ticks(4),
        y: goal.end.ticks(4),
        description: format!("{} of {count} complete trials along {}.", goal.name, axis.name),
        marks,
        ..Area::default()
    }
    .draw()
}

/// A share in percent.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 0.95 { format!("{} %", plain((percent * 10.0).round() / 10.0)) } else { format!("{percent:.0} %") }
}

/// The place on an axis; among choices beside the others of the same choice, so that not all lie on one spot.
pub(super) fn spread(axis: &Axis, place: f64, number: u64) -> f64 {
    let Some(values) = axis.values() else { return place };
    // Multiples of the golden ratio lie evenly in every stretch of numbers.
    let aside = (number as f64 * 0.618_033_988_749_895).fract() - 0.5;
    place + aside * 0.6 / values as f64
}

/// What the forest expects along an axis.
fn expected(told: &Told, axis: &Axis, losses: &[f64]) -> String {
    let goal = &told.goals[0];
    let height = |loss: f64| match goal.objective.direction() {
        Direction::Higher => goal.end.place(-loss),
        Direction::Lower => goal.end.place(loss),
    };
    let count = losses.len() as f64;
    let middle = |bin: usize| (bin as f64 + 0.5) / count;
    if axis.is_choice() || axis.values().is_some_and(|values| values == losses.len()) {
        let steps = losses.iter().enumerate().map(|(bin, &loss)| {
            let (at, half) = (height(loss), 0.42 / count);
            line("expected", &[(middle(bin) - half, at), (middle(bin) + half, at)])
        });
        return steps.collect();
    }
    let points: Vec<(f64, f64)> = losses.iter().enumerate().map(|(bin, &loss)| (middle(bin), height(loss))).collect();
    line("expected", &points)
}
