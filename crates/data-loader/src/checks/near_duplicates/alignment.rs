//! How alike are two small pictures, once one is laid over the other?
//!
//! A copy that was trimmed or moved shows the same at a slightly other place and size, and fine texture no longer meets itself.
//! So the one picture is moved and scaled, step by step, to where the squared difference from the other is least (B. Lucas and
//! T. Kanade, "An Iterative Image Registration Technique", 1981). The first step foretells how much can be gained at all, which
//! spares the others for nearly every pair.

use crate::survey::{FLAT, ImageFacts, SIDE};

/// Below this correlation before any step two pictures are not the same.
const START: f32 = 0.8;
/// By how much less than asked for the foretold correlation may be: what it foretells is true of small steps.
const DOUBT: f32 = 0.03;
/// How many steps are made at most.
const STEPS: usize = 6;
/// The frames of two copies differ by at most this much in size (as a logarithm) and in place (in parts of the frame): what shows
/// the same thing from nearer or farther is another picture.
const ZOOM: f32 = 0.11;
const PLACE: f32 = 0.06;

/// Where a place of the first picture, from -1 to 1 in each axis, lies in the second: `scale * place + shift`.
#[derive(Clone, Copy)]
struct Map {
    scale: [f32; 2],
    shift: [f32; 2],
}

/// The correlation of two pictures where they lie over each other best, if it is at least `least` and their frames agree.
pub(super) fn likeness(a: &ImageFacts, b: &ImageFacts, least: f32) -> Option<f32> {
    let mut map = Map { scale: [1.0; 2], shift: [0.0; 2] };
    let start = a.likeness(b);
    if start >= least && frames_agree(a, b, map) {
        return Some(start);
    }
    // Drawings lie over each other already, and different ones of few strokes can be made alike.
    if a.is_drawing || b.is_drawing || start < START || a.small_std < FLAT || b.small_std < FLAT {
        return None;
    }
    let mut best: Option<f32> = None;
    for step in 0..STEPS {
        let (correlation, change, foretold) = compare(a, b, map)?;
        if correlation >= least && frames_agree(a, b, map) {
            best = Some(best.map_or(correlation, |best| best.max(correlation)));
        }
        if step == 0 && foretold < least - DOUBT {
            return None;
        }
        let small = change.iter().all(|change| change.abs() < 0.002);
        let [sx, sy, tx, ty] = change;
        map.scale = [map.scale[0] + sx, map.scale[1] + sy];
        map.shift = [map.shift[0] + tx, map.shift[1] + ty];
        let far = map.scale.iter().any(|scale| (scale - 1.0).abs() > 0.3) || map.shift.iter().any(|by| by.abs() > 0.3);
        if small || far {
            break;
        }
    }
    best
}

/// Whether the frames of both images lie over each other, but for little.
fn frames_agree(a: &ImageFacts, b: &ImageFacts, map: Map) -> bool {
    (0..2).all(|axis| {
        let zoom = b.half * map.scale[axis] / a.half;
        let middle = (0.5 - a.centre[axis]) / a.half;
        let place = b.centre[axis] + b.half * (map.scale[axis] * middle + map.shift[axis]);
        zoom > 0.0 && zoom.ln().abs() <= ZOOM && (place - 0.5).abs() <= PLACE
    })
}

/// The correlation where both are, by what the map should change, and the correlation that the change foretells; nothing if too
/// little of the pictures lies over each other.
fn compare(a: &ImageFacts, b: &ImageFacts, map: Map) -> Option<(f32, [f32; 4], f32)> {
    const CELL: f32 = 2.0 / SIDE as f32;
    let grey = |picture: &[u8; SIDE * SIDE], x: usize, y: usize| f32::from(picture[y * SIDE + x]);
    // What lies over each other, cell by cell: the grey of the second picture, and the first with its slope.
    let mut seen: Vec<(f32, f32, [f32; 4])> = Vec::with_capacity(SIDE * SIDE);
    for y in 1..SIDE - 1 {
        let v = (y as f32 + 0.5) * CELL - 1.0;
        let row = (map.scale[1] * v + map.shift[1] + 1.0) / CELL - 0.5;
        if row < 0.0 || row > (SIDE - 1) as f32 {
            continue;
        }
        let (top, below) = ((row as usize).min(SIDE - 2), row - (row as usize).min(SIDE - 2) as f32);
        for x in 1..SIDE - 1 {
            let u = (x as f32 + 0.5) * CELL - 1.0;
            let column = (map.scale[0] * u + map.shift[0] + 1.0) / CELL - 0.5;
            if column < 0.0 || column > (SIDE - 1) as f32 {
                continue;
            }
            let left = (column as usize).min(SIDE - 2);
            let right = column - left as f32;
            let line = |y: usize| grey(&b.small, left, y) * (1.0 - right) + grey(&b.small, left + 1, y) * right;
            let second = line(top) * (1.0 - below) + line(top + 1) * below;
            let dx = (grey(&a.small, x + 1, y) - grey(&a.small, x - 1, y)) / (2.0 * CELL);
            let dy = (grey(&a.small, x, y + 1) - grey(&a.small, x, y - 1)) / (2.0 * CELL);
            seen.push((grey(&a.small, x, y), second, [dx * u, dy * v, dx, dy]));
        }
    }
    let n = seen.len() as f32;
    if seen.len() < SIDE * SIDE / 2 {
        return None;
    }
    let (mut sum_a, mut sum_b, mut square_a, mut square_b, mut product) = (0.0_f64, 0.0, 0.0, 0.0, 0.0);
    for &(first, second, _) in &seen {
        let (first, second) = (f64::from(first), f64::from(second));
        sum_a += first;
        sum_b += second;
        square_a += first * first;
        square_b += second * second;
        product += first * second;
    }
    let count = f64::from(n);
    let (mean_a, mean_b) = (sum_a / count, sum_b / count);
    let std = |square: f64, mean: f64| (square / count - mean * mean).max(0.0).sqrt();
    let (std_a, std_b) = (std(square_a, mean_a), std(square_b, mean_b));
    if std_a < f64::from(FLAT) || std_b < f64::from(FLAT) {
        return None;
    }
    let correlation = ((product / count - mean_a * mean_b) / (std_a * std_b)) as f32;
    // The normal equations of the step: slopes of the first picture against what is left of the difference, both standardised.
    let (mut left, mut right) = ([[0.0_f64; 4]; 4], [0.0_f64; 4]);
    for &(first, second, slopes) in &seen {
        let rest = (f64::from(first) - mean_a) / std_a - (f64::from(second) - mean_b) / std_b;
        let slopes = slopes.map(|slope| f64::from(slope) / std_a);
        for i in 0..4 {
            right[i] += slopes[i] * rest;
            for j in i..4 {
                left[i][j] += slopes[i] * slopes[j];
            }
        }
    }
    for i in 0..4 {
        for j in 0..i {
            left[i][j] = left[j][i];
        }
        left[i][i] += 1e-6 * count;
    }
    let change = solve(left, right)?;
    let gained: f64 = change.iter().zip(&right).map(|(change, right)| change * right).sum::<f64>() / count;
    Some((correlation, change.map(|change| change as f32), correlation + gained as f32 / 2.0))
}

/// The solution of four linear equations by elimination; none where they have no single one.
fn solve(mut left: [[f64; 4]; 4], mut right: [f64; 4]) -> Option<[f64; 4]> {
    for pivot in 0..4 {
        let largest = (pivot..4).max_by(|&a, &b| left[a][pivot].abs().total_cmp(&left[b][pivot].abs()))?;
        left.swap(pivot, largest);
        right.swap(pivot, largest);
        if left[pivot][pivot].abs() < 1e-12 {
            return None;
        }
        for row in pivot + 1..4 {
            let factor = left[row][pivot] / left[pivot][pivot];
            for column in pivot..4 {
                left[row][column] -= factor * left[pivot][column];
            }
            right[row] -= factor * right[pivot];
        }
    }
    for pivot in (0..4).rev() {
        for column in pivot + 1..4 {
            right[pivot] -= left[pivot][column] * right[column];
        }
        right[pivot] /= left[pivot][pivot];
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_equations_are_solved() {
        let left = [[0.0, 2.0, 0.0, 1.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 3.0, 1.0], [2.0, 0.0, 1.0, 5.0]];
        let wanted = [1.0, -2.0, 3.0, 0.5];
        let right = left.map(|row| row.iter().zip(&wanted).map(|(a, b)| a * b).sum::<f64>());
        let found = solve(left, right).unwrap();
        assert!(found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-12), "{found:?}");
        assert!(solve([[1.0; 4]; 4], [1.0; 4]).is_none());
    }
}
