//! Every trial comes to its end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Prune, Track};

/// One line for `firebox list`.
pub const SUMMARY: &str = "every trial comes to its end";

/// There is nothing to set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct None {}

impl Prune for None {
    fn judges(&self, _evaluations: usize) -> bool {
        false
    }

    fn ends(&self, _own: &Track, _others: &[&Track], _of: usize) -> bool {
        false
    }
}
