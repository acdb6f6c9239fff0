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

use crate::each::{Function, each};
use crate::fresh::{Shared, written};
use crate::lanes::sums;

/// How floats lie: `[batch, channels, area]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planes {
    /// Examples.
    pub batch: usize,
    /// Channels of each.
    pub channels: usize,
    /// Floats of each channel.
    pub area: usize,
}

impl Planes {
    /// How many floats there are.
    pub fn count(&self) -> usize {
        self.batch * self.channels * self.area
    }

    /// The places of each example's plane of a channel.
    fn of(self, channel: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        (0..self.batch).map(move |n| {
            let start = (n * self.channels + channel) * self.area;
            start..start + self.area
        })
    }
}

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
    [weight, bias]: [f32; 2],
    epsilon: f64,
    relu: bool,
    planes: Planes,
    channel: usize,
    y: Shared,
) -> (f32, f32) {
    let (mean, variance) = moments(x, planes, channel);
    let scale = f64::from(weight) / (variance + epsilon).sqrt();
    let affine = Affine { scale: scale as f32, shift: (f64::from(bias) - mean * scale) as f32, relu };
    for range in planes.of(channel) {
        let start = range.start;
        match residual {
            Some(residual) => each([&x[range.clone()], &residual[range]], y, start, affine),
            None => each([&x[range]], y, start, affine),
        }
    }
    (mean as f32, variance as f32)
}

/// Mean and variance of a channel: of each plane by themselves, then put together (Chan et al. 1979), so that no digits are lost where the
/// mean is far from 0.
#[inline(always)]
fn moments(x: &[f32], planes: Planes, channel: usize) -> (f64, f64) {
    let (mut count, mut mean, mut squares) = (0.0_f64, 0.0_f64, 0.0_f64);
    let area = planes.area as f64;
    for range in planes.of(channel) {
        let plane = &x[range];
        let [sum] = sums([plane], |[x]| [x]);
        let own = sum / planes.area as f32;
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
    for range in planes.of(channel) {
        let (x, g) = (&x[range.clone()], &gradient[range.clone()]);
        let [a, b] = match y {
            Some(y) => sums([x, g, &y[range]], |[x, g, y]| {
                let g = passed(y, g);
                [g, g * (x - mean)]
            }),
            None => sums([x, g], |[x, g]| [g, g * (x - mean)]),
        };
        (plain, weighted) = (plain + f64::from(a), weighted + f64::from(b));
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
            each([y, g], to_sum, start, Passed);
        }
    }
    (weighted as f32, plain as f32)
}

/// What a rectifier whose result was `y` lets through of a gradient.
#[inline(always)]
fn passed(y: f32, gradient: f32) -> f32 {
    if y > 0.0 { gradient } else { 0.0 * y }
}

#[derive(Clone, Copy)]
struct Passed;

impl Function<2> for Passed {
    #[inline(always)]
    fn at(self, [y, gradient]: [f32; 2]) -> f32 {
        passed(y, gradient)
    }
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
mod tests {
    use super::*;
    use crate::samples::{differences, near, numbers, wide};

    const EPSILON: f64 = 1e-3;

    /// By the definition, in 64 bits.
    fn exact(
        x: &[f64],
        weight: &[f64],
        bias: &[f64],
        residual: Option<&[f64]>,
        relu: bool,
        planes: Planes,
    ) -> Vec<f64> {
        let mut y = vec![0.0; x.len()];
        for channel in 0..planes.channels {
            let places: Vec<usize> = planes.of(channel).flatten().collect();
            let n = places.len() as f64;
            let mean = places.iter().map(|&k| x[k]).sum::<f64>() / n;
            let variance = places.iter().map(|&k| (x[k] - mean).powi(2)).sum::<f64>() / n;
            for k in places {
                let sum = weight[channel] * (x[k] - mean) / (variance + EPSILON).sqrt() + bias[channel];
                let sum = sum + residual.map_or(0.0, |residual| residual[k]);
                y[k] = if relu { sum.max(0.0) } else { sum };
            }
        }
        y
    }

    #[test]
    fn results_and_gradients_are_those_of_the_definition() {
        for (case, planes) in [(5, 3, 7), (2, 4, 33), (6, 5, 1), (1, 2, 16), (4, 1, 4)].into_iter().enumerate() {
            let (batch, channels, area) = planes;
            let planes = Planes { batch, channels, area };
            for (relu, with_residual) in [(false, false), (true, false), (true, true), (false, true)] {
                let seed = case as u64 * 100;
                let x: Vec<f32> = numbers(planes.count(), seed + 1).iter().map(|x| 2.0 * x + 3.0).collect();
                let (weight, bias) = (numbers(channels, seed + 2), numbers(channels, seed + 3));
                let residual = with_residual.then(|| numbers(planes.count(), seed + 4));
                let gradient = numbers(planes.count(), seed + 5);
                let (wx, ww, wb) = (wide(&x), wide(&weight), wide(&bias));
                let wr = residual.as_deref().map(wide);
                let found = forward(&x, &weight, &bias, residual.as_deref(), EPSILON, relu, planes);
                near(&found.y, &exact(&wx, &ww, &wb, wr.as_deref(), relu, planes), "y");
                let back = backward(
                    &x,
                    relu.then_some(found.y.as_slice()),
                    &gradient,
                    &weight,
                    (&found.mean, &found.variance, EPSILON),
                    with_residual,
                    planes,
                );
                let to = |of: &[f64], f: &dyn Fn(&[f64]) -> Vec<f64>| differences(of, &gradient, f);
                near(&back.x, &to(&wx, &|x| exact(x, &ww, &wb, wr.as_deref(), relu, planes)), "to x");
                near(&back.weight, &to(&ww, &|w| exact(&wx, w, &wb, wr.as_deref(), relu, planes)), "to weight");
                near(&back.bias, &to(&wb, &|b| exact(&wx, &ww, b, wr.as_deref(), relu, planes)), "to bias");
                assert_eq!(back.sum.is_some(), relu && with_residual);
                if let (Some(sum), Some(wr)) = (&back.sum, &wr) {
                    near(sum, &to(wr, &|r| exact(&wx, &ww, &wb, Some(r), relu, planes)), "to residual");
                }
            }
        }
    }

    /// A mean a thousand times the spread costs no digits but those that the floats themselves lack.
    #[test]
    fn a_far_mean_costs_no_digits() {
        let planes = Planes { batch: 8, channels: 1, area: 500 };
        let x: Vec<f32> = numbers(planes.count(), 1).iter().map(|x| x + 1000.0).collect();
        let found = forward(&x, &[1.0], &[0.0], None, 0.0, false, planes);
        let n = x.len() as f64;
        let mean = wide(&x).iter().sum::<f64>() / n;
        let variance = wide(&x).iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        assert!((f64::from(found.mean[0]) - mean).abs() < 1e-4);
        assert!((f64::from(found.variance[0]) / variance - 1.0).abs() < 1e-5, "{} {variance}", found.variance[0]);
    }

    #[test]
    fn nothing_in_gives_nothing_out() {
        let planes = Planes { batch: 0, channels: 2, area: 3 };
        let found = forward(&[], &[1.0; 2], &[0.0; 2], None, EPSILON, true, planes);
        assert_eq!((found.y.len(), found.mean), (0, vec![0.0; 2]));
    }
}
