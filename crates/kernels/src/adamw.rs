//! A step of AdamW over the numbers of one parameter, in one pass.
//!
//! Kingma and Ba, "Adam", 2015; Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019. With the gradient g at the step t:
//!
//! ```text
//! m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
//! w = kept w - rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
//! ```
//!
//! Every product and sum is rounded by itself, as in a composition of passes.

use rayon::prelude::*;

use crate::lanes::{WIDTH, widest};
use crate::threads::least_of_floats;

/// So many floats are a task.
const TASK: usize = 1 << 14;

/// The settings of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adamw {
    /// The learning rate.
    pub rate: f32,
    /// How much of the average gradient stays.
    pub beta1: f32,
    /// How much of the average squared gradient stays.
    pub beta2: f32,
    /// Keeps the division finite.
    pub epsilon: f32,
    /// What each weight keeps of itself: 1 less the learning rate times the weight decay.
    pub kept: f32,
    /// Which step it is, from 1 on.
    pub time: i32,
}

/// Changes `weight` by its gradient, and the averages `m` and `v` with it.
///
/// # Panics
/// If the slices are not as long as each other.
pub fn step(weight: &mut [f32], gradient: &[f32], m: &mut [f32], v: &mut [f32], settings: Adamw) {
    let count = weight.len();
    assert!(gradient.len() == count && m.len() == count && v.len() == count, "slices of different lengths");
    let tasks = weight.par_chunks_mut(TASK).zip(gradient.par_chunks(TASK));
    let averages = m.par_chunks_mut(TASK).zip(v.par_chunks_mut(TASK));
    tasks
        .zip(averages)
        .with_min_len(least_of_floats(TASK))
        .for_each(|((weight, gradient), (m, v))| part_widest(weight, gradient, m, v, settings));
}

widest!(fn part_widest(weight: &mut [f32], gradient: &[f32], m: &mut [f32], v: &mut [f32], settings: Adamw) = part);

#[inline(always)]
fn part(weight: &mut [f32], gradient: &[f32], m: &mut [f32], v: &mut [f32], settings: Adamw) {
    let Adamw { rate, beta1, beta2, epsilon, kept, time } = settings;
    let (fresh1, fresh2) = (1.0 - beta1, 1.0 - beta2);
    let (correction1, correction2) = (1.0 - beta1.powi(time), 1.0 - beta2.powi(time));
    let (weights, weight_rest) = weight.as_chunks_mut::<WIDTH>();
    let (gradients, gradient_rest) = gradient.as_chunks::<WIDTH>();
    let (ms, m_rest) = m.as_chunks_mut::<WIDTH>();
    let (vs, v_rest) = v.as_chunks_mut::<WIDTH>();
    for (((weight, gradient), m), v) in weights.iter_mut().zip(gradients).zip(ms).zip(vs) {
        for lane in 0..WIDTH {
            let g = gradient[lane];
            m[lane] = m[lane] * beta1 + g * fresh1;
            v[lane] = v[lane] * beta2 + g * g * fresh2;
            let step = (m[lane] / correction1) / ((v[lane] / correction2).sqrt() + epsilon);
            weight[lane] = weight[lane] * kept - step * rate;
        }
    }
    for (((weight, g), m), v) in weight_rest.iter_mut().zip(gradient_rest).zip(m_rest).zip(v_rest) {
        *m = *m * beta1 + g * fresh1;
        *v = *v * beta2 + g * g * fresh2;
        let step = (*m / correction1) / ((*v / correction2).sqrt() + epsilon);
        *weight = *weight * kept - step * rate;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{numbers, wide};

    #[test]
    fn steps_are_those_of_the_formula() {
        for count in [0, 1, 17, 40_001] {
            let (mut weight, mut m, mut v) = (numbers(count, 1), vec![0.0; count], vec![0.0; count]);
            let (mut w, mut first, mut second) = (wide(&weight), vec![0.0_f64; count], vec![0.0_f64; count]);
            for time in 1..=4 {
                let gradient = numbers(count, time as u64 + 5);
                let settings = Adamw { rate: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, kept: 0.999, time };
                step(&mut weight, &gradient, &mut m, &mut v, settings);
                for k in 0..count {
                    let g = f64::from(gradient[k]);
                    first[k] = 0.9 * first[k] + 0.1 * g;
                    second[k] = 0.999 * second[k] + 0.001 * g * g;
                    let (a, b) = (first[k] / (1.0 - 0.9_f64.powi(time)), second[k] / (1.0 - 0.999_f64.powi(time)));
                    w[k] = w[k] * f64::from(0.999_f32) - 1e-2 * a / (b.sqrt() + 1e-8);
                }
            }
            for (found, wanted) in weight.iter().zip(&w) {
                assert!((f64::from(*found) - wanted).abs() < 2e-6, "{found}, not {wanted}");
            }
        }
    }
}
