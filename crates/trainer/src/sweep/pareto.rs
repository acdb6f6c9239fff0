//! Which trials are best where there are several losses? Those than which none is better in one loss and as good in the others: the Pareto
//! front. Behind it lies the front of the others, and so on.
//!
//! Fronts and crowding distances are those of NSGA-II (Deb et al., "A Fast and Elitist Multiobjective Genetic Algorithm", 2002); the fronts are
//! found in order of the first loss (Zhang et al., "An Efficient Approach to Nondominated Sorting", 2015). A loss that is no number, or that is
//! missing, is as bad as can be.

use std::cmp::Ordering;

/// The loss `k`, which is infinite if it is no number or missing.
fn loss(losses: &[f64], k: usize) -> f64 {
    losses.get(k).copied().filter(|loss| !loss.is_nan()).unwrap_or(f64::INFINITY)
}

/// Whether `one` is in no loss worse than `other`, and in at least one better.
pub fn dominates(one: &[f64], other: &[f64]) -> bool {
    let pairs = (0..one.len().max(other.len())).map(|k| (loss(one, k), loss(other, k)));
    let mut better = false;
    for (a, b) in pairs {
        if a > b {
            return false;
        }
        better |= a < b;
    }
    better
}

/// On which front each one lies; the first is 0.
pub fn ranks(losses: &[&[f64]]) -> Vec<usize> {
    let objectives = losses.iter().map(|each| each.len()).max().unwrap_or(0);
    let by_loss = |&a: &usize, &b: &usize| {
        let each = (0..objectives).map(|k| loss(losses[a], k).total_cmp(&loss(losses[b], k)));
        each.fold(Ordering::Equal, Ordering::then)
    };
    let mut order: Vec<usize> = (0..losses.len()).collect();
    order.sort_by(by_loss);
    let mut ranks = vec![0; losses.len()];
    let mut fronts: Vec<Vec<usize>> = Vec::new();
    for index in order {
        // Nobody behind in this order dominates anybody before. Who is dominated by someone on a front is by someone on each front before it.
        let dominated = |front: &Vec<usize>| front.iter().rev().any(|&other| dominates(losses[other], losses[index]));
        let rank = fronts.partition_point(dominated);
        if rank == fronts.len() {
            fronts.push(Vec::new());
        }
        fronts[rank].push(index);
        ranks[index] = rank;
    }
    ranks
}

/// How far apart the neighbours of each one on a front are; the outermost ones are infinitely far from anybody.
pub fn crowding(front: &[&[f64]]) -> Vec<f64> {
    let mut distances = vec![0.0; front.len()];
    for k in 0..front.iter().map(|each| each.len()).max().unwrap_or(0) {
        let mut order: Vec<usize> = (0..front.len()).collect();
        order.sort_by(|&a, &b| loss(front[a], k).total_cmp(&loss(front[b], k)));
        let (first, last) = (order[0], order[order.len() - 1]);
        let span = loss(front[last], k) - loss(front[first], k);
        distances[first] = f64::INFINITY;
        distances[last] = f64::INFINITY;
        if !(span.is_finite() && span > 0.0) {
            continue;
        }
        for around in order.windows(3) {
            distances[around[1]] += (loss(front[around[2]], k) - loss(front[around[0]], k)) / span;
        }
    }
    distances
}

/// The numbers of the best `count`: front by front, and of the last one those that are least crowded.
pub fn best(losses: &[&[f64]], count: usize) -> Vec<usize> {
    let ranks = ranks(losses);
    let mut chosen: Vec<usize> = Vec::with_capacity(count.min(losses.len()));
    for rank in 0..=ranks.iter().copied().max().unwrap_or(0) {
        let mut front: Vec<usize> = (0..losses.len()).filter(|&index| ranks[index] == rank).collect();
        let left = count.saturating_sub(chosen.len());
        if front.len() > left {
            let distances = crowding(&front.iter().map(|&index| losses[index]).collect::<Vec<_>>());
            let mut order: Vec<usize> = (0..front.len()).collect();
            order.sort_by(|&a, &b| distances[b].total_cmp(&distances[a]));
            front = order.into_iter().take(left).map(|place| front[place]).collect();
        }
        chosen.extend(front);
        if chosen.len() >= count {
            break;
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use data_loader::random::Random;

    use super::*;

    fn views(losses: &[Vec<f64>]) -> Vec<&[f64]> {
        losses.iter().map(Vec::as_slice).collect()
    }

    #[test]
    fn ranks_are_those_of_the_definition() {
        let mut random = Random::derive(&[8]);
        for objectives in 1..=3 {
            // Whole numbers, so that many are equal.
            let losses: Vec<Vec<f64>> =
                (0..60).map(|_| (0..objectives).map(|_| random.below(9) as f64).collect()).collect();
            let ranks = ranks(&views(&losses));
            for (index, one) in losses.iter().enumerate() {
                let before = |other: &(usize, &Vec<f64>)| dominates(other.1, one);
                let behind = losses.iter().enumerate().filter(before).map(|(other, _)| ranks[other] + 1).max();
                assert_eq!(ranks[index], behind.unwrap_or(0));
            }
        }
    }

    #[test]
    fn what_is_no_number_is_worst() {
        let losses = vec![
            vec![1.0, f64::NAN],
            vec![1.0, f64::INFINITY],
            vec![1.0, 2.0],
            vec![0.5],
            vec![],
            vec![f64::NEG_INFINITY, 3.0],
        ];
        assert_eq!(ranks(&views(&losses)), [2, 2, 0, 1, 3, 0]);
        assert!(crowding(&views(&losses)).iter().all(|distance| !distance.is_nan()));
        assert_eq!(ranks(&[]), [0; 0]);
        assert_eq!(best(&[], 3), [0; 0]);
        assert_eq!(best(&views(&losses), 9).len(), 6);
    }

    #[test]
    fn the_least_crowded_stay() {
        let losses = vec![vec![0.0, 4.0], vec![0.1, 3.9], vec![2.0, 2.0], vec![4.0, 0.0], vec![4.0, 4.0]];
        assert_eq!(crowding(&views(&losses)[..4]), [f64::INFINITY, 0.5 + 0.5, 0.975 + 0.975, f64::INFINITY]);
        let mut chosen = best(&views(&losses), 3);
        chosen.sort_unstable();
        assert_eq!(chosen, [0, 2, 3]);
    }
}
