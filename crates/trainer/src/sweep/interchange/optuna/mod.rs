//! How does Optuna keep a study? In the tables of a database, which are written and read here as files of `SQLite`.
//!
//! The tables are those that Optuna has had since version 3.2; see `optuna/storages/_rdb/models.py` of its source. Values
//! that are no finite number stand there as a word beside an empty cell, and a parameter as a number beside its distribution
//! in JSON; of a choice that number is its place among the choices.

pub mod distribution;
pub mod export;
pub mod import;
pub mod matching;
mod reading;
pub mod tables;

#[cfg(test)]
mod tests;

pub use export::export;
pub use import::{Brought, import};

/// How a trial stands, by Optuna's words.
mod states {
    pub(super) const COMPLETE: &str = "COMPLETE";
    pub(super) const FAIL: &str = "FAIL";
    pub(super) const PRUNED: &str = "PRUNED";
    pub(super) const RUNNING: &str = "RUNNING";
    pub(super) const WAITING: &str = "WAITING";
}
