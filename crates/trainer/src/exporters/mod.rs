//! In which forms does a model leave, for other programs?

pub mod onnx;
