//! How an operation of ours tells burn what its gradients are.

use std::fmt;
use std::sync::Arc;

use burn::backend::Autodiff;
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;

/// A float tensor that may be tracked.
pub(super) type Tracked<C> = FloatTensor<Autodiff<Flex, C>>;

/// Gives, for the gradient of a result, those of the inputs that are wanted.
pub(super) type Back<const N: usize> = Arc<dyn Fn(FlexTensor, [bool; N]) -> [Option<FlexTensor>; N] + Send + Sync>;

/// A result, and how gradients go back from it.
pub(super) type Forth<const N: usize> = (FlexTensor, Back<N>);

/// Computes by `forth` from the numbers of `inputs`, and lets gradients go back to those of them that are tracked: `forth` is told which, so
/// that it keeps only what is needed for them.
pub(super) fn recorded<C: CheckpointStrategy, const N: usize>(
    inputs: [Tracked<C>; N],
    forth: impl FnOnce([FlexTensor; N], [bool; N]) -> Forth<N>,
) -> Tracked<C> {
    let tracked = inputs.each_ref().map(Tracked::<C>::is_tracked);
    let nodes = inputs.each_ref().map(Tracked::<C>::node);
    let primitives = inputs.map(Tracked::<C>::into_primitive);
    match Recorded.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let (result, back) = forth(primitives, tracked);
            prepared.finish(State(back), result)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(forth(primitives, [false; N]).0),
    }
}

/// What waits for the gradient of a result.
#[derive(Clone)]
struct State<const N: usize>(Back<N>);

impl<const N: usize> fmt::Debug for State<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

#[derive(Debug)]
struct Recorded;

impl<const N: usize> Backward<Flex, N> for Recorded {
    type State = State<N>;

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        for (parent, gradient) in ops.parents.into_iter().zip((ops.state.0)(gradient, wanted)) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}
