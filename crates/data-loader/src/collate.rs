//! How do examples become a batch? Their arrays are laid one after the other, short sequences padded at the end.

use crate::batch::{Array, ArrayData, Batch, InputArray, Target};
use crate::error::Error;
use crate::example::{Example, ExampleId, TargetValue};
use crate::signature::{InputSpec, OutputSpec, Signature};
use crate::transforms::tokenize::PADDING;

/// What stands in a target where padding does not count.
const NO_TARGET: i64 = -1;

/// Puts `examples` in one batch whose inputs are those of `signature`, in its order. Epoch and index are 0; the loader
/// sets them.
pub fn collate(examples: Vec<Example>, signature: &Signature) -> Result<Batch, Error> {
    if examples.is_empty() {
        return Err(Error::NoExamples { place: "in the batch".into(), hint: "Give at least one example." });
    }
    let (mut ids, mut targets, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    let mut columns: Vec<Vec<Array>> = signature.inputs.iter().map(|_| Vec::with_capacity(examples.len())).collect();
    for mut example in examples {
        for (spec, column) in signature.inputs.iter().zip(&mut columns) {
            let Some(place) = example.inputs.iter().position(|(name, _)| *name == spec.name) else {
                return Err(Error::ColumnMissing {
                    place: format!("Example {}", example.id),
                    column: spec.name.clone(),
                    found: example.inputs.into_iter().map(|(name, _)| name).collect(),
                });
            };
            column.push(example.inputs.swap_remove(place).1);
        }
        ids.push(example.id);
        targets.push(example.target);
        weights.push(example.weight);
    }
    let inputs = signature.inputs.iter().zip(columns).map(|(spec, arrays)| join(spec, arrays, &ids));
    let inputs = inputs.collect::<Result<_, _>>()?;
    let target = join_targets(targets, &ids, signature)?;
    let weights = weights.iter().any(|&weight| weight != 1.0).then_some(weights);
    Ok(Batch { weights, ..Batch::of(inputs, target, ids) })
}

/// Joins one input of all examples along a new first axis.
fn join(spec: &InputSpec, arrays: Vec<Array>, ids: &[ExampleId]) -> Result<InputArray, Error> {
    let disagree = |other: usize| Error::Shape {
        input: spec.name.clone(),
        first: ids[0].key.clone(),
        first_shape: arrays[0].shape.clone(),
        second: ids[other].key.clone(),
        second_shape: arrays[other].shape.clone(),
    };
    if spec.shape == [None] {
        if let Some(other) =
            arrays.iter().position(|array| array.shape.len() != 1 || !matches!(array.data, ArrayData::I64(_)))
        {
            return Err(disagree(other));
        }
        return Ok(pad(&spec.name, &arrays));
    }
    if let Some(other) = arrays.iter().position(|array| {
        array.shape != arrays[0].shape || std::mem::discriminant(&array.data) != std::mem::discriminant(&arrays[0].data)
    }) {
        return Err(disagree(other));
    }
    let mut shape = vec![arrays.len()];
    shape.extend(&arrays[0].shape);
    let size = shape.iter().product();
    let mut joined = match arrays[0].data {
        ArrayData::U8(_) => ArrayData::U8(Vec::with_capacity(size)),
        ArrayData::F32(_) => ArrayData::F32(Vec::with_capacity(size)),
        ArrayData::I64(_) => ArrayData::I64(Vec::with_capacity(size)),
    };
    for array in arrays {
        match (&mut joined, array.data) {
            (ArrayData::U8(all), ArrayData::U8(one)) => all.extend(one),
            (ArrayData::F32(all), ArrayData::F32(one)) => all.extend(one),
            (ArrayData::I64(all), ArrayData::I64(one)) => all.extend(one),
            // Checked above.
            _ => {}
        }
    }
    Ok(InputArray { name: spec.name.clone(), array: Array { shape, data: joined }, mask: None, lengths: None })
}

/// Pads sequences to the longest.
fn pad(name: &str, arrays: &[Array]) -> InputArray {
    let lengths: Vec<usize> = arrays.iter().map(|array| array.data.len()).collect();
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let (mut ids, mut mask) = (Vec::new(), Vec::new());
    for array in arrays {
        if let ArrayData::I64(sequence) = &array.data {
            ids.extend(sequence);
            mask.extend(std::iter::repeat_n(1, sequence.len()));
            ids.resize(ids.len() + longest - sequence.len(), PADDING);
            mask.resize(ids.len(), 0);
        }
    }
    let array = Array { shape: vec![arrays.len(), longest], data: ArrayData::I64(ids) };
    InputArray { name: name.to_owned(), array, mask: Some(mask), lengths: Some(lengths) }
}

/// Joins the targets; either every example has one or none does.
fn join_targets(targets: Vec<TargetValue>, ids: &[ExampleId], signature: &Signature) -> Result<Target, Error> {
    let (mut classes, mut values, mut absent, mut width) = (Vec::new(), Vec::new(), 0, 0);
    let (mut pixels, mut shape, mut sequences) = (Vec::new(), None, Vec::new());
    let count = targets.len();
    let first_absent = targets.iter().position(|target| *target == TargetValue::None);
    for (target, id) in targets.into_iter().zip(ids) {
        match target {
            TargetValue::Class(class) => classes.push(class),
            TargetValue::Values(one) => {
                if !values.is_empty() && one.len() != width {
                    return Err(Error::Shape {
                        input: "target".into(),
                        first: ids[0].key.clone(),
                        first_shape: vec![width],
                        second: id.key.clone(),
                        second_shape: vec![one.len()],
                    });
                }
                width = one.len();
                values.extend(one);
            }
            TargetValue::Mask { shape: one, classes } => {
                let first = *shape.get_or_insert(one);
                if one != first {
                    return Err(Error::Shape {
                        input: "target".into(),
                        first: ids[0].key.clone(),
                        first_shape: first.to_vec(),
                        second: id.key.clone(),
                        second_shape: one.to_vec(),
                    });
                }
                pixels.extend(classes);
            }
            TargetValue::Tokens(ids) => sequences.push(ids),
            TargetValue::None => absent += 1,
        }
    }
    if absent == count {
        return Ok(Target::None);
    }
    if let Some(place) = first_absent {
        let column = match &signature.output {
            OutputSpec::Values { names, .. } | OutputSpec::Horizon { names, .. } => names.join(", "),
            _ => "target".into(),
        };
        return Err(Error::TargetMissing { id: ids[place].key.clone(), column });
    }
    if let Some([height, width]) = shape {
        return Ok(Target::Mask { shape: [count, height, width], classes: pixels });
    }
    if sequences.len() == count {
        let length = sequences.iter().map(Vec::len).max().unwrap_or(0);
        let padded = |sequence: Vec<i64>| {
            let missing = length - sequence.len();
            sequence.into_iter().chain(std::iter::repeat_n(NO_TARGET, missing))
        };
        return Ok(Target::Tokens { shape: [count, length], ids: sequences.into_iter().flat_map(padded).collect() });
    }
    if classes.len() == count {
        return Ok(Target::Classes(classes));
    }
    Ok(Target::Values { shape: vec![count, width], values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::Record;
    use crate::signature::{Dtype, InputKind};
    use crate::task::Task;

    fn example(key: &str, input: Array, target: TargetValue) -> Example {
        let id = Record::new(key.into(), Vec::new(), None).id;
        Example { id, inputs: vec![("numbers".into(), input)], target, weight: 1.0 }
    }

    fn numbers(values: &[f32]) -> Array {
        Array { shape: vec![values.len()], data: ArrayData::F32(values.to_vec()) }
    }

    fn signature() -> Signature {
        let kind = InputKind::Numbers { names: vec!["a".into(), "b".into()] };
        let input = InputSpec { name: "numbers".into(), dtype: Dtype::F32, shape: vec![Some(2)], kind };
        Signature { task: Task::Regress, inputs: vec![input], output: OutputSpec::Inputs }
    }

    #[test]
    fn arrays_lie_one_after_the_other() {
        let a = example("a", numbers(&[1.0, 2.0]), TargetValue::Values(vec![5.0]));
        let mut b = example("b", numbers(&[3.0, 4.0]), TargetValue::Values(vec![6.0]));
        let batch = collate(vec![a.clone(), b.clone()], &signature()).unwrap();
        assert_eq!(batch.inputs[0].array, Array { shape: vec![2, 2], data: ArrayData::F32(vec![1.0, 2.0, 3.0, 4.0]) });
        assert_eq!(batch.target, Target::Values { shape: vec![2, 1], values: vec![5.0, 6.0] });
        assert_eq!((batch.len(), batch.weights), (2, None));
        b.weight = 0.5;
        assert_eq!(collate(vec![a, b], &signature()).unwrap().weights, Some(vec![1.0, 0.5]));
    }

    #[test]
    fn disagreement_names_both_examples() {
        let a = example("a", numbers(&[1.0, 2.0]), TargetValue::None);
        let error =
            collate(vec![a.clone(), example("b", numbers(&[3.0]), TargetValue::None)], &signature()).unwrap_err();
        assert_eq!(error.to_string(), "The input `numbers` has the shape [2] in example a and [1] in example b.");
        let bytes = Array { shape: vec![2], data: ArrayData::U8(vec![1, 2]) };
        assert!(collate(vec![a.clone(), example("b", bytes, TargetValue::None)], &signature()).is_err());
        let mixed = collate(vec![a.clone(), example("b", numbers(&[3.0, 4.0]), TargetValue::Class(1))], &signature());
        assert!(matches!(mixed, Err(Error::TargetMissing { id, .. }) if id == "a"));
        let mut none = a;
        none.inputs.clear();
        assert!(matches!(collate(vec![none], &signature()), Err(Error::ColumnMissing { .. })));
        assert!(matches!(collate(Vec::new(), &signature()), Err(Error::NoExamples { .. })));
    }
}
