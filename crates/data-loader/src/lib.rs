//! Stage 1: how do bytes on a disk become batches of host arrays?
//!
//! ```text
//! card ──> formats ──> Record ──> transforms ──> Example ──> collate ──> Batch (DOOR 1)
//!            │                        ▲                         ▲
//!            └──> split ──> fit on the training part       samplers, loader
//! ```
//!
//! - A [`Card`] says where a data set came from, which files it has and what its columns mean.
//! - [`sources`] say where files come from, and [`fetch`] brings them here.
//! - [`formats`] turn the rows of those files into [`Record`]s.
//! - [`split`] says which rows are for training, validation and test.
//! - A [`Pipeline`] is fitted on the training part alone and travels with the model.
//! - A [`Loader`] prepares batches on several threads; any number of them gives the same batches in the same order.
//!
//! **Invariants.** No burn and no device here. Nothing prints, exits, or panics on what a user wrote. Order is a pure
//! function of (seed, epoch); the randomness of an example is a pure function of (seed, epoch, row).

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod atomic;
pub mod batch;
mod beta;
pub mod card;
pub mod checks;
pub mod clean;
mod clock;
pub mod collate;
pub mod config;
pub mod data_config;
pub mod dataset;
mod decode;
pub mod decoded;
pub mod error;
pub mod example;
pub mod fetch;
mod files;
pub mod folds;
pub mod formats;
mod generation;
mod hugging_face;
mod json_object;
mod limit;
pub mod lineage;
pub mod loader;
mod masks;
mod number_plan;
mod output;
mod pieces;
pub mod pipeline;
mod prepared;
pub mod random;
mod raster;
pub mod reconstruction;
pub mod registry;
pub mod samplers;
pub mod scale;
pub mod schema;
pub mod sent;
mod series;
pub mod signature;
pub mod sources;
pub mod split;
pub mod statistics;
pub mod subwords;
pub mod summary;
pub mod survey;
mod tables;
mod targets;
pub mod task;
pub mod throughput;
pub mod training;
pub mod transforms;
pub mod views;
pub mod windows;
pub mod written;

pub use batch::{Array, ArrayData, Batch, InputArray, Target};
pub use card::Card;
pub use collate::collate;
pub use data_config::{BadExamples, DataConfig, LoaderConfig};
pub use dataset::Dataset;
pub use error::Error;
pub use example::{Example, ExampleId, Image, InputValue, Record, TargetValue, Value};
pub use formats::Records;
pub use lineage::Lineage;
pub use loader::Loader;
pub use pipeline::Pipeline;
pub use registry::Entry;
pub use schema::{FeatureKind, Schema, TargetKind};
pub use signature::{Dtype, InputKind, InputSpec, OutputSpec, Signature};
pub use split::{Part, Parts, SplitConfig};
pub use task::Task;
pub use transforms::Transforms;
