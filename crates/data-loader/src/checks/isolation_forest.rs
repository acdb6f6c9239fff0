//! Which rows lie apart from all others, though each of their numbers may be usual?
//!
//! An isolation forest: trees that cut a sample of the rows at random, until each row is alone. A row that lies apart is alone
//! after few cuts. The score is 2^(-E(h) / c(n)) of the mean depth h at which a row is alone, where c(n) is the mean depth in a
//! random tree of n rows: near 1 for rows that lie apart, below 0.5 for all others (F. T. Liu, K. M. Ting, Z.-H. Zhou, "Isolation
//! Forest", 2008). 100 trees of 256 rows, as in the paper; a missing number is taken as the median of its column.

use super::{Found, counted};
use crate::error::Error;
use crate::random::Random;
use crate::registry::Entry;
use crate::statistics::quantile;
use crate::survey::report::{Finding, SHOWN};
use crate::survey::{Gates, Survey, Values};

/// This check in the list of checks.
pub const ENTRY: Entry =
    Entry { name: "isolation_forest", summary: "rows that lie apart from all others, by an isolation forest" };

const TREES: u64 = 100;
const SAMPLE: usize = 256;
/// The score from which on a row is told.
const SCORE: f64 = 0.7;
/// Of fewer rows nothing can be said.
const FEWEST: usize = 50;
/// Keeps the trees apart from the random streams of everything else.
const STREAM: u64 = 0x6973_6f6c_6174_6521;

pub(super) fn run(survey: &Survey<'_>, gates: &Gates, found: &mut Found<'_>) -> Result<(), Error> {
    let columns: Vec<Vec<f64>> = survey
        .columns
        .iter()
        .filter_map(|column| match &column.values {
            Values::Numbers(values) => filled(values),
            Values::Words { .. } => None,
        })
        .collect();
    // One column alone is a matter of the check `outliers`.
    if columns.len() < 2 || columns[0].len() < FEWEST {
        return Ok(());
    }
    let scores = scores(&columns, survey.seed, &mut |done| (found.progress)("isolation forest", done, TREES as usize));
    let mut apart: Vec<(usize, f64)> = scores.into_iter().enumerate().filter(|(_, score)| *score >= SCORE).collect();
    if apart.is_empty() {
        return Ok(());
    }
    apart.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let verb = if apart.len() == 1 { "lies" } else { "lie" };
    let text = format!("{} {verb} apart from all others.", counted(apart.len(), "row"));
    let examples = apart
        .iter()
        .take(SHOWN)
        .map(|&(at, score)| survey.sample(survey.closely[at] as usize, format!("score {score:.2}")));
    let finding = Finding::new(ENTRY.name, gates.isolation_forest.severity(), apart.len(), text);
    found.add(Finding { examples: examples.collect(), ..finding.gated("isolation_forest") });
    Ok(())
}

/// A column with its median where a number is missing; none if nothing in it differs.
fn filled(values: &[f64]) -> Option<Vec<f64>> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    if sorted.first() == sorted.last() {
        return None;
    }
    let median = quantile(&sorted, 0.5);
    Some(values.iter().map(|&value| if value.is_nan() { median } else { value }).collect())
}

/// A tree, its nodes in the order in which they were made.
struct Tree(Vec<Node>);

enum Node {
    /// Rows with less than `at` in the column go to the node behind this one, the others to `right`.
    Cut { column: usize, at: f64, right: usize },
    /// So many rows of the sample end here.
    Leaf(usize),
}

impl Tree {
    fn grow(columns: &[Vec<f64>], mut rows: Vec<usize>, random: &mut Random) -> Self {
        let deepest = (rows.len().max(2) as f64).log2().ceil() as usize;
        let mut tree = Self(Vec::new());
        tree.split(columns, &mut rows, deepest, random);
        tree
    }

    fn split(&mut self, columns: &[Vec<f64>], rows: &mut [usize], deeper: usize, random: &mut Random) {
        let range = |column: &Vec<f64>, rows: &[usize]| {
            let ends = (f64::INFINITY, f64::NEG_INFINITY);
            rows.iter().fold(ends, |(low, high), &row| (column[row].min(low), column[row].max(high)))
        };
        // Only a column in which the rows differ can part them.
        let able: Vec<(usize, f64, f64)> = match deeper == 0 || rows.len() <= 1 {
            true => Vec::new(),
            false => columns
                .iter()
                .enumerate()
                .map(|(column, values)| (column, range(values, rows)))
                .filter(|(_, (low, high))| low < high)
                .map(|(column, (low, high))| (column, low, high))
                .collect(),
        };
        let Some(&(column, low, high)) = able.get(random.below(able.len() as u64) as usize) else {
            self.0.push(Node::Leaf(rows.len()));
            return;
        };
        // Halves before the difference, which may be too large for a number.
        let share = random.unit();
        let at = (low * (1.0 - share) + high * share).max(low.next_up());
        let values = &columns[column];
        let mut middle = 0;
        for place in 0..rows.len() {
            if values[rows[place]] < at {
                rows.swap(place, middle);
                middle += 1;
            }
        }
        let node = self.0.len();
        self.0.push(Node::Cut { column, at, right: 0 });
        let (left, rest) = rows.split_at_mut(middle);
        self.split(columns, left, deeper - 1, random);
        let behind = self.0.len();
        if let Node::Cut { right, .. } = &mut self.0[node] {
            *right = behind;
        }
        self.split(columns, rest, deeper - 1, random);
    }

    /// After how many cuts a row is alone, with what the rows that share its leaf would need.
    fn depth(&self, columns: &[Vec<f64>], row: usize) -> f64 {
        let (mut node, mut cuts) = (0, 0.0);
        loop {
            match self.0[node] {
                Node::Leaf(rows) => return cuts + mean_depth(rows),
                Node::Cut { column, at, right } => {
                    node = if columns[column][row] < at { node + 1 } else { right };
                    cuts += 1.0;
                }
            }
        }
    }
}

/// The mean depth at which one of `rows` rows is alone in a random tree: c(n) of the paper.
fn mean_depth(rows: usize) -> f64 {
    let n = rows as f64;
    match rows {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => 2.0 * ((n - 1.0).ln() + 0.577_215_664_901_532_9) - 2.0 * (n - 1.0) / n,
    }
}

/// The score of every row of a table whose columns are given.
fn scores(columns: &[Vec<f64>], seed: u64, progress: &mut dyn FnMut(usize)) -> Vec<f64> {
    let rows = columns.first().map_or(0, Vec::len);
    let sample = SAMPLE.min(rows);
    let mut depths = vec![0.0; rows];
    let mut order: Vec<usize> = (0..rows).collect();
    for tree in 0..TREES {
        let mut random = Random::derive(&[STREAM, seed, tree]);
        // The first places of a shuffle, without the rest of it.
        for place in 0..sample {
            let other = place + random.below((rows - place) as u64) as usize;
            order.swap(place, other);
        }
        let grown = Tree::grow(columns, order[..sample].to_vec(), &mut random);
        depths.iter_mut().enumerate().for_each(|(row, depth)| *depth += grown.depth(columns, row));
        progress(tree as usize + 1);
    }
    let usual = mean_depth(sample).max(f64::MIN_POSITIVE) * TREES as f64;
    depths.into_iter().map(|depth| (-depth / usual).exp2()).collect()
}

#[cfg(test)]
#[path = "isolation_forest_tests.rs"]
mod tests;
