//! What does the page say of a trial under the pointer? Texts for its script, as JSON in which nothing can end the script.

use serde_json::{Map, Value, json};

use super::super::html::text::{number, shortened, shown};
use super::axes::spell;
use super::told::{Told, settings};
use crate::sweep::trial::Trial;

/// So many settings are told, those that matter most.
const SETTINGS: usize = 12;
/// A text is so long at most.
const LENGTH: usize = 60;

/// Of each trial that is drawn: its state, its values and its settings.
pub(super) fn of(told: &Told) -> String {
    let mut order = told.by_importance(0);
    order.truncate(SETTINGS);
    let mut addresses: Vec<&str> = Vec::new();
    for axis in order {
        let address = told.axes[axis].address();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let short = |address: &&str| shown(&shortened(address.rsplit('.').next().unwrap_or(address), LENGTH));
    let names: Vec<String> = told.goals.iter().map(|goal| shown(&goal.name)).collect();
    let mut trials = Map::new();
    for trial in &told.drawn {
        trials.insert(trial.number.to_string(), tell(told, trial, &addresses));
    }
    let island =
        json!({ "values": names, "settings": addresses.iter().map(short).collect::<Vec<_>>(), "trials": trials });
    // In JSON these stand within strings alone.
    island.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn tell(told: &Told, trial: &Trial, addresses: &[&str]) -> Value {
    let values = (0..told.goals.len()).map(|objective| told.value(trial, objective).map(number));
    let told = addresses
        .iter()
        .map(|address| settings(trial).get(*address).map(|value| shown(&shortened(&spell(value), LENGTH))));
    json!([trial.state.name(), values.collect::<Vec<_>>(), told.collect::<Vec<_>>()])
}
