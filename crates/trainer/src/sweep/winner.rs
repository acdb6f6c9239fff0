//! Which config comes out of a study? The experiment with the settings of a trial, to be trained by itself.

use std::path::Path;

use super::proposal;
use super::study::Study;
use super::trial::Trial;
use crate::experiment::{Experiment, root_of};
use crate::{Error, address};

/// The experiment of a trial.
///
/// # Errors
/// If its settings make no config any more.
pub fn experiment(study: &Study, trial: &Trial) -> Result<Experiment, Error> {
    proposal::apply(&study.experiment, &trial.settings.clone().unwrap_or_default(), study.config())
}

/// The config of a trial as `firebox train` takes it, to be written to `out`.
///
/// # Errors
/// As [`experiment`].
pub fn config(study: &Study, trial: &Trial, out: &Path) -> Result<String, Error> {
    let mut experiment = experiment(study, trial)?;
    let card = experiment.data.card.clone();
    let root = root_of(study.config(), &card);
    if let Some(root) = root.filter(|root| root_of(out, &card).as_ref() != Some(root)) {
        experiment.data.card = root.join(card);
    }
    let values: Vec<String> = study
        .objectives()
        .iter()
        .filter_map(|objective| Some(format!("{} {:.4}", objective.metric, trial.scores.get(&objective.metric)?)))
        .collect();
    let header = format!(
        "# Trial {} of {} that `firebox sweep` tried in {}: {} on the validation split.\n",
        trial.number,
        study.trials.len(),
        address::typed(study.folder()),
        values.join(", ")
    );
    Ok(header + &experiment.to_toml())
}
