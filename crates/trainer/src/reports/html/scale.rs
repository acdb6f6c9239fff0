//! Where does a number lie on an axis, and which points must be drawn?

/// An axis from data to the unit interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::reports) struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Scale {
    /// An axis on which all finite values lie, with a little room; logarithmic if `may_be_log` and they span 30 times.
    pub(in crate::reports) fn around(values: impl Iterator<Item = f64>, may_be_log: bool) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            return Self { low: 0.0, high: 1.0, logarithmic: false };
        }
        // Beyond 1e±300 the room around the values would leave the range of numbers.
        let logarithmic = may_be_log && low > 1e-300 && high < 1e300 && high / low > 30.0;
        if logarithmic {
            let room = (high / low).powf(0.04);
            return Self { low: low / room, high: high * room, logarithmic };
        }
        let span = high - low;
        let room = if span > 0.0 && span.is_finite() { span * 0.06 } else { (high.abs() * 0.1).max(1e-9) };
        // Quantities that cannot be negative get no negative axis, and an axis near 0 begins at 0.
        let low = if low >= 0.0 && low - room < span * 0.1 { 0.0 } else { low - room };
        Self { low: low.max(f64::MIN), high: (high + room).min(f64::MAX), logarithmic }
    }

    /// An axis exactly from the first to the last value, for steps.
    pub(in crate::reports) fn spanning(low: f64, high: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self { low, high, logarithmic: false }
    }

    /// An axis exactly from the one to the other, by factors if it is logarithmic and both are above 0.
    pub(in crate::reports) fn between(low: f64, high: f64, logarithmic: bool) -> Self {
        Self { logarithmic: logarithmic && low > 0.0, ..Self::spanning(low, high) }
    }

    /// Whether equal distances are equal ratios.
    pub(in crate::reports) fn is_logarithmic(self) -> bool {
        self.logarithmic
    }

    /// Both ends.
    pub(in crate::reports) fn ends(self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Where a value lies: 0 at the low end, 1 at the high end.
    pub(in crate::reports) fn place(self, value: f64) -> f64 {
        if self.logarithmic {
            return (value / self.low).ln() / (self.high / self.low).ln();
        }
        // Halved, so that the distance between two huge numbers does not overflow.
        (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0)
    }

    /// About `count` round numbers on the axis, and their distance (the smallest one on a logarithmic axis).
    pub(in crate::reports) fn ticks(self, count: usize) -> Vec<(f64, f64)> {
        if self.logarithmic {
            let ticks = self.logarithmic_ticks(count);
            if ticks.len() >= 2 {
                return ticks;
            }
        }
        let rough = (self.high / count as f64 - self.low / count as f64).abs();
        let power = 10_f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].into_iter().map(|nice| nice * power).find(|step| *step >= rough * (1.0 - 1e-9));
        let Some(step) = step.filter(|step| step.is_normal()) else { return Vec::new() };
        let first = (self.low / step).ceil();
        let ticks = (0..=count * 2).map(|index| ((first + index as f64) * step, step));
        ticks.take_while(|(value, _)| *value <= self.high + step * 1e-9).collect()
    }

    fn logarithmic_ticks(self, count: usize) -> Vec<(f64, f64)> {
        let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let sets: [&[f64]; 2] = [&[1.0, 2.0, 5.0], &[1.0]];
        for (multiples, every) in [(sets[0], 1), (sets[1], 1), (sets[1], 2), (sets[1], 3), (sets[1], 10), (sets[1], 40)]
        {
            let powers = decades.clone().filter(|power| power % every == 0).map(|power| 10_f64.powi(power));
            let ticks =
                powers.flat_map(|power| multiples.iter().map(move |multiple| (multiple * power, multiple * power)));
            let ticks: Vec<_> = ticks.filter(|(value, _)| (self.low..=self.high).contains(value)).collect();
            if ticks.len() <= count + 1 {
                return ticks;
            }
        }
        Vec::new()
    }
}

/// At most about `count` points that draw the same curve: of each stretch the first, lowest, highest and last point. Runs
/// of values that are not finite become one gap (NaN).
pub(super) fn thinned(points: &[(f64, f64)], count: usize) -> Vec<(f64, f64)> {
    let stretch = points.len().div_ceil((count / 4).max(1)).max(1);
    if points.len() <= count {
        return points.to_vec();
    }
    let mut kept = Vec::with_capacity(count + 4);
    for points in points.chunks(stretch) {
        let finite = || points.iter().enumerate().filter(|(_, point)| point.1.is_finite());
        let lowest = finite().min_by(|a, b| a.1.1.total_cmp(&b.1.1)).map(|(index, _)| index);
        let highest = finite().max_by(|a, b| a.1.1.total_cmp(&b.1.1)).map(|(index, _)| index);
        let gap = points.iter().position(|point| !point.1.is_finite());
        let mut indices: Vec<usize> =
            [Some(0), lowest, highest, gap, Some(points.len() - 1)].into_iter().flatten().collect();
        indices.sort_unstable();
        indices.dedup();
        kept.extend(indices.into_iter().map(|index| points[index]));
    }
    kept
}

/// The curve without its noise: at each point the mean of the finite points at most `reach` before or after it, so that it
/// lies in the noise and not behind it. Gaps stay gaps.
pub(super) fn smoothed(points: &[(f64, f64)], reach: usize) -> Vec<(f64, f64)> {
    let (mut sums, mut counts) = (vec![0.0], vec![0_usize]);
    for (index, (_, y)) in points.iter().enumerate() {
        sums.push(sums[index] + if y.is_finite() { *y } else { 0.0 });
        counts.push(counts[index] + usize::from(y.is_finite()));
    }
    let smooth = points.iter().enumerate().map(|(index, (x, y))| {
        // Narrower at the start, to stay centred: losses fall steeply there, and a mean of one side would bend the curve.
        let reach = reach.min(index);
        let (from, to) = (index - reach, (index + reach + 1).min(points.len()));
        let mean = (sums[to] - sums[from]) / counts[to].saturating_sub(counts[from]) as f64;
        (*x, if y.is_finite() { mean } else { f64::NAN })
    });
    smooth.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_few_and_on_the_axis() {
        let values = [0.0, -3.0, 1e-12, 1e12, f64::MAX, f64::MIN, 0.97, 0.971, f64::MIN_POSITIVE, 5e-324, 1.0];
        for a in values {
            for b in values {
                for log in [false, true] {
                    let scale = Scale::around([a, b, f64::NAN].into_iter(), log);
                    let (low, high) = scale.ends();
                    let ticks = scale.ticks(5);
                    assert!(ticks.len() <= 11, "{a} {b}: {ticks:?}");
                    for value in [a, b] {
                        let place = scale.place(value);
                        assert!(low > high || !place.is_finite() || (-1e-9..=1.0 + 1e-9).contains(&place));
                    }
                }
            }
        }
        let ticks = |low, high| Scale::spanning(low, high).ticks(5).iter().map(|tick| tick.0).collect::<Vec<_>>();
        assert_eq!(ticks(0.0, 1000.0), [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0]);
        assert_eq!(ticks(7.0, 7.0).len(), 6);
        assert_eq!(Scale::around([0.01, 2.0].into_iter(), true).ticks(5).len(), 3);
    }

    #[test]
    fn thinning_keeps_the_extremes_and_the_gaps() {
        let mut points: Vec<(f64, f64)> = (0..100_000).map(|i| (f64::from(i), (f64::from(i) * 0.01).sin())).collect();
        points[54_321].1 = 9.0;
        points[54_322].1 = -9.0;
        points[70_000].1 = f64::NAN;
        let kept = thinned(&points, 400);
        assert!(kept.len() <= 600, "{}", kept.len());
        assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!([9.0, -9.0].iter().all(|extreme| kept.iter().any(|point| point.1 == *extreme)));
        assert!(kept.iter().any(|point| point.1.is_nan()) && kept[0] == points[0] && kept.last() == points.last());
        assert_eq!(thinned(&points[..3], 400), points[..3]);
        assert_eq!(thinned(&[], 400), []);
        let line: Vec<(f64, f64)> = (0..9).map(|i| (f64::from(i), 3.0 * f64::from(i))).collect();
        assert_eq!(smoothed(&line, 3)[..6], line[..6], "a line stays a line");
        let smooth = smoothed(&[(0.0, 2.0), (1.0, f64::NAN), (2.0, 4.0), (3.0, f64::INFINITY)], 1);
        assert!(smooth[0].1 == 2.0 && smooth[1].1.is_nan() && smooth[2].1 == 4.0 && smooth[3].1.is_nan());
    }
}
