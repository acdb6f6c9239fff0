//! `firebox resume`: go on with a run.

use trainer::Experiment;
use trainer::address::Address;
use trainer::train::Request;

use super::{Ended, train};
use crate::args::Resume;

pub(super) fn run(args: &Resume, json: bool) -> Ended {
    let mut address = Address::parse(&args.run);
    address.checkpoint.get_or_insert_with(|| "last".to_owned());
    let (run, from) = address.open()?;
    let experiment = Experiment::read(&run.config(), &args.settings.all())?;
    let device = model_zoo::device::open(&experiment.device)?;
    let interrupt = train::interrupt_flag()?;
    let recorders = train::recorders(&args.view, json, &interrupt)?;
    let config = run.config();
    let request = Request { config: &config, run: run.clone(), device: &device, recorders, interrupt: &interrupt };
    let outcome = trainer::train::resume(experiment, request, from)?;
    Ok(train::show(&run, &outcome, &device.name, json))
}
