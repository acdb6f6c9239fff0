//! How are the calls of the Open Inference Protocol laid out in gRPC? Its messages, with the numbers that the published service gives to
//! their fields; those of Triton's extensions (repository, statistics) among them.

use std::collections::HashMap;

use prost::Message;

/// Nothing more is asked, or told, than the call itself.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Nothing {}

/// Whether the server lives, or is ready.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Well {
    #[prost(bool, tag = "1")]
    pub well: bool,
}

/// A model, or a version of it.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Named {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub version: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct ServerMetadata {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub version: String,
    #[prost(string, repeated, tag = "3")]
    pub extensions: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct ModelMetadata {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, repeated, tag = "2")]
    pub versions: Vec<String>,
    #[prost(string, tag = "3")]
    pub platform: String,
    #[prost(message, repeated, tag = "4")]
    pub inputs: Vec<TensorMetadata>,
    #[prost(message, repeated, tag = "5")]
    pub outputs: Vec<TensorMetadata>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct TensorMetadata {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub datatype: String,
    #[prost(int64, repeated, tag = "3")]
    pub shape: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct InferRequest {
    #[prost(string, tag = "1")]
    pub model_name: String,
    #[prost(string, tag = "2")]
    pub model_version: String,
    #[prost(string, tag = "3")]
    pub id: String,
    #[prost(map = "string, message", tag = "4")]
    pub parameters: HashMap<String, Parameter>,
    #[prost(message, repeated, tag = "5")]
    pub inputs: Vec<InputTensor>,
    #[prost(message, repeated, tag = "6")]
    pub outputs: Vec<RequestedTensor>,
    /// The bytes of each input, where none has `contents`.
    #[prost(bytes = "bytes", repeated, tag = "7")]
    pub raw_input_contents: Vec<bytes::Bytes>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct InputTensor {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub datatype: String,
    #[prost(int64, repeated, tag = "3")]
    pub shape: Vec<i64>,
    #[prost(message, optional, tag = "5")]
    pub contents: Option<Contents>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct RequestedTensor {
    #[prost(string, tag = "1")]
    pub name: String,
}

/// Something that is said besides.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Parameter {
    #[prost(oneof = "Said", tags = "1, 2, 3, 5")]
    pub said: Option<Said>,
}

#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(crate) enum Said {
    #[prost(bool, tag = "1")]
    Bool(bool),
    #[prost(int64, tag = "2")]
    Whole(i64),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(uint64, tag = "5")]
    Count(u64),
}

/// The numbers of a tensor, in the list of its type.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Contents {
    #[prost(bool, repeated, tag = "1")]
    pub bools: Vec<bool>,
    #[prost(int32, repeated, tag = "2")]
    pub ints: Vec<i32>,
    #[prost(int64, repeated, tag = "3")]
    pub longs: Vec<i64>,
    #[prost(uint32, repeated, tag = "4")]
    pub uints: Vec<u32>,
    #[prost(uint64, repeated, tag = "5")]
    pub ulongs: Vec<u64>,
    #[prost(float, repeated, tag = "6")]
    pub floats: Vec<f32>,
    #[prost(double, repeated, tag = "7")]
    pub doubles: Vec<f64>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub texts: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct InferResponse {
    #[prost(string, tag = "1")]
    pub model_name: String,
    #[prost(string, tag = "2")]
    pub model_version: String,
    #[prost(string, tag = "3")]
    pub id: String,
    #[prost(message, repeated, tag = "5")]
    pub outputs: Vec<TensorMetadata>,
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub raw_output_contents: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct IndexRequest {
    #[prost(string, tag = "1")]
    pub repository_name: String,
    /// Only those that are ready.
    #[prost(bool, tag = "2")]
    pub ready: bool,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Index {
    #[prost(message, repeated, tag = "1")]
    pub models: Vec<IndexEntry>,
}

/// A model, and how far it is.
#[derive(Clone, PartialEq, Eq, Message, serde::Serialize)]
pub(crate) struct IndexEntry {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub version: String,
    #[prost(string, tag = "3")]
    pub state: String,
    #[prost(string, tag = "4")]
    pub reason: String,
}

/// A model that is to be read anew, or taken out.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Change {
    #[prost(string, tag = "1")]
    pub repository_name: String,
    #[prost(string, tag = "2")]
    pub model_name: String,
}

#[derive(Clone, PartialEq, Eq, Message, serde::Serialize)]
pub(crate) struct Statistics {
    #[prost(message, repeated, tag = "1")]
    pub model_stats: Vec<VersionStatistics>,
}

/// What a version did since it was read.
#[derive(Clone, PartialEq, Eq, Message, serde::Serialize)]
pub(crate) struct VersionStatistics {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub version: String,
    /// When the last request came, in milliseconds since 1970.
    #[prost(uint64, tag = "3")]
    pub last_inference: u64,
    /// Examples that were answered.
    #[prost(uint64, tag = "4")]
    pub inference_count: u64,
    /// How often the network answered; the examples of several requests are answered at once.
    #[prost(uint64, tag = "5")]
    pub execution_count: u64,
    #[prost(message, optional, tag = "6")]
    pub inference_stats: Option<InferStatistics>,
    #[prost(message, repeated, tag = "7")]
    pub batch_stats: Vec<BatchStatistics>,
}

/// How many requests took how long for what.
#[derive(Clone, Copy, PartialEq, Eq, Message, serde::Serialize)]
pub(crate) struct InferStatistics {
    #[prost(message, optional, tag = "1")]
    pub success: Option<Took>,
    #[prost(message, optional, tag = "2")]
    pub fail: Option<Took>,
    #[prost(message, optional, tag = "3")]
    pub queue: Option<Took>,
    #[prost(message, optional, tag = "4")]
    pub compute_input: Option<Took>,
    #[prost(message, optional, tag = "5")]
    pub compute_infer: Option<Took>,
    #[prost(message, optional, tag = "6")]
    pub compute_output: Option<Took>,
}

/// How long batches of one size took the network.
#[derive(Clone, Copy, PartialEq, Eq, Message, serde::Serialize)]
pub(crate) struct BatchStatistics {
    #[prost(uint64, tag = "1")]
    pub batch_size: u64,
    #[prost(message, optional, tag = "3")]
    pub compute_infer: Option<Took>,
}

/// How often, and how long altogether.
#[derive(Clone, Copy, PartialEq, Eq, Message, serde::Serialize)]
pub(crate) struct Took {
    #[prost(uint64, tag = "1")]
    pub count: u64,
    #[prost(uint64, tag = "2")]
    pub ns: u64,
}

impl Took {
    /// Once more.
    pub(crate) fn add(&mut self, took: std::time::Duration) {
        self.count += 1;
        self.ns = self.ns.saturating_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
}
