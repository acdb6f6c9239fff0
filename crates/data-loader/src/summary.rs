//! What is typical of the columns of a table that may be larger than memory? One pass over it says so.
//!
//! Exact, whatever the size: how many numbers a column has, the least and the greatest. Exact up to the rounding of sums: mean
//! and standard deviation. Exact while a column's numbers fit in the memory that is set aside for them, all of them together
//! [`BUDGET`], and of a uniform sample beyond that: the numbers themselves, and with them quantiles.
//!
//! **How far off a sampled quantile is.** With a probability of 99 %, every quantile of a sample of `n` numbers lies at a place
//! that is at most `sqrt(ln(200) / 2n)` away from the one that was asked for (Dvoretzky, Kiefer and Wolfowitz with the constant
//! of Massart, 1990). A sample has at least half of a column's share of the budget: of a table of 16 columns 2^18 numbers at
//! least, so that its median lies between the quantiles 0.4968 and 0.5032.

use crate::example::{Record, Value};
use crate::random::Random;

/// How many numbers of all columns together are kept: 2^23, which take 96 MiB.
pub(crate) const BUDGET: usize = 1 << 23;

/// How many numbers of one column are kept at least, however many columns there are.
const LEAST: usize = 1 << 12;

/// Keeps the choice of the sample apart from the random streams of everything else.
const STREAM: u64 = 0x0073_616d_706c_6521;

/// What is known of one column.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// How many numbers it has; missing ones are none.
    pub count: u64,
    /// The least; infinite if there is no number.
    pub min: f64,
    /// The greatest; infinite if there is no number.
    pub max: f64,
    /// All numbers in the order of the rows, or a uniform sample of them.
    pub values: Vec<f64>,
    mean: f64,
    /// The sum of the squared distances from the mean.
    squares: f64,
    /// Of each of `values` what chance gave to its row.
    chances: Vec<u32>,
    /// A number is kept if chance gave its row at most this.
    most: u32,
}

impl Summary {
    fn new(most: u32) -> Self {
        Self {
            count: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            values: Vec::new(),
            mean: 0.0,
            squares: 0.0,
            chances: Vec::new(),
            most,
        }
    }

    /// Whether `values` are all numbers of the column.
    pub fn is_complete(&self) -> bool {
        self.count == self.values.len() as u64
    }

    /// The mean and the population standard deviation, exact up to rounding; (0, 0) of nothing.
    pub fn mean_and_std(&self) -> (f64, f64) {
        if self.is_complete() {
            // Of a table that fits in memory they are what they are for every list of numbers, to the last bit.
            let mut sorted = self.values.clone();
            sorted.sort_by(f64::total_cmp);
            return crate::statistics::mean_and_std(&sorted);
        }
        (self.mean, (self.squares / self.count as f64).sqrt())
    }

    /// One more number (Welford, 1962).
    fn add(&mut self, number: f64, chance: u32) {
        self.count += 1;
        let distance = number - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (number - self.mean);
        self.min = self.min.min(number);
        self.max = self.max.max(number);
        if chance <= self.most {
            self.values.push(number);
            self.chances.push(chance);
        }
    }

    /// What follows behind (Chan, Golub and `LeVeque`, 1979).
    fn append(&mut self, other: Self) {
        if other.count == 0 {
            return;
        }
        let (before, more) = (self.count as f64, other.count as f64);
        let (both, distance) = (before + more, other.mean - self.mean);
        self.mean += distance * (more / both);
        self.squares += other.squares + distance * distance * (before * more / both);
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        // A list that doubles takes three times its room while it moves; with all columns together that would be felt.
        let more = other.values.len() + (self.values.len() / 4).min(1 << 16);
        if self.values.capacity() - self.values.len() < other.values.len() {
            self.values.reserve_exact(more);
            self.chances.reserve_exact(more);
        }
        // A part that was begun before the last halving kept numbers that this one no longer keeps.
        let kept = other.values.into_iter().zip(other.chances).filter(|(_, chance)| *chance <= self.most);
        let (values, chances): (Vec<f64>, Vec<u32>) = kept.unzip();
        self.values.extend(values);
        self.chances.extend(chances);
    }

    /// Halves the sample until it has at most `cap` numbers. What is kept depends on the rows alone, and not on the order or
    /// the pieces in which they came.
    fn shrink(&mut self, cap: usize) {
        while self.values.len() > cap && self.most > 0 {
            self.most /= 2;
            let mut kept = 0;
            for place in 0..self.values.len() {
                if self.chances[place] <= self.most {
                    (self.values[kept], self.chances[kept]) = (self.values[place], self.chances[place]);
                    kept += 1;
                }
            }
            self.values.truncate(kept);
            self.chances.truncate(kept);
        }
    }
}

/// What is known of several columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Summaries {
    /// How many records could be read.
    pub rows: u64,
    /// In the order in which they were asked for.
    pub columns: Vec<Summary>,
    cap: usize,
}

impl Summaries {
    /// Of so many columns, of which `budget` numbers are kept in all.
    pub(crate) fn new(columns: usize, budget: usize) -> Self {
        let cap = (budget / columns.max(1)).max(LEAST);
        Self { rows: 0, columns: vec![Summary::new(u32::MAX); columns], cap }
    }

    /// One without rows that keeps no number which this one would not keep; its rows are [appended](Self::append) later.
    pub(crate) fn part(&self) -> Self {
        let columns = self.columns.iter().map(|column| Summary::new(column.most)).collect();
        Self { rows: 0, columns, cap: self.cap }
    }

    /// What chance gives to a row.
    fn chance(row: u32) -> u32 {
        (Random::derive(&[STREAM, u64::from(row)]).next_u64() >> 32) as u32
    }

    /// One more row, of which these are the numbers, NaN where one is missing.
    pub(crate) fn add_numbers(&mut self, row: u32, numbers: impl Iterator<Item = f64>) {
        self.rows += 1;
        let chance = Self::chance(row);
        for (number, column) in numbers.zip(&mut self.columns) {
            if !number.is_nan() {
                column.add(number, chance);
            }
        }
    }

    /// One more record, of which the columns are called `names`.
    pub(crate) fn add(&mut self, row: u32, record: &Record, names: &[&str]) {
        self.rows += 1;
        let chance = Self::chance(row);
        let mut next = 0;
        for (name, column) in names.iter().zip(&mut self.columns) {
            let Some(place) = record.place(name, next) else { continue };
            next = place + 1;
            if let Value::Number(number) = record.fields[place].1 {
                column.add(number, chance);
            }
        }
    }

    /// The rows that follow behind.
    pub(crate) fn append(&mut self, part: Self) {
        self.rows += part.rows;
        for (column, part) in self.columns.iter_mut().zip(part.columns) {
            column.append(part);
            column.shrink(self.cap);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::{mean_and_std, quantile};

    /// The summary of a column, read in parts of `part` rows, as many of which are under way at once as there are `threads`.
    fn summarized_by(
        threads: usize,
        rows: u32,
        part: u32,
        budget: usize,
        value: impl Fn(u32) -> Option<f64>,
    ) -> Summary {
        let mut all = Summaries::new(1, budget);
        let starts: Vec<u32> = (0..rows).step_by(part as usize).collect();
        for starts in starts.chunks(threads) {
            let mut parts: Vec<_> = starts.iter().map(|start| (*start, all.part())).collect();
            for (start, one) in &mut parts {
                for row in *start..rows.min(*start + part) {
                    let value = value(row).map_or(Value::Missing, Value::Number);
                    one.add(row, &Record::new(String::new(), vec![("x".into(), value)], None), &["x"]);
                }
            }
            for (_, one) in parts {
                all.append(one);
            }
        }
        assert_eq!(all.rows, u64::from(rows));
        all.columns.remove(0)
    }

    fn summarized(rows: u32, part: u32, budget: usize, value: impl Fn(u32) -> Option<f64>) -> Summary {
        summarized_by(1, rows, part, budget, value)
    }

    #[test]
    fn a_column_that_fits_is_known_exactly() {
        let value = |row: u32| (!row.is_multiple_of(5)).then(|| f64::from(row).sin() * 1e3);
        let wanted: Vec<f64> = (0..4000).filter_map(value).collect();
        for part in [7, 1000, 4000] {
            let found = summarized(4000, part, BUDGET, value);
            assert!(found.is_complete());
            assert_eq!((&found.values, found.count), (&wanted, 3200));
            let mut sorted = wanted.clone();
            sorted.sort_by(f64::total_cmp);
            assert_eq!(found.mean_and_std(), mean_and_std(&sorted));
            assert_eq!((found.min, found.max), (sorted[0], sorted[3199]));
        }
    }

    #[test]
    fn of_a_larger_one_sums_are_exact_and_quantiles_within_their_bound() {
        const N: u32 = 300_000;
        // A permutation of 0 to N - 1, so that every quantile is its own value.
        let value = |row: u32| Some((u64::from(row) * 7919 % u64::from(N)) as f64 + 1e6);
        let found = summarized(N, 1 << 12, 20_000, value);
        assert!(!found.is_complete() && (10_000..=20_000).contains(&found.values.len()), "{}", found.values.len());
        let n = f64::from(N);
        let (mean, std) = found.mean_and_std();
        assert!((mean - (1e6 + (n - 1.0) / 2.0)).abs() < 1e-6, "{mean}");
        assert!((std - ((n * n - 1.0) / 12.0).sqrt()).abs() < 1e-6, "{std}");
        assert_eq!((found.min, found.max, found.count), (1e6, 1e6 + n - 1.0, u64::from(N)));
        let mut sorted = found.values.clone();
        sorted.sort_by(f64::total_cmp);
        let bound = (200_f64.ln() / (2.0 * sorted.len() as f64)).sqrt();
        let off = |q: f64| ((quantile(&sorted, q) - 1e6) / n - q).abs();
        let worst = (0..=1000).map(|k| off(f64::from(k) / 1000.0)).fold(0.0, f64::max);
        assert!(worst < bound, "{worst} for {bound}");
        // Neither threads nor the size of parts change what is kept.
        assert_eq!(found.values, summarized(N, 1 << 16, 20_000, value).values);
        assert_eq!(found.values, summarized(N, N, 20_000, value).values);
        for threads in [2, 3, 16] {
            assert_eq!(found.values, summarized_by(threads, N, 1 << 12, 20_000, value).values, "{threads} threads");
        }
    }

    #[test]
    fn a_rare_value_is_kept_however_long_the_table_is() {
        let found = summarized(200_000, 1 << 12, LEAST, |row| (row % 10_000 == 77).then_some(1.0));
        assert_eq!((found.values.len(), found.is_complete()), (20, true));
        let empty = summarized(1000, 100, LEAST, |_| None);
        assert_eq!((empty.mean_and_std(), empty.count, empty.is_complete()), ((0.0, 0.0), 0, true));
    }
}
