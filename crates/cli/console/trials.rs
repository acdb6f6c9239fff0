//! How does a sweep look while it goes on? A bar for the whole and one for each trial on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use trainer::sweep::objectives::Objective;
use trainer::sweep::status::Status;
use trainer::sweep::study::Study;
use trainer::sweep::trial::{State, Trial};

use crate::report;

/// How many trials that run are shown beside each other.
const LINES: usize = 16;
/// How often a line is printed where there is no terminal.
const QUIET: Duration = Duration::from_secs(5);

/// A view of a sweep that is under way.
pub struct Live {
    bars: MultiProgress,
    whole: ProgressBar,
    running: Vec<ProgressBar>,
    terminal: bool,
    quiet: bool,
    begun: Instant,
    finished_before: u64,
    told: usize,
    last_line: Instant,
}

impl Live {
    pub fn begin(study: &Study, device: &str, json: bool) -> Self {
        let standing = Status::of(study);
        let terminal = !json && std::io::stderr().is_terminal();
        if !json {
            let budget = standing.trials.map_or_else(String::new, |trials| format!(" of {}", report::count(trials)));
            report::note(format!(
                "{} on {device}: {} by {} and {}, {}{budget} trials finished, in {}",
                names(study.objectives()),
                parameters(study),
                study.sweep.searcher.name(),
                study.sweep.pruner.as_ref().map_or("none", |pruner| pruner.name()),
                report::count(standing.finished),
                study.folder().display(),
            ));
        }
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        let whole = bars.add(ProgressBar::new(standing.trials.unwrap_or(0)));
        let style = ProgressStyle::with_template("{bar:24.cyan/dim} {pos}/{len} trials · {wide_msg}");
        whole.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let told = study.trials.iter().filter(|trial| trial.error.is_some()).count();
        let now = Instant::now();
        let finished_before = standing.finished;
        Self {
            bars,
            whole,
            running: Vec::new(),
            terminal,
            quiet: json,
            begun: now,
            finished_before,
            told,
            last_line: now,
        }
    }

    pub fn show(&mut self, study: &Study) {
        if self.quiet {
            return;
        }
        let standing = Status::of(study);
        self.tell_errors(study);
        let text = format!("{}{}", summary(study, &standing), self.left(&standing));
        if !self.terminal {
            if self.last_line.elapsed() >= QUIET {
                self.last_line = Instant::now();
                let budget = standing.trials.map_or_else(String::new, |trials| format!("/{trials}"));
                report::note(format!("{}{budget} trials, {text}", standing.finished));
            }
            return;
        }
        self.whole.set_length(standing.trials.unwrap_or(standing.finished));
        self.whole.set_position(standing.finished);
        self.whole.set_message(text);
        let trials: Vec<&Trial> =
            study.trials.iter().filter(|trial| trial.state == State::Running).take(LINES).collect();
        while self.running.len() < trials.len() {
            let bar = self.bars.add(ProgressBar::new(1));
            let style = ProgressStyle::with_template("  {bar:12.dim} {wide_msg:.dim}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.running.push(bar);
        }
        for bar in self.running.drain(trials.len()..) {
            bar.finish_and_clear();
        }
        for (bar, trial) in self.running.iter().zip(trials) {
            bar.set_length(trial.planned.max(1));
            bar.set_position(trial.history.len() as u64);
            bar.set_message(line(trial, study.objectives()));
        }
    }

    /// Errors are told once each.
    fn tell_errors(&mut self, study: &Study) {
        let failed: Vec<&Trial> = study.trials.iter().filter(|trial| trial.error.is_some()).collect();
        for trial in failed.iter().skip(self.told) {
            let text = format!("trial {} failed: {}", trial.number, trial.error.as_deref().unwrap_or_default());
            self.bars.suspend(|| report::note(text));
        }
        self.told = self.told.max(failed.len());
    }

    /// How long it takes yet, from how long it took so far.
    fn left(&self, standing: &Status) -> String {
        let done = standing.finished.saturating_sub(self.finished_before);
        let Some(left) = standing.trials.map(|trials| trials.saturating_sub(standing.finished)) else {
            return String::new();
        };
        if done == 0 || left == 0 {
            return String::new();
        }
        let seconds = self.begun.elapsed().as_secs_f64() * left as f64 / done as f64;
        format!(", {} left", report::span(seconds))
    }

    pub fn end(&mut self, study: &Study) {
        if !self.quiet {
            self.tell_errors(study);
        }
        self.running.drain(..).for_each(|bar| bar.finish_and_clear());
        self.whole.finish_and_clear();
    }
}

/// A trial in a line.
pub fn line(trial: &Trial, objectives: &[Objective]) -> String {
    let values: Vec<String> = objectives
        .iter()
        .filter_map(|objective| Some(format!("{} {}", objective.metric, number(*trial.scores.get(&objective.metric)?))))
        .collect();
    let values = if values.is_empty() { String::new() } else { format!(", {}", values.join(", ")) };
    format!("trial {} {}{values}: {}", trial.number, trial.state.name(), settings(trial))
}

/// How a study stands, and its best trial.
pub fn summary(study: &Study, standing: &Status) -> String {
    let mut parts = vec![format!("{} complete", standing.complete), format!("{} pruned", standing.pruned)];
    if standing.failed > 0 {
        parts.push(format!("{} failed", standing.failed));
    }
    if let Some(best) = standing.best.first() {
        let values: Vec<String> = study
            .objectives()
            .iter()
            .zip(&best.values)
            .map(|(objective, value)| format!("{} {}", objective.metric, value.map_or("?".into(), number)))
            .collect();
        parts.push(format!("best {} (trial {})", values.join(", "), best.trial));
    }
    parts.join(", ")
}

fn names(objectives: &[Objective]) -> String {
    objectives.iter().map(|objective| objective.metric.as_str()).collect::<Vec<_>>().join(" and ")
}

fn parameters(study: &Study) -> String {
    match study.sweep.space.len() {
        1 => "1 parameter".into(),
        count => format!("{count} parameters"),
    }
}

/// The settings in a line, by the last words of their addresses.
pub fn settings(trial: &Trial) -> String {
    let Some(settings) = &trial.settings else { return "not proposed yet".into() };
    let short = |address: &str| address.rsplit('.').next().unwrap_or(address).to_owned();
    let shown = settings.iter().map(|(address, value)| match value {
        Value::Number(found) if found.is_f64() => {
            format!("{} {}", short(address), number(found.as_f64().unwrap_or(f64::NAN)))
        }
        Value::String(word) => format!("{} {word}", short(address)),
        other => format!("{} {other}", short(address)),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// A number with four digits that count.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size != 0.0 && !(1e-3..1e5).contains(&size) => format!("{value:.2e}"),
        size if size.fract() == 0.0 => format!("{value}"),
        _ => format!("{value:.4}"),
    }
}
