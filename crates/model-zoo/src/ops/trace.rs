//! What do the operations of a network do, while someone asks?
//!
//! Every operation of [`ops`](super) tells what it gives and how many products it sums up. On threads where nobody asks, which is all
//! of training, that costs the look at one word.

use std::cell::{Cell, RefCell};

use burn::backend::Capture;
use burn::module::{Param, ParamId};
use burn::tensor::{Tensor, TensorData, TensorId};

/// What one operation did.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Operation {
    /// What it is called.
    pub(crate) kind: &'static str,
    /// The parameter that it applied.
    pub(crate) weight: Option<ParamId>,
    /// The size of each axis of what it gave.
    pub(crate) shape: Vec<usize>,
    /// Products that were summed up, as in convolutions and products of matrices; 0 for everything that is done element by element.
    pub(crate) multiply_adds: u64,
    /// What it gave, as far as that is asked.
    pub(crate) given: Given,
}

/// What is kept of that which an operation gives.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Given {
    /// Nothing but its shape.
    Shape,
    /// Its place in the graph that is recorded.
    Place(TensorId),
    /// Its numbers.
    Numbers(TensorData),
}

/// What is asked of operations on this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nothing.
    Nothing,
    /// How large it is what they give.
    Shapes,
    /// Where in the graph that is recorded it stands.
    Places,
    /// Which numbers it is.
    Numbers,
}

thread_local! {
    static ASKED: Cell<Asked> = const { Cell::new(Asked::Nothing) };
    static WEIGHT: Cell<Option<ParamId>> = const { Cell::new(None) };
    static OPERATIONS: RefCell<Vec<Operation>> = const { RefCell::new(Vec::new()) };
}

/// Ends asking, also where what is traced panics.
struct Asking;

impl Drop for Asking {
    fn drop(&mut self) {
        ASKED.set(Asked::Nothing);
        WEIGHT.set(None);
    }
}

/// Does `work` on this thread, and tells what the operations in it did.
pub(crate) fn traced<T>(asked: Asked, work: impl FnOnce() -> T) -> (T, Vec<Operation>) {
    OPERATIONS.take();
    ASKED.set(asked);
    let asking = Asking;
    let result = work();
    drop(asking);
    (result, OPERATIONS.take())
}

/// Whether a graph is recorded on this thread, in which operations of ours stand as what they are.
pub(super) fn is_recording() -> bool {
    ASKED.get() == Asked::Places
}

/// The numbers of `weight`, to be applied by the operation that comes next.
pub(crate) fn applied<const D: usize>(weight: &Param<Tensor<D>>) -> Tensor<D> {
    if ASKED.get() != Asked::Nothing {
        WEIGHT.set(Some(weight.id));
    }
    weight.val()
}

/// Tells what an operation gave.
pub(super) fn tell<const D: usize>(
    kind: &'static str,
    result: Tensor<D>,
    multiply_adds: impl FnOnce([usize; D]) -> usize,
) -> Tensor<D> {
    if ASKED.get() != Asked::Nothing {
        let shape = result.dims();
        let operation = Operation {
            kind,
            weight: WEIGHT.take(),
            shape: shape.to_vec(),
            multiply_adds: multiply_adds(shape) as u64,
            given: given(&result),
        };
        OPERATIONS.with_borrow_mut(|operations| operations.push(operation));
    }
    result
}

/// What is to be kept of `result`.
fn given<const D: usize>(result: &Tensor<D>) -> Given {
    match ASKED.get() {
        Asked::Places => match result.clone().try_into_primitive::<Capture>() {
            Ok(tensor) => Given::Place(tensor.id()),
            Err(_) => Given::Shape,
        },
        Asked::Numbers => result.clone().try_into_data().map_or(Given::Shape, Given::Numbers),
        Asked::Nothing | Asked::Shapes => Given::Shape,
    }
}

/// As [`tell`], of an operation that sums up no products.
pub(super) fn told<const D: usize>(kind: &'static str, result: Tensor<D>) -> Tensor<D> {
    tell(kind, result, |_| 0)
}
