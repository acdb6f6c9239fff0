//! Normalisation of each channel over a batch, by the statistics of that batch.
//!
//! Ioffe and Szegedy, "Batch Normalization", 2015. With `h = (x - mean) / sqrt(variance + epsilon)` the result is `weight h + bias`, to which
//! something may be added and which may be rectified in the same pass. Of the gradient g of what stands before the rectifier,
//!
//! ```text
//! to bias = sum g,  to weight = sum g h,  to x = weight / sqrt(variance + epsilon) (g - mean g - h mean(g h))
//! ```
//!
//! Channels are gone through one by one, each by one thread: what is read twice is near the second time.

use rayon::prelude::*;

use crate::activation::{ReluGradient, passed};
use crate::each::{Function, each};
use crate::fresh::{Shared, written};
use crate::lanes::{sums, widest};
pub use crate::planes::Planes;

/// What comes of the normalisation.
pub struct Normalized {
    /// `[batch, channels, area]`.
    pub y: Vec<f32>,
    /// `[channels]`.
    pub mean: Vec<f32>,
    /// `[channels]`, divided by the number of floats, not by one less.
    pub variance: Vec<f32>,
}

/// Normalises `x`, adds `residual` to it if there is one, and rectifies the sum if `relu` says so.
///
/// # Panics
/// If the slices have other lengths than `planes` says.
pub fn forward(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    residual: Option<&[f32]>,
    epsilon: f64,
    relu: bool,
    planes: Planes,
) -> Normalized {
    assert_eq!((x.len(), weight.len(), bias.len()), (planes.count(), planes.channels, planes.channels), "{planes:?}");
    assert!(residual.is_none_or(|residual| residual.len() == x.len()), "{planes:?}");
    let mut statistics = Vec::new();
    // SAFETY: each channel writes its own planes, and together they are all.
    #[expect(unsafe_code, reason = "see above")]
    let y = unsafe {
        written(x.len(), |y| {
            let channels = (0..planes.channels).into_par_iter().map(|channel| {
                let affine = [weight[channel], bias[channel]];
                normalize_widest(x, residual, affine, epsilon, relu, planes, channel, y)
            });
            channels.collect_into_vec(&mut statistics);
        })
    };
    let (mean, variance) = statistics.into_iter().unzip();
    Normalized { y, mean, variance }
}

/// Normalises `x` by statistics gathered earlier, adds `residual` to it if there is one, and rectifies the sum if `relu` says so.
///
/// # Panics
/// If the slices have other lengths than `planes` says.
pub fn apply(
    x: &[f32],
    [weight, bias, mean, variance]: [&[f32]; 4],
    residual: Option<&[f32]>,
    epsilon: f64,
    relu: bool,
    planes: Planes,
) -> Vec<f32> {
    let of_channels = [weight, bias, mean, variance].iter().all(|values| values.len() == planes.channels);
    assert!(x.len() == planes.count() && of_channels, "{planes:?}");
    assert!(residual.is_none_or(|residual| residual.len() == x.len()), "{planes:?}");
    // SAFETY: each channel writes its own planes, and together they are all.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        written(x.len(), |y| {
            (0..planes.channels).into_par_iter().for_each(|channel| {
                let statistics = [f64::from(mean[channel]), f64::from(variance[channel]) + epsilon];
                let affine = Affine::new([weight[channel], bias[channel]], statistics, relu);
                write_widest(x, residual, affine, planes, channel, y);
            });
        })
    }
}

widest!(
    fn write_widest(
        x: &[f32],
        residual: Option<&[f32]>,
        affine: Affine,
        planes: Planes,
        channel: usize,
        y: Shared,
    ) = write
);

#[inline(always)]
fn write(x: &[f32], residual: Option<&[f32]>, affine: Affine, planes: Planes, channel: usize, y: Shared) {
    for range in planes.of(channel) {
        let start = range.start;
        match residual {
            Some(residual) => each([&x[range.clone()], &residual[range]], y, start, affine),
            None => each([&x[range]], y, start, affine),
        }
    }
}

widest!(
    fn normalize_widest(
        x: &[f32],
        residual: Option<&[f32]>,
        affine: [f32; 2],
        epsilon: f64,
        relu: bool,
        planes: Planes,
        channel: usize,
        y: Shared,
    ) -> (f32, f32) = normalize
);

/// Normalises a channel, and gives its mean and variance.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "what one channel needs")]
fn normalize(
    x: &[f32],
    residual: Option<&[f32]>,
    affine: [f32; 2],
    epsilon: f64,
    relu: bool,
    planes: Planes,
    channel: usize,
    y: Shared,
) -> (f32, f32) {
    let (mean, variance) = moments(x, planes, channel);
    write(x, residual, Affine::new(affine, [mean, variance + epsilon], relu), planes, channel, y);
    (mean as f32, variance as f32)
}

/// Mean and variance of a channel: of each plane by themselves, then put together (Chan et al. 1979), so that no digits are lost where the
/// mean is far from 0.
#[inline(always)]
fn moments(x: &[f32], planes: Planes, channel: usize) -> (f64, f64) {
    let (mut count, mut mean, mut squares) = (0.0_f64, 0.0_f64, 0.0_f64);
    let column = planes.is_scattered().then(|| planes.gathered(x, channel));
    let (whole, parts) = match &column {
        Some(column) => (&column[..], Planes { batch: 1, channels: 1, area: column.len() }),
        None => (x, planes),
    };
    let area = parts.area as f64;
    for range in parts.of(if column.is_some() { 0 } else { channel }) {
        let plane = &whole[range];
        let [sum] = sums([plane], |[x]| [x]);
        let own = sum / parts.area as f32;
        let [rest, spread] = sums([plane], |[x]| [x - own, (x - own) * (x - own)]);
        // The mean in 32 bits is a little off; what it is off by is known.
        let (off, own) = (f64::from(rest) / area, f64::from(own));
        let (own, spread) = (own + off, f64::from(spread) - off * off * area);
        let step = own - mean;
        let total = count + area;
        mean += step * area / total;
        squares += spread + step * step * count * area / total;
        count = total;
    }
    if count == 0.0 { (0.0, 0.0) } else { (mean, squares / count) }
}

/// Scaled, shifted, and rectified if it says so.
#[derive(Clone, Copy)]
struct Affine {
    scale: f32,
    shift: f32,
    relu: bool,
}

impl Affine {
    /// Of weight and bias, mean and variance; what is added to the variance is in it.
    #[inline(always)]
    fn new([weight, bias]: [f32; 2], [mean, variance]: [f64; 2], relu: bool) -> Self {
        let scale = f64::from(weight) / variance.sqrt();
        Self { scale: scale as f32, shift: (f64::from(bias) - mean * scale) as f32, relu }
    }

    #[inline(always)]
    fn rectified(self, y: f32) -> f32 {
        if self.relu && y < 0.0 { 0.0 } else { y }
    }
}

impl Function<1> for Affine {
    #[inline(always)]
    fn at(self, [x]: [f32; 1]) -> f32 {
        self.rectified(x.mul_add(self.scale, self.shift))
    }
}

impl Function<2> for Affine {
    #[inline(always)]
    fn at(self, [x, residual]: [f32; 2]) -> f32 {
        self.rectified(x.mul_add(self.scale, self.shift) + residual)
    }
}

/// The gradients of [`forward`].
pub struct Gradients {
    /// `[batch, channels, area]`.
    pub x: Vec<f32>,
    /// `[channels]`.
    pub weight: Vec<f32>,
    /// `[channels]`.
    pub bias: Vec<f32>,
    /// `[batch, channels, area]`: what stands before the rectifier, which is what the residual gets; none where nothing was rectified, since
    /// it is then the gradient of the result.
    pub sum: Option<Vec<f32>>,
}

/// The gradients with respect to everything that went into [`forward`]; `y` is its result where that was rectified, and `residual` says
/// whether something was added.
///
/// # Panics
/// If the slices have other lengths than `planes` says.
pub fn backward(
    x: &[f32],
    y: Option<&[f32]>,
    gradient: &[f32],
    weight: &[f32],
    (mean, variance, epsilon): (&[f32], &[f32], f64),
    residual: bool,
    planes: Planes,
) -> Gradients {
    assert_eq!(
        (x.len(), gradient.len(), weight.len()),
        (planes.count(), planes.count(), planes.channels),
        "{planes:?}"
    );
    assert!(y.is_none_or(|y| y.len() == x.len()) && mean.len() == planes.channels && variance.len() == planes.channels);
    let mut parameters = Vec::new();
    let mut before = None;
    // SAFETY: each channel writes its own planes of either result, and together they are all.
    #[expect(unsafe_code, reason = "see above")]
    let to_x = unsafe {
        written(x.len(), |to_x| {
            let mut work = |to_sum: Option<Shared>| {
                let channels = (0..planes.channels).into_par_iter().map(|channel| {
                    let statistics = [f64::from(mean[channel]), f64::from(variance[channel]) + epsilon];
                    back_widest(x, y, gradient, weight[channel], statistics, planes, channel, to_x, to_sum)
                });
                channels.collect_into_vec(&mut parameters);
            };
            if residual && y.is_some() {
                before = Some(written(x.len(), |to_sum| work(Some(to_sum))));
            } else {
                work(None);
            }
        })
    };
    let (weight, bias) = parameters.into_iter().unzip();
    Gradients { x: to_x, weight, bias, sum: before }
}

widest!(
    fn back_widest(
        x: &[f32],
        y: Option<&[f32]>,
        gradient: &[f32],
        weight: f32,
        statistics: [f64; 2],
        planes: Planes,
        channel: usize,
        to_x: Shared,
        to_sum: Option<Shared>,
    ) -> (f32, f32) = back
);

/// The gradients of a channel, of which those with respect to weight and bias are given back.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "what one channel needs")]
fn back(
    x: &[f32],
    y: Option<&[f32]>,
    gradient: &[f32],
    weight: f32,
    [mean, variance]: [f64; 2],
    planes: Planes,
    channel: usize,
    to_x: Shared,
    to_sum: Option<Shared>,
) -> (f32, f32) {
    let (mean, inverse) = (mean as f32, 1.0 / variance.sqrt());
    let (mut plain, mut weighted) = (0.0_f64, 0.0_f64);
    if planes.is_scattered() {
        let [x, g] = [x, gradient].map(|values| planes.gathered(values, channel));
        let y = y.map(|y| planes.gathered(y, channel));
        (plain, weighted) = plane_sums(&x, &g, y.as_deref(), mean);
    } else {
        for range in planes.of(channel) {
            let y = y.map(|y| &y[range.clone()]);
            let (a, b) = plane_sums(&x[range.clone()], &gradient[range], y, mean);
            (plain, weighted) = (plain + a, weighted + b);
        }
    }
    weighted *= inverse;
    let count = (planes.batch * planes.area).max(1) as f64;
    let scale = f64::from(weight) * inverse;
    let (slope, offset) = (-scale * weighted * inverse / count, -scale * plain / count);
    let function = ToX { scale: scale as f32, slope: slope as f32, offset: offset as f32, mean };
    for range in planes.of(channel) {
        let (start, x, g) = (range.start, &x[range.clone()], &gradient[range.clone()]);
        let Some(y) = y else {
            each([x, g], to_x, start, function);
            continue;
        };
        let y = &y[range];
        each([x, g, y], to_x, start, function);
        if let Some(to_sum) = to_sum {
            each([y, g], to_sum, start, ReluGradient);
        }
    }
    (weighted as f32, plain as f32)
}

/// The sums of the gradient before the rectifier, and of that times the distance from the mean.
#[inline(always)]
fn plane_sums(x: &[f32], gradient: &[f32], y: Option<&[f32]>, mean: f32) -> (f64, f64) {
    let [plain, weighted] = match y {
        Some(y) => sums([x, gradient, y], |[x, g, y]| {
            let g = passed(y, g);
            [g, g * (x - mean)]
        }),
        None => sums([x, gradient], |[x, g]| [g, g * (x - mean)]),
    };
    (f64::from(plain), f64::from(weighted))
}

/// `scale g + slope (x - mean) + offset`.
#[derive(Clone, Copy)]
struct ToX {
    scale: f32,
    slope: f32,
    offset: f32,
    mean: f32,
}

impl Function<2> for ToX {
    #[inline(always)]
    fn at(self, [x, gradient]: [f32; 2]) -> f32 {
        self.scale.mul_add(gradient, self.slope.mul_add(x - self.mean, self.offset))
    }
}

impl Function<3> for ToX {
    #[inline(always)]
    fn at(self, [x, gradient, y]: [f32; 3]) -> f32 {
        Function::<2>::at(self, [x, passed(y, gradient)])
    }
}

#[cfg(test)]
#[path = "batch_norm_tests.rs"]
mod tests;
