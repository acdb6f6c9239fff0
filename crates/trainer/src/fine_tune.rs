//! Which weights learn, from when on, and how fast?
//!
//! `[fine_tune]` in a config, mostly beside `[pretrained]`: weights that stay frozen, for ever or for a while, weights that learn slower
//! than others, and adapters of low rank, which learn instead of the matrices that they stand beside (Hu et al., "LoRA: Low-Rank Adaptation
//! of Large Language Models", 2021). A checkpoint holds adapters by themselves; a bundle holds matrices into which they were merged.

use burn::module::{Lora, Module, ModuleMapper, Param, ParamGroup};
use burn::tensor::{Tensor, TensorData};
use data_loader::random::Random;
use model_zoo::blocks::PROJECTION;
use model_zoo::pretrained::{in_module, no_pattern};
use model_zoo::summary;
use model_zoo::weights::{self, HostTensor, Weights};
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// From which the first adapters are drawn, apart from all other random numbers.
const STREAM: u64 = 0x4c6f_5241;
/// How burn calls the two factors of an adapter, behind the name of its matrix.
const FACTORS: [&str; 2] = [".lora.a", ".lora.b"];

/// `[fine_tune]` in a config.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FineTune {
    /// Parameters that do not learn: regular expressions over their names, which `firebox inspect` shows. Running statistics of batch
    /// norms go on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    /// After how many steps the frozen ones learn as well; never if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfreeze_at: Option<u64>,
    /// By what the learning rate of parameters is multiplied: a regular expression and a factor, of which the last one that fits counts,
    /// as in `[["^features", 0.1]]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub learning_rates: Vec<(String, f64)>,
    /// Adapters that learn instead of the matrices of the network. The head learns as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora: Option<Adapters>,
}

/// `[fine_tune.lora]` in a config.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Adapters {
    /// Columns of the first factor, rows of the second.
    pub rank: usize,
    /// The product of the factors is multiplied by `alpha / rank`.
    pub alpha: f64,
    /// Which matrices get one: regular expressions over their names. Every matrix but the head if left out.
    pub on: Vec<String>,
}

impl Default for Adapters {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, on: vec![".".into()] }
    }
}

impl Adapters {
    /// By what the product of the factors is multiplied.
    fn scale(&self) -> f64 {
        self.alpha / self.rank as f64
    }
}

fn patterns(texts: &[String]) -> Vec<Regex> {
    texts.iter().filter_map(|text| Regex::new(text).ok()).collect()
}

impl FineTune {
    /// Whether the settings make sense for a network with these parameters.
    ///
    /// # Errors
    /// The key, and a sentence.
    pub fn check(&self, shapes: &[(String, Vec<usize>)], head: Option<&str>) -> Result<(), (&'static str, String)> {
        // Running statistics follow from what passes; nothing is learnt of them.
        let learnt = shapes.iter().map(|(name, _)| name).filter(|name| !summary::is_buffer(name));
        let names: Vec<&String> = learnt.collect();
        let rates = self.learning_rates.iter().map(|(pattern, _)| ("learning_rates", pattern));
        let adapters = self.lora.iter().flat_map(|lora| &lora.on).map(|pattern| ("lora.on", pattern));
        for (key, text) in self.freeze.iter().map(|pattern| ("freeze", pattern)).chain(rates).chain(adapters) {
            let pattern = Regex::new(text).map_err(|error| (key, no_pattern(text, &error)))?;
            if !names.iter().any(|name| pattern.is_match(name)) {
                let some: Vec<&str> = names.iter().take(3).map(|name| name.as_str()).collect();
                let reason = format!("`{text}` fits no parameter; they are called {}, and so on", some.join(", "));
                return Err((key, reason));
            }
        }
        if let Some((pattern, factor)) = self.learning_rates.iter().find(|(_, f)| !(f.is_finite() && *f >= 0.0)) {
            return Err(("learning_rates", format!("has {factor} for `{pattern}`; a factor must be at least 0")));
        }
        if self.unfreeze_at == Some(0) {
            return Err((
                "unfreeze_at",
                "is 0, so that nothing would be frozen; leave out `freeze`, or raise it".into(),
            ));
        }
        if self.unfreeze_at.is_some() && self.freeze.is_empty() {
            return Err(("unfreeze_at", "is set, and nothing is frozen; name parameters in `freeze`".into()));
        }
        let frozen = patterns(&self.freeze);
        if names.iter().all(|name| frozen.iter().any(|pattern| pattern.is_match(name))) {
            let until = self.unfreeze_at.map_or_else(|| "for ever".into(), |at| format!("until step {at}"));
            return Err(("freeze", format!("freezes every parameter {until}, and nothing would be learnt")));
        }
        match &self.lora {
            Some(_) if !self.freeze.is_empty() => Err((
                "freeze",
                "cannot be used beside adapters, which freeze everything but themselves and the head".into(),
            )),
            Some(lora) if lora.rank == 0 => Err(("lora.rank", "is 0; it must be at least 1".into())),
            Some(lora) if !(lora.alpha.is_finite() && lora.alpha > 0.0) => {
                Err(("lora.alpha", format!("is {}; it must be above 0", lora.alpha)))
            }
            Some(lora) if beside(lora, shapes, head).is_empty() => {
                Err(("lora.on", "fits no matrix but those of the head, beside which there is no adapter".into()))
            }
            _ => Ok(()),
        }
    }

    /// The network with adapters, and with those parameters frozen that do not learn after `step` steps.
    pub fn prepare<M: Module>(&self, network: M, head: Option<&str>, step: u64, seed: u64) -> M {
        match &self.lora {
            Some(lora) => adapt(network, lora, head, seed),
            None if self.unfreeze_at.is_none_or(|at| step < at) => self.set_learning(network, false),
            None => network,
        }
    }

    /// Lets the frozen parameters learn if their time has come after `step` steps.
    pub fn unfreeze<M: Module>(&self, network: M, step: u64) -> M {
        if self.unfreeze_at == Some(step) { self.set_learning(network, true) } else { network }
    }

    fn set_learning<M: Module>(&self, network: M, learns: bool) -> M {
        let frozen = patterns(&self.freeze);
        let names = weights::names(&network);
        let paths: Vec<String> = names.into_iter().filter(|name| frozen.iter().any(|f| f.is_match(name))).collect();
        if paths.is_empty() { network } else { network.set_require_grad_group(ParamGroup::from_paths(paths), learns) }
    }

    /// By what the learning rate of a parameter is multiplied.
    pub fn rates(&self) -> Vec<(Regex, f64)> {
        let compiled = self.learning_rates.iter().map(|(text, factor)| Some((Regex::new(text).ok()?, *factor)));
        compiled.flatten().collect()
    }

    /// The weights of a checkpoint as a network without adapters has them.
    pub fn merged(&self, weights: Weights) -> Weights {
        match &self.lora {
            Some(lora) => merge(weights, lora.scale() as f32),
            None => weights,
        }
    }
}

/// Whether a parameter belongs to the head, or to what lies behind it while a network learns without labels.
fn answers(parameter: &str, head: Option<&str>) -> bool {
    in_module(parameter, head) || in_module(parameter, Some(PROJECTION))
}

/// The matrices that get an adapter.
fn beside(lora: &Adapters, shapes: &[(String, Vec<usize>)], head: Option<&str>) -> Vec<String> {
    let wanted = patterns(&lora.on);
    let is_wanted = |name: &String| wanted.iter().any(|pattern| pattern.is_match(name)) && !answers(name, head);
    shapes
        .iter()
        .filter(|(_, shape)| shape.len() == 2)
        .map(|(name, _)| name)
        .filter(|n| is_wanted(n))
        .cloned()
        .collect()
}

/// The part of a parameter's path that names the matrix, of an adapter that beside which it stands.
pub fn without_factor(path: &str) -> &str {
    FACTORS.iter().find_map(|factor| path.strip_suffix(factor)).unwrap_or(path)
}

/// Freezes everything but the head, and stands an adapter beside every matrix that is meant.
fn adapt<M: Module>(network: M, lora: &Adapters, head: Option<&str>, seed: u64) -> M {
    let shapes = weights::shapes(&network);
    let beside = beside(lora, &shapes, head);
    let of_head = shapes.into_iter().map(|(name, _)| name).filter(|name| answers(name, head)).collect();
    let rules = Lora::new(lora.rank, lora.alpha).set_param_group(ParamGroup::from_paths(beside));
    let network = network.apply_lora(rules).set_require_grad_group(ParamGroup::from_paths(of_head), true);
    network.map(&mut FirstFactors { random: Random::derive(&[seed, STREAM]), path: Vec::new() })
}

/// Draws the factors on the host, so that they are the same on every device: as the authors do it, one factor is 0, and the other one uniform
/// with bound `1 / sqrt(inputs)`.
struct FirstFactors {
    random: Random,
    path: Vec<String>,
}

impl ModuleMapper for FirstFactors {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = format!(".{}", self.path.join("."));
        let Some(factor) = FACTORS.iter().position(|name| path.ends_with(name)) else { return param };
        let shape = param.val().dims();
        let bound = 1.0 / (shape[D - 1] as f64).sqrt();
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| if factor == 0 { 0.0 } else { ((self.random.unit() * 2.0 - 1.0) * bound) as f32 })
            .collect();
        param.map(|old| Tensor::from_data(TensorData::new(values, shape), &old.device()).set_require_grad(true))
    }
}

/// Adds the scaled product of each pair of factors, `[outputs, rank]` and `[rank, inputs]`, to the matrix that they stand beside.
fn merge(mut weights: Weights, scale: f32) -> Weights {
    let [first, second] = FACTORS;
    let names: Vec<String> = weights.keys().filter_map(|name| name.strip_suffix(first).map(str::to_owned)).collect();
    for name in names {
        let (Some(a), Some(b)) =
            (weights.remove(&format!("{name}{first}")), weights.remove(&format!("{name}{second}")))
        else {
            continue;
        };
        if let Some(matrix) = weights.get_mut(&name) {
            add_product(matrix, &a, &b, scale);
        }
    }
    weights
}

fn add_product(matrix: &mut HostTensor, a: &HostTensor, b: &HostTensor, scale: f32) {
    let (&[outputs, inputs], &[_, rank]) = (&matrix.shape[..], &a.shape[..]) else { return };
    if outputs * rank != a.values.len() || rank * inputs != b.values.len() || inputs == 0 || rank == 0 {
        return;
    }
    for (row, factors) in matrix.values.chunks_exact_mut(inputs).zip(a.values.chunks_exact(rank)) {
        for (factor, other) in factors.iter().zip(b.values.chunks_exact(inputs)) {
            for (value, other) in row.iter_mut().zip(other) {
                *value += scale * factor * other;
            }
        }
    }
}

#[cfg(test)]
mod tests;
