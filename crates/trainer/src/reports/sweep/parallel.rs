//! Which settings go together with which values? A line for each trial across an axis for each parameter.

use std::fmt::Write as _;

use super::super::html::text::{escape, grouped, shortened};
use super::area::{SIZE, instead, lines, open, shades, svg};
use super::told::{Told, settings};
use crate::sweep::trial::Trial;

/// So many parameters have an axis at most, those that matter most.
const AXES: usize = 12;
/// So many shades.
const SHADES: usize = 5;
/// So many lines can still be followed with the eye.
const LINES: usize = 400;
/// An axis takes so many pixels at least.
const WIDTH: usize = 104;
/// Below all values lies, on every axis that needs it, a place for trials without one.
const NONE: f64 = 0.0;
/// Where values begin on such an axis.
const FLOOR: f64 = 0.1;

/// The drawing.
pub(super) fn draw(told: &Told) -> String {
    const TITLE: &str = "All parameters at once";
    if told.axes.is_empty() {
        return instead(TITLE, "Nothing is varied.");
    }
    let trials: Vec<&Trial> = told.ranked.iter().copied().filter(|trial| !settings(trial).is_empty()).collect();
    if trials.is_empty() {
        return instead(TITLE, "No trial came to its end yet.");
    }
    let mut order = told.by_importance(0);
    let all = order.len();
    order.truncate(AXES);
    let every = trials.len().div_ceil(LINES).max(1);
    // The best ones, and the others at even distances.
    let best = if every == 1 { 0 } else { LINES / 4 };
    let kept = trials.iter().enumerate().filter(|(rank, _)| *rank < best || rank.is_multiple_of(every));
    let kept: Vec<(usize, &Trial)> = kept.map(|(rank, trial)| (rank, *trial)).collect();
    let lacks = |axis: usize| kept.iter().any(|(_, trial)| told.axes[axis].place(settings(trial)).is_none());
    let lacking: Vec<bool> = order.iter().map(|&axis| lacks(axis)).collect();
    let columns = order.len() + told.goals.len();
    let x = |column: usize| (column as f64 + 0.5) / columns as f64;
    let line = |trial: &Trial| {
        let places = order.iter().zip(&lacking).enumerate().map(|(column, (&axis, &lacking))| {
            let floor = if lacking { FLOOR } else { 0.0 };
            let y = told.axes[axis].place(settings(trial)).map_or(NONE, |place| floor + place * (1.0 - floor));
            (x(column), y)
        });
        let values = (0..told.goals.len()).filter_map(|objective| {
            let value = told.value(trial, objective)?;
            Some((x(order.len() + objective), told.goals[objective].end.place(value)))
        });
        places.chain(values).collect::<Vec<_>>()
    };
    let mut marks = String::new();
    for shade in (0..SHADES).rev() {
        // The best are drawn last; of each shade the worse ones first.
        let of = kept.iter().rev().filter(|(rank, _)| rank * SHADES / trials.len() == shade);
        marks += &lines(&format!("q{}", SHADES - 1 - shade), of.map(|(_, trial)| (trial.number, line(trial))));
    }
    if let Some((_, best)) = kept.first() {
        marks += &lines("best", [(best.number, line(best))]);
    }
    let mut html = String::new();
    let _ = write!(
        html,
        "<figure class=\"chart parallel\"><figcaption><h3>{TITLE}</h3><span class=\"legend\"><span>{}from the worst fifth to the best</span>\
         <span class=\"sign best\">{}</span></span>",
        shades('f', SHADES),
        if told.goals.len() > 1 { "the best in the first objective" } else { "the best" },
    );
    let mut remarks = Vec::new();
    if kept.len() < trials.len() {
        remarks.push(format!("{} of {} complete trials", kept.len(), grouped(trials.len() as f64)));
    }
    if order.len() < all {
        remarks.push(format!("the {AXES} parameters that matter most of {all}"));
    }
    if !remarks.is_empty() {
        let _ = write!(html, "<span class=\"remark\">{}</span>", remarks.join("; "));
    }
    let description = format!("{} complete trials across {} parameters, the best in front.", kept.len(), order.len());
    html += "</figcaption><div class=\"scroll\">";
    html += &open(TITLE, "", &format!(" style=\"min-width:{}px\"", columns * WIDTH));
    let mut grid = String::new();
    for (column, (&axis, &lacking)) in order.iter().zip(&lacking).enumerate() {
        let floor = if lacking { FLOOR } else { 0.0 };
        let axis = &told.axes[axis];
        html += &name(x(column), column, &axis.short, &axis.name);
        for (place, label) in axis.ticks(4) {
            html += &at(x(column), floor + place * (1.0 - floor), &label);
        }
        if lacking {
            html += &at(x(column), NONE, "none");
        }
        let _ = write!(grid, "M{:.1} 0V{:.1}", x(column) * SIZE, (1.0 - floor) * SIZE);
    }
    for (objective, goal) in told.goals.iter().enumerate() {
        let column = order.len() + objective;
        html += &name(x(column), column, &goal.name, &goal.on(&goal.end));
        for (place, label) in goal.end.ticks(5) {
            html += &at(x(column), place, &label);
        }
        let _ = write!(grid, "M{:.1} 0V{SIZE}", x(column) * SIZE);
    }
    let _ = write!(
        html,
        "{}{marks}<path class=\"axis\" d=\"{grid}\"/></svg></div></div></figure>",
        svg(TITLE, &description)
    );
    if lacking.iter().any(|lacking| *lacking) {
        html += "<p class=\"why\">none: the parameter did not count in that trial.</p>";
    }
    html
}

/// The name of an axis; every other one stands higher, so that long ones have room.
fn name(x: f64, column: usize, short: &str, full: &str) -> String {
    let class = if column.is_multiple_of(2) { "name" } else { "name high" };
    format!(
        "<span class=\"{class}\" style=\"left:{:.2}%\" title=\"{}\">{}</span>",
        x * 100.0,
        escape(full),
        escape(&shortened(short, 24))
    )
}

fn at(x: f64, y: f64, label: &str) -> String {
    let (left, bottom) = (x * 100.0, y * 100.0);
    format!("<span class=\"at\" style=\"left:{left:.2}%;bottom:{bottom:.2}%\">{}</span>", escape(label))
}
