//! What is the price of one objective in the other? All trials by both, and those that none beats.

use super::super::html::text::number;
use super::area::{Area, dots, instead, line};
use super::told::Told;
use crate::metrics::Direction;
use crate::sweep::trial::Trial;

/// The drawing; nothing for one objective.
pub(super) fn draw(told: &Told) -> String {
    const TITLE: &str = "Both objectives";
    let [first, second, ..] = told.goals.as_slice() else { return String::new() };
    if told.front.is_empty() {
        return instead(TITLE, "No trial came to its end yet.");
    }
    let (right, up) = (first.end, second.end);
    let place =
        |trial: &Trial| Some((trial.number, right.place(told.value(trial, 0)?), up.place(told.value(trial, 1)?)));
    let is_front = |trial: &Trial| told.front.iter().any(|other| other.number == trial.number);
    let others = told.drawn.iter().filter(|trial| trial.losses(&told.facts.objectives).is_some() && !is_front(trial));
    let others: Vec<_> = others.filter_map(|trial| place(trial)).collect();
    let mut front: Vec<_> = told.front.iter().filter_map(|trial| place(trial)).collect();
    front.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut marks = dots("complete", others);
    if told.goals.len() == 2 {
        marks += &line("best", &staircase(&front, first.objective.direction()));
    }
    marks += &(dots("ring", front.clone()) + &dots("mark", front));
    let remark = [right.remark(), up.remark()].into_iter().find(|remark| !remark.is_empty());
    Area {
        title: if told.goals.len() == 2 { TITLE } else { "The first two objectives" },
        class: "tall",
        upwards: format!("upwards {}", second.on(&up)),
        rightwards: &first.on(&right),
        legend: vec![("complete", "complete".into()), ("mark", "beaten by none".into())],
        remark: remark.unwrap_or_default(),
        x: right.ticks(6),
        y: up.ticks(5),
        description: format!("{} of {} complete trials are beaten by none.", told.front.len(), told.ranked.len()),
        marks,
        ..Area::default()
    }
    .draw()
}

/// The edge of what is reached, along the front from left to right: as far as one trial comes, the next one is counted.
fn staircase(front: &[(u64, f64, f64)], first: Direction) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (_, x, y) in front {
        if let Some(&(before, height)) = points.last() {
            points.push(match first {
                Direction::Higher => (before, *y),
                Direction::Lower => (*x, height),
            });
        }
        points.push((*x, *y));
    }
    points
}

/// The front in words.
pub(super) fn sentence(told: &Told) -> String {
    let best = |objective: usize| {
        let trial = told.best(objective)?;
        Some(format!(
            "{} {} in trial {}",
            told.goals[objective].name,
            number(told.value(trial, objective)?),
            trial.number
        ))
    };
    (0..told.goals.len()).filter_map(best).collect::<Vec<_>>().join("; ")
}
