//! Which of many signatures may be alike, without comparing each with each?
//!
//! A signature is cut in bands; two that agree in all of a band are candidates, to be compared. The more alike two signatures are,
//! the more surely they agree in one band at least.

use std::collections::HashSet;

/// Groups that agree in a band are compared each with each up to this size; in a larger one each with those beside it, in the
/// order of the rows, so that the work stays in proportion to the rows.
const LARGEST: usize = 200;
/// How far "beside" reaches.
const BESIDE: usize = 20;

/// Calls `found` with pairs of places, the lower first, whose keys agree in one of `bands` bands: `key` gives that of a band and
/// a place, or nothing where it has none. A pair is given once. Whether some groups were too large to compare all of them.
pub(crate) fn candidates(
    places: usize,
    bands: usize,
    key: impl Fn(usize, usize) -> Option<u64>,
    mut found: impl FnMut(u32, u32),
) -> bool {
    let mut seen = HashSet::new();
    let mut too_large = false;
    for band in 0..bands {
        let mut keyed: Vec<(u64, u32)> =
            (0..places).filter_map(|place| Some((key(band, place)?, place as u32))).collect();
        keyed.sort_unstable();
        for group in keyed.chunk_by(|a, b| a.0 == b.0) {
            let reach = if group.len() > LARGEST { BESIDE } else { LARGEST };
            too_large |= group.len() > LARGEST;
            for (at, &(_, first)) in group.iter().enumerate() {
                for &(_, second) in group[at + 1..].iter().take(reach) {
                    if seen.insert((first, second)) {
                        found(first, second);
                    }
                }
            }
        }
    }
    too_large
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_that_share_a_band_are_given_once() {
        let keys = [[1, 5], [1, 5], [2, 5], [3, 6]];
        let mut pairs = Vec::new();
        let large = candidates(4, 2, |band, place| (place != 3).then(|| keys[place][band]), |a, b| pairs.push((a, b)));
        pairs.sort_unstable();
        assert_eq!((pairs, large), (vec![(0, 1), (0, 2), (1, 2)], false));
        let mut count = 0;
        assert!(candidates(10_000, 1, |_, _| Some(1), |_, _| count += 1));
        assert!(count < 10_000 * BESIDE + 1, "{count}");
    }
}
