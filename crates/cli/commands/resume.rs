//! `firebox resume`: go on with a run.

use trainer::address::Address;
use trainer::train::Request;
use trainer::{Experiment, RunDir, checkpoint};

use super::{Ended, train};
use crate::args::Resume;

pub(super) fn run(args: &Resume, json: bool) -> Ended {
    let address = Address::parse(&args.run);
    let run = RunDir::open(&address.run)?;
    let from = match &address.checkpoint {
        // Killed before its first checkpoint: it begins again, with the config and the transforms that it began with.
        None if checkpoint::steps(&run).is_empty() => None,
        wanted => Some(checkpoint::choose(&run, Some(wanted.as_deref().unwrap_or("last")))?),
    };
    let experiment = Experiment::read(&run.config(), &args.settings.all())?;
    let device = model_zoo::device::open(&experiment.device)?;
    let interrupt = train::interrupt_flag()?;
    let recorders = train::recorders(&args.view, json, &interrupt)?;
    let config = run.config();
    let request = Request { recorders, interrupt: &interrupt, ..Request::new(&config, run.clone(), &device) };
    let outcome = trainer::train::resume(experiment, request, from)?;
    Ok(train::show(&run, &outcome, &device.name, json))
}
