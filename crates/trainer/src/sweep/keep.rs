//! What of the trials stays on the disk? Checkpoints of those that run, and the runs of the best.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use data_loader::Dataset;
use data_loader::decoded::DecodedCache;
use model_zoo::atomic;
use model_zoo::device::Found;
use model_zoo::pretrained::BeganWith;

use super::study::Study;
use super::trial::{State, Trial, ranked};
use crate::run_dir::{Lock, RunDir};
use crate::train::{self, Request};
use crate::{Error, Experiment, Plan, checkpoint};

/// A trial writes its row at most so often, unless it is compared with others.
pub const ROWS: Duration = Duration::from_secs(2);

/// In bytes.
const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

/// The run of a trial that is to be saved for the first time. What lay there was of no use.
///
/// # Errors
/// If the disk fails.
pub fn begin_run(
    path: &Path,
    device: &Found,
    plan: &Plan,
    dataset: &Dataset,
    began_with: Option<&BeganWith>,
) -> Result<(RunDir, Lock), Error> {
    atomic::remove_folder(path)?;
    let run = RunDir::create(path)?;
    let lock = run.lock()?;
    if let Some(began_with) = began_with {
        run.write_json(&run.pretrained(), began_with)?;
    }
    train::prepare_run(&run, device, plan, dataset, None)?;
    Ok((run, lock))
}

/// Whether a trial that has come to its end is to be kept, as things stand.
pub fn is_among_the_best(study: &Study, trial: &Trial) -> bool {
    kept_with(study, trial).contains(&trial.number)
}

/// The trials whose runs would be kept if this one were complete, the best first.
fn kept_with(study: &Study, trial: &Trial) -> Vec<u64> {
    let done = Trial { state: State::Complete, ..trial.clone() };
    let others = study.trials.iter().filter(|other| other.number != trial.number);
    // What was made elsewhere has no run here.
    let others = others.filter(|other| other.state == State::Complete && !other.is_brought());
    let all = ranked(others.chain([&done]), study.objectives());
    all.iter().take(study.sweep.keep).map(|best| best.number).collect()
}

/// The trials whose runs are kept, as things stand, the best first.
pub fn kept(study: &Study) -> Vec<u64> {
    let own = study.ranked().into_iter().filter(|trial| !trial.is_brought());
    own.take(study.sweep.keep).map(|trial| trial.number).collect()
}

/// Removes the runs of trials that are finished and not among the best.
///
/// # Errors
/// If the disk fails.
pub fn tidy(study: &Study) -> Result<(), Error> {
    // Others of a population may still go on from what lies there.
    if study.sweep.population.is_some() && study.trials.iter().any(|trial| !trial.state.is_finished()) {
        return Ok(());
    }
    let best: BTreeSet<u64> = kept(study).into_iter().collect();
    for number in runs(study) {
        let finished = study.trials.get(number as usize).is_some_and(|trial| trial.state.is_finished());
        if finished && !best.contains(&number) {
            atomic::remove_folder(&study.run_of(number))?;
        }
    }
    Ok(())
}

/// Whether there is room for another checkpoint of a trial; if not, kept runs make room: those that are worse where it is complete, and where it
/// goes on all but the best.
///
/// # Errors
/// If the disk fails.
pub fn has_room(study: &Study, trial: &Trial, complete: bool) -> Result<bool, Error> {
    let all = study.folder().join("trials");
    let most = study.sweep.checkpoints_gib * GIB;
    let is_full = || size(&all) as f64 >= most;
    if !is_full() {
        return Ok(true);
    }
    let may_go: Vec<u64> = match complete {
        true => {
            let best = kept_with(study, trial);
            let others = study.trials.iter().filter(|other| other.state == State::Complete);
            let no_longer = others.map(|other| other.number).filter(|number| !best.contains(number));
            let behind = best.iter().position(|&number| number == trial.number).unwrap_or(best.len());
            no_longer.chain(best[behind..].iter().rev().copied()).collect()
        }
        false => kept(study).into_iter().skip(1).rev().collect(),
    };
    for number in may_go.into_iter().filter(|&number| number != trial.number) {
        if !is_full() {
            break;
        }
        atomic::remove_folder(&study.run_of(number))?;
    }
    Ok(!is_full())
}

/// Makes whole runs of the best trials, with bundle and report, unless they are already: their numbers.
///
/// # Errors
/// As training.
pub fn finish(study: &Study, device: &Found, interrupt: &AtomicBool) -> Result<Vec<u64>, Error> {
    // What a worker left that died while it removed a run; another one may be at it now.
    let _ = atomic::clear_leftovers(&study.folder().join("trials"));
    tidy(study)?;
    let mut whole = Vec::new();
    for number in kept(study) {
        let Some(run) = study.kept_run(number) else { continue };
        if !run.result().exists() {
            let experiment = Experiment::read(&run.config(), &[])?;
            let from = checkpoint::choose(&run, Some("last"))?;
            let config = run.config();
            let request = Request { interrupt, ..Request::new(&config, run.clone(), device) };
            match train::resume(experiment, request, Some(from)) {
                // Another process is at it.
                Err(Error::RunLocked(_)) => continue,
                done => done.map(drop)?,
            }
        }
        whole.push(number);
    }
    Ok(whole)
}

/// Where the trials of a study share the images that they learn from.
pub fn decoded_cache(study: &Study, halt: &Arc<AtomicBool>) -> DecodedCache {
    let max_bytes = (study.sweep.decoded_gib * GIB) as u64;
    DecodedCache { folder: decoded(study), max_bytes, stop: Arc::clone(halt) }
}

fn decoded(study: &Study) -> PathBuf {
    study.folder().join("decoded")
}

/// Removes what was shared, where nobody needs it any more.
pub fn forget_decoded(study: &Study) {
    // Whoever still reads holds the files open.
    let _ = fs::remove_dir_all(decoded(study));
}

/// The numbers of the trials that have a folder here.
fn runs(study: &Study) -> Vec<u64> {
    let entries = fs::read_dir(study.folder().join("trials")).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok()).collect()
}

/// The bytes below a folder.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}
