//! Which protocol buffers does TensorBoard's `HParams` dashboard read? Those of
//! `tensorboard/plugins/hparams/plugin_data.proto` and `api.proto`, and around them those of `tensorboard/compat/proto/{event,summary}.proto`, as far as they are needed.

use std::collections::BTreeMap;

use prost::{Message, Oneof};

/// A record of an event file.
#[derive(Clone, PartialEq, Message)]
pub struct Record {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    /// The step.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// What it says.
    #[prost(oneof = "What", tags = "3, 5")]
    pub what: Option<What>,
}

/// What a record says.
#[derive(Clone, PartialEq, Oneof)]
pub enum What {
    /// The first one of a file names the format.
    #[prost(string, tag = "3")]
    FileVersion(String),
    /// Values.
    #[prost(message, tag = "5")]
    Summary(Summary),
}

/// Values by their tags.
#[derive(Clone, PartialEq, Message)]
pub struct Summary {
    /// Each of them.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<Tagged>,
}

/// A value with its tag.
#[derive(Clone, PartialEq, Message)]
pub struct Tagged {
    /// The tag.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// Whose it is.
    #[prost(message, optional, tag = "9")]
    pub metadata: Option<Metadata>,
    /// In a `oneof`, because a plain field of value 0 would not be written.
    #[prost(oneof = "Number", tags = "2, 8")]
    pub value: Option<Number>,
}

/// A number.
#[derive(Clone, PartialEq, Oneof)]
pub enum Number {
    /// A scalar.
    #[prost(float, tag = "2")]
    Simple(f32),
    /// Where there is nothing but metadata.
    #[prost(message, tag = "8")]
    Tensor(Tensor),
}

/// A tensor without numbers.
#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
    /// 1 is that of `f32`.
    #[prost(int32, tag = "1")]
    pub data_type: i32,
    /// How large it is.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
}

/// The shape of a tensor.
#[derive(Clone, PartialEq, Message)]
pub struct Shape {
    /// Its dimensions.
    #[prost(message, repeated, tag = "2")]
    pub dimensions: Vec<Size>,
}

/// A dimension of a tensor.
#[derive(Clone, PartialEq, Message)]
pub struct Size {
    /// How long.
    #[prost(int64, tag = "1")]
    pub size: i64,
}

/// Whose a value is.
#[derive(Clone, PartialEq, Message)]
pub struct Metadata {
    /// That of a dashboard.
    #[prost(message, optional, tag = "1")]
    pub plugin: Option<Plugin>,
}

/// The dashboard, and what it is told.
#[derive(Clone, PartialEq, Message)]
pub struct Plugin {
    /// `hparams`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// A [`Content`].
    #[prost(bytes = "vec", tag = "2")]
    pub content: Vec<u8>,
}

/// What the dashboard is told.
#[derive(Clone, PartialEq, Message)]
pub struct Content {
    /// The version of these messages, 0.
    #[prost(int32, tag = "1")]
    pub version: i32,
    /// One of three things.
    #[prost(oneof = "About", tags = "2, 3, 4")]
    pub about: Option<About>,
}

/// One of three things.
#[derive(Clone, PartialEq, Oneof)]
pub enum About {
    /// A study.
    #[prost(message, tag = "2")]
    Experiment(Experiment),
    /// The beginning of a trial.
    #[prost(message, tag = "3")]
    Start(Start),
    /// Its end.
    #[prost(message, tag = "4")]
    End(End),
}

/// A study.
#[derive(Clone, PartialEq, Message)]
pub struct Experiment {
    /// A sentence about it.
    #[prost(string, tag = "1")]
    pub description: String,
    /// When it was made, in seconds since 1970.
    #[prost(double, tag = "3")]
    pub created: f64,
    /// What is varied.
    #[prost(message, repeated, tag = "4")]
    pub parameters: Vec<Parameter>,
    /// By what trials are judged.
    #[prost(message, repeated, tag = "5")]
    pub metrics: Vec<Metric>,
    /// Its name.
    #[prost(string, tag = "6")]
    pub name: String,
}

/// What is varied.
#[derive(Clone, PartialEq, Message)]
pub struct Parameter {
    /// Its address.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What is shown.
    #[prost(string, tag = "2")]
    pub shown: String,
    /// 1 text, 2 truth, 3 number.
    #[prost(int32, tag = "4")]
    pub kind: i32,
    /// What it may be.
    #[prost(oneof = "Domain", tags = "5, 6")]
    pub domain: Option<Domain>,
}

/// What a parameter may be.
#[derive(Clone, PartialEq, Oneof)]
pub enum Domain {
    /// One of these.
    #[prost(message, tag = "5")]
    Choices(List),
    /// A number within bounds.
    #[prost(message, tag = "6")]
    Interval(Interval),
}

/// Bounds.
#[derive(Clone, PartialEq, Message)]
pub struct Interval {
    /// The least.
    #[prost(double, tag = "1")]
    pub low: f64,
    /// The largest.
    #[prost(double, tag = "2")]
    pub high: f64,
}

/// By what trials are judged.
#[derive(Clone, PartialEq, Message)]
pub struct Metric {
    /// Its tag.
    #[prost(message, optional, tag = "1")]
    pub name: Option<MetricName>,
    /// What is shown.
    #[prost(string, tag = "3")]
    pub shown: String,
    /// 2 is the validation split.
    #[prost(int32, tag = "5")]
    pub part: i32,
}

/// The tag of a metric.
#[derive(Clone, PartialEq, Message)]
pub struct MetricName {
    /// The folder below that of a trial.
    #[prost(string, tag = "1")]
    pub group: String,
    /// The tag.
    #[prost(string, tag = "2")]
    pub tag: String,
}

/// The beginning of a trial.
#[derive(Clone, PartialEq, Message)]
pub struct Start {
    /// Its settings by their addresses.
    #[prost(btree_map = "string, message", tag = "1")]
    pub settings: BTreeMap<String, Json>,
    /// With which others it belongs together.
    #[prost(string, tag = "4")]
    pub group: String,
    /// When, in seconds since 1970.
    #[prost(double, tag = "5")]
    pub began: f64,
}

/// The end of a trial.
#[derive(Clone, PartialEq, Message)]
pub struct End {
    /// 1 is success, 2 failure, 3 that it runs.
    #[prost(int32, tag = "1")]
    pub status: i32,
    /// When, in seconds since 1970.
    #[prost(double, tag = "2")]
    pub ended: f64,
}

/// `google.protobuf.Value`, as far as it is needed.
#[derive(Clone, PartialEq, Message)]
pub struct Json {
    /// What it is.
    #[prost(oneof = "Kind", tags = "2, 3, 4")]
    pub kind: Option<Kind>,
}

/// What a value is.
#[derive(Clone, PartialEq, Oneof)]
pub enum Kind {
    /// A number.
    #[prost(double, tag = "2")]
    Number(f64),
    /// A text.
    #[prost(string, tag = "3")]
    Text(String),
    /// A truth.
    #[prost(bool, tag = "4")]
    Truth(bool),
}

/// `google.protobuf.ListValue`.
#[derive(Clone, PartialEq, Message)]
pub struct List {
    /// Its values.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<Json>,
}
