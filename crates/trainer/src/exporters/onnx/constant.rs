//! What are the numbers that a graph holds, and which of them can be computed before it is written?

use burn::tensor::{DType, TensorData};

/// A tensor that is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// The size of each axis.
    pub shape: Vec<usize>,
    /// What it holds, the last axis running fastest.
    pub elements: Elements,
}

/// What a tensor holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 64-bit floats.
    F64(Vec<f64>),
    /// 64-bit integers.
    I64(Vec<i64>),
    /// 32-bit integers.
    I32(Vec<i32>),
    /// Signed bytes.
    I8(Vec<i8>),
    /// Bytes.
    U8(Vec<u8>),
    /// Yes or no.
    Bool(Vec<bool>),
    /// Texts.
    Text(Vec<String>),
}

impl Constant {
    /// A single float, without axes.
    pub fn scalar(value: f32) -> Self {
        Self { shape: Vec::new(), elements: Elements::F32(vec![value]) }
    }

    /// A row of integers.
    pub fn integers(values: Vec<i64>) -> Self {
        Self { shape: vec![values.len()], elements: Elements::I64(values) }
    }

    /// Floats of a shape.
    pub fn floats(shape: Vec<usize>, values: Vec<f32>) -> Self {
        Self { shape, elements: Elements::F32(values) }
    }

    /// What a network was given; nothing of a type that no network of ours holds.
    pub fn of(data: &TensorData) -> Option<Self> {
        let elements = match data.dtype() {
            DType::F32 => Elements::F32(data.clone().try_into_vec().ok()?),
            DType::I64 => Elements::I64(data.clone().try_into_vec().ok()?),
            DType::I32 => Elements::I64(data.clone().convert::<i64>().try_into_vec().ok()?),
            DType::Bool(_) => Elements::Bool(data.clone().convert::<bool>().try_into_vec().ok()?),
            _ => return None,
        };
        Some(Self { shape: data.shape().to_vec(), elements })
    }

    /// The floats, if it holds any.
    pub fn as_floats(&self) -> Option<&[f32]> {
        match &self.elements {
            Elements::F32(values) => Some(values),
            _ => None,
        }
    }

    /// The axes in another order.
    pub fn permuted(&self, order: &[usize]) -> Self {
        let shape: Vec<usize> = order.iter().map(|axis| self.shape[*axis]).collect();
        let strides = strides(&self.shape);
        let steps: Vec<usize> = order.iter().map(|axis| strides[*axis]).collect();
        self.picked(shape.clone(), &places(&shape, &steps, 0))
    }

    /// Other axes, the numbers in the same order.
    pub fn reshaped(&self, shape: Vec<usize>) -> Self {
        Self { shape, elements: self.elements.clone() }
    }

    /// A part of it: of each axis where it begins and how long it is.
    pub fn sliced(&self, ranges: &[(usize, usize)]) -> Self {
        let strides = strides(&self.shape);
        let shape: Vec<usize> = ranges.iter().map(|(_, length)| *length).collect();
        let first = ranges.iter().zip(&strides).map(|((start, _), stride)| start * stride).sum();
        self.picked(shape.clone(), &places(&shape, &strides, first))
    }

    /// Repeated along axes of the size 1 until it has `shape`, whose last axes are its own.
    pub fn expanded(&self, shape: &[usize]) -> Self {
        self.picked(shape.to_vec(), &places(shape, &broadcast_strides(&self.shape, shape), 0))
    }

    /// `operation` of each float.
    pub fn mapped(&self, operation: impl Fn(f32) -> f32) -> Option<Self> {
        let values = self.as_floats()?.iter().map(|value| operation(*value)).collect();
        Some(Self::floats(self.shape.clone(), values))
    }

    /// `operation` of the floats of both, either of which is repeated where it has the size 1.
    pub fn combined(&self, other: &Self, operation: impl Fn(f32, f32) -> f32) -> Option<Self> {
        let (a, b) = (self.as_floats()?, other.as_floats()?);
        let rank = self.shape.len().max(other.shape.len());
        let size = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
        let shape: Vec<usize> = (0..rank).map(|axis| size(&self.shape, axis).max(size(&other.shape, axis))).collect();
        let of = |own: &[usize]| places(&shape, &broadcast_strides(own, &shape), 0);
        let values = of(&self.shape).into_iter().zip(of(&other.shape)).map(|(i, j)| operation(a[i], b[j])).collect();
        Some(Self::floats(shape, values))
    }

    /// The sum over an axis, which keeps the size 1.
    pub fn summed(&self, axis: usize) -> Option<Self> {
        let values = self.as_floats()?;
        let (length, inner): (usize, usize) = (self.shape[axis], self.shape[axis + 1..].iter().product());
        let outer = values.len() / (length * inner).max(1);
        let sum = |at: usize| -> f32 {
            let (outer, inner_at) = (at / inner, at % inner);
            (0..length).map(|k| values[(outer * length + k) * inner + inner_at]).sum()
        };
        let mut shape = self.shape.clone();
        shape[axis] = 1;
        Some(Self::floats(shape, (0..outer * inner).map(sum).collect()))
    }

    fn picked(&self, shape: Vec<usize>, places: &[usize]) -> Self {
        fn pick<T: Clone>(from: &[T], places: &[usize]) -> Vec<T> {
            places.iter().map(|place| from[*place].clone()).collect()
        }
        let elements = match &self.elements {
            Elements::F32(values) => Elements::F32(pick(values, places)),
            Elements::F64(values) => Elements::F64(pick(values, places)),
            Elements::I64(values) => Elements::I64(pick(values, places)),
            Elements::I32(values) => Elements::I32(pick(values, places)),
            Elements::I8(values) => Elements::I8(pick(values, places)),
            Elements::U8(values) => Elements::U8(pick(values, places)),
            Elements::Bool(values) => Elements::Bool(pick(values, places)),
            Elements::Text(values) => Elements::Text(pick(values, places)),
        };
        Self { shape, elements }
    }
}

/// How far apart neighbours along each axis lie.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1];
    }
    strides
}

/// The same for what is repeated until it has `target`.
fn broadcast_strides(shape: &[usize], target: &[usize]) -> Vec<usize> {
    let (own, missing) = (strides(shape), target.len() - shape.len());
    let stride = |axis: usize| match axis.checked_sub(missing) {
        Some(axis) if shape[axis] != 1 => own[axis],
        _ => 0,
    };
    (0..target.len()).map(stride).collect()
}

/// Where each element of something of `shape` lies.
fn places(shape: &[usize], strides: &[usize], first: usize) -> Vec<usize> {
    let mut places = vec![first];
    for (size, stride) in shape.iter().zip(strides) {
        places = places.iter().flat_map(|place| (0..*size).map(move |k| place + k * stride)).collect();
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(shape: &[usize]) -> Constant {
        Constant::floats(shape.to_vec(), (0..shape.iter().product::<usize>()).map(|k| k as f32).collect())
    }

    #[test]
    fn axes_change_places_and_parts_are_cut_out() {
        let x = counted(&[2, 3]);
        assert_eq!(x.permuted(&[1, 0]), Constant::floats(vec![3, 2], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
        assert_eq!(x.sliced(&[(1, 1), (1, 2)]), Constant::floats(vec![1, 2], vec![4.0, 5.0]));
        assert_eq!(counted(&[3]).expanded(&[2, 3]).as_floats().unwrap(), [0.0, 1.0, 2.0, 0.0, 1.0, 2.0]);
        assert_eq!(x.summed(0).unwrap(), Constant::floats(vec![1, 3], vec![3.0, 5.0, 7.0]));
        assert_eq!(x.summed(1).unwrap(), Constant::floats(vec![2, 1], vec![3.0, 12.0]));
        let column = Constant::floats(vec![2, 1], vec![10.0, 20.0]);
        let sum = x.combined(&column, |a, b| a + b).unwrap();
        assert_eq!(sum.as_floats().unwrap(), [10.0, 11.0, 12.0, 23.0, 24.0, 25.0]);
        let cube = counted(&[2, 3, 4]);
        assert_eq!(cube.permuted(&[2, 0, 1]).permuted(&[1, 2, 0]), cube);
    }
}
