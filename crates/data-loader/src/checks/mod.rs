//! What is wrong with a data set? One file for each way to look.

pub mod label_errors;
