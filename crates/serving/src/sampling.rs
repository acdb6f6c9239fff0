//! Which token comes next, given the scores of all?
//!
//! Scores are divided by the temperature; of the tokens the `top_k` most likely ones are kept, then the fewest of these whose
//! probabilities sum up to `top_p` (Holtzman et al., "The Curious Case of Neural Text Degeneration", 2020), and one is drawn.

use data_loader::random::Random;

use crate::Error;

/// How tokens are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// By what scores are divided: below 1 likely tokens become more likely. At 0 the most likely one is taken.
    pub temperature: f64,
    /// How many tokens are drawn from at most; 0 for all.
    pub top_k: usize,
    /// The share of probability that is drawn from, from above 0 to 1.
    pub top_p: f64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0 }
    }
}

impl Sampling {
    /// Whether the settings make sense.
    ///
    /// # Errors
    /// [`Error::Sampling`] with the one that does not.
    pub fn check(&self) -> Result<(), Error> {
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return Err(Error::Sampling(format!("temperature is {}; it must be at least 0", self.temperature)));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return Err(Error::Sampling(format!("top_p is {}; it must be above 0 and at most 1", self.top_p)));
        }
        Ok(())
    }

    /// The tokens that may come next, with their probabilities, the most likely one first; of equal ones that with the smaller id.
    /// A score of minus infinity is that of a token which cannot come. Empty where no score is finite.
    pub fn candidates(&self, scores: &[f32]) -> Vec<(usize, f64)> {
        let mut tokens: Vec<(usize, f64)> =
            scores.iter().enumerate().filter(|(_, s)| s.is_finite()).map(|(id, &s)| (id, f64::from(s))).collect();
        tokens.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let Some(&(first, most)) = tokens.first() else { return tokens };
        if self.temperature == 0.0 {
            return vec![(first, 1.0)];
        }
        if self.top_k > 0 {
            tokens.truncate(self.top_k);
        }
        for (_, score) in &mut tokens {
            *score = ((*score - most) / self.temperature).exp();
        }
        let all: f64 = tokens.iter().map(|(_, weight)| weight).sum();
        let mut sum = 0.0;
        let kept = tokens.iter().position(|(_, weight)| {
            sum += weight / all;
            sum >= self.top_p
        });
        // Rounding may leave the sum of all a little below 1.
        tokens.truncate(kept.map_or(tokens.len(), |last| last + 1));
        let all: f64 = tokens.iter().map(|(_, weight)| weight).sum();
        for (_, weight) in &mut tokens {
            *weight /= all;
        }
        tokens
    }

    /// Draws the next token; none where no score is finite. At temperature 0 no chance is taken from `random`.
    pub fn draw(&self, scores: &[f32], random: &mut Random) -> Option<usize> {
        let candidates = self.candidates(scores);
        if let [(only, _)] = candidates[..] {
            return Some(only);
        }
        let chance = random.unit();
        let mut sum = 0.0;
        let drawn = candidates.iter().find(|(_, probability)| {
            sum += probability;
            chance < sum
        });
        drawn.or(candidates.last()).map(|(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(random: &mut Random) -> Vec<f32> {
        let count = 1 + random.below(12);
        // Rounded, so that some are equal.
        (0..count).map(|_| ((random.unit() * 8.0).round() - 4.0) as f32 / 2.0).collect()
    }

    /// By the definition alone: a token is in the smallest set if those before it weigh less than `top_p`.
    fn plain(sampling: &Sampling, scores: &[f32]) -> Vec<f64> {
        let n = scores.len();
        let before = |a: usize, b: usize| scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
        let rank = |id: usize| (0..n).filter(|&other| before(other, id)).count();
        let within = |id: usize| sampling.top_k == 0 || rank(id) < sampling.top_k;
        let weight = |id: usize| if within(id) { (f64::from(scores[id]) / sampling.temperature).exp() } else { 0.0 };
        let all: f64 = (0..n).map(weight).sum();
        let above = |id: usize| (0..n).filter(|&other| before(other, id)).map(weight).sum::<f64>() / all;
        // The borders of sums are left to rounding, so a share exactly at one of them is not asked for.
        let kept: Vec<f64> =
            (0..n).map(|id| if within(id) && above(id) < sampling.top_p { weight(id) } else { 0.0 }).collect();
        let sum: f64 = kept.iter().sum();
        kept.iter().map(|weight| weight / sum).collect()
    }

    #[test]
    fn candidates_are_those_of_the_plain_definition() {
        let mut random = Random::derive(&[1]);
        for _ in 0..2000 {
            let scores = scores(&mut random);
            let sampling = Sampling {
                temperature: 0.1 + random.unit() * 3.0,
                top_k: random.below(14) as usize,
                top_p: 0.01 + 0.98 * random.unit(),
            };
            let mut found = vec![0.0; scores.len()];
            sampling.candidates(&scores).into_iter().for_each(|(id, probability)| found[id] = probability);
            let expected = plain(&sampling, &scores);
            assert!(
                found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9),
                "{sampling:?} {scores:?} {found:?}"
            );
        }
    }

    #[test]
    fn draws_are_as_frequent_as_they_are_likely_and_follow_from_the_seed() {
        let scores = [0.5_f32, -1.0, 2.0, f32::NEG_INFINITY, 1.0];
        let sampling = Sampling { temperature: 1.3, top_k: 3, top_p: 0.95 };
        let draw = |seed: u64| {
            let mut random = Random::derive(&[seed]);
            (0..20_000).map(|_| sampling.draw(&scores, &mut random).unwrap()).collect::<Vec<_>>()
        };
        let drawn = draw(3);
        assert_eq!(drawn, draw(3));
        assert_ne!(drawn, draw(4));
        for (id, expected) in plain(&sampling, &scores).into_iter().enumerate() {
            let share = drawn.iter().filter(|&&d| d == id).count() as f64 / drawn.len() as f64;
            assert!((share - expected).abs() < 0.015, "{id}: {share} instead of {expected}");
        }
    }

    #[test]
    fn at_temperature_0_the_most_likely_token_is_taken_and_the_first_of_equal_ones() {
        let greedy = Sampling { temperature: 0.0, ..Sampling::default() };
        let mut random = Random::derive(&[0]);
        let untouched = random.clone().next_u64();
        assert_eq!(greedy.draw(&[1.0, 3.0, 3.0, -2.0], &mut random), Some(1));
        assert_eq!(random.next_u64(), untouched);
        assert_eq!(greedy.draw(&[f32::NEG_INFINITY, f32::NAN], &mut random), None);
        assert_eq!(greedy.draw(&[], &mut random), None);
    }

    #[test]
    fn settings_that_mean_nothing_are_refused() {
        let plain = Sampling::default();
        plain.check().unwrap();
        for wrong in [
            Sampling { temperature: -1.0, ..plain },
            Sampling { temperature: f64::NAN, ..plain },
            Sampling { temperature: f64::INFINITY, ..plain },
            Sampling { top_p: 0.0, ..plain },
            Sampling { top_p: 1.1, ..plain },
            Sampling { top_p: f64::NAN, ..plain },
        ] {
            assert!(matches!(wrong.check(), Err(Error::Sampling(_))), "{wrong:?}");
        }
    }
}
