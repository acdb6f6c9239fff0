//! When was each trial trained, and by which worker?

use super::super::html::text::{duration, grouped};
use super::area::{Area, instead, lines};
use super::told::{Told, moment};
use crate::sweep::trial::{State, Trial};

/// So many workers have a row of their own.
const WORKERS: usize = 16;
/// A row is so many pixels high.
const ROW: usize = 24;
/// The shortest bar that can be seen.
const SHORTEST: f64 = 0.0012;

/// The drawing.
pub(super) fn draw(told: &Told) -> String {
    const TITLE: &str = "Workers";
    let began = |trial: &Trial| moment(trial.began).unwrap_or(0.0);
    let mut all: Vec<&Trial> = told.own().filter(|trial| moment(trial.began).is_some()).collect();
    all.sort_by(|a, b| began(a).total_cmp(&began(b)));
    let Some(from) = all.first().map(|trial| began(trial)) else {
        return instead(TITLE, "No trial has begun yet.");
    };
    let until = |trial: &Trial| {
        let now = moment(Some(told.facts.written)).filter(|_| trial.state == State::Running);
        moment(trial.ended).or(now).unwrap_or(from).max(began(trial))
    };
    let to = all.iter().map(|trial| until(trial)).fold(from, f64::max);
    let span = if to > from { to - from } else { 1.0 };
    let mut workers: Vec<&str> = Vec::new();
    for trial in &all {
        let worker = trial.worker.as_deref().unwrap_or("");
        if !workers.contains(&worker) && workers.len() <= WORKERS {
            workers.push(worker);
        }
    }
    let many = workers.len() > WORKERS;
    let rows = workers.len().min(WORKERS);
    let drawn: std::collections::BTreeSet<u64> = told.drawn.iter().map(|trial| trial.number).collect();
    let bar = |trial: &Trial| {
        let row = workers.iter().position(|worker| *worker == trial.worker.as_deref().unwrap_or(""))?;
        let y = 1.0 - (row.min(rows - 1) as f64 + 0.5) / rows as f64;
        let begins = (began(trial) - from) / span;
        let ends = ((until(trial) - from) / span).max(begins + SHORTEST);
        // A hair between two bars, where there is room.
        let ends = if ends - begins > 4.0 * SHORTEST { ends - SHORTEST / 2.0 } else { ends };
        Some((trial.number, vec![(begins.min(1.0 - SHORTEST), y), (ends.min(1.0), y)]))
    };
    let shown = || all.iter().filter(|trial| drawn.contains(&trial.number));
    let (mut marks, mut legend) = (String::new(), Vec::new());
    for (state, class) in [
        (State::Complete, "span complete"),
        (State::Pruned, "span pruned"),
        (State::Failed, "span failed"),
        (State::Running, "span running"),
        (State::Waiting, "span waiting"),
    ] {
        let bars = lines(class, shown().filter(|trial| trial.state == state).filter_map(|trial| bar(trial)));
        if !bars.is_empty() {
            legend.push((class, if state == State::Waiting { "interrupted".into() } else { state.name().to_owned() }));
            marks += &bars;
        }
    }
    let mut remarks = vec![format!("{} from the first to the last", duration(span))];
    if many {
        remarks.push(format!("the last row holds all workers after the first {}", WORKERS - 1));
    }
    let y = (0..rows).map(|row| (1.0 - (row as f64 + 0.5) / rows as f64, format!("{}", row + 1)));
    let names: Vec<String> =
        workers.iter().take(rows).enumerate().map(|(row, name)| format!("{} is {name}", row + 1)).collect();
    let mut html = Area {
        title: TITLE,
        class: "timeline",
        rightwards: "since the first trial began",
        legend,
        remark: remarks.join("; "),
        x: times(span),
        y: y.collect(),
        description: format!("{} trials over {} workers. {}.", grouped(all.len() as f64), rows, names.join(", ")),
        marks,
        height: Some((rows * ROW).max(40)),
        ..Area::default()
    }
    .draw();
    html += "<p class=\"why\">A trial stands in the row of the worker that had it last, from its first beginning to its end; what lies \
             between, if it was interrupted, is part of it.</p>";
    html
}

/// Round times until the last one.
fn times(span: f64) -> Vec<(f64, String)> {
    const STEPS: [f64; 22] = [
        0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0,
        3600.0, 7200.0, 14400.0, 28800.0,
    ];
    let step =
        STEPS.into_iter().find(|step| span / step <= 6.0).unwrap_or_else(|| (span / 6.0 / 86400.0).ceil() * 86400.0);
    let count = (span / step) as usize;
    (0..=count.min(12)).map(|index| (index as f64 * step / span, written(index as f64 * step, step))).collect()
}

fn written(seconds: f64, step: f64) -> String {
    let whole = seconds.round() as u64;
    match step {
        _ if whole == 0 && step >= 1.0 => "0".into(),
        step if step < 1.0 => format!("{seconds:.2} s"),
        step if step < 60.0 && whole < 60 => format!("{whole} s"),
        step if step < 60.0 => format!("{}:{:02} min", whole / 60, whole % 60),
        step if step < 3600.0 && whole < 3600 => format!("{} min", whole / 60),
        step if step < 86400.0 && whole < 86400 * 2 => format!("{}:{:02} h", whole / 3600, whole % 3600 / 60),
        _ => format!("{:.1} d", seconds / 86400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_round_and_few() {
        let labels = |span: f64| times(span).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(labels(55.0), ["0", "10 s", "20 s", "30 s", "40 s", "50 s"]);
        assert_eq!(labels(150.0), ["0", "30 s", "1:00 min", "1:30 min", "2:00 min", "2:30 min"]);
        assert_eq!(labels(7300.0), ["0", "30 min", "1:00 h", "1:30 h", "2:00 h"]);
        assert_eq!(labels(1e6).len(), 6);
        for span in [1e-9, 0.3, 1e12] {
            assert!(times(span).len() <= 13 && times(span).iter().all(|(place, _)| place.is_finite()));
        }
    }
}
