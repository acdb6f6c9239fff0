//! In which state does a run begin: with which weights, which of them learn, and from which checkpoint if it goes on?

use std::sync::Arc;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use data_loader::{Dataset, Loader, Pipeline};
use model_zoo::network::NetworkConfig;
use model_zoo::pretrained::{BeganWith, Located};
use model_zoo::{Architecture, Network, pretrained, summary, weights};

use crate::checkpoint::{self, Chosen, Identity};
use crate::experiment::root_of;
use crate::state::State;
use crate::{Error, Plan};

/// A network with which training can begin.
pub struct Prepared<M> {
    /// The network.
    pub network: M,
    /// What was done to it, in sentences.
    pub notices: Vec<String>,
    /// With which weights of others it begins.
    pub began_with: Option<BeganWith>,
}

/// The state before the next step of a run.
pub struct Begun<M: Network> {
    /// The state: fresh, or that of a checkpoint.
    pub state: State<M>,
    /// What was done to the network, in sentences.
    pub notices: Vec<String>,
    /// With which weights of others it begins.
    pub began_with: Option<BeganWith>,
}

/// Builds the state of a run that is new, or that goes on `from` a checkpoint; one that goes on before its first begins with the weights with
/// which it began `earlier`.
///
/// # Errors
/// As [`prepare`] and [`checkpoint::load`].
pub fn begin<C: NetworkConfig>(
    config: &C,
    plan: &Plan,
    dataset: &Arc<Dataset>,
    belongs_to: &Identity,
    from: Option<&Chosen>,
    device: &Device,
    earlier: Option<&BeganWith>,
) -> Result<Begun<C::Network>, Error> {
    let seed = plan.experiment.seed;
    let network = config.build(&plan.signature, seed, &plan.training_device(device))?;
    let memory = from.map(|from| checkpoint::read_manifest(&from.path)).transpose()?.map(|manifest| manifest.memory);
    let (step, position) = memory.map_or((0, 0), |memory| (memory.step, memory.batches));
    let prepared = prepare(network, plan, dataset.pipeline(), step, from.is_some(), earlier)?;
    let batches = Loader::train(Arc::clone(dataset), plan.batch_size, seed, 0, position)?;
    let mut state = State::new(prepared.network, plan, batches, device);
    if let Some(from) = from {
        state = checkpoint::load(state, &from.path, belongs_to)?;
        state.last_saved = Some(from.step);
        state.memory.best.judge_by(&plan.watch);
    }
    Ok(Begun { state, notices: prepared.notices, began_with: prepared.began_with })
}

/// Gives a fresh network the weights that others trained, unless those of a checkpoint are to follow, adds adapters, and freezes what
/// does not learn after `step` steps. A run that goes on before its first checkpoint begins with the weights with which it began `earlier`.
///
/// # Errors
/// If file and network do not go together, [`Error::WeightsChanged`], or [`Error::Config`] names a parameter that there is not.
pub fn prepare<M: Network>(
    mut network: M,
    plan: &Plan,
    pipeline: &Pipeline,
    step: u64,
    from_checkpoint: bool,
    earlier: Option<&BeganWith>,
) -> Result<Prepared<M>, Error> {
    let (mut notices, mut began_with) = (Vec::new(), None);
    let shapes = weights::shapes(&network);
    let head = pretrained::head(&shapes).filter(|_| !network.answers_by_its_embedding());
    if let Some(pretrained) = plan.experiment.pretrained.as_ref().filter(|_| !from_checkpoint) {
        let path = match earlier {
            Some(earlier) => earlier.named.clone(),
            None => root_of(&plan.config, &pretrained.weights).unwrap_or_default().join(&pretrained.weights),
        };
        let architecture = plan.experiment.model.as_ref().map(Architecture::name);
        let found = pretrained.locate(&path, architecture)?;
        found.check_tokens(pipeline)?;
        let file = found.rules.read(&found.path)?;
        let now = found.began_with(&path, file.sha256.clone());
        if let Some(earlier) = earlier.filter(|earlier| earlier.sha256 != now.sha256) {
            return Err(Error::WeightsChanged { path: now.weights, then: earlier.sha256.clone() });
        }
        let (loaded, told) = found.rules.load(network, head.as_deref(), file)?;
        network = loaded;
        notices.push(introduction(&found));
        notices.extend(told);
        began_with = Some(now);
    }
    if let Some(fine_tune) = &plan.experiment.fine_tune {
        let wrong = |(key, reason): (&str, String)| Error::Config {
            path: plan.config.clone(),
            key: format!("fine_tune.{key}"),
            reason,
        };
        fine_tune.check(&shapes, head.as_deref()).map_err(wrong)?;
        if let Some(at) = fine_tune.unfreeze_at.filter(|&at| at >= plan.total_steps) {
            let reason = format!("is {at}, and training has {} steps: nothing would be unfrozen", plan.total_steps);
            return Err(wrong(("unfreeze_at", reason)));
        }
        network = fine_tune.prepare(network, head.as_deref(), step, plan.experiment.seed);
        let (all, learning) = (summary::parameters(&network), learning(&network));
        if learning < all {
            let until = match fine_tune.unfreeze_at {
                Some(at) if fine_tune.lora.is_none() => format!(" until step {at}"),
                _ => String::new(),
            };
            notices.push(format!("{learning} of {all} parameters learn{until}."));
        }
    }
    Ok(Prepared { network, notices, began_with })
}

/// With which weights training begins, in a sentence.
fn introduction(found: &Located) -> String {
    let path = found.path.display();
    match &found.card {
        Some(card) => format!(
            "Training begins with the weights in {path}: {}, from {} ({}).",
            card.title, card.source, card.licence
        ),
        None => format!("Training begins with the weights in {path}."),
    }
}

/// How many numbers a gradient reaches.
fn learning<M: Module>(network: &M) -> usize {
    struct Learning {
        name: String,
        count: usize,
    }
    impl ModuleVisitor for Learning {
        fn enter_module(&mut self, name: &str, _container: &str) {
            name.clone_into(&mut self.name);
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() && !summary::is_buffer(&self.name) {
                self.count += param.lazy_shape().num_elements();
            }
        }
    }
    let mut visitor = Learning { name: String::new(), count: 0 };
    network.visit(&mut visitor);
    visitor.count
}
