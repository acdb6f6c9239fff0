//! Where do the facts of the page about a sweep come from? From the study alone, so that the page can be made at any time.

use super::SweepFacts;
use crate::sweep::leases::now;
use crate::sweep::proposal;
use crate::sweep::status::Status;
use crate::sweep::study::Study;
use crate::sweep::winner;

/// What the page tells of a study as it was read last. `address` names the study in a command, as a shell takes it.
pub fn gather(study: &Study, address: &str) -> SweepFacts {
    let standing = Status::of(study);
    let front = study.front();
    // Settings that make no config any more are still told, only not as a config.
    let beside = study.folder().join("best.toml");
    let config = front.first().and_then(|best| winner::config(study, best, &beside).ok());
    let mut next = Vec::new();
    if !front.is_empty() {
        next.push(("Train the best trial by itself".to_owned(), format!("firebox train --from {address}")));
    }
    let trials = 2 * standing.finished.max(1);
    next.push(("Try more settings".to_owned(), format!("firebox sweep resume {address} --trials {trials}")));
    SweepFacts {
        name: standing.study,
        state: standing.state.to_owned(),
        written: now(),
        budget: standing.trials,
        objectives: study.objectives().to_vec(),
        space: study.sweep.space.clone(),
        dimensions: study.dimensions.clone(),
        trials: study.trials.clone(),
        seed: study.experiment.seed,
        config,
        study: proposal::to_toml(&study.experiment, &study.sweep),
        next,
    }
}
