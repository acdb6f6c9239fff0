//! How many examples are best answered at once? As many as are answered fastest, which is found out by answering.
//!
//! A processor answers a few images faster than many at once, whose numbers do not fit into its caches; a graphics card, or a network of
//! many small steps, answers many faster. Sizes fall into classes, up to 1, 2, 4 and so on; of each it is known how long an example took of
//! late, and now and then a batch has another size than the best, so that nothing known grows old.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Sizes up to 2^15, which is more than are ever answered at once.
const CLASSES: usize = 16;
/// One batch of so many has another size than the best.
const TRIED: u64 = 32;
/// Of sizes that differ by less than this the smallest is best: nobody waits for more than they must.
const ALIKE: f64 = 1.03;

/// How long examples take in batches of each size.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Nanoseconds of an example, by class; 0 while nobody knows.
    each: [AtomicU64; CLASSES],
    asked: AtomicU64,
}

impl Pace {
    /// Learns how long so many examples took.
    pub(super) fn took(&self, rows: usize, took: Duration) {
        let each = u64::try_from(took.as_nanos() / rows.max(1) as u128).unwrap_or(u64::MAX).max(1);
        let known = &self.each[class_of(rows)];
        // Another program makes a batch slower and not faster: what is faster is believed sooner.
        let pace = match known.load(Ordering::Relaxed) {
            0 => each,
            before if each < before => before - before / 2 + each / 2,
            before => before - before / 8 + each / 8,
        };
        known.store(pace.max(1), Ordering::Relaxed);
    }

    /// How many of at most `most` examples are to be answered at once, so that as far as is known all of them take no longer than `longest`; one
    /// always. Where another size is tried they may take twice as long.
    pub(super) fn rows(&self, most: usize, longest: Duration) -> usize {
        let most = most.max(1);
        let top = class_of(most);
        let known: Vec<(usize, u64)> = (0..=top)
            .map(|class| (class, self.each[class].load(Ordering::Relaxed)))
            .filter(|(_, pace)| *pace > 0)
            .collect();
        let within = |pace: u64| usize::try_from(longest.as_nanos() / u128::from(pace)).unwrap_or(usize::MAX).max(1);
        let Some(fastest) = known.iter().map(|known| known.1).min() else { return most };
        let is_tried = known.iter().any(|known| known.0 == top);
        if !is_tried && known.iter().all(|known| within(known.1) >= most) {
            return most;
        }
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        if asked.is_multiple_of(TRIED) {
            let class = (asked / TRIED) as usize % (top + 1);
            // An example may take half as long by now as any is known to.
            return (1 << class).min(most).min(within(fastest).saturating_mul(2));
        }
        // What is known of a class holds for its sizes alone.
        let sizes: Vec<(usize, u64)> =
            known.iter().map(|&(class, pace)| ((1 << class).min(most).min(within(pace)), pace)).collect();
        let own = || sizes.iter().zip(&known).filter(|(size, known)| class_of(size.0) == known.0).map(|(size, _)| size);
        let Some(best) = own().map(|size| size.1).min() else {
            return sizes.iter().map(|size| size.0).min().unwrap_or(1);
        };
        own().find(|size| size.1 as f64 <= ALIKE * best as f64).map_or(1, |size| size.0)
    }
}

/// The class of a size.
fn class_of(rows: usize) -> usize {
    let above = rows.max(1).next_power_of_two().trailing_zeros() as usize;
    above.min(CLASSES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes that are chosen where a batch of so many takes as long as `of` says, once that is known.
    fn chosen(most: usize, of: impl Fn(usize) -> u64) -> Vec<usize> {
        let pace = Pace::default();
        let sizes = (0..3000).map(|_| {
            let rows = pace.rows(most, Duration::from_secs(1));
            assert!((1..=most).contains(&rows));
            pace.took(rows, Duration::from_nanos(of(rows)));
            rows
        });
        sizes.skip(1000).collect()
    }

    fn share(sizes: &[usize], wanted: usize) -> f64 {
        sizes.iter().filter(|size| **size == wanted).count() as f64 / sizes.len() as f64
    }

    #[test]
    fn the_size_is_found_that_answers_most() {
        // A little for each batch, much for each example: where most of them are alike, the fewest.
        let steady = chosen(32, |rows| 1_000 + 100_000 * rows as u64);
        assert!(share(&steady, 1) > 0.95, "{steady:?}");
        // Much for each batch: as many as may be, be they a power of two or not.
        assert!(share(&chosen(48, |rows| 1_000_000 + 1_000 * rows as u64), 48) > 0.95);
        // Beyond eight it grows slower.
        let slower = |rows: usize| 50_000 + if rows > 8 { 120_000 } else { 100_000 } * rows as u64;
        assert!(share(&chosen(32, slower), 8) > 0.95);
    }

    #[test]
    fn no_batch_takes_longer_than_it_may() {
        let pace = Pace::default();
        // 40 ms for a batch, and 20 for each example: with three 100 are full, and nothing else is as fast.
        let took = |rows: usize| Duration::from_millis(40 + 20 * rows as u64);
        let sizes: Vec<usize> = (0..3000)
            .map(|_| {
                let rows = pace.rows(32, Duration::from_millis(100));
                pace.took(rows, took(rows));
                rows
            })
            .collect();
        assert!(share(&sizes[500..], 3) > 0.9, "{sizes:?}");
        // A size that is tried may turn out to take longer, and not by much.
        assert!(sizes[1..].iter().all(|&rows| took(rows) <= Duration::from_millis(200)), "{sizes:?}");
    }

    #[test]
    fn what_changes_is_found_out() {
        let pace = Pace::default();
        let run = |of: fn(usize) -> u64| {
            let sizes = (0..2000).map(|_| {
                let rows = pace.rows(16, Duration::from_secs(1));
                pace.took(rows, Duration::from_nanos(of(rows)));
                rows
            });
            sizes.collect::<Vec<_>>().split_off(1500)
        };
        assert!(share(&run(|rows| 100_000 * rows as u64), 1) > 0.95);
        assert!(share(&run(|rows| 900_000 + 1_000 * rows as u64), 16) > 0.95);
    }
}
