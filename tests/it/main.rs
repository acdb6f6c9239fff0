//! Does the program as a whole keep its promises? Every test here runs the real binary, each training in a process of its own.
//!
//! - `answered`: answers to many records, in files and on where they were
//! - `bad_checkpoints`: broken, foreign and newer checkpoints and bundles, and bytes flipped at random
//! - `bad_input`: mistakes in configs, data, images, runs and devices
//! - `calibrated`: temperatures and thresholds leave with a model, and hold wherever it answers
//! - `clean`: from doubtful labels to a cleaner data set that is trained on
//! - `cli`: what is printed, JSON
//! - `crowded`: a full disk, two processes in one run folder
//! - `door_to_door`: from a data file to answers on new data, and the same answers by every door
//! - `examples`: every example runs and reaches what it promises
//! - `exits`: exit codes, Ctrl-C
//! - `export`: a model leaves in every form, and nothing broken passes for one
//! - `fetch`: data that is fetched, killed and gone on with
//! - `fine_tune`: which weights a run begins with, and which of them learn
//! - `flags`: the frozen set of them
//! - `forecast`: a series from a file to quantiles, judged as by hand
//! - `generate`: texts are learnt, and continued by every door alike
//! - `golden_losses`: the first losses of every shipped config, as they were
//! - `house`: the rules of `ARCHITECTURE.md`: edges, lists, budgets, words, configs, cards, documents
//! - `killed`: SIGKILL at random moments, again and again
//! - `learning`: what settings mean, and what a run keeps
//! - `preprocessed`: transforms within an ONNX file
//! - `resume`: a run that was interrupted ends as one that never was
//! - `sandbox`: a folder to make a mess in, and the program run there; no tests
//! - `select`: networks and baselines under one budget, killed and gone on with
//! - `serve`: what was trained is what is served
//! - `speed`: what is measured of it, phase by phase, and the number of threads
//! - `sweep`: trials, kills, budgets, and what comes of them
//! - `sweep_postgres`: a study that workers of several machines share
//! - `sweep_studies`: studies that are moved, raised, mistyped and interrupted
//! - `unlabelled`: what is unusual about a row, and a network that learnt from views alone
//! - `weights_card`: weights of others come from where their card says, and the model says so
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod answered;
mod bad_checkpoints;
mod bad_input;
mod calibrated;
mod clean;
mod cli;
mod crowded;
mod data_checks;
mod door_to_door;
mod examples;
mod exits;
mod export;
mod fetch;
mod fine_tune;
mod flags;
mod forecast;
mod generate;
mod golden_losses;
mod house;
mod killed;
mod learning;
mod preprocessed;
mod resume;
mod sandbox;
mod select;
mod serve;
mod speed;
mod sweep;
mod sweep_postgres;
mod sweep_studies;
mod unlabelled;
mod weights_card;
