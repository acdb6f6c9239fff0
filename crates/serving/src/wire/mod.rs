//! What is said over the wire? Whoever asks a server depends on what stands in this folder, and on nothing else of
//! this crate.
//!
//! Tensors are those of the Open Inference Protocol, version 2, as the network takes and gives them: behind the
//! transforms, in its own units, under the names that an export to ONNX gives them. Records are as they stand in a
//! file of data, and go through the transforms here.

mod arrays;
mod asking;
mod binary;
mod calls;
mod description;
pub(crate) mod messages;
mod metadata;
mod objects;
mod outputs;
mod prompt;
mod records;
mod refusal;
mod tensors;

pub(crate) use asking::asking;
pub(crate) use binary::HEADER;
pub(crate) use calls::{called, check_message, model_metadata, response, server_metadata, status};
pub(crate) use description::{addresses, described};
pub(crate) use metadata::{READY, entry, model, server};
pub(crate) use outputs::{Told, answer};
pub(crate) use prompt::{Wish, last, piece, whole};
pub(crate) use records::{Kind, Sent, predictions, records};
pub(crate) use refusal::{Refusal, shown};
pub(crate) use tensors::{Question, question};
