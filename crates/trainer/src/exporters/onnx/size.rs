//! How does a number of a graph follow from the sizes of its inputs?
//!
//! A network is recorded at several sizes. A number that is the same in all of them is a constant; one that changes is a sum of products
//! of sizes, such as `3 batch length + 1`, found by solving for the factors and tried on a recording that was not used to find them.

use std::fmt;

use model_zoo::graph::{Axis, Sizes};

/// A sum of products of sizes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    /// What is added.
    pub constant: i64,
    /// Factors, each with the axes whose sizes it multiplies.
    pub terms: Vec<(i64, Vec<Axis>)>,
}

impl Size {
    /// A number that does not change.
    pub fn fixed(constant: i64) -> Self {
        Self { constant, terms: Vec::new() }
    }

    /// The number, where it does not change.
    pub fn known(&self) -> Option<i64> {
        self.terms.is_empty().then_some(self.constant)
    }

    /// The axis whose size it is, and nothing else.
    pub fn axis(&self) -> Option<Axis> {
        match (self.constant, self.terms.as_slice()) {
            (0, [(1, axes)]) if axes.len() == 1 => Some(axes[0]),
            _ => None,
        }
    }

    /// The number at `sizes`.
    pub fn at(&self, sizes: &Sizes) -> i64 {
        let size = |axis: &Axis| sizes.get(axis).map_or(1, |size| *size as i64);
        let term = |(factor, axes): &(i64, Vec<Axis>)| axes.iter().fold(*factor, |product, axis| product * size(axis));
        self.terms.iter().map(term).sum::<i64>() + self.constant
    }

    /// The sum of products that has the value of each of `values` at the sizes beside it; nothing if there is none.
    pub fn fit(values: &[i64], sizes: &[Sizes]) -> Option<Self> {
        let first = *values.first()?;
        let varies = |axis: &Axis| sizes.iter().any(|other| other.get(axis) != sizes[0].get(axis));
        let axes: Vec<Axis> = sizes.first()?.keys().copied().filter(varies).collect();
        if values.iter().all(|value| *value == first) {
            return Some(Self::fixed(first));
        }
        let products = products(&axes);
        let rows = sizes.iter().zip(values).map(|(sizes, value)| {
            let size = |axis: &Axis| sizes.get(axis).map_or(1.0, |size| *size as f64);
            let mut row: Vec<f64> = products.iter().map(|axes| axes.iter().map(size).product()).collect();
            row.push(*value as f64);
            row
        });
        let factors = solve(rows.collect(), products.len())?;
        let whole: Vec<i64> = factors.iter().map(|factor| factor.round() as i64).collect();
        let mut found = Self::fixed(0);
        for (factor, axes) in whole.into_iter().zip(products).filter(|(factor, _)| *factor != 0) {
            match axes.is_empty() {
                true => found.constant = factor,
                false => found.terms.push((factor, axes)),
            }
        }
        let holds = values.iter().zip(sizes).all(|(value, sizes)| found.at(sizes) == *value);
        holds.then_some(found)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (factor, axes) in &self.terms {
            let names = axes.iter().map(|axis| axis.name()).collect::<Vec<_>>().join(" * ");
            parts.push(if *factor == 1 { names } else { format!("{factor} * {names}") });
        }
        if self.constant != 0 || parts.is_empty() {
            parts.push(self.constant.to_string());
        }
        f.write_str(&parts.join(" + "))
    }
}

/// Every product of different axes, the empty one first.
fn products(axes: &[Axis]) -> Vec<Vec<Axis>> {
    let of =
        |bits: usize| axes.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, axis)| *axis).collect();
    (0..1 << axes.len()).map(of).collect()
}

/// Sizes to record at, so that every sum of products can be found and tried: every combination of two sizes of each axis, and one of a
/// third. An axis with a limit below 4 is fixed at it.
pub fn to_record(axes: impl IntoIterator<Item = (Axis, Option<usize>)>) -> Vec<Sizes> {
    let (mut fixed, mut open): (Sizes, Vec<(Axis, [usize; 3])>) = (Sizes::new(), Vec::new());
    for (axis, most) in axes {
        match (axis, most) {
            (Axis::Batch, _) => open.push((axis, [2, 3, 5])),
            (Axis::Length, Some(most)) if most < 4 => drop(fixed.insert(axis, most)),
            (Axis::Length, most) => {
                let most = most.unwrap_or(11).min(11);
                open.push((axis, [most, most - 1, most - 2]));
            }
            // Neither powers of two nor of each other: what is rounded up or down shows as no sum of products.
            (Axis::Height, _) => open.push((axis, [61, 89, 131])),
            (Axis::Width, _) => open.push((axis, [67, 97, 127])),
        }
    }
    let at = |choose: &dyn Fn(usize) -> usize| -> Sizes {
        let chosen = open.iter().enumerate().map(|(place, (axis, sizes))| (*axis, sizes[choose(place)]));
        chosen.chain(fixed.clone()).collect()
    };
    let mut all: Vec<Sizes> = (0..1_usize << open.len()).map(|bits| at(&|place| bits >> place & 1)).collect();
    all.push(at(&|_| 2));
    all
}

/// The factors with which the first `unknowns` rows give their last number; nothing where they do not say.
fn solve(rows: Vec<Vec<f64>>, unknowns: usize) -> Option<Vec<f64>> {
    let mut rows: Vec<Vec<f64>> = rows.into_iter().take(unknowns).collect();
    if rows.len() < unknowns {
        return None;
    }
    for column in 0..unknowns {
        let pivot = (column..unknowns).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        if rows[pivot][column].abs() < 1e-9 {
            return None;
        }
        rows.swap(column, pivot);
        let head = rows[column].clone();
        for (_, row) in rows.iter_mut().enumerate().filter(|(at, _)| *at != column) {
            let times = row[column] / head[column];
            for (number, head) in row.iter_mut().zip(&head) {
                *number -= times * head;
            }
        }
    }
    Some((0..unknowns).map(|at| rows[at][unknowns] / rows[at][at]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(axes: &[(Axis, Option<usize>)], number: impl Fn(&Sizes) -> i64) -> Option<Size> {
        let sizes = to_record(axes.iter().copied());
        let values: Vec<i64> = sizes.iter().map(number).collect();
        Size::fit(&values, &sizes)
    }

    #[test]
    fn sums_of_products_are_found_and_nothing_else_is() {
        let text = [(Axis::Batch, None), (Axis::Length, Some(9))];
        let of = |sizes: &Sizes, axis: Axis| sizes[&axis] as i64;
        let both = fit(&text, |s| 3 * of(s, Axis::Batch) * of(s, Axis::Length) + 7).unwrap();
        assert_eq!(both.to_string(), "3 * batch * length + 7");
        assert_eq!(fit(&text, |_| 4).unwrap().known(), Some(4));
        assert_eq!(fit(&text, |s| of(s, Axis::Length)).unwrap().axis(), Some(Axis::Length));
        assert_eq!(fit(&text, |s| of(s, Axis::Length) - 1).unwrap().to_string(), "length + -1");
        assert_eq!(fit(&text, |s| of(s, Axis::Length).pow(2)), None);
        let picture = [(Axis::Batch, None), (Axis::Height, None), (Axis::Width, None)];
        assert_eq!(fit(&picture, |s| of(s, Axis::Height) / 2), None);
        let all = fit(&picture, |s| of(s, Axis::Batch) * of(s, Axis::Height) * of(s, Axis::Width)).unwrap();
        assert_eq!(all.to_string(), "batch * height * width");
        // A short text has one length.
        assert!(fit(&[(Axis::Batch, None), (Axis::Length, Some(2))], |s| of(s, Axis::Batch)).is_some());
    }
}
