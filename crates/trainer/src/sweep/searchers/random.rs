//! Points by chance, every place and choice being as likely (Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization", 2012).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Search, Turn};
use crate::sweep::dimensions::{Dimensions, Point};
use crate::sweep::known::Known;

/// One line for `firebox list`.
pub const SUMMARY: &str = "points by chance, with which others are compared";

/// There is nothing to set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Random {}

impl Search for Random {
    fn propose(&self, dimensions: &Dimensions, _known: &[Known], turn: Turn) -> Point {
        dimensions.random(&mut turn.chance())
    }
}
