//! How are the weights of a network changed, one parameter at a time, and what is remembered of each?
//!
//! What is remembered is saved by the path of the parameter and under PyTorch's names, so that a rule written by hand can take over a
//! checkpoint made with another one.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::{DynState, GradientsParams, StateSink, StateSource};
use burn::tensor::{Device, Tensor, TensorData};
use burn_pack::Scalar;
use model_zoo::weights::{HostTensor, Weights};
use regex::Regex;

use crate::Error;
use crate::fine_tune::without_factor;
use crate::optimizers::{Optimizer, Rule, Traits};

/// The only thing remembered of a parameter that is one number: how many steps it was changed in.
const COUNTER: &str = "step";

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
    /// By what the learning rate of a parameter is multiplied; the last pattern that fits its path counts.
    rates: Vec<(Regex, f64)>,
    /// Modules and parameters on which weight decay does not pull, by the beginnings of their paths.
    spared: &'static [&'static str],
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
        Self::with_rates(optimizer, Vec::new())
    }

    /// Begins with no memory; the learning rate of each parameter is multiplied by the last factor whose pattern fits its path.
    pub fn with_rates(optimizer: &Optimizer, rates: Vec<(Regex, f64)>) -> Self {
        Self { optimizer: optimizer.clone(), rates, spared: &[], traits: BTreeMap::new(), slots: BTreeMap::new() }
    }

    /// The same, with weight decay that does not pull on what [`Network::spared`](model_zoo::Network::spared) names.
    #[must_use]
    pub fn sparing(self, spared: &'static [&'static str]) -> Self {
        Self { spared, ..self }
    }

    fn rule(&self, path: &str, traits: Traits) -> Rule {
        let mut rule = self.optimizer.rule(traits);
        // An adapter learns as fast as the matrix that it stands beside would.
        let matrix = without_factor(path);
        if let Some((_, factor)) = self.rates.iter().rev().find(|(pattern, _)| pattern.is_match(matrix)) {
            rule.rate *= factor;
        }
        rule
    }
}

/// The traits of every parameter, by its path. By the field's habit weight decay does not pull on biases and norms, which have
/// one axis, nor on what is `spared`.
fn traits_of<M: Module>(network: &M, spared: &'static [&'static str]) -> BTreeMap<String, Traits> {
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
    for (path, traits) in &mut visitor.traits {
        let begins = |begin: &&str| path.strip_prefix(*begin).is_some_and(|r| r.is_empty() || r.starts_with('.'));
        traits.decays &= !spared.iter().any(begins);
    }
    visitor.traits
}

impl<M: Module> Update<M> for Stepper {
    fn step(&mut self, rate: f64, network: M, gradients: GradientsParams) -> M {
        if self.traits.is_empty() {
            self.traits = traits_of(&network, self.spared);
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
        self.traits = traits_of(network, self.spared);
        self.slots.clear();
        for (parameter, fields) in by_parameter {
            let known = shapes.get(parameter).zip(self.traits.get(parameter));
            let (shape, traits) = known.ok_or_else(|| bad(format!("the network has no `{parameter}`")))?;
            let rule = self.rule(parameter, *traits);
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
        let path = self.path.join(".");
        if !self.stepper.slots.contains_key(&path) {
            let known = self.stepper.traits.get(&path).copied();
            let rule = self.stepper.rule(&path, known.unwrap_or(Traits { decays: D > 1, hidden_matrix: false }));
            self.stepper.slots.insert(path.clone(), Slot { rule, state: None });
        }
        let Some(slot) = self.stepper.slots.get_mut(&path) else { return param };
        let rate = self.rate * slot.rule.rate;
        param.map(|weight| {
            let strategy = weight.gradient_checkpointing_strategy();
            let (updated, state) = slot.rule.update.step_dyn(
                D,
                rate,
                weight.inner().into_bridge(),
                row_by_row(gradient).into_bridge(),
                slot.state.take(),
            );
            slot.state = state;
            let updated = Tensor::from_inner(Tensor::<D>::from_bridge(updated));
            match strategy {
                Some(strategy) => updated.with_gradient_checkpointing_strategy(strategy).require_grad(),
                None => updated.require_grad(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use data_loader::{Dtype, InputKind, InputSpec, OutputSpec, Signature, Task};
    use model_zoo::architectures::{ft_transformer, vit};
    use model_zoo::network::NetworkConfig;
    use model_zoo::{Network, device};

    use super::*;

    fn signature(name: &str, dtype: Dtype, shape: &[usize], kind: InputKind) -> Signature {
        let shape = shape.iter().map(|&size| Some(size)).collect();
        let labels = vec!["x".into(), "y".into()];
        let inputs = vec![InputSpec { name: name.into(), dtype, shape, kind }];
        Signature { task: Task::Classify, inputs, output: OutputSpec::Classes { labels } }
    }

    /// Of several axes, and yet without decay, as sets of columns and places are in rtdl and timm.
    fn without_decay<C: NetworkConfig>(config: &C, signature: &Signature) -> Vec<String> {
        let network = config.build(signature, 0, &device::open("cpu").unwrap().device).unwrap();
        let shapes: BTreeMap<String, Vec<usize>> = model_zoo::weights::shapes(&network).into_iter().collect();
        let traits = traits_of(&network, network.spared());
        traits.into_iter().filter(|(path, of)| !of.decays && shapes[path].len() > 1).map(|(path, _)| path).collect()
    }

    #[test]
    fn decay_spares_what_the_references_spare() {
        let kind = InputKind::Categories { names: vec!["a".into()], sizes: vec![3] };
        let columns = signature("categories", Dtype::I64, &[1], kind);
        let config = ft_transformer::FtTransformerConfig { blocks: 1, ..Default::default() };
        assert_eq!(without_decay(&config, &columns), ["cat_embeddings.bias", "cat_embeddings.embeddings.0.weight"],);
        let kind = InputKind::Numbers { names: vec!["n".into(), "m".into()] };
        let columns = signature("numbers", Dtype::F32, &[2], kind);
        assert_eq!(without_decay(&config, &columns), ["cont_embeddings.bias", "cont_embeddings.weight"]);
        let kind = InputKind::Image { mean: vec![0.5; 3], std: vec![0.5; 3] };
        let images = signature("image", Dtype::U8, &[3, 8, 8], kind);
        let config = vit::VitConfig { layers: Some(1), ..Default::default() };
        assert_eq!(without_decay(&config, &images), ["cls_token", "pos_embed"]);
    }
}
