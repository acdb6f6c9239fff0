//! What looks at images and sequences through windows: convolutions, poolings, padding.

use burn::backend::Dispatch;
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, ConvTransposeOptions, MaxPoolOptions};
use burn::tensor::{Tensor, module};
use kernels::conv2d::Conv2d;
use kernels::max_pool::MaxPool;

use super::processor::Processor;
use super::trace::{tell, told};
use super::{count, has_kernels, relu};

/// Cross-correlation of an image with a bank of filters.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - `weight`: `[filters, channels / groups, kernel_height, kernel_width]`
/// - `bias`: `[filters]`
/// - result: `[batch, filters, (height + 2 padding - kernel_height) / stride + 1, ...]`
pub fn conv2d(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: [usize; 2],
    padding: [usize; 2],
    groups: usize,
) -> Tensor<4> {
    convolve(x, weight, bias, [stride, padding], groups, false)
}

/// [`conv2d`], rectified in the same pass where a kernel of ours does it.
///
/// # Shapes
/// As of [`conv2d`].
pub fn conv2d_relu(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    stride: [usize; 2],
    padding: [usize; 2],
    groups: usize,
) -> Tensor<4> {
    convolve(x, weight, bias, [stride, padding], groups, true)
}

fn convolve(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    [stride, padding]: [[usize; 2]; 2],
    groups: usize,
    rectified: bool,
) -> Tensor<4> {
    let each = count(&weight.dims()[1..]);
    if !has_kernels(&x) {
        let y = module::conv2d(x, weight, bias, ConvOptions::new(stride, padding, [1, 1], groups));
        let y = tell("conv2d", y, |y| count(&y) * each);
        return if rectified { relu(y) } else { y };
    }
    let ([batch, channels, height, width], [filters, _, rows, columns]) = (x.dims(), weight.dims());
    let (size, kernel, dilation) = ([height, width], [rows, columns], [1, 1]);
    let conv = Conv2d { batch, channels, size, filters, kernel, stride, padding, dilation, groups };
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    let y = Tensor::from_dispatch(match bias {
        Some(bias) => Dispatch::convolve_with_bias(x, weight, bias.into_dispatch(), conv, rectified),
        None => Dispatch::convolve(x, weight, conv, rectified),
    });
    let y = tell("conv2d", y, |y| count(&y) * each);
    if rectified { told("relu", y) } else { y }
}

/// Cross-correlation of sequences with a bank of filters, of which no step sees a later one: as many zeros stand before each
/// sequence as its filters reach back.
///
/// # Shapes
/// - `x`: `[batch, channels, length]`
/// - `weight`: `[filters, channels, kernel]`
/// - `bias`: `[filters]`
/// - result: `[batch, filters, length]`
pub fn causal_conv1d(x: Tensor<3>, weight: Tensor<3>, bias: Option<Tensor<1>>, dilation: usize) -> Tensor<3> {
    let [batch, channels, _] = x.dims();
    let each = count(&weight.dims()[1..]);
    let reach = (weight.dims()[2] - 1) * dilation;
    let padded = match reach {
        0 => x,
        _ => Tensor::cat(vec![Tensor::zeros([batch, channels, reach], &x.device()), x], 2),
    };
    let y = module::conv1d(padded, weight, bias, ConvOptions::new([1], [0], [dilation], 1));
    tell("conv1d", y, |y| count(&y) * each)
}

/// The largest value of each window, the stride being the window.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - result: `[batch, channels, height / window, width / window]`, rounded down
pub fn max_pool2d(x: Tensor<4>, window: [usize; 2]) -> Tensor<4> {
    let y = match has_kernels(&x) {
        true => pool(x, window, window, [0, 0]),
        false => module::max_pool2d(x, MaxPoolOptions::new(window)),
    };
    told("max_pool2d", y)
}

/// The largest value of each window; what lies outside of the image is smaller than everything.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - result: `[batch, channels, (height + 2 padding - window) / stride + 1, ...]`
pub fn max_pool2d_strided(x: Tensor<4>, window: usize, stride: usize, padding: usize) -> Tensor<4> {
    let y = if has_kernels(&x) {
        pool(x, [window; 2], [stride; 2], [padding; 2])
    } else {
        let options = MaxPoolOptions::new([window; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
        module::max_pool2d(x, options)
    };
    told("max_pool2d", y)
}

fn pool(x: Tensor<4>, window: [usize; 2], stride: [usize; 2], padding: [usize; 2]) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let sizes = MaxPool { planes: batch * channels, size: [height, width], window, stride, padding };
    Tensor::from_dispatch(Dispatch::pool_largest(x.into_dispatch(), sizes))
}

/// The largest value of each channel over the image.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - result: `[batch, channels]`
pub fn global_max_pool2d(x: Tensor<4>) -> Tensor<2> {
    let [batch, channels, height, width] = x.dims();
    told("max_pool2d", x.reshape([batch, channels, height * width]).max_dim(2).reshape([batch, channels]))
}

/// Spreads each pixel over a square of `stride` pixels with weights of its own; the squares do not overlap.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - `weight`: `[channels, filters, stride, stride]`
/// - `bias`: `[filters]`
/// - result: `[batch, filters, stride height, stride width]`
pub fn conv_transpose2d(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, stride: usize) -> Tensor<4> {
    let options = ConvTransposeOptions::new([stride; 2], [0; 2], [0; 2], [1; 2], 1);
    let (pixels, each) = (x.dims()[0] * x.dims()[2] * x.dims()[3], count(&weight.dims()));
    tell("conv_transpose2d", module::conv_transpose2d(x, weight, Some(bias), options), |_| pixels * each)
}

/// Zeros before and behind the rows and columns of an image.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - `rows`, `columns`: how many before and behind
/// - result: `[batch, channels, height + rows, width + columns]`
pub fn pad_image(x: Tensor<4>, rows: (usize, usize), columns: (usize, usize)) -> Tensor<4> {
    told("pad", x.pad([rows, columns], 0.0))
}

/// The mean of each window, the stride being the window.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - result: `[batch, channels, height / window, width / window]`, rounded down
pub fn avg_pool2d(x: Tensor<4>, window: [usize; 2]) -> Tensor<4> {
    told("avg_pool2d", module::avg_pool2d(x, AvgPoolOptions::new(window)))
}

/// The mean of each channel over the image.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - result: `[batch, channels]`
pub fn global_avg_pool2d(x: Tensor<4>) -> Tensor<2> {
    let [batch, channels, height, width] = x.dims();
    told("avg_pool2d", x.reshape([batch, channels, height * width]).mean_dim(2).reshape([batch, channels]))
}
