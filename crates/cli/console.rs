//! How does progress look while it happens? A bar on a terminal, a line now and then elsewhere; on stderr, so that results can
//! be piped.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use data_loader::Part;
use data_loader::fetch;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use trainer::recorders::{Event, Recorder, Scores};

use crate::report;

pub mod records;
pub mod trials;

/// How often a line of progress is printed where there is no terminal.
const QUIET: Duration = Duration::from_secs(10);
/// A larger share of the time by waiting for data deserves a word.
const MUCH_WAITING: f64 = 0.1;
/// How often scores are printed; small data is evaluated hundreds of times a second.
const SCORES: Duration = Duration::from_secs(2);

/// Shows progress on stderr.
pub struct Console {
    bar: ProgressBar,
    terminal: bool,
    last_line: Option<Instant>,
    last_scores: Option<Instant>,
    total_steps: u64,
    latest_scores: String,
}

impl Console {
    /// A console for this terminal, or for the file that stderr goes to.
    pub fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self { bar, terminal, last_line: None, last_scores: None, total_steps: 0, latest_scores: String::new() }
    }

    fn say(&self, text: &str) {
        if self.terminal {
            self.bar.suspend(|| report::note(text));
        } else {
            report::note(text);
        }
    }
}

/// The few scores that fit on a line.
fn short(scores: &Scores) -> String {
    let shown: Vec<String> = scores
        .values
        .iter()
        .filter(|(name, _)| matches!(name.as_str(), "loss" | "accuracy" | "f1" | "rmse" | "r2" | "perplexity"))
        .map(|(name, value)| format!("{name} {value:.4}"))
        .collect();
    shown.join(", ")
}

impl Recorder for Console {
    fn record(&mut self, event: &Event) -> Result<(), trainer::Error> {
        match event {
            Event::Started(started) => {
                self.total_steps = started.total_steps;
                let verb = if started.first_step == 0 { "Training" } else { "Going on with" };
                self.say(&format!(
                    "{verb} {} parameters on {}, step {} of {}, run {}",
                    report::count(started.parameters as u64),
                    started.device,
                    report::count(started.first_step),
                    report::count(started.total_steps),
                    started.run.display(),
                ));
                if self.terminal {
                    self.bar = ProgressBar::with_draw_target(Some(started.total_steps), ProgressDrawTarget::stderr());
                    let style = ProgressStyle::with_template("{bar:24.cyan/dim} {pos}/{len} · {eta} left · {wide_msg}")
                        .unwrap_or_else(|_| ProgressStyle::default_bar());
                    self.bar.set_style(style);
                    self.bar.set_position(started.first_step);
                    self.bar.reset_eta();
                }
            }
            Event::Progress(progress) => {
                let waiting = match progress.waiting {
                    Some(share) if share > MUCH_WAITING => format!(", {:.0} % waiting for the loader", 100.0 * share),
                    _ => String::new(),
                };
                let text = format!(
                    "epoch {:.2}, loss {:.4}, {:.0} examples/s{waiting}",
                    progress.epoch, progress.loss, progress.examples_per_second
                );
                if self.terminal {
                    let scores = if self.latest_scores.is_empty() {
                        String::new()
                    } else {
                        format!(" · {}", self.latest_scores)
                    };
                    self.bar.set_message(format!("{text}{scores}"));
                    self.bar.set_position(progress.step);
                } else if progress.step >= self.total_steps || self.last_line.is_none_or(|last| last.elapsed() >= QUIET)
                {
                    self.last_line = Some(Instant::now());
                    self.say(&format!("step {}/{}, {text}", progress.step, self.total_steps));
                }
            }
            Event::Scores(scores) => {
                let text = format!("{} {}", scores.part, short(scores));
                let due = self.last_scores.is_none_or(|last| last.elapsed() >= SCORES);
                if scores.part == Part::Validation && (due || scores.step >= self.total_steps) {
                    self.last_scores = Some(Instant::now());
                    self.say(&format!("step {}/{}, {text}", scores.step, self.total_steps));
                }
                self.latest_scores = text;
            }
            Event::Saved { .. } => {}
            Event::Notice(text) => self.say(text),
            Event::Finished { reason, .. } => {
                self.bar.finish_and_clear();
                report::note(format!("Training ended: {reason}"));
            }
        }
        Ok(())
    }
}

/// Shows on stderr how files come.
pub struct Transfer {
    bar: ProgressBar,
    terminal: bool,
    last_line: Instant,
}

impl Transfer {
    /// For this terminal, or for the file that stderr goes to.
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self { bar, terminal: std::io::stderr().is_terminal(), last_line: Instant::now() }
    }

    /// Shows what happens.
    pub fn show(&mut self, event: &fetch::Event) {
        match event {
            fetch::Event::Begun { file, from } => {
                self.clear();
                report::note(format!("{file} from {from}"));
                self.last_line = Instant::now();
                if self.terminal {
                    let template = "{bar:24.cyan/dim} {bytes}/{total_bytes} · {bytes_per_sec} · {eta} left";
                    self.bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
                    let style = ProgressStyle::with_template(template);
                    self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                }
            }
            fetch::Event::Bytes { file, have, total } => {
                if self.terminal {
                    if let Some(total) = total {
                        self.bar.set_length(*total);
                    }
                    // What came in earlier calls says nothing of the speed of this one.
                    if self.bar.position() == 0 && *have > 1 << 20 {
                        self.bar.set_position(*have);
                        self.bar.reset_eta();
                    }
                    self.bar.set_position(*have);
                } else {
                    let whole = total.map_or(String::new(), |total| format!(" of {}", report::count(total)));
                    self.now_and_then(|| format!("{file}: {}{whole} bytes", report::count(*have)));
                }
            }
            fetch::Event::Rows { file, rows } => {
                self.now_and_then(|| format!("{file}: {} rows", report::count(*rows)));
            }
            fetch::Event::Notice { file, text } => {
                let about = if file.is_empty() { String::new() } else { format!("{file}: ") };
                self.bar.suspend(|| report::note(format!("{about}{text}")));
            }
            fetch::Event::Waiting { file, reason, pause } => {
                let text = format!("{file}: {reason}; another attempt in {:.1} s", pause.as_secs_f64());
                self.bar.suspend(|| report::note(text));
            }
            _ => {}
        }
    }

    fn now_and_then(&mut self, text: impl FnOnce() -> String) {
        if self.last_line.elapsed() >= QUIET {
            self.last_line = Instant::now();
            self.bar.suspend(|| report::note(text()));
        }
    }

    /// Takes the bar away.
    pub fn clear(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// How far work is that has several steps, one after the other: a bar on a terminal, nothing elsewhere.
pub struct Steps {
    bar: ProgressBar,
    shown: bool,
    step: &'static str,
}

impl Steps {
    /// Nothing is shown unless `shown` and stderr is a terminal.
    pub fn new(shown: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self { bar, shown: shown && std::io::stderr().is_terminal(), step: "" }
    }

    /// So much of a step is done.
    pub fn tell(&mut self, step: &'static str, done: usize, all: usize) {
        if !self.shown {
            return;
        }
        if self.step != step {
            self.bar.finish_and_clear();
            self.bar = ProgressBar::with_draw_target(Some(all as u64), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{msg:16} {bar:24.cyan/dim} {pos}/{len} · {eta} left")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            self.bar.set_style(style);
            self.bar.set_message(step);
            self.step = step;
        }
        self.bar.set_position(done as u64);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Waits, at a step, to be killed. Only `verify resume` uses it, to be certain that its SIGKILL meets a training process.
pub struct PauseAt(pub u64);

impl Recorder for PauseAt {
    fn record(&mut self, event: &Event) -> Result<(), trainer::Error> {
        if matches!(event, Event::Progress(progress) if progress.step == self.0) {
            std::thread::sleep(Duration::from_mins(10));
        }
        Ok(())
    }
}
