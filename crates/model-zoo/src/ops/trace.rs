//! What do the operations of a network do, while someone asks?
//!
//! Every operation of [`ops`](super) tells what it gives and how many products it sums up. On threads where nobody asks, which is all
//! of training, that costs the look at one flag.

use std::cell::{Cell, RefCell};

use burn::module::{Param, ParamId};
use burn::tensor::Tensor;

/// What one operation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// What it is called.
    pub(crate) kind: &'static str,
    /// The parameter that it applied.
    pub(crate) weight: Option<ParamId>,
    /// The size of each axis of what it gave.
    pub(crate) shape: Vec<usize>,
    /// Products that were summed up, as in convolutions and products of matrices; 0 for everything that is done element by element.
    pub(crate) multiply_adds: u64,
}

thread_local! {
    static IS_ASKED: Cell<bool> = const { Cell::new(false) };
    static WEIGHT: Cell<Option<ParamId>> = const { Cell::new(None) };
    static OPERATIONS: RefCell<Vec<Operation>> = const { RefCell::new(Vec::new()) };
}

/// Does `work` on this thread, and tells what the operations in it did.
pub(crate) fn traced<T>(work: impl FnOnce() -> T) -> (T, Vec<Operation>) {
    OPERATIONS.take();
    IS_ASKED.set(true);
    let result = work();
    IS_ASKED.set(false);
    WEIGHT.set(None);
    (result, OPERATIONS.take())
}

/// The numbers of `weight`, to be applied by the operation that comes next.
pub(crate) fn applied<const D: usize>(weight: &Param<Tensor<D>>) -> Tensor<D> {
    if IS_ASKED.get() {
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
    if IS_ASKED.get() {
        let shape = result.dims();
        let operation = Operation {
            kind,
            weight: WEIGHT.take(),
            shape: shape.to_vec(),
            multiply_adds: multiply_adds(shape) as u64,
        };
        OPERATIONS.with_borrow_mut(|operations| operations.push(operation));
    }
    result
}

/// As [`tell`], of an operation that sums up no products.
pub(super) fn told<const D: usize>(kind: &'static str, result: Tensor<D>) -> Tensor<D> {
    tell(kind, result, |_| 0)
}
