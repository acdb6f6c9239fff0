//! `softmax(q k^T / sqrt(features)) v` of several heads, query, key and value standing side by side in one projection.
//!
//! Vaswani et al., "Attention Is All You Need", 2017. Each head of each text is one task. Its weights are computed for some rows of the queries
//! at a time and are not kept: the gradient computes them again (Dao et al., "Fast and Memory-Efficient Exact Attention", 2022), from the logarithms of their sums.
//!
//! With the weights `p`, the gradient g of the result and `d = sum of g y` of each row:
//!
//! ```text
//! to v = p^T g,  to scores = p (g v^T - d),  to q = to scores k / sqrt(features),  to k = to scores^T q / sqrt(features)
//! ```

use rayon::prelude::*;

use crate::fresh::{Shared, written};
use crate::lanes::{exp, maximum, sums, widest};
use crate::product::{Matrix, Target, multiply, multiply_into};
use crate::threads::least_of_products;

/// So many rows of the queries are gone through at a time.
const ROWS: usize = 64;

/// The sizes of an attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attention {
    /// Texts.
    pub batch: usize,
    /// Places of each.
    pub length: usize,
    /// Heads.
    pub heads: usize,
    /// Features of each head.
    pub features: usize,
    /// Whether no place looks ahead.
    pub causal: bool,
}

impl Attention {
    /// Features of all heads.
    fn width(&self) -> usize {
        self.heads * self.features
    }

    fn check(&self, projection: usize) {
        assert_eq!(projection, self.batch * self.length * 3 * self.width(), "{self:?}");
    }

    /// Query, key and value of a head of a text.
    fn parts<'a>(&self, projection: &'a [f32], task: usize) -> [Matrix<'a>; 3] {
        let (text, head) = (task / self.heads, task % self.heads);
        let row = 3 * self.width();
        [0, 1, 2].map(|part| {
            let start = (text * self.length * row + part * self.width() + head * self.features).min(projection.len());
            Matrix { data: &projection[start..], size: [self.length, self.features], steps: [row, 1] }
        })
    }

    /// Where the result of a head of a text begins.
    fn start(&self, task: usize) -> usize {
        (task / self.heads) * self.length * self.width() + task % self.heads * self.features
    }

    /// How many keys the rows up to `end` see.
    fn seen(&self, end: usize) -> usize {
        if self.causal { end } else { self.length }
    }

    fn scale(&self) -> f32 {
        1.0 / (self.features as f32).sqrt()
    }
}

/// The result, `[batch, length, heads features]`, and of each row of each head, `[batch, heads, length]`, the largest score and the logarithm
/// of the sum of the exponentials of the distances from it.
///
/// - `projection`: `[batch, length, 3 heads features]`, the queries of all heads, their keys, their values
///
/// # Panics
/// If the slice has another length.
pub fn forward(projection: &[f32], attention: Attention) -> (Vec<f32>, Vec<[f32; 2]>) {
    attention.check(projection.len());
    let Attention { batch, length, heads, features, .. } = attention;
    let width = attention.width();
    let mut totals = Vec::new();
    let least = least_of_products(2 * length * length * features);
    // SAFETY: each task writes the features of its head at every place of its text, and together they are all.
    #[expect(unsafe_code, reason = "see above")]
    let y = unsafe {
        written(batch * length * width, |y| {
            let tasks = (0..batch * heads).into_par_iter().with_min_len(least).map_init(
                || vec![0.0_f32; ROWS.min(length.max(1)) * length],
                |scores, task| {
                    let [query, key, value] = attention.parts(projection, task);
                    let mut totals = Vec::with_capacity(length);
                    for first in (0..length).step_by(ROWS) {
                        let rows = first..(first + ROWS).min(length);
                        let seen = attention.seen(rows.end);
                        let (count, key) = (rows.len(), key.rows(0..seen));
                        let scores = &mut scores[..count * seen];
                        multiply_into(
                            query.rows(rows.clone()),
                            key.transposed(),
                            scores,
                            seen,
                            attention.scale(),
                            false,
                        );
                        weigh_widest(scores, seen, first, attention.causal, &mut totals);
                        let weights = Matrix::new(scores, count, seen);
                        let start = attention.start(task) + first * width;
                        let room = (count - 1) * width + features;
                        let target = Target { first: y.at(start, room), length: room, step: width };
                        multiply(weights, value.rows(0..seen), target, 1.0, false);
                    }
                    totals
                },
            );
            tasks.collect_into_vec(&mut totals);
        })
    };
    (y, totals.concat())
}

widest!(fn weigh_widest(scores: &mut [f32], seen: usize, first: usize, causal: bool, totals: &mut Vec<[f32; 2]>) = weigh);

/// Turns scores into weights, row by row, and adds the logarithms of the sums of their exponentials to `totals`. The row `k` sees the places
/// up to `first + k`, if no place looks ahead.
#[inline(always)]
fn weigh(scores: &mut [f32], seen: usize, first: usize, causal: bool, totals: &mut Vec<[f32; 2]>) {
    for (k, row) in scores.chunks_exact_mut(seen.max(1)).enumerate() {
        let (row, ahead) = row.split_at_mut(if causal { (first + k + 1).min(seen) } else { seen });
        ahead.fill(0.0);
        let largest = maximum(row);
        for x in row.iter_mut() {
            *x = exp(*x - largest);
        }
        let [sum] = sums([row], |[x]| [x]);
        let inverse = 1.0 / sum;
        for x in row.iter_mut() {
            *x *= inverse;
        }
        totals.push([largest, sum.ln()]);
    }
}

/// The gradient with respect to the projection, given that with respect to the result `y`, and the logarithms that [`forward`] gave.
///
/// # Panics
/// If the slices are not those of [`forward`].
pub fn backward(
    projection: &[f32],
    y: &[f32],
    totals: &[[f32; 2]],
    gradient: &[f32],
    attention: Attention,
) -> Vec<f32> {
    attention.check(projection.len());
    let Attention { batch, length, heads, features, .. } = attention;
    let least = least_of_products(5 * length * length * features);
    assert!(y.len() * 3 == projection.len() && gradient.len() == y.len(), "{attention:?}");
    assert_eq!(totals.len(), batch * heads * length, "{attention:?}");
    // SAFETY: each task writes query, key and value of its head at every place of its text, and together they are all.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        written(projection.len(), |result| {
            (0..batch * heads).into_par_iter().with_min_len(least).for_each_init(
                || Scratch::new(attention),
                |scratch, task| back(projection, y, totals, gradient, attention, task, scratch, result),
            );
        })
    }
}

/// Memory of a thread.
struct Scratch {
    weights: Vec<f32>,
    scores: Vec<f32>,
    to_key: Vec<f32>,
    to_value: Vec<f32>,
}

impl Scratch {
    fn new(attention: Attention) -> Self {
        let square = vec![0.0; ROWS.min(attention.length.max(1)) * attention.length];
        let part = vec![0.0; attention.length * attention.features];
        Self { weights: square.clone(), scores: square, to_key: part.clone(), to_value: part }
    }
}

#[expect(clippy::too_many_arguments, reason = "what one task needs of the function above")]
fn back(
    projection: &[f32],
    y: &[f32],
    totals: &[[f32; 2]],
    gradient: &[f32],
    attention: Attention,
    task: usize,
    scratch: &mut Scratch,
    result: Shared,
) {
    let Attention { length, heads, features, causal, .. } = attention;
    let (width, scale) = (attention.width(), attention.scale());
    let [query, key, value] = attention.parts(projection, task);
    let start = attention.start(task);
    let of_head = |data| Matrix {
        data: &data[usize::min(start, <[f32]>::len(data))..],
        size: [length, features],
        steps: [width, 1],
    };
    let (y, gradient) = (of_head(y), of_head(gradient));
    let totals = &totals[task * length..][..length];
    scratch.to_key.fill(0.0);
    scratch.to_value.fill(0.0);
    let base = task / heads * length * 3 * width + task % heads * features;
    for first in (0..length).step_by(ROWS) {
        let rows = first..(first + ROWS).min(length);
        let (count, seen) = (rows.len(), attention.seen(rows.end));
        let (query, gradient, y) = (query.rows(rows.clone()), gradient.rows(rows.clone()), y.rows(rows.clone()));
        let (key, value) = (key.rows(0..seen), value.rows(0..seen));
        let weights = &mut scratch.weights[..count * seen];
        let scores = &mut scratch.scores[..count * seen];
        multiply_into(query, key.transposed(), weights, seen, scale, false);
        multiply_into(gradient, value.transposed(), scores, seen, 1.0, false);
        for k in 0..count {
            let (g, y) = (&gradient.data[k * width..][..features], &y.data[k * width..][..features]);
            let last = if causal { (first + k + 1).min(seen) } else { seen };
            let (weights, scores) = (&mut weights[k * seen..][..seen], &mut scores[k * seen..][..seen]);
            to_scores_widest(&mut weights[..last], &mut scores[..last], g, y, totals[first + k], scale);
            weights[last..].fill(0.0);
            scores[last..].fill(0.0);
        }
        let (weights, scores) = (Matrix::new(weights, count, seen), Matrix::new(scores, count, seen));
        multiply_into(weights.transposed(), gradient, &mut scratch.to_value[..seen * features], features, 1.0, true);
        multiply_into(scores.transposed(), query, &mut scratch.to_key[..seen * features], features, 1.0, true);
        let room = (count - 1) * 3 * width + features;
        let target = Target { first: result.at(base + first * 3 * width, room), length: room, step: 3 * width };
        // SAFETY: the queries of this head and text are this task's own.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            multiply(scores, key, target, 1.0, false);
        }
    }
    for (part, values) in [(1, &scratch.to_key), (2, &scratch.to_value)] {
        for (place, row) in values.chunks_exact(features.max(1)).enumerate() {
            let to = result.at(base + part * width + place * 3 * width, features);
            // SAFETY: the keys and values of this head and text are this task's own.
            #[expect(unsafe_code, reason = "see above")]
            unsafe {
                std::ptr::copy_nonoverlapping(row.as_ptr(), to, features);
            }
        }
    }
}

widest!(
    fn to_scores_widest(weights: &mut [f32], scores: &mut [f32], gradient: &[f32], y: &[f32], total: [f32; 2], scale: f32) =
        to_scores
);

/// Of one row: turns scores into weights, given the logarithm of the sum of their exponentials, and the gradient with respect to the weights into
/// that with respect to the scores before they were scaled.
#[inline(always)]
fn to_scores(
    weights: &mut [f32],
    scores: &mut [f32],
    gradient: &[f32],
    y: &[f32],
    [largest, total]: [f32; 2],
    scale: f32,
) {
    let [d] = sums([gradient, y], |[g, y]| [g * y]);
    for (weight, score) in weights.iter_mut().zip(scores) {
        *weight = exp((*weight - largest) - total);
        *score = *weight * (*score - d) * scale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{differences, near, numbers, wide};

    fn exact(projection: &[f64], attention: Attention) -> Vec<f64> {
        let Attention { batch, length, heads, features, causal } = attention;
        let width = heads * features;
        let at = |text: usize, place: usize, part: usize, head: usize, feature: usize| {
            projection[((text * length + place) * 3 + part) * width + head * features + feature]
        };
        let mut y = vec![0.0; batch * length * width];
        for text in 0..batch {
            for head in 0..heads {
                for row in 0..length {
                    let last = if causal { row + 1 } else { length };
                    let scores: Vec<f64> = (0..last)
                        .map(|key| {
                            let dot: f64 =
                                (0..features).map(|f| at(text, row, 0, head, f) * at(text, key, 1, head, f)).sum();
                            (dot / (features as f64).sqrt()).exp()
                        })
                        .collect();
                    let sum: f64 = scores.iter().sum();
                    for f in 0..features {
                        y[(text * length + row) * width + head * features + f] =
                            scores.iter().enumerate().map(|(key, s)| s / sum * at(text, key, 2, head, f)).sum();
                    }
                }
            }
        }
        y
    }

    #[test]
    fn results_and_gradients_are_those_of_the_definition() {
        for (case, (batch, length, heads, features)) in
            [(1, 1, 1, 1), (2, 5, 3, 4), (1, 70, 1, 2), (3, 9, 2, 17), (1, 129, 1, 3)].into_iter().enumerate()
        {
            for causal in [false, true] {
                let attention = Attention { batch, length, heads, features, causal };
                let seed = case as u64 * 10;
                let projection: Vec<f32> =
                    numbers(batch * length * 3 * heads * features, seed + 1).iter().map(|x| 2.0 * x).collect();
                let (y, totals) = forward(&projection, attention);
                near(&y, &exact(&wide(&projection), attention), "y");
                let gradient = numbers(y.len(), seed + 2);
                let found = backward(&projection, &y, &totals, &gradient, attention);
                near(&found, &differences(&wide(&projection), &gradient, |p| exact(p, attention)), "to projection");
            }
        }
        let empty = Attention { batch: 0, length: 4, heads: 2, features: 3, causal: true };
        assert_eq!(forward(&[], empty), (Vec::new(), Vec::new()));
    }
}
