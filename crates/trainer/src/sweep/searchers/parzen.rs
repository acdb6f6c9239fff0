//! A density over points, made of a kernel around each point that was tried and of one over everything.

use data_loader::random::Random;

use crate::sweep::dimensions::{Kind, Point};
use crate::sweep::space::Range;

/// How wide the kernels are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernels {
    /// By the distance to the neighbours on either side: for one dimension.
    ByNeighbours,
    /// All alike, narrower the more there are: for several dimensions.
    ByNumber,
}

/// The widest share of a dimension of a kernel among one, for [`Kernels::ByNumber`].
const WIDTH: f64 = 0.2;
/// The latest trials weigh alike; what is older than so many weighs less.
const FRESH: usize = 25;

/// A mixture of kernels.
pub(super) struct Estimator {
    /// How much each kernel weighs; they add up to 1. The last one lies over everything.
    weights: Vec<f64>,
    /// Of each dimension what each kernel is.
    dimensions: Vec<Mixture>,
}

/// What the kernels are along one dimension.
enum Mixture {
    /// Middles and widths of normal distributions, which end where the places do.
    Normal { range: Range, kernels: Vec<(f64, f64)> },
    /// The probabilities of the choices.
    Choice { kernels: Vec<Vec<f64>> },
}

impl Estimator {
    /// Around `rows`, from the oldest to the latest; a dimension that does not count in a row is as likely there as anywhere.
    pub(super) fn new(kinds: &[Kind], rows: &[Point], widths: Kernels) -> Self {
        let dimensions = kinds.iter().enumerate().map(|(index, kind)| {
            let column: Vec<Option<f64>> = rows.iter().map(|row| row[index]).collect();
            match kind {
                Kind::Range(range) => Mixture::Normal { range: *range, kernels: normals(&column, kinds.len(), widths) },
                Kind::Choice(count) => Mixture::Choice { kernels: choices(&column, *count) },
            }
        });
        Self { weights: weights(rows.len()), dimensions: dimensions.collect() }
    }

    /// A point, every dimension settled.
    pub(super) fn draw(&self, random: &mut Random) -> Point {
        let kernel = pick(&self.weights, random.unit());
        let draw = |mixture: &Mixture| match mixture {
            Mixture::Normal { kernels, range } => {
                let (middle, width) = kernels[kernel];
                let place = truncated(middle, width, random.unit());
                // The place of the number that this place stands for.
                range.place(range.at(place)).unwrap_or(place)
            }
            Mixture::Choice { kernels } => pick(&kernels[kernel], random.unit()) as f64,
        };
        self.dimensions.iter().map(draw).map(Some).collect()
    }

    /// The logarithm of the density, or for numbers that can be counted of the probability.
    pub(super) fn log_density(&self, point: &[Option<f64>]) -> f64 {
        let of_kernel = |(kernel, weight): (usize, &f64)| {
            let each = self.dimensions.iter().zip(point).filter_map(|(mixture, place)| Some((mixture, (*place)?)));
            weight.ln() + each.map(|(mixture, place)| mixture.log_density(kernel, place)).sum::<f64>()
        };
        log_sum(&self.weights.iter().enumerate().map(of_kernel).collect::<Vec<_>>())
    }
}

impl Mixture {
    fn log_density(&self, kernel: usize, place: f64) -> f64 {
        match self {
            Self::Choice { kernels } => kernels[kernel][place as usize].ln(),
            Self::Normal { range, kernels } => {
                let (middle, width) = kernels[kernel];
                let whole = mass(middle, width, 0.0, 1.0);
                match range.count() {
                    Some(count) if count < MANY => {
                        let (from, to) = cell(range, place);
                        (mass(middle, width, from, to) / whole).max(f64::MIN_POSITIVE).ln()
                    }
                    _ => {
                        let z = (place - middle) / width;
                        -0.5 * z * z - (width * std::f64::consts::TAU.sqrt()).ln() - whole.max(f64::MIN_POSITIVE).ln()
                    }
                }
            }
        }
    }
}

/// With more numbers than these they are as good as any.
const MANY: u64 = 1 << 20;

/// From where to where places stand for the same number as this one.
fn cell(range: &Range, place: f64) -> (f64, f64) {
    let number = range.at(place);
    let half = range.step.unwrap_or(1.0) / 2.0;
    let (low, high) = range.bounds();
    let scaled = |number: f64| if range.log { number.max(f64::MIN_POSITIVE).ln() } else { number };
    let at = |number: f64| ((scaled(number) - low) / (high - low)).clamp(0.0, 1.0);
    (at(number - half), at(number + half))
}

/// How much the trials weigh, and behind them what lies over everything.
fn weights(count: usize) -> Vec<f64> {
    let old = count.saturating_sub(FRESH);
    let each = (0..count).map(|k| {
        let ramp = |k: usize| 1.0 / count as f64 + (1.0 - 1.0 / count as f64) * k as f64 / (old.max(2) - 1) as f64;
        if k < old { ramp(k) } else { 1.0 }
    });
    let all: Vec<f64> = each.chain([1.0]).collect();
    let sum: f64 = all.iter().sum();
    all.into_iter().map(|weight| weight / sum).collect()
}

/// Middles and widths of the kernels, and of the one over everything.
fn normals(column: &[Option<f64>], dimensions: usize, widths: Kernels) -> Vec<(f64, f64)> {
    const EVERYTHING: (f64, f64) = (0.5, 1.0);
    let count = column.len();
    // Kernels that are too narrow would see nothing but what was tried.
    let narrowest = 1.0 / (1.0 + count as f64 + 1.0).min(100.0);
    let alike = WIDTH * (count.max(1) as f64).powf(-1.0 / (dimensions as f64 + 4.0));
    let mut sorted: Vec<f64> = column.iter().flatten().copied().chain([EVERYTHING.0]).collect();
    sorted.sort_by(f64::total_cmp);
    let width = |place: f64| match widths {
        Kernels::ByNumber => alike,
        Kernels::ByNeighbours => {
            let at = sorted.partition_point(|&other| other < place);
            let behind = sorted.partition_point(|&other| other <= place);
            let twins = behind - at > 1;
            let left = if at > 0 { place - sorted[at - 1] } else { place };
            let right = if behind < sorted.len() { sorted[behind] - place } else { 1.0 - place };
            match twins {
                true => left.min(right),
                false => left.max(right),
            }
        }
    };
    let kernel = |place: &Option<f64>| match place {
        Some(place) => (*place, width(*place).clamp(narrowest, 1.0)),
        None => EVERYTHING,
    };
    column.iter().map(kernel).chain([EVERYTHING]).collect()
}

/// The probabilities of the choices in each kernel, and in the one over everything.
fn choices(column: &[Option<f64>], count: usize) -> Vec<Vec<f64>> {
    let kernels = column.len() as f64 + 1.0;
    let uniform = vec![1.0 / count as f64; count];
    let kernel = |choice: &Option<f64>| match choice {
        None => uniform.clone(),
        Some(choice) => {
            let mut row = vec![1.0 / kernels; count];
            row[*choice as usize] += 1.0;
            let sum: f64 = row.iter().sum();
            row.into_iter().map(|share| share / sum).collect()
        }
    };
    column.iter().map(kernel).chain([uniform.clone()]).collect()
}

/// Which one a number from 0 to 1 falls on.
fn pick(weights: &[f64], unit: f64) -> usize {
    let mut left = unit;
    for (k, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return k;
        }
    }
    weights.len() - 1
}

/// A place of a normal distribution that ends at 0 and 1.
fn truncated(middle: f64, width: f64, unit: f64) -> f64 {
    let (low, high) = (lower_tail(-middle / width), lower_tail((1.0 - middle) / width));
    let found = middle + width * quantile(low + (high - low) * unit);
    found.clamp(0.0, 1.0)
}

/// How much of a normal distribution lies between two places.
fn mass(middle: f64, width: f64, from: f64, to: f64) -> f64 {
    let [from, to] = [from, to].map(|place| (place - middle) / width);
    // On the side where less lies, so that no digits are lost.
    if from > 0.0 { lower_tail(-from) - lower_tail(-to) } else { lower_tail(to) - lower_tail(from) }
}

fn lower_tail(z: f64) -> f64 {
    0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
}

/// The place below which a share of the standard normal distribution lies, by bisection.
fn quantile(share: f64) -> f64 {
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..64 {
        let middle = 0.5 * (low + high);
        if lower_tail(middle) < share { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

fn log_sum(logs: &[f64]) -> f64 {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + logs.iter().map(|log| (log - most).exp()).sum::<f64>().ln()
}
