//! Which settings are worth trying? A search that loses nothing when it is killed.
//!
//! ```text
//! config --> proposal: a sweep that fits --> study: trials in a database --> worker, turn by turn --> attempt: one training
//!                                                 |      ^                                            |
//!                         dimensions, known <-----+      +------------- rows, and checkpoints <-------+
//!                                |
//!                         searchers propose points, pruners end what leads nowhere
//! ```

pub mod attempt;
pub mod cluster;
pub mod config;
pub mod default_space;
mod diary;
pub mod dimensions;
pub mod engines;
pub mod importance;
pub mod interchange;
pub mod keep;
pub mod known;
pub mod leases;
mod normal;
pub mod objectives;
pub mod pareto;
pub mod place;
pub mod population;
pub mod presence;
pub mod proposal;
pub mod pruners;
pub mod searchers;
pub mod space;
pub mod status;
mod steering;
pub mod storage;
pub mod study;
pub mod trial;
pub mod web;
pub mod winner;
pub mod worker;

#[cfg(test)]
mod budget_tests;
#[cfg(test)]
mod scale_tests;
