//! The gradients of the normalisation.

use rayon::prelude::*;

use super::{Affine, Planes};
use crate::activation::{ReluGradient, passed};
use crate::each::{Function, each};
use crate::fresh::{Shared, written};
use crate::lanes::{sums, widest};
use crate::threads::least_of_floats;

/// How the gradient finds out what was rectified.
#[derive(Clone, Copy)]
pub enum Rectified<'a> {
    /// Nothing was.
    Not,
    /// By the result, where something was added before.
    Result(&'a [f32]),
    /// By what the floats of each channel were multiplied with and what was added then: there is less to be read.
    Affine(&'a [[f32; 2]]),
}

/// The gradients of [`forward`](super::forward).
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

/// The gradients with respect to everything that went into [`forward`](super::forward); `residual` says whether something was added.
///
/// # Panics
/// If the slices have other lengths than `planes` says.
pub fn backward(
    x: &[f32],
    rectified: Rectified<'_>,
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
    assert!(mean.len() == planes.channels && variance.len() == planes.channels, "{planes:?}");
    assert!(
        match rectified {
            Rectified::Not => true,
            Rectified::Result(y) => y.len() == x.len(),
            Rectified::Affine(affine) => affine.len() == planes.channels && !residual,
        },
        "{planes:?}"
    );
    let mut parameters = Vec::new();
    let least = least_of_floats(planes.batch * planes.area);
    let mut before = None;
    // SAFETY: each channel writes its own planes of either result, and together they are all.
    #[expect(unsafe_code, reason = "see above")]
    let to_x = unsafe {
        written(x.len(), |to_x| {
            let mut work = |to_sum: Option<Shared>| {
                let channels = (0..planes.channels).into_par_iter().with_min_len(least).map(|channel| {
                    let statistics = [f64::from(mean[channel]), f64::from(variance[channel]) + epsilon];
                    let own = match rectified {
                        Rectified::Not => Own::Not,
                        Rectified::Result(y) => Own::Result(y),
                        Rectified::Affine(affine) => {
                            let [scale, shift] = affine[channel];
                            Own::Affine(Affine { scale, shift, relu: true })
                        }
                    };
                    back_widest(x, own, gradient, weight[channel], statistics, planes, channel, to_x, to_sum)
                });
                channels.collect_into_vec(&mut parameters);
            };
            if residual && matches!(rectified, Rectified::Result(_)) {
                before = Some(written(x.len(), |to_sum| work(Some(to_sum))));
            } else {
                work(None);
            }
        })
    };
    let (weight, bias) = parameters.into_iter().unzip();
    Gradients { x: to_x, weight, bias, sum: before }
}

/// How the gradient of a channel finds out what was rectified.
#[derive(Clone, Copy)]
enum Own<'a> {
    Not,
    Result(&'a [f32]),
    Affine(Affine),
}

widest!(
    fn back_widest(
        x: &[f32],
        rectified: Own<'_>,
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
    rectified: Own<'_>,
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
        (plain, weighted) = match rectified {
            Own::Result(y) => plane_sums(&x, &g, Own::Result(&planes.gathered(y, channel)), mean),
            other => plane_sums(&x, &g, other, mean),
        };
    } else {
        for range in planes.of(channel) {
            let (a, b) = plane_sums(&x[range.clone()], &gradient[range.clone()], rectified.of(range), mean);
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
        match rectified.of(range) {
            Own::Not => each([x, g], to_x, start, function),
            Own::Affine(affine) => each([x, g], to_x, start, Through { affine, function }),
            Own::Result(y) => {
                each([x, g, y], to_x, start, function);
                if let Some(to_sum) = to_sum {
                    each([y, g], to_sum, start, ReluGradient);
                }
            }
        }
    }
    (weighted as f32, plain as f32)
}

impl Own<'_> {
    /// Of some of the places.
    #[inline(always)]
    fn of(self, range: std::ops::Range<usize>) -> Self {
        match self {
            Self::Result(y) => Self::Result(&y[range]),
            other => other,
        }
    }
}

/// The sums of the gradient before the rectifier, and of that times the distance from the mean.
#[inline(always)]
fn plane_sums(x: &[f32], gradient: &[f32], rectified: Own<'_>, mean: f32) -> (f64, f64) {
    let [plain, weighted] = match rectified {
        Own::Not => sums([x, gradient], |[x, g]| [g, g * (x - mean)]),
        Own::Result(y) => sums([x, gradient, y], |[x, g, y]| {
            let g = passed(y, g);
            [g, g * (x - mean)]
        }),
        Own::Affine(affine) => sums([x, gradient], |[x, g]| {
            let g = passed(affine.at([x]), g);
            [g, g * (x - mean)]
        }),
    };
    (f64::from(plain), f64::from(weighted))
}

/// The gradient goes back through the rectifier first.
#[derive(Clone, Copy)]
struct Through {
    affine: Affine,
    function: ToX,
}

impl Function<2> for Through {
    #[inline(always)]
    fn at(self, [x, gradient]: [f32; 2]) -> f32 {
        Function::<2>::at(self.function, [x, passed(self.affine.at([x]), gradient)])
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
