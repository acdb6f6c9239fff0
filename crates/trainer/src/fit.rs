//! THE LOOP: everything that happens between the first step and the last, in the order in which it happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use data_loader::{Dataset, Part};
use model_zoo::Network;
use model_zoo::device::compute_here;

use crate::Error;
use crate::checkpoint::{self, Identity};
use crate::evaluate::evaluate;
use crate::plan::Plan;
use crate::recorders::{Event, Progress, Recorder, Scores};
use crate::run_dir::RunDir;
use crate::state::{Interval, State};
use crate::step::{read_back, step};

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every planned step was done.
    Completed,
    /// The watched metric got no better for too long.
    Stopped,
    /// Someone asked for it; a checkpoint was written.
    Interrupted,
    /// The steps that were asked for are done, and there are more; a checkpoint was written.
    Paused,
}

/// What surrounds the loop.
pub struct Surroundings<'a> {
    /// What to learn from.
    pub dataset: &'a Arc<Dataset>,
    /// Where everything of the run lies.
    pub run: &'a RunDir,
    /// To what its checkpoints belong.
    pub belongs_to: &'a Identity,
    /// Who is told what happens.
    pub recorders: &'a mut [Box<dyn Recorder>],
    /// Set from outside to end the loop after the step at hand.
    pub interrupt: &'a AtomicBool,
    /// After how many steps to pause, judged and saved, if not at the end.
    pub until: Option<u64>,
    /// Whether whoever asked for the steps saves what they led to: then a pause brings no evaluation, and nothing is saved here.
    pub bare: bool,
}

/// Trains until the plan is fulfilled, progress ends, or someone interrupts.
///
/// # Errors
/// Whatever ends training early; the last checkpoint is intact then.
pub fn fit<M: Network>(
    mut state: State<M>,
    plan: &Plan,
    around: &mut Surroundings<'_>,
) -> Result<(State<M>, Ending), Error> {
    let patience = plan.experiment.stopping.as_ref().map(|stopping| stopping.patience);
    let min_delta = plan.experiment.stopping.as_ref().map_or(0.0, |stopping| stopping.min_delta);
    let mut last_save = Instant::now();
    compute_here(&state.device);
    let last = around.until.map_or(plan.total_steps, |until| until.min(plan.total_steps));

    while state.memory.step < last && !state.memory.best.is_due(patience) {
        let begun = Instant::now();
        state = step(state, plan)?; // Forward, backward, clip, update.
        let done = state.memory.step;

        let mut improved = false;
        if plan.records(done) {
            read_back(&mut state)?; // The only device synchronisation in a plain step.
            add_time(&mut state, begun);
            let progress = progress(&mut state, plan);
            tell(around, &Event::Progress(progress))?;
        } else {
            add_time(&mut state, begun);
        }

        if plan.evaluates(done) || (done == last && plan.evaluate_every > 0 && !around.bare) {
            read_back(&mut state)?;
            let found = evaluate(&state.judged(), around.dataset, Part::Validation, plan, &state.device)?;
            let watched = found.value(&plan.watch).unwrap_or(f64::NAN);
            improved = state.memory.best.observe(watched, done, plan.direction, min_delta);
            let scores = Scores {
                step: done,
                epoch: plan.epoch(done),
                part: Part::Validation,
                values: found.values,
                seconds: state.memory.seconds,
            };
            tell(around, &Event::Scores(scores))?;
        }

        let interrupted = around.interrupt.load(Ordering::Relaxed);
        let must_save = improved || interrupted || done == last || state.memory.best.is_due(patience);
        if !around.bare && (must_save || plan.saves(done, last_save.elapsed())) {
            read_back(&mut state)?;
            around.recorders.iter_mut().try_for_each(|recorder| recorder.flush())?;
            let keep = plan.experiment.checkpoints.keep_last;
            let path = checkpoint::save(&state, around.run, around.belongs_to, keep)?;
            state.last_saved = Some(done);
            last_save = Instant::now();
            tell(around, &Event::Saved { step: done, path })?;
        }
        if interrupted && done < last {
            tell(around, &Event::Finished { step: done, reason: "interrupted".into() })?;
            return Ok((state, Ending::Interrupted));
        }
    }

    let (ending, reason) = if state.memory.step < last {
        let best = &state.memory.best;
        let text = format!(
            "`{}` made no progress for {} evaluations, and was best at step {}",
            plan.watch, best.waited, best.step
        );
        (Ending::Stopped, text)
    } else if last < plan.total_steps {
        (Ending::Paused, format!("the steps up to {last} are done"))
    } else {
        (Ending::Completed, "every step is done".to_owned())
    };
    tell(around, &Event::Finished { step: state.memory.step, reason })?;
    Ok((state, ending))
}

/// Tells every recorder.
///
/// # Errors
/// The first recorder's that fails.
pub fn tell(around: &mut Surroundings<'_>, event: &Event) -> Result<(), Error> {
    around.recorders.iter_mut().try_for_each(|recorder| recorder.record(event))
}

fn add_time<M: Network>(state: &mut State<M>, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    state.memory.seconds += seconds;
    state.memory.interval.seconds += seconds;
}

/// What is to be recorded of the interval that ends here; a new one begins.
fn progress<M: Network>(state: &mut State<M>, plan: &Plan) -> Progress {
    let done = state.memory.step;
    let interval: Interval = std::mem::take(&mut state.memory.interval);
    Progress {
        step: done,
        epoch: plan.epoch(done),
        loss: interval.loss / interval.weight,
        learning_rate: plan.learning_rate(done - 1),
        gradient_norm: interval.gradient_norm,
        examples_per_second: interval.examples as f64 / interval.seconds.max(1e-9),
        waiting: Some(interval.waiting / interval.seconds.max(1e-9)),
        seconds: state.memory.seconds,
    }
}
