//! How are the weights changed?
//!
//! One file each, listed once below; `[optimizer.adamw]` in a config is `adamw.rs`. The rules come from burn-optim. What
//! they remember is kept and saved by the path of the parameter and under PyTorch's names, so that a rule written by hand
//! can take over a checkpoint made with another one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{DynOptimizer, DynState, GradientsParams, StateSink, StateSource};
use burn::tensor::{Device, Tensor, TensorData};
use burn_pack::Scalar;
use data_loader::Entry;
use model_zoo::weights::{HostTensor, Weights};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;

pub mod adam;
pub mod adamw;
pub mod lion;
pub mod muon;
pub mod sgd;

/// Every optimizer, alphabetically.
pub const MEMBERS: &[Entry] = &[
    Entry { name: "adam", summary: adam::SUMMARY },
    Entry { name: "adamw", summary: adamw::SUMMARY },
    Entry { name: "lion", summary: lion::SUMMARY },
    Entry { name: "muon", summary: muon::SUMMARY },
    Entry { name: "sgd", summary: sgd::SUMMARY },
];

/// An optimizer with its settings, as it stands under `[optimizer.<name>]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Adam.
    Adam(adam::Adam),
    /// Adam with decoupled weight decay.
    Adamw(adamw::Adamw),
    /// The sign of a momentum.
    Lion(lion::Lion),
    /// Orthogonalised momentum for the matrices between layers, `AdamW` for the rest.
    Muon(muon::Muon),
    /// Stochastic gradient descent with momentum.
    Sgd(sgd::Sgd),
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Adamw(adamw::Adamw::default())
    }
}

/// The only thing remembered of a parameter that is one number: how many steps it was changed in.
const COUNTER: &str = "step";

/// Which rule a parameter falls under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Whether weight decay pulls on it: matrices and filters yes, norms and biases no.
    pub decays: bool,
    /// Whether it is a matrix between layers: neither an embedding, whose rows are looked up, nor the head, which is the last
    /// matrix of the network.
    pub hidden_matrix: bool,
}

/// The rule for one kind of parameter.
#[derive(Clone)]
pub struct Rule {
    update: Arc<dyn DynOptimizer>,
    /// burn's name and PyTorch's name of each thing that is remembered.
    fields: &'static [(&'static str, &'static str)],
    /// By what the learning rate is multiplied.
    rate: f64,
}

impl Rule {
    pub(crate) fn new(update: impl DynOptimizer + 'static, fields: &'static [(&'static str, &'static str)]) -> Self {
        Self { update: Arc::new(update), fields, rate: 1.0 }
    }

    pub(crate) fn at_rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }
}

impl Optimizer {
    /// The name under `[optimizer.<name>]`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Adam(_) => "adam",
            Self::Adamw(_) => "adamw",
            Self::Lion(_) => "lion",
            Self::Muon(_) => "muon",
            Self::Sgd(_) => "sgd",
        }
    }

    /// The learning rate before any schedule.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Self::Adam(o) => o.learning_rate,
            Self::Adamw(o) => o.learning_rate,
            Self::Lion(o) => o.learning_rate,
            Self::Muon(o) => o.learning_rate,
            Self::Sgd(o) => o.learning_rate,
        }
    }

    /// Whether the settings make sense.
    ///
    /// # Errors
    /// A sentence that says which do not.
    pub fn check(&self) -> Result<(), String> {
        let rate = self.learning_rate();
        if !(rate.is_finite() && rate > 0.0) {
            return Err(format!("learning_rate is {rate}; it must be above 0"));
        }
        match self {
            Self::Adam(o) => fractions(
                &[("beta1", o.beta1), ("beta2", o.beta2)],
                &[("weight_decay", o.weight_decay), ("epsilon", o.epsilon)],
            ),
            Self::Adamw(o) => fractions(
                &[("beta1", o.beta1), ("beta2", o.beta2)],
                &[("weight_decay", o.weight_decay), ("epsilon", o.epsilon)],
            ),
            Self::Lion(o) => fractions(&[("beta1", o.beta1), ("beta2", o.beta2)], &[("weight_decay", o.weight_decay)]),
            Self::Muon(o) => fractions(
                &[("momentum", o.momentum)],
                &[("weight_decay", o.weight_decay), ("adamw_learning_rate", o.adamw_learning_rate)],
            ),
            Self::Sgd(o) if o.nesterov && o.momentum == 0.0 => {
                Err("nesterov looks ahead along the momentum, which is 0".into())
            }
            Self::Sgd(o) => fractions(&[("momentum", o.momentum)], &[("weight_decay", o.weight_decay)]),
        }
    }

    /// The rule for a parameter.
    pub(crate) fn rule(&self, traits: Traits) -> Rule {
        match self {
            Self::Adam(o) => o.rule(traits),
            Self::Adamw(o) => o.rule(traits),
            Self::Lion(o) => o.rule(traits),
            Self::Muon(o) => o.rule(traits),
            Self::Sgd(o) => o.rule(traits),
        }
    }
}

fn fractions(below_one: &[(&str, f64)], not_negative: &[(&str, f64)]) -> Result<(), String> {
    for (name, value) in below_one {
        // Judged as burn will use it: a number just below 1 is 1 in 32 bits.
        if !(0.0..1.0).contains(&(*value as f32)) {
            return Err(format!("{name} is {value}; it must be from 0 to below 1"));
        }
    }
    for (name, value) in not_negative {
        let single = *value as f32;
        if !(single.is_finite() && single >= 0.0) {
            return Err(format!("{name} is {value}; it must be at least 0"));
        }
        if *name == "epsilon" && single == 0.0 {
            return Err(format!("epsilon is {value}; it must be above 0 to keep the division finite"));
        }
    }
    Ok(())
}

/// Changes the weights of a network, step by step.
pub trait Update<M: Module> {
    /// Changes the weights by their gradients at a learning rate.
    fn step(&mut self, rate: f64, network: M, gradients: GradientsParams) -> M;

    /// Everything it remembers, as `<parameter path>.<name>`. Reads the device.
    ///
    /// # Errors
    /// If the device fails.
    fn state(&self) -> Result<Weights, Error>;

    /// Goes on from what [`state`](Self::state) gave; `path` is named in errors.
    ///
    /// # Errors
    /// [`Error::BadCheckpoint`] if something is missing, unused or of another shape.
    fn restore(&mut self, network: &M, state: &Weights, path: &Path) -> Result<(), Error>;
}

/// burn-optim's rules, one parameter at a time.
pub struct Stepper {
    optimizer: Optimizer,
    /// Of every parameter of the network, by its path; empty before the network is known.
    traits: BTreeMap<String, Traits>,
    slots: BTreeMap<String, Slot>,
}

struct Slot {
    rule: Rule,
    state: Option<DynState>,
}

impl Stepper {
    /// Begins with no memory.
    pub fn new(optimizer: &Optimizer) -> Self {
        Self { optimizer: optimizer.clone(), traits: BTreeMap::new(), slots: BTreeMap::new() }
    }
}

/// The traits of every parameter, by its path. By the field's habit weight decay does not pull on biases and norms, which have
/// one axis.
fn traits_of<M: Module>(network: &M) -> BTreeMap<String, Traits> {
    #[derive(Default)]
    struct Visitor {
        path: Vec<String>,
        embedded: bool,
        traits: BTreeMap<String, Traits>,
        last_matrix: Option<String>,
    }
    impl ModuleVisitor for Visitor {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.push(name.to_owned());
            // How burn's derive names the struct around a field.
            self.embedded = container == "Struct:Embedding";
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
            let path = self.path.join(".");
            let hidden_matrix = D == 2 && !self.embedded;
            self.traits.insert(path.clone(), Traits { decays: D > 1, hidden_matrix });
            if hidden_matrix {
                self.last_matrix = Some(path);
            }
        }
    }
    let mut visitor = Visitor::default();
    network.visit(&mut visitor);
    if let Some(head) = visitor.last_matrix.and_then(|path| visitor.traits.get_mut(&path)) {
        head.hidden_matrix = false;
    }
    visitor.traits
}

impl<M: Module> Update<M> for Stepper {
    fn step(&mut self, rate: f64, network: M, gradients: GradientsParams) -> M {
        if self.traits.is_empty() {
            self.traits = traits_of(&network);
        }
        network.map(&mut Mapper { stepper: self, path: Vec::new(), gradients, rate })
    }

    fn state(&self) -> Result<Weights, Error> {
        let mut weights = Weights::new();
        for (path, slot) in &self.slots {
            let Some(state) = &slot.state else { continue };
            let mut sink = StateSink::default();
            slot.rule.update.state_flatten("", state, &mut sink);
            for (name, data) in sink.tensors {
                let shape = data.shape().to_vec();
                let values =
                    data.convert::<f32>().try_into_vec::<f32>().map_err(|error| model_zoo::Error::DeviceFailed {
                        doing: "reading the optimizer's state",
                        reason: format!("{error:?}"),
                    })?;
                weights.insert(format!("{path}.{}", outer_name(&slot.rule, &name)?), HostTensor { shape, values });
            }
            for (name, scalar) in sink.scalars {
                let value = match scalar {
                    Scalar::Int(v) => v as f32,
                    Scalar::UInt(v) => v as f32,
                    Scalar::Float(v) => v as f32,
                    Scalar::Bool(v) => f32::from(u8::from(v)),
                };
                weights.insert(
                    format!("{path}.{}", outer_name(&slot.rule, &name)?),
                    HostTensor { shape: Vec::new(), values: vec![value] },
                );
            }
        }
        Ok(weights)
    }

    fn restore(&mut self, network: &M, state: &Weights, path: &Path) -> Result<(), Error> {
        let bad = |reason: String| Error::BadCheckpoint { path: path.to_owned(), reason };
        let shapes: BTreeMap<String, Vec<usize>> = model_zoo::weights::shapes(network).into_iter().collect();
        let device = network.devices().first().cloned().unwrap_or_else(Device::flex).inner();
        let mut by_parameter: BTreeMap<&str, Vec<(&str, &HostTensor)>> = BTreeMap::new();
        for (name, tensor) in state {
            let (parameter, field) =
                name.rsplit_once('.').ok_or_else(|| bad(format!("`{name}` names no parameter")))?;
            by_parameter.entry(parameter).or_default().push((field, tensor));
        }
        self.traits = traits_of(network);
        self.slots.clear();
        for (parameter, fields) in by_parameter {
            let known = shapes.get(parameter).zip(self.traits.get(parameter));
            let (shape, traits) = known.ok_or_else(|| bad(format!("the network has no `{parameter}`")))?;
            let rule = self.optimizer.rule(*traits);
            let slot =
                read_slot(&rule, shape, &fields, &device).map_err(|reason| bad(format!("`{parameter}`: {reason}")))?;
            self.slots.insert(parameter.to_owned(), Slot { rule, state: Some(slot) });
        }
        Ok(())
    }
}

/// The name under which something remembered is saved.
fn outer_name(rule: &Rule, burn: &str) -> Result<&'static str, Error> {
    rule.fields.iter().find(|(inner, _)| *inner == burn).map(|(_, outer)| *outer).ok_or_else(|| {
        Error::NotEqual(format!("the optimizer remembers `{burn}`, which its file under optimizers/ does not list"))
    })
}

fn read_slot(
    rule: &Rule,
    shape: &[usize],
    fields: &[(&str, &HostTensor)],
    device: &Device,
) -> Result<DynState, String> {
    let mut scalars = BTreeMap::new();
    let mut tensors = Vec::new();
    for (outer, tensor) in fields {
        let (inner, _) = rule
            .fields
            .iter()
            .find(|(_, name)| name == outer)
            .ok_or_else(|| format!("this optimizer keeps no `{outer}`"))?;
        if *outer == COUNTER && tensor.shape.is_empty() {
            // Counters are whole and below 2^24, so f32 holds them exactly.
            scalars.insert((*inner).to_owned(), Scalar::UInt(tensor.values[0] as u64));
        } else if *outer != COUNTER && tensor.shape == shape {
            tensors.push(((*inner).to_owned(), TensorData::new(tensor.values.clone(), tensor.shape.clone())));
        } else {
            return Err(format!("`{outer}` has shape {:?}, which does not suit {shape:?}", tensor.shape));
        }
    }
    let mut source = StateSource::new(scalars);
    for (name, data) in tensors {
        source.insert_tensor(name, data);
    }
    rule.update
        .state_unflatten(shape.len(), "", &mut source, device)
        .ok_or_else(|| "what the optimizer remembered of it is incomplete".to_owned())
}

/// The same numbers in the order of their rows. The gradient of a linear weight comes as the transpose of another tensor; the
/// many passes of an update over it would each read it across its rows, so it is copied once.
fn row_by_row<const D: usize>(gradient: Tensor<D>) -> Tensor<D> {
    let shape = gradient.dims();
    gradient.reshape([shape.iter().product::<usize>()]).reshape(shape)
}

struct Mapper<'a> {
    stepper: &'a mut Stepper,
    path: Vec<String>,
    gradients: GradientsParams,
    rate: f64,
}

impl ModuleMapper for Mapper<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else { return param };
        let Stepper { optimizer, traits, slots } = &mut *self.stepper;
        let slot = slots.entry(self.path.join(".")).or_insert_with_key(|path| {
            let traits = traits.get(path).copied().unwrap_or(Traits { decays: D > 1, hidden_matrix: false });
            Slot { rule: optimizer.rule(traits), state: None }
        });
        let rate = self.rate * slot.rule.rate;
        param.map(|weight| {
            let (updated, state) = slot.rule.update.step_dyn(
                D,
                rate,
                weight.inner().into_bridge(),
                row_by_row(gradient).into_bridge(),
                slot.state.take(),
            );
            slot.state = state;
            Tensor::from_inner(Tensor::<D>::from_bridge(updated)).require_grad()
        })
    }
}
