//! What moves numbers and does not change them.

use burn::backend::ir::{
    BaseOperationIr, CatOpIr, OperationIr, PadModeIr, PadOpIr, ScalarIr, SliceAssignOpIr, SliceOpIr, TensorIr,
};
use burn::tensor::Slice;

use super::super::graph::Attribute;
use super::super::size::Size;
use super::{Lowering, Refusal, Value, number};

/// Behind every end.
const END: i64 = i64::MAX;

impl Lowering<'_> {
    pub(super) fn base(&mut self, at: usize, operation: &BaseOperationIr) -> Result<bool, Refusal> {
        use BaseOperationIr as B;
        match operation {
            B::Reshape(op) => self.reshape(&op.input, &op.out)?,
            B::SwapDims(op) => {
                let mut order: Vec<usize> = (0..op.input.shape.num_dims()).collect();
                order.swap(op.dim1, op.dim2);
                self.permute(&op.input, &op.out, &order)?;
            }
            B::Permute(op) => self.permute(&op.input, &op.out, &op.axes)?,
            B::Expand(op) => {
                if self.alike(&op.input, &op.out) {
                    self.put_same(&op.out, &op.input)?;
                } else {
                    let value = Value::Expanded { of: op.input.clone(), to: op.out.clone() };
                    self.values.insert(op.out.id, value);
                }
            }
            B::Slice(op) => self.slice(at, op)?,
            B::SliceAssign(op) => return self.slice_assign(at, op),
            B::Select(op) => {
                let inputs = vec![self.name(&op.tensor)?, self.name(&op.indices)?];
                self.put(&op.out, "Gather", inputs, vec![("axis", Attribute::Int(op.dim as i64))]);
            }
            B::Gather(op) => {
                let inputs = vec![self.name(&op.tensor)?, self.name(&op.indices)?];
                self.put(&op.out, "GatherElements", inputs, vec![("axis", Attribute::Int(op.dim as i64))]);
            }
            B::MaskWhere(op) => {
                let mask = self.operand(&op.mask, &op.tensor, &op.out)?;
                let value = self.operand(&op.value, &op.tensor, &op.out)?;
                let inputs = vec![mask, value, self.name(&op.tensor)?];
                self.put(&op.out, "Where", inputs, Vec::new());
            }
            B::MaskFill(op) => {
                let mask = self.operand(&op.mask, &op.tensor, &op.out)?;
                let value = self.scalar(number(&op.value), super::elements::is_integer(&op.tensor));
                let inputs = vec![mask, value, self.name(&op.tensor)?];
                self.put(&op.out, "Where", inputs, Vec::new());
            }
            B::Equal(op) => self.binary(op, "Equal", None)?,
            B::EqualElem(op) => self.with_scalar(at, op, "Equal", None, compared)?,
            B::NotEqual(op) => {
                let inputs = vec![self.operand(&op.lhs, &op.rhs, &op.out)?, self.operand(&op.rhs, &op.lhs, &op.out)?];
                let equal = self.graph.add("Equal", &self.layer, inputs, Vec::new());
                self.put(&op.out, "Not", vec![equal], Vec::new());
            }
            B::RepeatDim(op) => {
                let times = self.size(at, |operation| match operation {
                    OperationIr::BaseFloat(B::RepeatDim(op)) | OperationIr::BaseInt(B::RepeatDim(op)) => {
                        Some(op.times as i64)
                    }
                    _ => None,
                })?;
                let mut repeats = vec![Size::fixed(1); op.tensor.shape.num_dims()];
                repeats[op.dim] = times;
                let inputs = vec![self.name(&op.tensor)?, self.sizes_value(&repeats)];
                self.put(&op.out, "Tile", inputs, Vec::new());
            }
            B::Cat(op) => self.concat(op)?,
            B::Cast(op) => self.cast(&op.input, &op.out)?,
            B::Ones(op) => self.filled(&op.out, 1.0)?,
            B::Zeros(op) | B::Empty(op) => self.filled(&op.out, 0.0)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn reshape(&mut self, input: &TensorIr, out: &TensorIr) -> Result<(), Refusal> {
        if self.alike(input, out) {
            return self.put_same(out, input);
        }
        if let Some(known) = self.known(input).filter(|_| self.is_fixed(out)) {
            let label = self.label(input);
            self.put_known(out, known.reshaped(out.shape.to_vec()), label);
            return Ok(());
        }
        let shape = if let Some(target) = self.target(input, out) {
            self.integers(target)
        } else {
            let sizes = self.all_sizes(out)?;
            self.sizes_value(&sizes)
        };
        let input = self.name(input)?;
        self.put(out, "Reshape", vec![input, shape], Vec::new());
        Ok(())
    }

    /// The shape to bring `input` to as the operator takes it: 0 for an axis that stays, -1 for the one that follows from the others.
    /// Nothing if more than one would.
    fn target(&self, input: &TensorIr, out: &TensorIr) -> Option<Vec<i64>> {
        let (before, after) = (self.shapes.get(&input.id)?, self.shapes.get(&out.id)?);
        let mut follows = 0;
        let size = |axis: usize| {
            let first = after[0][axis];
            let stays =
                before[0].len() > axis && before.iter().zip(after).all(|(before, after)| before[axis] == after[axis]);
            if after.iter().all(|shape| shape[axis] == first) {
                first as i64
            } else if stays {
                0
            } else {
                follows += 1;
                -1
            }
        };
        let target = (0..after[0].len()).map(size).collect();
        (follows <= 1).then_some(target)
    }

    fn permute(&mut self, input: &TensorIr, out: &TensorIr, order: &[usize]) -> Result<(), Refusal> {
        if let Some(known) = self.known(input) {
            let label = self.label(input);
            self.put_known(out, known.permuted(order), label);
            return Ok(());
        }
        let input = self.name(input)?;
        let order = order.iter().map(|axis| *axis as i64).collect();
        self.put(out, "Transpose", vec![input], vec![("perm", Attribute::Ints(order))]);
        Ok(())
    }

    /// From where to where each axis is cut, as far as it is cut: axis, beginning, end.
    fn cuts(&self, at: usize, tensor: &TensorIr) -> Result<Vec<(usize, Size, Size)>, Refusal> {
        let ranges = self.each(at, ranges_of)?;
        let shapes = &self.shapes[&tensor.id];
        let mut cuts = Vec::new();
        for axis in 0..ranges[0].len() {
            let all: Vec<(i64, i64)> =
                ranges.iter().zip(shapes).map(|(ranges, shape)| ends(&ranges[axis], shape[axis])).collect();
            if ranges.iter().any(|ranges| ranges[axis].step != 1) {
                return Err("there is no operator for a slice with steps".into());
            }
            if all.iter().zip(shapes).all(|((start, end), shape)| (*start, *end) == (0, shape[axis] as i64)) {
                continue;
            }
            let fit = |of: fn(&(i64, i64)) -> i64| {
                let values: Vec<i64> = all.iter().map(of).collect();
                Size::fit(&values, &self.sizes)
                    .ok_or("a slice begins or ends at no sum of products of the inputs' sizes")
            };
            // What reaches to the end does so at all sizes.
            let to_end = all.iter().zip(shapes).all(|((_, end), shape)| *end == shape[axis] as i64);
            let end = if to_end { Size::fixed(END) } else { fit(|cut| cut.1)? };
            cuts.push((axis, fit(|cut| cut.0)?, end));
        }
        Ok(cuts)
    }

    fn slice(&mut self, at: usize, op: &SliceOpIr) -> Result<(), Refusal> {
        let cuts = self.cuts(at, &op.tensor)?;
        if cuts.is_empty() {
            return self.put_same(&op.out, &op.tensor);
        }
        if let Some(known) = self.known(&op.tensor).filter(|_| self.is_fixed(&op.out)) {
            let range = |axis: usize| match op.ranges.get(axis) {
                Some(range) => ends(range, known.shape[axis]).0 as usize,
                None => 0,
            };
            let ranges: Vec<(usize, usize)> =
                (0..known.shape.len()).map(|axis| (range(axis), op.out.shape[axis])).collect();
            let label = self.label(&op.tensor);
            self.put_known(&op.out, known.sliced(&ranges), label);
            return Ok(());
        }
        let input = self.name(&op.tensor)?;
        let name = self.cut(input, cuts);
        self.values.insert(op.out.id, Value::Named(name));
        Ok(())
    }

    /// A part of what is called `input`.
    pub(super) fn cut(&mut self, input: String, cuts: Vec<(usize, Size, Size)>) -> String {
        let axes = cuts.iter().map(|(axis, ..)| *axis as i64).collect();
        let (starts, ends): (Vec<Size>, Vec<Size>) = cuts.into_iter().map(|(_, start, end)| (start, end)).unzip();
        let inputs = vec![input, self.sizes_value(&starts), self.sizes_value(&ends), self.integers(axes)];
        self.graph.add("Slice", &self.layer, inputs, Vec::new())
    }

    /// What lies before, what is put in, and what lies behind.
    fn slice_assign(&mut self, at: usize, op: &SliceAssignOpIr) -> Result<bool, Refusal> {
        let cuts = self.cuts(at, &op.tensor)?;
        let [(axis, start, end)] = cuts.as_slice() else { return Ok(false) };
        let mut parts = Vec::new();
        let tensor = self.name(&op.tensor)?;
        if start.known() != Some(0) {
            parts.push(self.cut(tensor.clone(), vec![(*axis, Size::fixed(0), start.clone())]));
        }
        parts.push(self.name(&op.value)?);
        if end.known() != Some(END) {
            parts.push(self.cut(tensor, vec![(*axis, end.clone(), Size::fixed(END))]));
        }
        self.put(&op.out, "Concat", parts, vec![("axis", Attribute::Int(*axis as i64))]);
        Ok(true)
    }

    fn concat(&mut self, op: &CatOpIr) -> Result<(), Refusal> {
        if let [only] = op.tensors.as_slice() {
            return self.put_same(&op.out, only);
        }
        let parts = op.tensors.iter().map(|tensor| self.name(tensor)).collect::<Result<_, _>>()?;
        self.put(&op.out, "Concat", parts, vec![("axis", Attribute::Int(op.dim as i64))]);
        Ok(())
    }

    pub(super) fn padded(&mut self, at: usize, op: &PadOpIr) -> Result<bool, Refusal> {
        let (mode, value) = match op.mode {
            PadModeIr::Constant(value) => ("constant", value),
            PadModeIr::Reflect => ("reflect", ScalarIr::Float(0.0)),
            PadModeIr::Edge => ("edge", ScalarIr::Float(0.0)),
        };
        let axes = op.padding.len();
        let pads = |end: bool| -> Result<Vec<Size>, Refusal> {
            let one = |axis: usize| {
                self.size(at, |operation| match operation {
                    OperationIr::NumericFloat(_, burn::backend::ir::NumericOperationIr::Pad(op)) => {
                        let (before, behind) = op.padding[axis];
                        Some(if end { behind } else { before } as i64)
                    }
                    _ => None,
                })
            };
            (0..axes).map(one).collect()
        };
        let pads = [pads(false)?, pads(true)?].concat();
        let inputs = vec![self.name(&op.input)?, self.sizes_value(&pads), self.scalar(number(&value), false)];
        self.put(&op.out, "Pad", inputs, vec![("mode", Attribute::Text(mode.to_owned()))]);
        Ok(true)
    }
}

fn ranges_of(operation: &OperationIr) -> Option<Vec<Slice>> {
    let (OperationIr::BaseFloat(base) | OperationIr::BaseInt(base) | OperationIr::BaseBool(base)) = operation else {
        return None;
    };
    match base {
        BaseOperationIr::Slice(op) => Some(op.ranges.clone()),
        BaseOperationIr::SliceAssign(op) => Some(op.ranges.clone()),
        _ => None,
    }
}

/// Where a slice of an axis of `size` begins and ends, counted from its beginning.
fn ends(slice: &Slice, size: usize) -> (i64, i64) {
    let from_start = |place: isize| if place < 0 { place + size as isize } else { place } as i64;
    (from_start(slice.start), slice.end.map_or(size as i64, |end| from_start(end).min(size as i64)))
}

fn compared(operation: &OperationIr) -> Option<ScalarIr> {
    let (OperationIr::BaseFloat(base) | OperationIr::BaseInt(base) | OperationIr::BaseBool(base)) = operation else {
        return None;
    };
    match base {
        BaseOperationIr::EqualElem(op) => Some(op.rhs),
        _ => None,
    }
}
