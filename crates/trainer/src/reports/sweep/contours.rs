//! How does the objective change over two parameters at once? What lies between the trials is filled in from those nearby.

use std::fmt::Write as _;

use super::super::html::text::{escape, number};
use super::area::{Area, SIZE, dots, instead, shades};
use super::axes::Axis;
use super::history::mark;
use super::slices::{percent, spread};
use super::told::{Told, settings};
use crate::sweep::trial::Trial;

/// So many pairs are drawn.
const PAIRS: usize = 4;
/// So many cells along a range.
const CELLS: usize = 32;
/// So many shades.
const LEVELS: usize = 8;
/// From fewer trials nothing is filled in.
const TRIALS: usize = 8;

/// A complete trial: its number, its places, and its height as goodness.
type Point = (u64, f64, f64, f64);

/// The pairs that matter most.
pub(super) fn draw(told: &Told) -> String {
    const TITLE: &str = "Two parameters together";
    if told.axes.len() < 2 {
        return instead(TITLE, "There is one parameter alone.");
    }
    let Some(importance) = told.importance.first().and_then(Option::as_ref) else {
        return instead(
            TITLE,
            "There are too few complete trials with different values yet to say which pairs matter.",
        );
    };
    let share = |axis: usize| importance.dimensions.get(axis).map_or(0.0, |dimension| dimension.share);
    let mut pairs: Vec<(usize, usize, f64)> = (0..told.axes.len())
        .flat_map(|a| (a + 1..told.axes.len()).map(move |b| (a, b)))
        .map(|(a, b)| {
            let both = importance.pairs.iter().find(|pair| pair.dimensions == (a, b)).map_or(0.0, |pair| pair.share);
            let all = share(a) + share(b) + both;
            // To the right lies what matters more.
            if share(a) < share(b) { (b, a, all) } else { (a, b, all) }
        })
        .collect();
    pairs.sort_by(|a, b| b.2.total_cmp(&a.2));
    let drawings = pairs.iter().filter_map(|&(a, b, share)| pair(told, a, b, share)).take(PAIRS);
    let drawings: String = drawings.collect();
    if drawings.is_empty() {
        return instead(TITLE, "No two parameters have enough complete trials in common yet.");
    }
    let (worse, better) = told.goals[0].end.ends();
    format!(
        "<p class=\"lead\">Between the trials the shade is an interpolation: the mean of the trials nearby, the nearer the more. Where none is \
         near, nothing is filled in.</p><p class=\"ramp why\">{} {}{}{}</p><div class=\"grid2 even\">{drawings}</div>",
        escape(&told.goals[0].name),
        number(worse),
        shades('b', LEVELS),
        number(better)
    )
}

fn pair(told: &Told, a: usize, b: usize, share: f64) -> Option<String> {
    let (first, second, goal) = (&told.axes[a], &told.axes[b], &told.goals[0]);
    let point = |trial: &Trial| {
        let (x, y) = (first.place(settings(trial))?, second.place(settings(trial))?);
        trial.losses(&told.facts.objectives)?;
        Some((trial.number, x, y, goal.end.goodness(told.value(trial, 0)?)))
    };
    let points: Vec<Point> = told.drawn.iter().filter_map(|trial| point(trial)).collect();
    if points.len() < TRIALS {
        return None;
    }
    let place = |&(number, x, y, _): &Point| (number, spread(first, x, number), spread(second, y, number + 1));
    let mut marks = filled(&points, first, second);
    marks += &dots("over", points.iter().map(place));
    if let Some((number, x, y)) = told.best(0).and_then(point).as_ref().map(place) {
        marks += &mark(number, x, y);
    }
    let log = |axis: &Axis| if axis.is_logarithmic() { " (log)" } else { "" };
    let title = format!("{} and {}", first.short, second.short);
    let drawn = Area {
        title: &title,
        full: &format!("{} and {}", first.name, second.name),
        class: "square",
        upwards: format!("upwards {}{}", second.short, log(second)),
        rightwards: &format!("{}{}", first.short, log(first)),
        remark: format!("{} of the variance", percent(share)),
        x: first.ticks(4),
        y: second.ticks(4),
        description: format!(
            "{} over {} and {}, filled in between {} complete trials.",
            goal.name,
            first.name,
            second.name,
            points.len()
        ),
        marks,
        ..Area::default()
    };
    Some(drawn.draw())
}

/// The cells, those of a shade as one path.
fn filled(points: &[Point], first: &Axis, second: &Axis) -> String {
    let cells = |axis: &Axis| axis.values().unwrap_or(CELLS);
    let (columns, rows) = (cells(first), cells(second));
    // Fewer trials reach farther.
    let reach = 0.35 * (points.len() as f64).powf(-0.25);
    let mut drawn = vec![String::new(); LEVELS];
    let (width, height) = (SIZE / columns as f64, SIZE / rows as f64);
    for row in 0..rows {
        let y = (row as f64 + 0.5) / rows as f64;
        for column in 0..columns {
            let x = (column as f64 + 0.5) / columns as f64;
            let Some(goodness) = between(points, (x, y), reach, (first.is_choice(), second.is_choice())) else {
                continue;
            };
            let level = ((goodness * LEVELS as f64) as usize).min(LEVELS - 1);
            let (left, top) = (column as f64 * width, SIZE - (row + 1) as f64 * height);
            let _ = write!(drawn[level], "M{left:.1} {top:.1}h{width:.2}v{height:.2}h-{width:.2}z");
        }
    }
    let mut marks = String::new();
    for (level, path) in drawn.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
        let _ = write!(marks, "<path class=\"cell b{level}\" d=\"{path}\"/>");
    }
    marks
}

/// What is expected at a place: the mean of the trials around it, weighed by a bell curve; nothing where none is near. Between two choices there is
/// no nearness.
fn between(points: &[Point], at: (f64, f64), reach: f64, is_choice: (bool, bool)) -> Option<f64> {
    let apart = |a: f64, b: f64, is_choice: bool| match is_choice {
        true if (a - b).abs() < 1e-9 => 0.0,
        true => f64::INFINITY,
        false => (a - b) / reach,
    };
    let (mut weights, mut sum, mut nearest) = (0.0, 0.0, f64::INFINITY);
    for (_, x, y, goodness) in points {
        let (dx, dy) = (apart(*x, at.0, is_choice.0), apart(*y, at.1, is_choice.1));
        let squared = dx * dx + dy * dy;
        if squared < 16.0 {
            let weight = (-squared / 2.0_f64).exp();
            weights += weight;
            sum += weight * goodness;
            nearest = nearest.min(squared);
        }
    }
    (nearest < 4.0).then(|| sum / weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_trials_lies_their_mean_and_far_away_nothing() {
        let points: Vec<Point> = vec![(0, 0.2, 0.5, 0.0), (1, 0.4, 0.5, 1.0)];
        let at = |x: f64, choice| between(&points, (x, 0.5), 0.1, (choice, false));
        assert!((at(0.3, false).unwrap() - 0.5).abs() < 1e-9);
        assert!(at(0.21, false).unwrap() < 0.2);
        assert_eq!(at(0.9, false), None);
        assert_eq!((at(0.2, true), at(0.4, true), at(0.3, true)), (Some(0.0), Some(1.0), None));
    }
}
