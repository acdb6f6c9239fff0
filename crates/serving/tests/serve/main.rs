//! Does a server answer over HTTP what its bundle answers, and does it turn down everything else?
//!
//! - `access`: keys, rates, an audit log, and feedback
//! - `asked`: CSV, plain text, explanations, descriptions, and the page
//! - `bundles`: bundles of every kind of input and output, made up
//! - `client`: a client written by hand, which can also be rude
//! - `endpoints`: every address, and answers that are those of a `Predictor`
//! - `ending`: beginning, and ending with requests under way
//! - `load`: a server is pressed
//! - `program`: the program itself, its words and exit codes
//! - `refusals`: what is turned down, with which status and words
//! - `tls`: encrypted connections, and clients that show who they are
//! - `traffic`: canaries, shadows, statistics, and models that make room for each other
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::result_large_err, reason = "nobody waits for what a test moves")]

mod access;
mod asked;
mod bundles;
mod client;
mod ending;
mod endpoints;
mod load;
mod program;
mod refusals;
mod tls;
mod traffic;
