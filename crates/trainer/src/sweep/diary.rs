//! What happened in a trial, in case it is kept? It is held in memory until the trial has a run to write it into.

use std::sync::mpsc::Sender;

use crate::Error;
use crate::recorders::jsonl::{self, Jsonl};
use crate::recorders::{Event, Recorder};
use crate::run_dir::RunDir;

/// Passes events on.
pub struct Tell(pub Sender<Event>);

impl Recorder for Tell {
    fn record(&mut self, event: &Event) -> Result<(), Error> {
        // Nobody listens any more once the trial has ended.
        let _ = self.0.send(event.clone());
        Ok(())
    }
}

/// The events of a trial.
pub struct Diary {
    file: Option<Jsonl>,
    held: Vec<Event>,
}

impl Diary {
    /// That of a trial that is new, or goes on in its run after so many steps.
    ///
    /// # Errors
    /// If the file of the run cannot be read.
    pub fn new(run: Option<&RunDir>, step: u64) -> Result<Self, Error> {
        let file = run.map(|run| jsonl::open(&run.metrics(), Some(step))).transpose()?;
        Ok(Self { file, held: Vec::new() })
    }

    /// Takes note of an event. That the steps until an evaluation are done is none.
    pub fn note(&mut self, event: Event) {
        if !matches!(event, Event::Finished { .. }) {
            self.held.push(event);
        }
    }

    /// Writes everything into the run.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn write(&mut self, run: &RunDir) -> Result<(), Error> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(jsonl::open(&run.metrics(), None)?),
        };
        self.held.drain(..).try_for_each(|event| file.record(&event))?;
        file.flush()
    }
}
