//! Which rows of a table are equal but for rounding?

use crate::statistics::quantile;
use crate::survey::banding::candidates;
use crate::survey::{Column, Progress, Survey, Values};

/// By how much of the spread of its column a number may differ. The spread is the distance between the quartiles.
pub const TOLERANCE: f64 = 1e-3;
/// The width of the cells in which candidates are looked for, in units of the tolerance.
const CELL: f64 = 8.0;
/// The cells are laid in so many ways, each moved by a part of a cell against the others; a pair that an edge of one parts may
/// lie together in another.
const GRIDS: usize = 4;
/// Of fewer columns of numbers that are spread, nearly equal rows are no wonder.
const FEWEST: usize = 2;
/// Where more nearly equal pairs than this are to be expected by chance, one that is found means nothing.
const BY_CHANCE: f64 = 0.01;

/// Adds pairs of places whose rows are nearly equal, and says what was left out.
pub(super) fn compare(
    survey: &Survey<'_>,
    progress: Progress<'_>,
    pairs: &mut Vec<(u32, u32, f32)>,
    remarks: &mut Vec<String>,
) {
    let columns: Vec<(&Column, f64)> = survey.columns.iter().map(|column| (column, tolerance(column))).collect();
    let spread = columns.iter().filter(|(_, tolerance)| *tolerance > 0.0).count();
    let rows = survey.closely.len();
    if rows < 2 {
        return;
    }
    if spread < FEWEST {
        remarks.push(format!(
            "Rows were not compared but for exact duplicates: fewer than {FEWEST} columns of numbers tell them apart."
        ));
        return;
    }
    progress("comparing rows", 0, 1);
    let expected = by_chance(&columns, rows);
    if expected > BY_CHANCE {
        remarks.push(format!(
            "Rows were not compared but for exact duplicates: so few columns tell them apart that about {expected:.2} pairs would be \
             nearly equal by chance."
        ));
        return;
    }
    let cell = |grid: usize, place: usize| {
        let moved = grid as f64 / GRIDS as f64;
        Some(columns.iter().fold(0_u64, |key, (column, tolerance)| {
            let part = match &column.values {
                Values::Words { codes, .. } => u64::from(codes[place]),
                Values::Numbers(values) if values[place].is_nan() => u64::MAX,
                Values::Numbers(values) if *tolerance > 0.0 => {
                    (values[place] / (tolerance * CELL) + moved).floor().to_bits()
                }
                Values::Numbers(values) => (values[place] + 0.0).to_bits(),
            };
            (key ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) ^ (part >> 32)
        }))
    };
    let large = candidates(rows, GRIDS, cell, |a, b| {
        if let Some(likeness) = likeness(&columns, a as usize, b as usize) {
            pairs.push((a, b, likeness));
        }
    });
    if large {
        remarks
            .push("In large groups of rows that may be alike each was compared with some of the others only.".into());
    }
    pairs.sort_unstable_by_key(|&(a, b, _)| (a, b));
    progress("comparing rows", 1, 1);
}

/// By how much two numbers of a column may differ; 0 for categories, and where more than half of all numbers are equal.
fn tolerance(column: &Column) -> f64 {
    let Values::Numbers(values) = &column.values else { return 0.0 };
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let spread = quantile(&sorted, 0.75) - quantile(&sorted, 0.25);
    if spread.is_finite() { spread * TOLERANCE } else { 0.0 }
}

/// 1 minus the mean difference in units of the spread, if every column allows it.
fn likeness(columns: &[(&Column, f64)], a: usize, b: usize) -> Option<f32> {
    let mut sum = 0.0;
    for (column, tolerance) in columns {
        match &column.values {
            Values::Words { codes, .. } if codes[a] != codes[b] => return None,
            Values::Words { .. } => {}
            Values::Numbers(values) => {
                let (x, y) = (values[a], values[b]);
                if x.is_nan() != y.is_nan() || (x - y).abs() > *tolerance {
                    return None;
                }
                // Both missing is no difference.
                if !x.is_nan() && *tolerance > 0.0 {
                    sum += (x - y).abs() / tolerance * TOLERANCE;
                }
            }
        }
    }
    Some((1.0 - sum / columns.len() as f64) as f32)
}

/// How many pairs of rows would be nearly equal if columns had nothing to do with each other, by pairs of rows that lie far from
/// each other in the file.
fn by_chance(columns: &[(&Column, f64)], rows: usize) -> f64 {
    const TRIED: usize = 20_000;
    let mut random = crate::random::Random::derive(&[rows as u64]);
    let tried: Vec<(usize, usize)> = (0..TRIED)
        .map(|_| (random.below(rows as u64) as usize, random.below(rows as u64) as usize))
        .filter(|(a, b)| a != b)
        .collect();
    let share = |column: &(&Column, f64)| {
        let one = std::slice::from_ref(column);
        let alike = tried.iter().filter(|&&(a, b)| likeness(one, a, b).is_some()).count();
        // Of a share that was never met no more is known than that it is small.
        (alike as f64).max(0.5) / tried.len().max(1) as f64
    };
    columns.iter().map(share).product::<f64>() * rows as f64 * (rows as f64 - 1.0) / 2.0
}
