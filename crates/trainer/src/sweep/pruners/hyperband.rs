//! Hyperband (Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", 2018), asynchronous: trials are dealt out
//! among brackets, each of which is a successive halving with a later first rung. So what begins slowly is given time in some of them.

use data_loader::random::Random;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::asha::Asha;
use super::{Prune, Track, at_least_one};

/// One line for `firebox list`.
pub const SUMMARY: &str = "several successive halvings beside each other, with earlier and later first rungs";

/// Keeps the draw of brackets apart from other chance.
const STREAM: u64 = 0x6272_6163_6b65_7473;

/// Settings of the brackets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hyperband {
    /// The first rung of the first bracket: after so many evaluations.
    pub least: usize,
    /// The evaluations of a whole trial; as many as are planned if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<usize>,
    /// One in so many goes on.
    pub reduction: usize,
}

impl Default for Hyperband {
    fn default() -> Self {
        Self { least: 1, most: None, reduction: 3 }
    }
}

impl Hyperband {
    pub(super) fn check(&self) -> Result<(), String> {
        at_least_one("least", self.least)?;
        Asha { grace: self.least, reduction: self.reduction }.check()?;
        match self.most.filter(|most| *most < self.least) {
            Some(most) => Err(format!("most is {most}; it must be at least `least`, {}", self.least)),
            None => Ok(()),
        }
    }

    /// How many brackets there are where `of` evaluations are planned.
    pub(super) fn brackets(&self, of: usize) -> u32 {
        let most = self.most.unwrap_or(of).max(self.least);
        (most / self.least.max(1)).checked_ilog(self.reduction.max(2)).unwrap_or(0) + 1
    }

    /// The bracket of a trial: each gets as large a share of the trials as makes their work alike.
    pub(super) fn bracket(&self, number: u64, of: usize) -> u32 {
        let count = self.brackets(of);
        let share = |bracket: u32| {
            let halvings = count - 1 - bracket;
            (u64::from(count) * (self.reduction.max(2) as u64).saturating_pow(halvings))
                .div_ceil(u64::from(halvings) + 1)
        };
        let all: u64 = (0..count).map(share).fold(0, u64::saturating_add);
        let mut place = Random::derive(&[STREAM, number]).below(all);
        for bracket in 0..count {
            match place.checked_sub(share(bracket)) {
                Some(rest) => place = rest,
                None => return bracket,
            }
        }
        count - 1
    }
}

impl Prune for Hyperband {
    fn judges(&self, evaluations: usize) -> bool {
        Asha { grace: self.least, reduction: self.reduction }.judges(evaluations)
    }

    fn ends(&self, own: &Track, others: &[&Track], of: usize) -> bool {
        let bracket = self.bracket(own.number, of);
        let grace = self.least.saturating_mul(self.reduction.max(2).saturating_pow(bracket));
        let rivals: Vec<&Track> =
            others.iter().copied().filter(|other| self.bracket(other.number, of) == bracket).collect();
        Asha { grace, reduction: self.reduction }.ends(own, &rivals, of)
    }
}
