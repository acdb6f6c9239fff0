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
use crate::lanes::{sums, widest};
pub use crate::planes::Planes;
use crate::threads::least_of_floats;
pub use backward::{Gradients, Rectified, backward};

mod backward;

/// What comes of the normalisation.
pub struct Normalized {
    /// `[batch, channels, area]`.
    pub y: Vec<f32>,
    /// `[channels]`.
    pub mean: Vec<f32>,
    /// `[channels]`, divided by the number of floats, not by one less.
    pub variance: Vec<f32>,
    /// `[channels]`: by what each float was multiplied, and what was added then.
    pub affine: Vec<[f32; 2]>,
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
    let least = least_of_floats(planes.batch * planes.area);
    // SAFETY: each channel writes its own planes, and together they are all.
    #[expect(unsafe_code, reason = "see above")]
    let y = unsafe {
        written(x.len(), |y| {
            let channels = (0..planes.channels).into_par_iter().with_min_len(least).map(|channel| {
                let affine = [weight[channel], bias[channel]];
                normalize_widest(x, residual, affine, epsilon, relu, planes, channel, y)
            });
            channels.collect_into_vec(&mut statistics);
        })
    };
    let (moments, affine): (Vec<(f32, f32)>, _) = statistics.into_iter().unzip();
    let (mean, variance) = moments.into_iter().unzip();
    Normalized { y, mean, variance, affine }
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
    let least = least_of_floats(planes.batch * planes.area);
    // SAFETY: each channel writes its own planes, and together they are all.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        written(x.len(), |y| {
            (0..planes.channels).into_par_iter().with_min_len(least).for_each(|channel| {
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
    ) -> ((f32, f32), [f32; 2]) = normalize
);

/// Normalises a channel, and gives its mean and variance, and factor and shift.
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
) -> ((f32, f32), [f32; 2]) {
    let (mean, variance) = moments(x, planes, channel);
    let affine = Affine::new(affine, [mean, variance + epsilon], relu);
    write(x, residual, affine, planes, channel, y);
    ((mean as f32, variance as f32), [affine.scale, affine.shift])
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

#[cfg(test)]
mod tests;
