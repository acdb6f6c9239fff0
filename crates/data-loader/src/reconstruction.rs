//! What must a network answer that gives examples back? Their inputs, as a row of numbers.
//!
//! Pixels are normalised as the signature says, numbers stay what the transforms made of them, and a category is 1 in the place of
//! its code and 0 in all others.

use crate::batch::{ArrayData, Batch, InputArray, Target};
use crate::signature::{InputKind, InputSpec, Signature};

/// The features of an example and how many numbers stand for each, in the order of the row: an image is one feature. None where
/// there are inputs that are no row of numbers: texts, series, images of any size.
pub fn features(signature: &Signature) -> Option<Vec<(String, usize)>> {
    let mut all = Vec::new();
    for spec in &signature.inputs {
        match &spec.kind {
            InputKind::Image { .. } => {
                let pixels: Option<usize> = spec.shape.iter().copied().product();
                all.push((spec.name.clone(), pixels?));
            }
            InputKind::Numbers { names } => all.extend(names.iter().map(|name| (name.clone(), 1))),
            InputKind::Categories { names, sizes } => all.extend(names.iter().cloned().zip(sizes.iter().copied())),
            InputKind::Tokens { .. } | InputKind::Series { .. } => return None,
        }
    }
    Some(all)
}

/// The inputs of every example of `batch` side by side, `[batch, numbers]`; none where they are no row of numbers.
pub(crate) fn target(batch: &Batch, signature: &Signature) -> Option<Target> {
    let of_input = |spec: &InputSpec| batch.input(&spec.name).and_then(|input| numbers(input, spec));
    let parts: Vec<Vec<f32>> = signature.inputs.iter().map(of_input).collect::<Option<_>>()?;
    let count = batch.len().max(1);
    let widths: Vec<usize> = parts.iter().map(|part| part.len() / count).collect();
    let width = widths.iter().sum();
    let mut values = Vec::with_capacity(count * width);
    for row in 0..count {
        for (part, width) in parts.iter().zip(&widths) {
            values.extend_from_slice(&part[row * width..(row + 1) * width]);
        }
    }
    Some(Target::Values { shape: vec![count, width], values })
}

/// One input of every example as numbers, `[batch, numbers]`.
fn numbers(input: &InputArray, spec: &InputSpec) -> Option<Vec<f32>> {
    match (&spec.kind, &input.array.data) {
        (InputKind::Image { mean, std }, ArrayData::U8(pixels)) => {
            let &[_, channels, height, width] = &input.array.shape[..] else { return None };
            let planes = pixels.chunks(height * width).zip((0..channels).cycle());
            let of_plane = |(plane, channel): (&[u8], usize)| {
                let (mean, std) = (mean[channel], std[channel]);
                plane.iter().map(move |&pixel| (f32::from(pixel) / 255.0 - mean) / std).collect::<Vec<_>>()
            };
            Some(planes.flat_map(of_plane).collect())
        }
        (InputKind::Numbers { .. }, ArrayData::F32(numbers)) => Some(numbers.clone()),
        (InputKind::Categories { sizes, .. }, ArrayData::I64(codes)) => {
            let one_hot =
                |(&code, &size): (&i64, &usize)| (0..size as i64).map(move |k| f32::from(u8::from(k == code)));
            Some(codes.iter().zip(sizes.iter().cycle()).flat_map(one_hot).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Array;
    use crate::example::ExampleId;
    use crate::signature::{Dtype, OutputSpec};
    use crate::task::Task;

    fn input(name: &str, shape: &[usize], data: ArrayData) -> InputArray {
        InputArray { name: name.into(), array: Array { shape: shape.to_vec(), data }, mask: None, lengths: None }
    }

    fn spec(name: &str, dtype: Dtype, shape: &[usize], kind: InputKind) -> InputSpec {
        InputSpec { name: name.into(), dtype, shape: shape.iter().copied().map(Some).collect(), kind }
    }

    #[test]
    fn everything_becomes_one_row_of_numbers() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let image = InputKind::Image { mean: vec![0.0, 1.0], std: vec![1.0, 0.5] };
        let categories = InputKind::Categories { names: names(&["c", "d"]), sizes: vec![2, 3] };
        let inputs = vec![
            spec("image", Dtype::U8, &[2, 1, 2], image),
            spec("numbers", Dtype::F32, &[1], InputKind::Numbers { names: names(&["n"]) }),
            spec("categories", Dtype::I64, &[2], categories),
        ];
        let signature = Signature { task: Task::Reconstruct, inputs, output: OutputSpec::Inputs };
        let batch = Batch {
            inputs: vec![
                input("image", &[2, 2, 1, 2], ArrayData::U8(vec![0, 255, 255, 0, 51, 0, 0, 0])),
                input("numbers", &[2, 1], ArrayData::F32(vec![7.0, -7.0])),
                input("categories", &[2, 2], ArrayData::I64(vec![1, 0, 0, 2])),
            ],
            target: Target::None,
            ids: ["a", "b"].map(|key| ExampleId { key: key.into() }).to_vec(),
            weights: None,
            epoch: 0,
            index: 0,
            skipped: 0,
        };
        let rows = [
            [0.0, 1.0, 0.0, -2.0, 7.0, 0.0, 1.0, 1.0, 0.0, 0.0],
            [0.2, 0.0, -2.0, -2.0, -7.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        ];
        let target = Target::Values { shape: vec![2, 10], values: rows.concat() };
        assert_eq!(batch.clone().with_own_target(&signature).target, target);
        let widths: Vec<usize> = features(&signature).unwrap().into_iter().map(|(_, width)| width).collect();
        assert_eq!(widths, [4, 1, 2, 3]);
        let other = Signature { output: OutputSpec::Classes { labels: names(&["x", "y"]) }, ..signature };
        assert_eq!(batch.clone().with_own_target(&other).target, Target::None);
    }

    #[test]
    fn a_text_is_no_row_of_numbers() {
        let kind = InputKind::Tokens { vocabulary: 5, max_length: 4 };
        let tokens = InputSpec { name: "tokens".into(), dtype: Dtype::I64, shape: vec![None], kind };
        let signature = Signature { task: Task::Reconstruct, inputs: vec![tokens], output: OutputSpec::Inputs };
        assert_eq!(features(&signature), None);
        let batch = Batch {
            inputs: vec![input("tokens", &[1, 2], ArrayData::I64(vec![2, 3]))],
            target: Target::None,
            ids: vec![ExampleId { key: "a".into() }],
            weights: None,
            epoch: 0,
            index: 0,
            skipped: 0,
        };
        assert_eq!(batch.with_own_target(&signature).target, Target::None);
    }
}
