//! Which batches can be answered as one, and how do they become one?

use data_loader::{Array, ArrayData, Batch, Dtype, InputArray, Target};

/// What two batches have in common that can be one: of each input the type, all sizes but the first, and whether it has a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape(Vec<(Dtype, Vec<usize>, bool)>);

impl Shape {
    pub(crate) fn of(batch: &Batch) -> Self {
        let of_input = |input: &InputArray| {
            let dtype = match input.array.data {
                ArrayData::U8(_) => Dtype::U8,
                ArrayData::F32(_) => Dtype::F32,
                ArrayData::I64(_) => Dtype::I64,
            };
            (dtype, input.array.shape.iter().skip(1).copied().collect(), input.mask.is_some())
        };
        Self(batch.inputs.iter().map(of_input).collect())
    }
}

/// The inputs of batches of one [`Shape`], one behind the other.
pub(crate) fn joined(batches: &[&Batch]) -> Batch {
    let Some((first, others)) = batches.split_first() else { return Batch::of(Vec::new(), Target::None, Vec::new()) };
    let mut inputs = first.inputs.clone();
    let mut ids = first.ids.clone();
    for batch in others {
        for (whole, part) in inputs.iter_mut().zip(&batch.inputs) {
            append(&mut whole.array, &part.array);
            if let (Some(whole), Some(part)) = (&mut whole.mask, &part.mask) {
                whole.extend(part);
            }
            whole.lengths = whole.lengths.take().zip(part.lengths.as_ref()).map(|(mut whole, part)| {
                whole.extend(part);
                whole
            });
        }
        ids.extend(batch.ids.iter().cloned());
    }
    Batch::of(inputs, Target::None, ids)
}

fn append(whole: &mut Array, part: &Array) {
    match (&mut whole.data, &part.data) {
        (ArrayData::U8(whole), ArrayData::U8(part)) => whole.extend(part),
        (ArrayData::F32(whole), ArrayData::F32(part)) => whole.extend(part),
        (ArrayData::I64(whole), ArrayData::I64(part)) => whole.extend(part),
        // Batches of one shape have one type.
        _ => return,
    }
    if let (Some(whole), Some(part)) = (whole.shape.first_mut(), part.shape.first()) {
        *whole += part;
    }
}

#[cfg(test)]
mod tests {
    use data_loader::ExampleId;

    use super::*;

    fn batch(rows: usize, width: usize, data: ArrayData, mask: Option<Vec<u8>>) -> Batch {
        let input =
            InputArray { name: "x".into(), array: Array { shape: vec![rows, width], data }, mask, lengths: None };
        Batch::of(vec![input], Target::None, (0..rows).map(|k| ExampleId { key: format!("{rows}/{k}") }).collect())
    }

    #[test]
    fn batches_stand_one_behind_the_other() {
        let one = batch(1, 2, ArrayData::I64(vec![1, 2]), Some(vec![1, 0]));
        let two = batch(2, 2, ArrayData::I64(vec![3, 4, 5, 6]), Some(vec![1, 1, 1, 0]));
        assert_eq!(Shape::of(&one), Shape::of(&two));
        let both = joined(&[&one, &two]);
        assert_eq!(both.inputs[0].array.shape, [3, 2]);
        assert_eq!(both.inputs[0].array.data, ArrayData::I64(vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(both.inputs[0].mask, Some(vec![1, 0, 1, 1, 1, 0]));
        assert_eq!(both.ids.len(), 3);
        assert_eq!(joined(&[]).ids.len(), 0);
    }

    #[test]
    fn what_differs_is_not_one_shape() {
        let all = [
            batch(1, 2, ArrayData::F32(vec![0.0; 2]), None),
            batch(1, 3, ArrayData::F32(vec![0.0; 3]), None),
            batch(1, 2, ArrayData::U8(vec![0; 2]), None),
            batch(1, 2, ArrayData::F32(vec![0.0; 2]), Some(vec![1, 1])),
        ];
        for (at, one) in all.iter().enumerate() {
            for other in &all[at + 1..] {
                assert_ne!(Shape::of(one), Shape::of(other));
            }
        }
    }
}
