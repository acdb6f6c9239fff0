//! What a row of scores says against a class: `log sum exp(score) - score[class]`, smoothed or not, in one pass.
//!
//! With smoothing `s` of C classes the target is `1 - s` of the class and `s / C` of every class, and the gradient with respect to the scores
//! is that of the loss times `softmax(scores) - target`.

use rayon::prelude::*;

use crate::fresh::{Shared, written};
use crate::lanes::{exp, maximum, sums, widest};
use crate::threads::least_of_floats;

/// So many floats are a task.
const TASK: usize = 1 << 14;

/// The loss of each row of `scores`, which has `classes` columns, and of each row the largest score and the logarithm of the sum of the
/// exponentials of the distances from it. Rows whose class is below 0 have the loss 0.
///
/// # Panics
/// If there is not a row for each target, or a target is no class.
pub fn forward(scores: &[f32], targets: &[i64], classes: usize, smoothing: f32) -> (Vec<f32>, Vec<[f32; 2]>) {
    check(scores, targets, classes);
    let rows = (TASK / classes.max(1)).max(1);
    let parts = scores
        .par_chunks(rows * classes.max(1))
        .zip(targets.par_chunks(rows))
        .with_min_len(least_of_floats(TASK))
        .map(|(scores, targets)| losses_widest(scores, targets, classes, smoothing));
    let parts: Vec<Vec<(f32, [f32; 2])>> = parts.collect();
    parts.concat().into_iter().unzip()
}

widest!(
    fn losses_widest(scores: &[f32], targets: &[i64], classes: usize, smoothing: f32) -> Vec<(f32, [f32; 2])> = losses
);

/// What [`forward`] gives, row by row.
#[inline(always)]
fn losses(scores: &[f32], targets: &[i64], classes: usize, smoothing: f32) -> Vec<(f32, [f32; 2])> {
    let mut found = Vec::with_capacity(targets.len());
    for (row, &target) in scores.chunks_exact(classes.max(1)).zip(targets) {
        found.push(loss(row, target, smoothing));
    }
    found
}

fn check(scores: &[f32], targets: &[i64], classes: usize) {
    assert_eq!(scores.len(), targets.len() * classes, "{} rows of {classes} scores", targets.len());
    assert!(classes > 0 || targets.is_empty(), "there are no classes");
    assert!(targets.iter().all(|&target| target < classes as i64), "a target is no class of {classes}");
}

#[inline(always)]
fn loss(row: &[f32], target: i64, smoothing: f32) -> (f32, [f32; 2]) {
    let largest = maximum(row);
    let total = exponentials(row, largest).ln();
    let statistics = [largest, total];
    if target < 0 {
        return (0.0, statistics);
    }
    // The distance from the largest first: it is small where the loss is, and has all its digits.
    let own = (largest - row[target as usize]) + total;
    if smoothing == 0.0 {
        return (own, statistics);
    }
    let all = sums([row], |[x]| [largest - x])[0] / row.len() as f32 + total;
    ((1.0 - smoothing) * own + smoothing * all, statistics)
}

/// The gradient with respect to the scores, given that with respect to each row's loss and what [`forward`] gave besides it.
///
/// # Panics
/// If the slices are not those of [`forward`].
pub fn backward(
    scores: &[f32],
    targets: &[i64],
    totals: &[[f32; 2]],
    gradient: &[f32],
    classes: usize,
    smoothing: f32,
) -> Vec<f32> {
    check(scores, targets, classes);
    assert!(totals.len() == targets.len() && gradient.len() == targets.len(), "{} rows", targets.len());
    let rows = (TASK / classes.max(1)).max(1);
    // SAFETY: each task writes its own rows, and together they are all.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        written(scores.len(), |result| {
            let tasks = scores.par_chunks(rows * classes.max(1)).with_min_len(least_of_floats(TASK)).enumerate();
            tasks.for_each(|(task, scores)| {
                let range = task * rows..task * rows + scores.len() / classes.max(1);
                let start = task * rows * classes;
                let (totals, gradient) = (&totals[range.clone()], &gradient[range.clone()]);
                back_widest(scores, &targets[range], totals, gradient, classes, smoothing, result, start);
            });
        })
    }
}

/// The sum of the exponentials of the distances of scores from `largest`.
#[inline(always)]
fn exponentials(row: &[f32], largest: f32) -> f32 {
    const WIDTH: usize = crate::lanes::WIDTH;
    let (chunks, rest) = row.as_chunks::<WIDTH>();
    let mut lanes = [0.0_f32; WIDTH];
    for chunk in chunks {
        for lane in 0..WIDTH {
            lanes[lane] += exp(chunk[lane] - largest);
        }
    }
    let mut sum = lanes.iter().sum::<f32>();
    for &score in rest {
        sum += exp(score - largest);
    }
    sum
}

widest!(
    fn back_widest(
        scores: &[f32],
        targets: &[i64],
        totals: &[[f32; 2]],
        gradient: &[f32],
        classes: usize,
        smoothing: f32,
        result: Shared,
        start: usize,
    ) = back
);

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "inlined into the one place above")]
fn back(
    scores: &[f32],
    targets: &[i64],
    totals: &[[f32; 2]],
    gradient: &[f32],
    classes: usize,
    smoothing: f32,
    result: Shared,
    start: usize,
) {
    let share = smoothing / classes as f32;
    for (row, scores) in scores.chunks_exact(classes.max(1)).enumerate() {
        let ([largest, total], g, target) = (totals[row], gradient[row], targets[row]);
        let g = if target < 0 { 0.0 } else { g };
        let to = result.at(start + row * classes, classes);
        for (class, score) in scores.iter().enumerate() {
            // A row that does not count has no gradient, whatever stands in it.
            let value = if target < 0 { 0.0 } else { g * (exp((score - largest) - total) - share) };
            // SAFETY: `class` is below `classes`, for which there is room, and nobody else writes this row.
            #[expect(unsafe_code, reason = "see above")]
            unsafe {
                to.add(class).write(value);
            }
        }
        if target >= 0 {
            // SAFETY: as above; the place was written.
            #[expect(unsafe_code, reason = "see above")]
            unsafe {
                *to.add(target as usize) -= g * (1.0 - smoothing);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{differences, near, numbers, wide};

    fn exact(scores: &[f64], targets: &[i64], classes: usize, smoothing: f64) -> Vec<f64> {
        let rows = scores.chunks_exact(classes).zip(targets).map(|(row, &target)| {
            if target < 0 {
                return 0.0;
            }
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total = largest + row.iter().map(|x| (x - largest).exp()).sum::<f64>().ln();
            let all = total - row.iter().sum::<f64>() / classes as f64;
            (1.0 - smoothing) * (total - row[target as usize]) + smoothing * all
        });
        rows.collect()
    }

    #[test]
    fn losses_and_gradients_are_those_of_the_definition() {
        for (case, (rows, classes)) in [(1, 1), (7, 10), (300, 65), (3, 1000)].into_iter().enumerate() {
            for smoothing in [0.0, 0.1] {
                let seed = case as u64 * 10;
                let scores: Vec<f32> = numbers(rows * classes, seed + 1).iter().map(|x| 8.0 * x).collect();
                let targets: Vec<i64> =
                    (0..rows as i64).map(|k| if k % 5 == 3 { -1 } else { k * 7 % classes as i64 }).collect();
                let gradient = numbers(rows, seed + 2);
                let (found, totals) = forward(&scores, &targets, classes, smoothing);
                let of = |scores: &[f64]| exact(scores, &targets, classes, f64::from(smoothing));
                near(&found, &of(&wide(&scores)), "loss");
                let back = backward(&scores, &targets, &totals, &gradient, classes, smoothing);
                if scores.len() < 1000 {
                    near(&back, &differences(&wide(&scores), &gradient, of), "gradient");
                }
                for (row, scores) in back.chunks_exact(classes).enumerate() {
                    let sum: f64 = scores.iter().map(|&g| f64::from(g)).sum();
                    assert!(sum.abs() < 1e-4, "the gradients of row {row} add up to {sum}");
                }
            }
        }
    }

    /// A loss is the same whatever is added to all scores, to the digits that the scores have left.
    #[test]
    fn a_small_loss_beside_large_scores_keeps_its_digits() {
        let scores = [1000.0, 993.5, 994.25, 992.0];
        let (loss, totals) = forward(&scores, &[0], 4, 0.0);
        let wanted = exact(&scores.map(f64::from), &[0], 4, 0.0)[0];
        assert!((f64::from(loss[0]) / wanted - 1.0).abs() < 1e-4, "{loss:?}, {wanted}");
        let gradient = backward(&scores, &[0], &totals, &[1.0], 4, 0.0);
        let other: f64 = gradient[1..].iter().map(|&g| f64::from(g)).sum();
        assert!((other / (1.0 - (-wanted).exp()) - 1.0).abs() < 1e-4, "{gradient:?}");
    }

    #[test]
    fn what_is_no_number_stays_none_and_large_scores_are_no_trouble() {
        let (loss, _) = forward(&[f32::NAN, 1.0, 1e30, -1e30], &[1, 0], 2, 0.0);
        assert!(loss[0].is_nan() && loss[1] == 0.0, "{loss:?}");
    }
}
