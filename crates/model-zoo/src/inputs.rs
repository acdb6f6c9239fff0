//! How do host arrays become tensors?
//!
//! Bytes are turned into normalised pixels here, on the device: what crosses to it is four times smaller.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use data_loader::batch::{ArrayData, Batch, InputArray};
use data_loader::signature::{InputKind, InputSpec, Signature};

use crate::Error;

/// One input on a device.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a batch has a handful, and tensors are handles")]
pub enum Input {
    /// Normalised pixels, `[batch, channels, height, width]`.
    Image(Tensor<4>),
    /// Real features, `[batch, features]`.
    Numbers(Tensor<2>),
    /// Category codes, `[batch, features]`.
    Categories(Tensor<2, Int>),
    /// A padded sequence of tokens.
    Tokens {
        /// `[batch, length]`.
        ids: Tensor<2, Int>,
        /// `[batch, length]`, 1 where there is content and 0 where there is padding.
        mask: Tensor<2>,
    },
    /// Measurements over time, `[batch, time, channels]`.
    Series(Tensor<3>),
}

/// The inputs of a batch on a device.
#[derive(Clone, Debug)]
pub struct Inputs {
    fields: Vec<(String, Input)>,
}

impl Inputs {
    /// Lays the inputs of `batch` on `device`, checked against `signature`.
    ///
    /// # Errors
    /// [`Error::WrongBatch`] if an input of the signature is not in the batch, or its type or shape differs.
    pub fn from_batch(batch: &Batch, signature: &Signature, device: &Device) -> Result<Self, Error> {
        let fields = signature
            .inputs
            .iter()
            .map(|spec| {
                let field = batch
                    .input(&spec.name)
                    .ok_or_else(|| Error::WrongBatch(format!("it lacks the input `{}`", spec.name)))?;
                Ok((spec.name.clone(), to_device(field, spec, device)?))
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self { fields })
    }

    /// Inputs made by hand.
    pub fn new(fields: Vec<(String, Input)>) -> Self {
        Self { fields }
    }

    /// Every input by name.
    pub fn fields(&self) -> &[(String, Input)] {
        &self.fields
    }

    /// The pixels, `[batch, channels, height, width]`.
    pub fn image(&self) -> Result<Tensor<4>, Error> {
        self.find("image", |input| match input {
            Input::Image(t) => Some(t.clone()),
            _ => None,
        })
    }

    /// The real features, `[batch, features]`.
    pub fn numbers(&self) -> Result<Tensor<2>, Error> {
        self.find("numbers", |input| match input {
            Input::Numbers(t) => Some(t.clone()),
            _ => None,
        })
    }

    /// The category codes, `[batch, features]`.
    pub fn categories(&self) -> Result<Tensor<2, Int>, Error> {
        self.find("categories", |input| match input {
            Input::Categories(t) => Some(t.clone()),
            _ => None,
        })
    }

    /// Token ids and mask, both `[batch, length]`.
    pub fn tokens(&self) -> Result<(Tensor<2, Int>, Tensor<2>), Error> {
        self.find("tokens", |input| match input {
            Input::Tokens { ids, mask } => Some((ids.clone(), mask.clone())),
            _ => None,
        })
    }

    /// The series, `[batch, time, channels]`.
    pub fn series(&self) -> Result<Tensor<3>, Error> {
        self.find("series", |input| match input {
            Input::Series(t) => Some(t.clone()),
            _ => None,
        })
    }

    fn find<T>(&self, wanted: &'static str, pick: impl Fn(&Input) -> Option<T>) -> Result<T, Error> {
        self.fields.iter().find_map(|(_, input)| pick(input)).ok_or_else(|| Error::MissingInput {
            wanted,
            found: self.fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", "),
        })
    }
}

/// Channels, height and width of the only input, which is an image; height and width where they are fixed.
///
/// # Errors
/// [`Error::Unfit`] if there is another input or the channels are not known.
pub(crate) fn only_image(
    signature: &Signature,
    architecture: &'static str,
) -> Result<(usize, [Option<usize>; 2]), Error> {
    let unfit = |reason: &str| Error::Unfit { architecture, reason: reason.into() };
    let [InputSpec { kind: InputKind::Image { .. }, shape, .. }] = signature.inputs.as_slice() else {
        return Err(unfit("it reads images and nothing else"));
    };
    match shape.as_slice() {
        [Some(channels), height, width] => Ok((*channels, [*height, *width])),
        _ => Err(unfit("it needs images whose channels are known")),
    }
}

/// Pieces in the vocabulary, and tokens in the longest text, of the only input, which is a text.
///
/// # Errors
/// [`Error::Unfit`] if there is another input.
pub(crate) fn only_text(signature: &Signature, architecture: &'static str) -> Result<(usize, usize), Error> {
    match signature.inputs.as_slice() {
        [InputSpec { kind: InputKind::Tokens { vocabulary, max_length }, .. }] => Ok((*vocabulary, *max_length)),
        _ => Err(Error::Unfit { architecture, reason: "it reads one text feature and nothing else".into() }),
    }
}

/// Whether every side that is known is at least `least` pixels.
///
/// # Errors
/// [`Error::Unfit`] with the size.
pub(crate) fn at_least(sides: [Option<usize>; 2], least: usize, architecture: &'static str) -> Result<(), Error> {
    match sides.iter().flatten().find(|side| **side < least) {
        None => Ok(()),
        Some(side) => Err(Error::Unfit {
            architecture,
            reason: format!("a side of the images has {side} pixels, and it must have at least {least}"),
        }),
    }
}

fn to_device(field: &InputArray, spec: &InputSpec, device: &Device) -> Result<Input, Error> {
    let shape = &field.array.shape;
    let fits = shape.len() == spec.shape.len() + 1
        && shape[1..].iter().zip(&spec.shape).all(|(have, want)| want.is_none_or(|want| want == *have))
        && shape.iter().product::<usize>() == field.array.data.len();
    let misfit = Error::WrongBatch;
    if !fits {
        return Err(misfit(format!(
            "the input `{}` has shape {shape:?}; expected [batch, {:?}]",
            spec.name, spec.shape
        )));
    }
    let wrong_type = || misfit(format!("the input `{}` does not travel as {:?}", spec.name, spec.dtype));
    Ok(match &spec.kind {
        InputKind::Image { mean, std } => {
            let ArrayData::U8(pixels) = &field.array.data else { return Err(wrong_type()) };
            Input::Image(normalized(pixels, shape, mean, std, device))
        }
        InputKind::Numbers { .. } => {
            let ArrayData::F32(values) = &field.array.data else { return Err(wrong_type()) };
            Input::Numbers(Tensor::from_data(TensorData::new(values.clone(), [shape[0], shape[1]]), device))
        }
        InputKind::Series { .. } => {
            let ArrayData::F32(values) = &field.array.data else { return Err(wrong_type()) };
            Input::Series(Tensor::from_data(TensorData::new(values.clone(), [shape[0], shape[1], shape[2]]), device))
        }
        InputKind::Categories { sizes, .. } => {
            let ArrayData::I64(codes) = &field.array.data else { return Err(wrong_type()) };
            let outside =
                codes.iter().zip(sizes.iter().cycle()).find(|(code, size)| !(0..**size as i64).contains(*code));
            if let Some((code, size)) = outside {
                return Err(misfit(format!("a code of `{}` is {code}; there are {size}", spec.name)));
            }
            Input::Categories(Tensor::from_data(TensorData::new(codes.clone(), [shape[0], shape[1]]), device))
        }
        InputKind::Tokens { vocabulary, .. } => {
            let ArrayData::I64(ids) = &field.array.data else { return Err(wrong_type()) };
            if let Some(id) = ids.iter().find(|id| !(0..*vocabulary as i64).contains(*id)) {
                return Err(misfit(format!("a token of `{}` is {id}; there are {vocabulary}", spec.name)));
            }
            let mask = match &field.mask {
                Some(mask) => mask.iter().map(|&m| f32::from(m)).collect(),
                None => vec![1.0; ids.len()],
            };
            Input::Tokens {
                ids: Tensor::from_data(TensorData::new(ids.clone(), [shape[0], shape[1]]), device),
                mask: Tensor::from_data(TensorData::new(mask, [shape[0], shape[1]]), device),
            }
        }
    })
}

/// `(pixel / 255 - mean) / std` as one multiplication and one addition on the device.
fn normalized(pixels: &[u8], shape: &[usize], mean: &[f32], std: &[f32], device: &Device) -> Tensor<4> {
    let channels = mean.len();
    let scale: Vec<f32> = std.iter().map(|s| 1.0 / (255.0 * s)).collect();
    let shift: Vec<f32> = mean.iter().zip(std).map(|(m, s)| -m / s).collect();
    let bytes = TensorData::new(pixels.to_vec(), [shape[0], shape[1], shape[2], shape[3]]);
    let constant = |values: Vec<f32>| Tensor::<4>::from_data(TensorData::new(values, [1, channels, 1, 1]), device);
    // Bytes cross to the device as bytes wherever it can hold them.
    let pixels = match device.supports_dtype(DType::U8) {
        true => Tensor::<4, Int>::from_data(bytes, (device, DType::U8)),
        false => Tensor::<4, Int>::from_data(bytes, device),
    };
    pixels.float() * constant(scale) + constant(shift)
}
