//! How is an ONNX file run here? By tract, in pure Rust, which is built in unless `--no-default-features` leaves it out.

use super::constant::Constant;

/// Why a file was not run, a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotRun(pub String);

/// What is given to an input, by name.
pub type Feed = (String, Constant);

/// A file that is ready to be run on inputs of one shape.
#[derive(Debug)]
pub struct Runner {
    #[cfg(feature = "tract")]
    model: std::sync::Arc<tract_onnx::prelude::TypedRunnableModel>,
    #[cfg(feature = "tract")]
    inputs: Vec<String>,
}

#[cfg(not(feature = "tract"))]
impl Runner {
    /// Prepares the file for inputs like `feeds`.
    ///
    /// # Errors
    /// Always: this program was built without what runs it.
    pub fn new(_bytes: &[u8], _feeds: &[Feed], _outputs: &[String]) -> Result<Self, NotRun> {
        Err(NotRun("this program was built without the feature `tract`".to_owned()))
    }

    /// Runs the file.
    ///
    /// # Errors
    /// Always.
    pub fn run(&self, _feeds: &[Feed]) -> Result<Vec<Constant>, NotRun> {
        Err(NotRun("this program was built without the feature `tract`".to_owned()))
    }
}

#[cfg(feature = "tract")]
mod with_tract {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use tract_onnx::prelude::{
        DatumType, Framework, InferenceFact, InferenceModelExt, IntoRunnable, IntoTValue, TValue, TVec, Tensor,
        TractResult,
    };

    use super::super::constant::{Constant, Elements};
    use super::{Feed, NotRun, Runner};

    impl Runner {
        /// Prepares the file for inputs like `feeds`, to give `outputs`.
        ///
        /// # Errors
        /// What tract says, for example that it lacks an operator.
        pub fn new(bytes: &[u8], feeds: &[Feed], outputs: &[String]) -> Result<Self, NotRun> {
            guarded(|| {
                let mut model = tract_onnx::onnx().model_for_read(&mut std::io::Cursor::new(bytes))?;
                let places = model.inputs.clone();
                let inputs: Vec<String> = places.iter().map(|place| model.node(place.node).name.clone()).collect();
                for (at, name) in inputs.iter().enumerate() {
                    let feed = feeds.iter().find(|(fed, _)| fed == name);
                    let (_, constant) = feed.ok_or_else(|| missing(name))?;
                    let kind = match &constant.elements {
                        Elements::F32(_) => DatumType::F32,
                        Elements::F64(_) => DatumType::F64,
                        Elements::U8(_) => DatumType::U8,
                        Elements::Text(_) => DatumType::String,
                        _ => DatumType::I64,
                    };
                    let fact = InferenceFact::dt_shape(kind, constant.shape.as_slice());
                    model.set_input_fact(at, fact)?;
                }
                model.select_outputs_by_name(outputs)?;
                let model = model.into_optimized()?.into_runnable()?;
                Ok(Self { model, inputs })
            })
        }

        /// Runs the file on inputs of the shapes for which it was prepared.
        ///
        /// # Errors
        /// What tract says.
        pub fn run(&self, feeds: &[Feed]) -> Result<Vec<Constant>, NotRun> {
            guarded(|| {
                let input = |name: &String| -> TractResult<TValue> {
                    let (_, constant) = feeds.iter().find(|(fed, _)| fed == name).ok_or_else(|| missing(name))?;
                    Ok(tensor(constant)?.into_tvalue())
                };
                let inputs: TVec<TValue> = self.inputs.iter().map(input).collect::<TractResult<_>>()?;
                self.model.run(inputs)?.iter().map(constant).collect()
            })
        }
    }

    fn missing(name: &str) -> tract_onnx::tract_core::internal::TractError {
        tract_onnx::tract_core::internal::anyhow!("nothing was given to the input `{name}`")
    }

    /// Does `work`, of which a panic is an error like any other.
    fn guarded<T>(work: impl FnOnce() -> TractResult<T>) -> Result<T, NotRun> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(NotRun(format!("{error:#}").replace('\n', " "))),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                Err(NotRun(format!("tract panicked: {}", text.unwrap_or_default())))
            }
        }
    }

    fn tensor(constant: &Constant) -> TractResult<Tensor> {
        let shape = constant.shape.as_slice();
        match &constant.elements {
            Elements::F32(values) => Tensor::from_shape(shape, values),
            Elements::I64(values) => Tensor::from_shape(shape, values),
            Elements::I32(values) => Tensor::from_shape(shape, values),
            Elements::U8(values) => Tensor::from_shape(shape, values),
            Elements::I8(values) => Tensor::from_shape(shape, values),
            Elements::Bool(values) => Tensor::from_shape(shape, values),
            Elements::F64(values) => Tensor::from_shape(shape, values),
            Elements::Text(values) => {
                let texts = tract_onnx::prelude::tract_ndarray::ArrayD::from_shape_vec(shape, values.clone())?;
                Ok(Tensor::from(texts))
            }
        }
    }

    fn constant(value: &TValue) -> TractResult<Constant> {
        let shape = value.shape().to_vec();
        let elements = match value.datum_type() {
            DatumType::I64 => Elements::I64(value.try_as_plain_ram()?.as_slice::<i64>()?.to_vec()),
            DatumType::Bool => Elements::Bool(value.try_as_plain_ram()?.as_slice::<bool>()?.to_vec()),
            DatumType::String => Elements::Text(value.try_as_plain_ram()?.as_slice::<String>()?.to_vec()),
            _ => {
                let floats = value.cast_to::<f32>()?;
                Elements::F32(floats.try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
            }
        };
        Ok(Constant { shape, elements })
    }
}
