//! Where in a box is a function least? Downhill by its slopes, with what the latest steps tell of its curvature (L-BFGS, Nocedal, "Updating
//! Quasi-Newton Matrices with Limited Storage", 1980); what would leave the box stays at its edge.

use std::collections::VecDeque;

/// So many steps are remembered.
const MEMORY: usize = 10;
/// The first step goes no farther than this share of the box.
const FIRST: f64 = 0.1;
/// A step that gains less than this share is the last one.
const GAIN: f64 = 1e-9;

/// The least value that was met and its place, after `steps` steps at most. `at` gives the value and the slopes, or nothing where there is none.
pub(super) fn minimise(
    bounds: &[(f64, f64)],
    start: &[f64],
    steps: usize,
    mut at: impl FnMut(&[f64]) -> Option<(f64, Vec<f64>)>,
) -> (f64, Vec<f64>) {
    let inside =
        |x: &[f64]| -> Vec<f64> { x.iter().zip(bounds).map(|(x, (low, high))| x.clamp(*low, *high)).collect() };
    let mut x = inside(start);
    let Some((mut value, mut slopes)) = at(&x) else { return (f64::INFINITY, x) };
    let mut latest: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
    for _ in 0..steps {
        let held = |k: usize| (x[k] <= bounds[k].0 && slopes[k] > 0.0) || (x[k] >= bounds[k].1 && slopes[k] < 0.0);
        let free: Vec<bool> = (0..x.len()).map(|k| !held(k)).collect();
        let mut direction = downhill(&slopes, &free, &latest);
        if dot(&direction, &slopes) >= 0.0 {
            latest.clear();
            direction = downhill(&slopes, &free, &latest);
        }
        if latest.is_empty() {
            let farthest = direction.iter().zip(bounds).map(|(d, (low, high))| d.abs() / (high - low));
            let factor = FIRST / farthest.fold(FIRST, f64::max);
            for d in &mut direction {
                *d *= factor;
            }
        }
        let mut share = 1.0;
        let found = (0..25).find_map(|_| {
            let moved: Vec<f64> = x.iter().zip(&direction).map(|(x, d)| x + share * d).collect();
            let next = inside(&moved);
            let step: Vec<f64> = next.iter().zip(&x).map(|(next, x)| next - x).collect();
            share *= 0.5;
            let (lower, new) = at(&next)?;
            (lower <= value + 1e-4 * dot(&step, &slopes) && lower < value).then_some((next, step, lower, new))
        });
        let Some((next, step, lower, new)) = found else {
            if latest.is_empty() {
                break;
            }
            latest.clear();
            continue;
        };
        let change: Vec<f64> = new.iter().zip(&slopes).map(|(new, old)| new - old).collect();
        if dot(&step, &change) > 1e-12 * dot(&change, &change) {
            latest.push_back((step, change));
            if latest.len() > MEMORY {
                latest.pop_front();
            }
        }
        let gain = value - lower;
        (x, value, slopes) = (next, lower, new);
        if gain <= GAIN * value.abs().max(1.0) {
            break;
        }
    }
    (value, x)
}

/// The direction in which the function falls, along what is free.
fn downhill(slopes: &[f64], free: &[bool], latest: &VecDeque<(Vec<f64>, Vec<f64>)>) -> Vec<f64> {
    let only = |v: &[f64]| -> Vec<f64> { v.iter().zip(free).map(|(v, free)| if *free { *v } else { 0.0 }).collect() };
    let mut q = only(slopes);
    let pairs: Vec<(Vec<f64>, Vec<f64>)> = latest.iter().map(|(step, change)| (only(step), only(change))).collect();
    let pairs: Vec<_> = pairs.into_iter().filter(|(step, change)| dot(step, change) > 0.0).collect();
    let mut factors = Vec::with_capacity(pairs.len());
    for (step, change) in pairs.iter().rev() {
        let factor = dot(step, &q) / dot(step, change);
        q.iter_mut().zip(change).for_each(|(q, change)| *q -= factor * change);
        factors.push(factor);
    }
    if let Some((step, change)) = pairs.last() {
        let scale = dot(step, change) / dot(change, change);
        for q in &mut q {
            *q *= scale;
        }
    }
    for ((step, change), factor) in pairs.iter().zip(factors.iter().rev()) {
        let back = factor - dot(change, &q) / dot(step, change);
        q.iter_mut().zip(step).for_each(|(q, step)| *q += back * step);
    }
    q.iter().map(|q| -q).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rosenbrock(x: &[f64]) -> (f64, Vec<f64>) {
        let mut slopes = vec![0.0; x.len()];
        let mut sum = 0.0;
        for k in 0..x.len() - 1 {
            let (a, b) = (1.0 - x[k], x[k + 1] - x[k] * x[k]);
            sum += a * a + 100.0 * b * b;
            slopes[k] -= 2.0 * a + 400.0 * x[k] * b;
            slopes[k + 1] += 200.0 * b;
        }
        (sum, slopes)
    }

    #[test]
    fn a_bent_valley_is_walked_down() {
        let (value, x) = minimise(&[(-3.0, 3.0); 6], &[-1.2, 1.0, -0.5, 2.0, 0.0, 1.5], 300, |x| Some(rosenbrock(x)));
        assert!(value < 1e-8 && x.iter().all(|x| (x - 1.0).abs() < 1e-3), "{value} {x:?}");
    }

    #[test]
    fn what_lies_outside_is_met_at_the_edge() {
        let slope = |x: &[f64]| {
            let away = [x[0] - 4.0, x[1] - 0.25, x[2] + 3.0];
            Some((away.iter().map(|a| a * a).sum(), away.iter().map(|a| 2.0 * a).collect()))
        };
        let (_, x) = minimise(&[(0.0, 1.0); 3], &[0.5; 3], 50, slope);
        assert!(x[0] == 1.0 && (x[1] - 0.25).abs() < 1e-6 && x[2] == 0.0, "{x:?}");
        assert_eq!(minimise(&[(0.0, 1.0)], &[0.5], 50, |_| None), (f64::INFINITY, vec![0.5]));
        assert_eq!(minimise(&[], &[], 50, |_| Some((1.0, vec![]))), (1.0, vec![]));
    }
}
