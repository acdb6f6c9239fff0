//! What is left of a forest when all dimensions but one or two are averaged out? Its marginals, exactly: every leaf adds its loss where it lies,
//! by the share that it takes of everything else.

use super::bins::{BINS, Bins, stretches};

/// One more than there are bins: while leaves are added, what is kept are the differences from one bin to the next.
const WIDTH: usize = BINS + 1;

/// The marginals of the mean of functions that are constant on boxes.
#[derive(Debug)]
pub(super) struct Marginals {
    bins: Vec<Bins>,
    pairs: Vec<(usize, usize)>,
    /// The mean over everything.
    pub(super) mean: f64,
    /// Of each dimension the mean in each bin.
    pub(super) single: Vec<Vec<f64>>,
    /// Of each pair the mean in each bin, those of the second dimension next to each other.
    double: Vec<Vec<f64>>,
}

impl Marginals {
    /// Of so many functions, given by their boxes: `boxes` calls what it is handed with the value on each box and the part of each dimension.
    pub(super) fn of(
        bins: &[Bins],
        pairs: &[(usize, usize)],
        functions: usize,
        boxes: impl FnOnce(&mut dyn FnMut(f64, &[u64])),
    ) -> Self {
        let mut marginals = Self {
            bins: bins.to_vec(),
            pairs: pairs.to_vec(),
            mean: 0.0,
            single: vec![vec![0.0; WIDTH]; bins.len()],
            double: vec![vec![0.0; WIDTH * WIDTH]; pairs.len()],
        };
        boxes(&mut |value, cell| marginals.add(value / functions.max(1) as f64, cell));
        marginals.single.iter_mut().for_each(|single| add_up(single));
        for double in &mut marginals.double {
            double.chunks_mut(WIDTH).for_each(add_up);
            for place in WIDTH..double.len() {
                double[place] += double[place - WIDTH];
            }
        }
        for (single, bins) in marginals.single.iter_mut().zip(bins) {
            single.truncate(bins.count);
        }
        marginals
    }

    fn add(&mut self, value: f64, cell: &[u64]) {
        let shares: Vec<f64> = cell.iter().zip(&self.bins).map(|(part, bins)| bins.share(*part)).collect();
        let weighed = value * shares.iter().product::<f64>();
        self.mean += weighed;
        for ((single, part), share) in self.single.iter_mut().zip(cell).zip(&shares) {
            for (from, to) in stretches(*part) {
                single[from] += weighed / share;
                single[to] -= weighed / share;
            }
        }
        for (double, &(a, b)) in self.double.iter_mut().zip(&self.pairs) {
            let here = weighed / (shares[a] * shares[b]);
            for (top, bottom) in stretches(cell[a]) {
                for (from, to) in stretches(cell[b]) {
                    double[top * WIDTH + from] += here;
                    double[top * WIDTH + to] -= here;
                    double[bottom * WIDTH + from] -= here;
                    double[bottom * WIDTH + to] += here;
                }
            }
        }
    }

    /// How much a dimension alone varies the function.
    pub(super) fn variance(&self, dimension: usize) -> f64 {
        let single = &self.single[dimension];
        single.iter().map(|value| (value - self.mean).powi(2)).sum::<f64>() / single.len() as f64
    }

    /// How much the pair at a place of the list varies the function beyond what each of both does alone.
    pub(super) fn variance_of_pair(&self, place: usize) -> f64 {
        let (a, b) = self.pairs[place];
        let mut sum = 0.0;
        for (row, first) in self.single[a].iter().enumerate() {
            let cells = &self.double[place][row * WIDTH..];
            for (both, second) in cells.iter().zip(&self.single[b]) {
                sum += (both - first - second + self.mean).powi(2);
            }
        }
        sum / (self.single[a].len() * self.single[b].len()) as f64
    }

    /// What each dimension alone makes of a point, added up.
    pub(super) fn additive(&self, row: &[u8]) -> f64 {
        let each = self.single.iter().zip(row).map(|(single, &bin)| single[usize::from(bin)] - self.mean);
        self.mean + each.sum::<f64>()
    }
}

fn add_up(values: &mut [f64]) {
    let mut sum = 0.0;
    for value in values {
        sum += *value;
        *value = sum;
    }
}
