//! How does progress look in the dashboard of burn-train? (`--tui`, cargo feature `tui`)

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn_train::Interrupter;
use burn_train::logger::TrainingProgressLogger;
use burn_train::metric::{MetricDefinition, MetricEntry, MetricId, NumericAttributes, NumericEntry, SerializedEntry};
use burn_train::renderer::tui::TuiMetricsRendererWrapper;
use burn_train::renderer::{MetricState, MetricsRenderer, MetricsRendererTraining};
use data_loader::Part;
use trainer::metrics::{Direction, direction};
use trainer::recorders::{Event, Recorder, Started};

/// Draws into the terminal; its own quit key ends training as Ctrl-C does.
pub struct Dashboard {
    renderer: Option<TuiMetricsRendererWrapper>,
    interrupter: Interrupter,
    interrupt: Arc<AtomicBool>,
    known: Vec<String>,
    steps_per_epoch: u64,
    epoch: usize,
}

impl Dashboard {
    /// A dashboard that sets `interrupt` when the user quits.
    pub fn new(interrupt: &Arc<AtomicBool>) -> Self {
        Self {
            renderer: None,
            interrupter: Interrupter::new(),
            interrupt: Arc::clone(interrupt),
            known: Vec::new(),
            steps_per_epoch: 1,
            epoch: 0,
        }
    }

    fn start(&mut self, started: &Started) {
        let mut renderer = TuiMetricsRendererWrapper::new(self.interrupter.clone(), None);
        self.steps_per_epoch = started.steps_per_epoch;
        self.epoch = (started.first_step / started.steps_per_epoch) as usize;
        let epochs = started.total_steps.div_ceil(started.steps_per_epoch) as usize;
        renderer.start(epochs, self.epoch + 1, None, Some("Firebox"));
        renderer.start_split("train", started.steps_per_epoch as usize);
        self.renderer = Some(renderer);
    }

    fn show(&mut self, name: &str, value: f64, part: Part) {
        let Some(renderer) = &mut self.renderer else { return };
        let id = MetricId::new(Arc::new(name.to_owned()));
        if !self.known.iter().any(|known| known == name) {
            self.known.push(name.to_owned());
            let higher_is_better = direction(name) == Some(Direction::Higher);
            renderer.register_metric(MetricDefinition {
                metric_id: id.clone(),
                name: Arc::new(name.to_owned()),
                description: None,
                attributes: NumericAttributes { unit: None, higher_is_better }.into(),
            });
        }
        let entry = MetricEntry::new(id, SerializedEntry::new(format!("{value:.4}"), value.to_string()));
        let state = MetricState::Numeric(entry, Some(NumericEntry::Value(value)));
        match part {
            Part::Train => renderer.update_train(state),
            Part::Validation | Part::Test => renderer.update_valid(state),
        }
    }

    fn advance(&mut self, step: u64) {
        let Some(renderer) = &mut self.renderer else { return };
        let epoch = ((step.max(1) - 1) / self.steps_per_epoch) as usize;
        if epoch > self.epoch {
            self.epoch = epoch;
            renderer.update_epoch(epoch);
            renderer.start_split("train", self.steps_per_epoch as usize);
        }
        renderer.update_split(((step.max(1) - 1) % self.steps_per_epoch + 1) as usize);
    }
}

impl Recorder for Dashboard {
    fn record(&mut self, event: &Event) -> Result<(), trainer::Error> {
        match event {
            Event::Started(started) => self.start(started),
            Event::Progress(progress) => {
                self.show("loss", progress.loss, Part::Train);
                self.show("learning rate", progress.learning_rate, Part::Train);
                self.advance(progress.step);
            }
            Event::Scores(scores) => {
                for (name, value) in &scores.values {
                    // Values of single classes would fill the dashboard.
                    if !name.contains('/') {
                        self.show(name, *value, scores.part);
                    }
                }
            }
            Event::Finished { .. } => self.renderer = None,
            Event::Saved { .. } | Event::Notice(_) => {}
        }
        if self.interrupter.should_stop() {
            self.interrupt.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
