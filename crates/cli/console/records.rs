//! How far are many records? A bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::QUIET;
use crate::report;

/// Shows on stderr how many records are answered.
pub struct Progress {
    bar: ProgressBar,
    terminal: bool,
    begun: Instant,
    last_line: Instant,
    begun_with: u64,
}

impl Progress {
    /// Of `total` records, of which some were answered before.
    pub fn new(total: u64, begun_with: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target).with_position(begun_with);
        let style =
            ProgressStyle::with_template("{bar:24.cyan/dim} {human_pos}/{human_len} records · {rate} · {eta} left");
        let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            let _ = write!(text, "{}/s", report::count(state.per_sec().round() as u64));
        };
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).with_key("rate", rate));
        bar.reset_eta();
        Self { bar, terminal, begun: Instant::now(), last_line: Instant::now(), begun_with }
    }

    /// Some more are.
    pub fn add(&mut self, count: u64) {
        self.bar.inc(count);
        if !self.terminal && self.last_line.elapsed() >= QUIET {
            self.last_line = Instant::now();
            let (done, total) = (self.bar.position(), self.bar.length().unwrap_or_default());
            report::note(format!("{} of {} records, {}", report::count(done), report::count(total), self.rate()));
        }
    }

    /// How fast it went.
    pub fn rate(&self) -> String {
        let seconds = self.begun.elapsed().as_secs_f64().max(1e-3);
        let rate = (self.bar.position() - self.begun_with) as f64 / seconds;
        format!("{} records/s", report::count(rate.round() as u64))
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
