//! With which weights does a run begin, and which of them learn?

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use data_loader::Pipeline;
use model_zoo::pretrained::{BeganWith, Located};
use model_zoo::{Architecture, Network, pretrained, summary, weights};

use crate::experiment::root_of;
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

/// Gives a fresh network the weights that others trained, unless those of a checkpoint are to follow, adds adapters, and freezes what
/// does not learn after `step` steps. A run that goes on before its first checkpoint begins with the weights with which it began `earlier`.
///
/// # Errors
/// If file and network do not go together, [`Error::WeightsChanged`], or [`Error::Config`] names a parameter that there is not.
pub fn prepare<M: Network>(
    mut network: M,
    plan: &Plan,
    pipeline: &Pipeline,
    config: &Path,
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
            None => root_of(config, &pretrained.weights).unwrap_or_default().join(&pretrained.weights),
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
            path: config.to_owned(),
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
