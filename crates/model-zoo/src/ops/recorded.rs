//! Which operations stand in a graph under a name of their own?
//!
//! Elsewhere they are compositions, or loops over the steps of a sequence: what reads a graph knows them by name, and can do better
//! than repeat every step. Names are in [`graph`](crate::graph).

use burn::backend::ir::{CustomOpIr, OperationIr, ScalarIr, TensorIr};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Capture, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use burn_router::{RouterClient, RouterTensor};

use crate::graph::{GELU_TANH, GRU, HARD_SWISH, LINEAR, LSTM};
use kernels::linear::Lying;

/// A recurrent layer in one direction, as it stands in a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Gates in the order reset, update, new.
    Gru,
    /// Gates in the order input, forget, new, output.
    Lstm,
}

/// How a recurrent layer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// By which gates.
    pub cell: Cell,
    /// Whether from the end.
    pub reverse: bool,
}

/// A function of each number alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// GELU by the tangent.
    GeluTanh,
    /// `x hard_sigmoid(x)`.
    HardSwish,
}

/// What is recorded and not computed.
#[backend_extension(Capture)]
pub trait Recorded: Backend {
    /// A function of each number.
    fn unit(x: FloatTensor<Self>, unit: Unit) -> FloatTensor<Self>;

    /// A linear map.
    fn line(x: FloatTensor<Self>, weight: FloatTensor<Self>, lying: Lying) -> FloatTensor<Self>;

    /// The same with a bias.
    fn line_with_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        lying: Lying,
    ) -> FloatTensor<Self>;

    /// The states of a recurrent layer, and the last one.
    fn recurrent(
        x: FloatTensor<Self>,
        mask: FloatTensor<Self>,
        weight_ih: FloatTensor<Self>,
        weight_hh: FloatTensor<Self>,
        bias_ih: FloatTensor<Self>,
        bias_hh: FloatTensor<Self>,
        reading: Reading,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

impl Recorded for Capture {
    fn unit(x: FloatTensor<Self>, unit: Unit) -> FloatTensor<Self> {
        let name = match unit {
            Unit::GeluTanh => GELU_TANH,
            Unit::HardSwish => HARD_SWISH,
        };
        let (client, shape, dtype) = (x.client.clone(), x.shape(), x.dtype());
        let out = TensorIr::uninit(client.create_empty_handle(), shape, dtype);
        let operation = CustomOpIr::new(name, &[x.into_ir()], &[out]);
        client.register(OperationIr::Custom(operation)).remove(0)
    }

    fn line(x: FloatTensor<Self>, weight: FloatTensor<Self>, lying: Lying) -> FloatTensor<Self> {
        mapped(vec![x, weight], lying)
    }

    fn line_with_bias(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        lying: Lying,
    ) -> FloatTensor<Self> {
        mapped(vec![x, weight, bias], lying)
    }

    fn recurrent(
        x: FloatTensor<Self>,
        mask: FloatTensor<Self>,
        weight_ih: FloatTensor<Self>,
        weight_hh: FloatTensor<Self>,
        bias_ih: FloatTensor<Self>,
        bias_hh: FloatTensor<Self>,
        reading: Reading,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (client, shape, dtype) = (x.client.clone(), x.shape(), x.dtype());
        let hidden = weight_hh.shape()[1];
        let out = |shape: Vec<usize>| TensorIr::uninit(client.create_empty_handle(), shape.into(), dtype);
        let outs = [out(vec![shape[0], shape[1], hidden]), out(vec![shape[0], hidden])];
        let inputs = [x, mask, weight_ih, weight_hh, bias_ih, bias_hh].map(RouterTensor::into_ir);
        let name = match reading.cell {
            Cell::Gru => GRU,
            Cell::Lstm => LSTM,
        };
        let operation = CustomOpIr::with_scalars(name, &inputs, &outs, vec![ScalarIr::Bool(reading.reverse)]);
        let mut outs = client.register(OperationIr::Custom(operation));
        let end = outs.remove(1);
        (outs.remove(0), end)
    }
}

/// A linear map of the first tensor by the second, to which the third is added.
fn mapped(tensors: Vec<FloatTensor<Capture>>, lying: Lying) -> FloatTensor<Capture> {
    let is_input_major = matches!(lying, Lying::InputMajor);
    let (client, mut shape, dtype) = (tensors[0].client.clone(), tensors[0].shape().to_vec(), tensors[0].dtype());
    if let Some(features) = shape.last_mut() {
        *features = tensors[1].shape()[usize::from(is_input_major)];
    }
    let inputs: Vec<TensorIr> = tensors.into_iter().map(RouterTensor::into_ir).collect();
    let out = TensorIr::uninit(client.create_empty_handle(), shape.into(), dtype);
    let operation = CustomOpIr::with_scalars(LINEAR, &inputs, &[out], vec![ScalarIr::Bool(is_input_major)]);
    client.register(OperationIr::Custom(operation)).remove(0)
}

/// A linear map, which is recorded: burn's own looks different at different sizes.
pub(super) fn line<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    lying: Lying,
) -> Tensor<D> {
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => Dispatch::line_with_bias(x, weight, bias.into_dispatch(), lying),
        None => Dispatch::line(x, weight, lying),
    })
}

/// `unit` of each number of `x`, which is recorded.
pub(super) fn unit<const D: usize>(x: Tensor<D>, unit: Unit) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::unit(x.into_dispatch(), unit))
}

/// A recurrent layer, which is recorded.
///
/// # Shapes
/// - `x`: `[batch, length, inputs]`
/// - `mask`: `[batch, length]`, 1 where there is content and 0 where there is padding, which stands at the end
/// - `weights`: `[gates, inputs]` and `[gates, hidden]`
/// - `biases`: `[gates]` each
/// - result: the state after each step with content, `[batch, length, hidden]`, and the one at the end, `[batch, hidden]`
pub(super) fn recurrent(
    x: Tensor<3>,
    mask: Tensor<2>,
    [weight_ih, weight_hh]: [Tensor<2>; 2],
    [bias_ih, bias_hh]: [Tensor<1>; 2],
    reading: Reading,
) -> (Tensor<3>, Tensor<2>) {
    let (all, end) = Dispatch::recurrent(
        x.into_dispatch(),
        mask.into_dispatch(),
        weight_ih.into_dispatch(),
        weight_hh.into_dispatch(),
        bias_ih.into_dispatch(),
        bias_hh.into_dispatch(),
        reading,
    );
    (Tensor::from_dispatch(all), Tensor::from_dispatch(end))
}
