//! `firebox config`: what a config means, and what it may say.

use serde_json::json;
use trainer::Experiment;

use super::Ended;
use crate::args::Config;
use crate::failure::Status;
use crate::report;

pub(super) fn run(args: &Config, json: bool) -> Ended {
    match args {
        Config::Show { config, settings } => {
            let experiment = Experiment::read(config, &settings.all())?;
            if json {
                report::json(&json!(experiment));
            } else {
                report::line(experiment.to_toml().trim_end());
            }
        }
        Config::Schema => report::json(&Experiment::schema()),
    }
    Ok(Status::Done)
}
