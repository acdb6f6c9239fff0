//! How are files found and read, whatever they claim to be?
//!
//! Names and links may lead nowhere or out of the data set, sizes may lie, archives may unpack to anything, and what is read must stay
//! what it was when it was opened.

pub(crate) mod content;
pub(crate) mod file_tree;
pub(crate) mod handles;
pub(crate) mod pattern;
pub(crate) mod tar_index;
pub(crate) mod unpack;
