//! Which settings are worth trying? So far what can be varied is described; and two searchers propose points; trials, judges and what is kept of them are to come.
//!
//! ```text
//! space: ranges and choices by address --> dimensions: points --> settings of one trial
//!                                              ^
//!                    known: what came of trials --> searchers
//! ```

pub mod dimensions;
pub mod known;
pub mod searchers;
pub mod space;
