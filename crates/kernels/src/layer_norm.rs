//! Normalisation of each row by its own statistics.
//!
//! Ba et al., "Layer Normalization", 2016. With `h = (x - mean) / sqrt(variance + epsilon)` of a row the result is `weight h + bias`, and of the
//! gradient g of the result, with `k = weight g`,
//!
//! ```text
//! to x = (k - mean k - h mean(k h)) / sqrt(variance + epsilon),  to weight = sum of g h over rows,  to bias = sum of g over rows
//! ```

use rayon::prelude::*;

use crate::fresh::{Shared, written};
use crate::lanes::{sums, widest};
use crate::threads::least_of_floats;

/// So many rows are a task.
const ROWS: usize = 64;

/// The result, as `x`, and mean and `1 / sqrt(variance + epsilon)` of each row.
///
/// # Panics
/// If `x` has no whole number of rows as long as `weight`, or the bias is of another length.
pub fn forward(x: &[f32], weight: &[f32], bias: &[f32], epsilon: f64) -> (Vec<f32>, Vec<[f32; 2]>) {
    let features = weight.len();
    let whole = if features == 0 { x.is_empty() } else { x.len().is_multiple_of(features) };
    assert!(bias.len() == features && whole, "{} floats, {features} a row", x.len());
    let mut statistics = Vec::new();
    // SAFETY: each task writes its own rows, and together they are all.
    #[expect(unsafe_code, reason = "see above")]
    let y = unsafe {
        written(x.len(), |y| {
            let tasks = x
                .par_chunks(ROWS * features.max(1))
                .with_min_len(least_of_floats(ROWS * features))
                .enumerate()
                .map(|(task, rows)| normalize_widest(rows, weight, bias, epsilon, task * ROWS * features, y));
            tasks.collect_into_vec(&mut statistics);
        })
    };
    (y, statistics.concat())
}

widest!(
    fn normalize_widest(
        rows: &[f32],
        weight: &[f32],
        bias: &[f32],
        epsilon: f64,
        start: usize,
        y: Shared,
    ) -> Vec<[f32; 2]> = normalize
);

#[inline(always)]
fn normalize(rows: &[f32], weight: &[f32], bias: &[f32], epsilon: f64, start: usize, y: Shared) -> Vec<[f32; 2]> {
    let features = weight.len();
    let mut statistics = Vec::with_capacity(ROWS);
    for (k, row) in rows.chunks_exact(features.max(1)).enumerate() {
        let [sum] = sums([row], |[x]| [x]);
        let mean = sum / features as f32;
        let [spread] = sums([row], |[x]| [(x - mean) * (x - mean)]);
        let inverse = (1.0 / (f64::from(spread) / features as f64 + epsilon).sqrt()) as f32;
        let to = y.at(start + k * features, features);
        for (place, ((x, w), b)) in row.iter().zip(weight).zip(bias).enumerate() {
            // SAFETY: `place` is below `features`, for which there is room, and nobody else writes this row.
            #[expect(unsafe_code, reason = "see above")]
            unsafe {
                to.add(place).write(((x - mean) * inverse).mul_add(*w, *b));
            }
        }
        statistics.push([mean, inverse]);
    }
    statistics
}

/// The gradients with respect to `x`, weight and bias.
///
/// # Panics
/// If the slices are not those of [`forward`].
pub fn backward(
    x: &[f32],
    gradient: &[f32],
    weight: &[f32],
    statistics: &[[f32; 2]],
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let features = weight.len();
    assert!(
        x.len() == gradient.len() && x.len() == statistics.len() * features,
        "{} floats, {features} a row",
        x.len()
    );
    let mut parts: Vec<[Vec<f32>; 2]> = Vec::new();
    // SAFETY: each task writes its own rows, and together they are all.
    #[expect(unsafe_code, reason = "see above")]
    let to_x = unsafe {
        written(x.len(), |to_x| {
            let each = ROWS * features.max(1);
            let tasks = x
                .par_chunks(each)
                .zip(gradient.par_chunks(each))
                .zip(statistics.par_chunks(ROWS))
                .enumerate()
                .with_min_len(least_of_floats(each));
            let tasks = tasks.map(|(task, ((x, gradient), statistics))| {
                back_widest(x, gradient, weight, statistics, task * each, to_x)
            });
            tasks.collect_into_vec(&mut parts);
        })
    };
    let [to_weight, to_bias] = [0, 1].map(|which| {
        let mut total = vec![0.0_f64; features];
        for part in &parts {
            total.iter_mut().zip(&part[which]).for_each(|(total, part)| *total += f64::from(*part));
        }
        total.into_iter().map(|total| total as f32).collect()
    });
    (to_x, to_weight, to_bias)
}

widest!(
    fn back_widest(
        x: &[f32],
        gradient: &[f32],
        weight: &[f32],
        statistics: &[[f32; 2]],
        start: usize,
        to_x: Shared,
    ) -> [Vec<f32>; 2] = back
);

#[inline(always)]
fn back(
    x: &[f32],
    gradient: &[f32],
    weight: &[f32],
    statistics: &[[f32; 2]],
    start: usize,
    to_x: Shared,
) -> [Vec<f32>; 2] {
    let features = weight.len();
    let (mut to_weight, mut to_bias) = (vec![0.0_f32; features], vec![0.0_f32; features]);
    let rows = x.chunks_exact(features.max(1)).zip(gradient.chunks_exact(features.max(1))).zip(statistics);
    for (row, ((x, gradient), &[mean, inverse])) in rows.enumerate() {
        let [plain, weighted] = sums([x, gradient, weight], |[x, g, w]| [w * g, w * g * (x - mean)]);
        let plain = plain / features as f32;
        // h mean(k h) = (x - mean) inverse^2 mean(k (x - mean))
        let slope = weighted / features as f32 * inverse * inverse;
        let to = to_x.at(start + row * features, features);
        for place in 0..features {
            let (off, g) = (x[place] - mean, gradient[place]);
            to_weight[place] += g * off * inverse;
            to_bias[place] += g;
            // SAFETY: `place` is below `features`, for which there is room, and nobody else writes this row.
            #[expect(unsafe_code, reason = "see above")]
            unsafe {
                to.add(place).write((weight[place].mul_add(g, -plain) - off * slope) * inverse);
            }
        }
    }
    [to_weight, to_bias]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{differences, near, numbers, wide};

    const EPSILON: f64 = 1e-5;

    fn exact(x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
        let n = weight.len() as f64;
        let rows = x.chunks_exact(weight.len()).flat_map(|row| {
            let mean = row.iter().sum::<f64>() / n;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
            let of = |(k, x): (usize, &f64)| weight[k] * (x - mean) / (variance + EPSILON).sqrt() + bias[k];
            row.iter().enumerate().map(of).collect::<Vec<_>>()
        });
        rows.collect()
    }

    #[test]
    fn results_and_gradients_are_those_of_the_definition() {
        for (case, (rows, features)) in [(1, 5), (7, 16), (3, 33), (130, 8), (1, 128)].into_iter().enumerate() {
            let seed = case as u64 * 10;
            let x: Vec<f32> = numbers(rows * features, seed).iter().map(|x| 2.0 * x + 1.0).collect();
            let (weight, bias) = (numbers(features, seed + 1), numbers(features, seed + 2));
            let gradient = numbers(x.len(), seed + 3);
            let (wx, ww, wb) = (wide(&x), wide(&weight), wide(&bias));
            let (y, statistics) = forward(&x, &weight, &bias, EPSILON);
            near(&y, &exact(&wx, &ww, &wb), "y");
            let (to_x, to_weight, to_bias) = backward(&x, &gradient, &weight, &statistics);
            near(&to_x, &differences(&wx, &gradient, |x| exact(x, &ww, &wb)), "to x");
            near(&to_weight, &differences(&ww, &gradient, |w| exact(&wx, w, &wb)), "to weight");
            near(&to_bias, &differences(&wb, &gradient, |b| exact(&wx, &ww, b)), "to bias");
        }
        assert_eq!(forward(&[], &[1.0; 3], &[0.0; 3], EPSILON).0, Vec::<f32>::new());
    }
}
