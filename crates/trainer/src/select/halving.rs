//! Who trains how long? Successive halving (Jamieson and Talwalkar, "Non-stochastic Best Arm Identification", 2016).
//!
//! All candidates train a little; a third of them, the best, train on; and so on until one is left. Every rung has the same share of
//! the budget, so that the fewer are left, the longer each trains. Three, not two, is what Hyperband takes.

/// One of so many trains on, rounded up.
pub const FACTOR: usize = 3;

/// How many candidates are in each rung; at the end of the last one is left.
pub fn rungs(candidates: usize) -> Vec<usize> {
    let mut sizes = Vec::new();
    let mut left = candidates;
    while left > 1 {
        sizes.push(left);
        left = left.div_ceil(FACTOR);
    }
    sizes
}

/// Of a budget of `total`, how much each candidate of each rung has had by its end.
pub fn shares(total: f64, candidates: usize) -> Vec<f64> {
    let sizes = rungs(candidates);
    let rung = total / sizes.len().max(1) as f64;
    let mut had = 0.0;
    let add = |size: &usize| {
        had += rung / *size as f64;
        had
    };
    sizes.iter().map(add).collect()
}

/// The same in whole steps, at most `most`: nobody trains longer than the config says.
pub fn steps(total: f64, candidates: usize, most: u64) -> Vec<u64> {
    let sizes = rungs(candidates);
    let rung = total / sizes.len().max(1) as f64;
    let mut had = 0;
    let add = |size: &usize| {
        had += (rung / *size as f64 + 1e-9) as u64;
        had.min(most)
    };
    sizes.iter().map(add).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_trains_on_and_nothing_is_spent_twice() {
        assert_eq!(rungs(6), [6, 2]);
        assert_eq!(rungs(9), [9, 3]);
        assert_eq!(rungs(4), [4, 2]);
        assert_eq!(rungs(2), [2]);
        assert_eq!((rungs(1), rungs(0)), (vec![], vec![]));
        // 1200 steps: 600 for six of them, 600 for two: 100 and then 300 more.
        assert_eq!(steps(1200.0, 6, 10_000), [100, 400]);
        assert_eq!(steps(1200.0, 6, 250), [100, 250]);
        for (total, candidates) in [(1200_u64, 6_usize), (77, 5), (100, 9), (12, 6)] {
            let until = steps(total as f64, candidates, u64::MAX);
            let sizes = rungs(candidates);
            let more = until.iter().zip([0].iter().chain(&until)).map(|(now, before)| now - before);
            let spent: u64 = more.zip(&sizes).map(|(steps, &size)| steps * size as u64).sum();
            assert!(spent <= total && spent + (sizes.iter().sum::<usize>() as u64) > total, "{total}: {spent}");
        }
        let seconds = shares(60.0, 6);
        assert!((seconds[0] - 5.0).abs() < 1e-9 && (seconds[1] - 20.0).abs() < 1e-9, "{seconds:?}");
    }
}
