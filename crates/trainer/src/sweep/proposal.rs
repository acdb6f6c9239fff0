//! What is a new study to be? A config whose sweep is settled and whose space was tried out on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use data_loader::{Dataset, Part};
use serde_json::Value;

use super::config::Sweep;
use super::default_space;
use super::dimensions::{Dimensions, Kind};
use super::objectives::{OF_TRIALS, Objective};
use super::population::Population;
use super::space::{Space, Values};
use crate::experiment::{self, Experiment};
use crate::{Error, Plan, setting};

/// A study that could be made.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The experiment that is varied; its `sweep` is none.
    pub experiment: Experiment,
    /// How the sweep goes, with nothing left out that matters.
    pub sweep: Sweep,
    /// Where it was written.
    pub config: PathBuf,
}

impl Proposal {
    /// Settles the sweep of an experiment on its data, which were opened.
    ///
    /// # Errors
    /// [`Error::Config`] with the address of what cannot be used.
    pub fn new(mut experiment: Experiment, config: &Path, dataset: &Dataset) -> Result<Self, Error> {
        let wrong =
            |key: &str, reason: String| Error::Config { path: config.to_owned(), key: format!("sweep.{key}"), reason };
        let mut sweep = experiment.sweep.take().unwrap_or_default();
        if sweep.space.is_empty() {
            sweep.space = default_space::of(&experiment, dataset.part(Part::Train).len());
            if sweep.population.is_some() {
                sweep.space.retain(|address, _| Population::may_change(address));
            }
        }
        let plan = Plan::new(experiment.clone(), config, dataset)?;
        if plan.evaluate_every == 0 {
            let reason =
                "compares trials on the validation split, and these data have none; give them one by [data.split]";
            return Err(Error::Config { path: config.to_owned(), key: "sweep".into(), reason: reason.into() });
        }
        if sweep.objectives.is_empty() {
            sweep.objectives = vec![Objective::of(&plan.watch)];
        }
        let known = plan.metrics();
        for objective in &sweep.objectives {
            if !known.contains(&objective.metric) && !OF_TRIALS.contains(&objective.metric.as_str()) {
                let all: Vec<&str> = known.iter().map(String::as_str).chain(OF_TRIALS.iter().copied()).collect();
                let reason =
                    format!("name `{}`, which is never recorded; there are {}", objective.metric, all.join(", "));
                return Err(wrong("objectives", reason));
            }
        }
        sweep.settle().map_err(|(key, reason)| wrong(&key, reason))?;
        // What decides between trials decides between the checkpoints of one.
        if let Some(first) = sweep.objectives.first().filter(|first| known.contains(&first.metric)) {
            experiment.train.watch = Some(first.metric.clone());
        }
        let in_space = |address: &str, reason: String| wrong(&format!("space.\"{address}\""), reason);
        let dimensions = Dimensions::new(&sweep.space).map_err(|(address, reason)| in_space(&address, reason))?;
        if dimensions.all.is_empty() {
            return Err(wrong("space", "holds nothing that is varied".into()));
        }
        check_addresses(sweep.space.keys(), config)?;
        if let Some((address, reason)) = contradiction(&sweep.space, &experiment) {
            return Err(in_space(&address, reason));
        }
        for (address, settings) in corners(&dimensions) {
            if let Err(error) = apply(&experiment, &settings, config) {
                let value = settings.get(&address).map_or_else(String::new, |value| format!(" with {value}"));
                let hint = error.hint().map_or_else(String::new, |hint| format!(" ({hint})"));
                return Err(in_space(&address, format!("makes no config{value}: {error}{hint}")));
            }
        }
        for (address, parameter) in &sweep.space {
            if let Values::Fixed(value) = &parameter.values {
                apply(&experiment, &BTreeMap::from([(address.clone(), value.clone())]), config)
                    .map_err(|error| in_space(address, format!("makes no config with {value}: {error}")))?;
            }
        }
        Ok(Self { experiment, sweep, config: config.to_owned() })
    }

    /// How it differs from a study that is there, a line each; how long to search and what to keep may differ.
    pub fn differences(&self, experiment: &Experiment, sweep: &Sweep) -> Vec<String> {
        let of = |experiment: &Experiment, sweep: &Sweep| {
            let limits = Sweep::default();
            let sweep = Sweep {
                trials: None,
                hours: None,
                target: None,
                keep: limits.keep,
                checkpoints_gib: limits.checkpoints_gib,
                decoded_gib: limits.decoded_gib,
                retries: limits.retries,
                max_crashes: limits.max_crashes,
                cluster: None,
                ..sweep.clone()
            };
            // On what it is computed is no part of a study: workers may differ in it.
            let experiment = Experiment { device: String::new(), ..experiment.clone() };
            let table: toml::Table = to_toml(&experiment, &sweep).parse().unwrap_or_default();
            let mut flat = BTreeMap::new();
            flatten(&toml::Value::Table(table), String::new(), &mut flat);
            flat
        };
        let (there, here) = (of(experiment, sweep), of(&self.experiment, &self.sweep));
        let keys: BTreeSet<&String> = there.keys().chain(here.keys()).collect();
        let value = |side: &BTreeMap<String, String>, key: &String| side.get(key).cloned().unwrap_or("nothing".into());
        keys.into_iter()
            .filter(|key| there.get(*key) != here.get(*key))
            .map(|key| format!("{key}: {} there, {} here", value(&there, key), value(&here, key)))
            .collect()
    }
}

/// Experiment and sweep as one config.
pub fn to_toml(experiment: &Experiment, sweep: &Sweep) -> String {
    Experiment { sweep: Some(sweep.clone()), ..experiment.clone() }.to_toml()
}

/// The experiment of a trial: with its settings, and without a sweep.
///
/// # Errors
/// [`Error::Setting`], or what is wrong with the config that comes out.
pub fn apply(experiment: &Experiment, settings: &BTreeMap<String, Value>, config: &Path) -> Result<Experiment, Error> {
    experiment::with_values(experiment, settings, config)
}

/// What is not a setting of a trial.
const NOT_OF_TRIALS: [(&str, &str); 3] = [
    ("sweep", "how a sweep goes is the same for all its trials"),
    ("device", "on what it is computed is said by --device"),
    ("train.watch", "what is watched is the first of `sweep.objectives`"),
];

/// Refuses addresses that mean nothing to a single trial.
///
/// # Errors
/// [`Error::Config`] with the address.
pub fn check_addresses<'a>(addresses: impl Iterator<Item = &'a String>, config: &Path) -> Result<(), Error> {
    for address in addresses {
        let meant = |(name, _): &&(&str, &str)| {
            address.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if let Some((_, why)) = NOT_OF_TRIALS.iter().find(meant) {
            let key = format!("sweep.space.\"{address}\"");
            return Err(Error::Config { path: config.to_owned(), key, reason: format!("cannot be varied: {why}") });
        }
    }
    Ok(())
}

/// A parameter that belongs to one of several choices, and does not say so: to set it would choose that one for every trial.
fn contradiction(space: &Space, experiment: &Experiment) -> Option<(String, String)> {
    let table: toml::Table = experiment.to_toml().parse().unwrap_or_default();
    for (address, parameter) in space {
        let of = setting::CHOICES.iter().filter_map(|choice| {
            let rest = address.strip_prefix(choice)?.strip_prefix('.')?;
            Some((*choice, rest.split('.').next().unwrap_or(rest)))
        });
        for (choice, word) in of {
            let varied = space.get(choice).map(|parameter| &parameter.values);
            let reason = match varied {
                Some(Values::Choices(_)) => {
                    let when = parameter.when.get(choice);
                    if when.is_some_and(|values| values.len() == 1 && values[0] == word) {
                        continue;
                    }
                    format!("counts only where `{choice}` is `{word}`: give it `when = {{ {choice} = \"{word}\" }}`")
                }
                Some(Values::Fixed(value)) if value == word => continue,
                Some(_) => format!("is of `{choice} = \"{word}\"`, and the space says another one"),
                None => match setting::find(&table, choice) {
                    Some(toml::Value::String(chosen)) if chosen != word => {
                        format!("is of `{choice}.{word}`, and the config has `{choice}.{chosen}`")
                    }
                    _ => continue,
                },
            };
            return Some((address.clone(), reason));
        }
    }
    None
}

/// Of each dimension the ends, or each choice, with what it depends on and nothing else: the address and the settings.
fn corners(dimensions: &Dimensions) -> Vec<(String, BTreeMap<String, Value>)> {
    let mut all = Vec::new();
    for (index, dimension) in dimensions.all.iter().enumerate() {
        let places: Vec<f64> = match dimension.kind {
            Kind::Range(_) => vec![0.0, 1.0],
            Kind::Choice(count) => (0..count).map(|choice| choice as f64).collect(),
        };
        // What it depends on, and what that depends on, has the first of the choices with which it counts.
        let mut wanted = BTreeMap::new();
        let mut open = vec![index];
        while let Some(next) = open.pop() {
            for (on, choices) in &dimensions.all[next].when {
                if let Some(first) = choices.first() {
                    wanted.insert(*on, *first as f64);
                    open.push(*on);
                }
            }
        }
        let addresses: BTreeSet<&String> =
            wanted.keys().chain([&index]).map(|&at| &dimensions.all[at].address).collect();
        for place in places {
            let point = dimensions.settle(|at, dimension| match wanted.get(&at) {
                _ if at == index => place,
                Some(choice) => *choice,
                None => dimension.kind.spread(0.5),
            });
            let settings = dimensions.settings(&point).into_iter().filter(|(address, _)| addresses.contains(address));
            all.push((dimension.address.clone(), settings.collect()));
        }
    }
    all
}

fn flatten(value: &toml::Value, address: String, into: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) if !table.is_empty() => {
            for (key, inner) in table {
                let key = if key.contains('.') { format!("\"{key}\"") } else { key.clone() };
                let inner_address = if address.is_empty() { key } else { format!("{address}.{key}") };
                flatten(inner, inner_address, into);
            }
        }
        other => {
            into.insert(address, other.to_string());
        }
    }
}
