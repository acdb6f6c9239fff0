//! Which settings are worth trying? So far what can be varied is described; what is proposed, judged and kept of it is to come.
//!
//! ```text
//! space: ranges and choices by address --> dimensions: points --> settings of one trial
//! ```

pub mod dimensions;
pub mod space;
