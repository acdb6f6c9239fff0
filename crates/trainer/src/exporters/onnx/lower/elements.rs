//! What is done to each number alone, or to the numbers of an axis.

use burn::backend::ir::{
    ActivationOperationIr, BinaryOpIr, BoolOperationIr, FloatOperationIr, IntOperationIr, NumericOperationIr,
    OperationIr, ReduceDimOpIr, ScalarIr, ScalarOpIr, TensorIr, UnaryOpIr,
};
use burn::tensor::DType;

use super::super::constant::{Constant, Elements};
use super::super::graph::Attribute;
use super::super::proto::element;
use super::super::size::Size;
use super::{Lowering, Refusal, number};

/// What two floats become.
type Both = fn(f32, f32) -> f32;

impl Lowering<'_> {
    pub(super) fn numeric(&mut self, at: usize, operation: &NumericOperationIr) -> Result<bool, Refusal> {
        use NumericOperationIr as N;
        match operation {
            N::Add(op) => self.binary(op, "Add", Some(|a, b| a + b))?,
            N::Sub(op) => self.binary(op, "Sub", Some(|a, b| a - b))?,
            N::Mul(op) => self.binary(op, "Mul", Some(|a, b| a * b))?,
            N::Div(op) => self.binary(op, "Div", Some(|a, b| a / b))?,
            N::Rem(op) => self.binary(op, "Mod", None)?,
            N::AddScalar(op) => self.with_scalar(at, op, "Add", Some(|a, b| a + b), scalar_of)?,
            N::SubScalar(op) => self.with_scalar(at, op, "Sub", Some(|a, b| a - b), scalar_of)?,
            N::MulScalar(op) => self.with_scalar(at, op, "Mul", Some(|a, b| a * b), scalar_of)?,
            N::DivScalar(op) => self.with_scalar(at, op, "Div", Some(|a, b| a / b), scalar_of)?,
            N::PowiScalar(op) => self.power(op)?,
            N::Greater(op) => self.binary(op, "Greater", None)?,
            N::GreaterEqual(op) => self.binary(op, "GreaterOrEqual", None)?,
            N::Lower(op) => self.binary(op, "Less", None)?,
            N::LowerEqual(op) => self.binary(op, "LessOrEqual", None)?,
            N::GreaterElem(op) => self.with_scalar(at, op, "Greater", None, scalar_of)?,
            N::GreaterEqualElem(op) => self.with_scalar(at, op, "GreaterOrEqual", None, scalar_of)?,
            N::LowerElem(op) => self.with_scalar(at, op, "Less", None, scalar_of)?,
            N::LowerEqualElem(op) => self.with_scalar(at, op, "LessOrEqual", None, scalar_of)?,
            N::ClampMin(op) => self.with_scalar(at, op, "Max", Some(f32::max), scalar_of)?,
            N::ClampMax(op) => self.with_scalar(at, op, "Min", Some(f32::min), scalar_of)?,
            N::Clamp(op) => {
                let is_integer = is_integer(&op.tensor);
                let input = self.name(&op.tensor)?;
                let ends = [&op.min, &op.max].map(|end| self.scalar(number(end), is_integer));
                let inputs = [vec![input], ends.to_vec()].concat();
                self.put(&op.out, "Clip", inputs, Vec::new());
            }
            N::Abs(op) => self.unary(op, "Abs", Some(f32::abs))?,
            N::Neg(op) => self.unary(op, "Neg", Some(|x| -x))?,
            N::Sign(op) => self.unary(op, "Sign", None)?,
            N::SumDim(op) => match self.known(&op.input).and_then(|known| known.summed(op.axis)) {
                Some(sum) => {
                    let label = self.label(&op.input);
                    self.put_known(&op.out, sum, label);
                }
                None => self.reduced(op, "ReduceSum")?,
            },
            N::MeanDim(op) => self.reduced(op, "ReduceMean")?,
            N::ProdDim(op) => self.reduced(op, "ReduceProd")?,
            N::MaxDim(op) => self.reduced(op, "ReduceMax")?,
            N::MinDim(op) => self.reduced(op, "ReduceMin")?,
            N::ArgMax(op) => self.placed(op, "ArgMax")?,
            N::ArgMin(op) => self.placed(op, "ArgMin")?,
            N::CumSum(op) => {
                let axis = self.scalar(op.axis as f64, true);
                let input = self.name(&op.input)?;
                self.put(&op.out, "CumSum", vec![input, axis], Vec::new());
            }
            N::Full(op) => self.filled(&op.out, number(&op.value))?,
            N::Pad(op) => return self.padded(at, op),
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn float(&mut self, operation: &FloatOperationIr) -> Result<bool, Refusal> {
        use FloatOperationIr as F;
        match operation {
            F::Exp(op) => self.unary(op, "Exp", Some(f32::exp))?,
            F::Log(op) => self.unary(op, "Log", Some(f32::ln))?,
            F::Erf(op) => self.unary(op, "Erf", None)?,
            F::Sqrt(op) => self.unary(op, "Sqrt", Some(f32::sqrt))?,
            F::Cos(op) => self.unary(op, "Cos", Some(f32::cos))?,
            F::Sin(op) => self.unary(op, "Sin", Some(f32::sin))?,
            F::Tanh(op) => self.unary(op, "Tanh", None)?,
            F::Round(op) => self.unary(op, "Round", None)?,
            F::Floor(op) => self.unary(op, "Floor", Some(f32::floor))?,
            F::Ceil(op) => self.unary(op, "Ceil", Some(f32::ceil))?,
            F::Recip(op) => self.unary(op, "Reciprocal", Some(f32::recip))?,
            F::IsNan(op) => self.unary(op, "IsNaN", None)?,
            F::IsInf(op) => self.unary(op, "IsInf", None)?,
            F::PowfScalar(op) => self.power(op)?,
            F::Powf(op) => self.binary(op, "Pow", Some(f32::powf))?,
            F::IntoInt(op) => self.cast(&op.input, &op.out)?,
            F::Matmul(op) => {
                let inputs = vec![self.name(&op.lhs)?, self.name(&op.rhs)?];
                self.put(&op.out, "MatMul", inputs, Vec::new());
            }
            F::Log1p(op) => {
                let (input, one) = (self.name(&op.input)?, self.scalar(1.0, false));
                let sum = self.graph.add("Add", &self.layer, vec![input, one], Vec::new());
                self.put(&op.out, "Log", vec![sum], Vec::new());
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn int(&mut self, operation: &IntOperationIr) -> Result<bool, Refusal> {
        match operation {
            IntOperationIr::IntoFloat(op) => self.cast(&op.input, &op.out).map(|()| true),
            _ => Ok(false),
        }
    }

    pub(super) fn bool(&mut self, operation: &BoolOperationIr) -> Result<bool, Refusal> {
        use BoolOperationIr as B;
        match operation {
            B::IntoFloat(op) | B::IntoInt(op) => self.cast(&op.input, &op.out)?,
            B::Not(op) => self.unary(op, "Not", None)?,
            B::And(op) => self.binary(op, "And", None)?,
            B::Or(op) => self.binary(op, "Or", None)?,
            B::Xor(op) => self.binary(op, "Xor", None)?,
        }
        Ok(true)
    }

    pub(super) fn activation(&mut self, operation: &ActivationOperationIr) -> Result<bool, Refusal> {
        use ActivationOperationIr as A;
        match operation {
            A::Relu(op) => self.unary(op, "Relu", Some(|x| x.max(0.0)))?,
            A::Gelu(op) => self.unary(op, "Gelu", None)?,
            A::Sigmoid(op) => self.unary(op, "Sigmoid", None)?,
            A::LogSigmoid(op) => {
                // -softplus(-x), which loses nothing where x is far below 0.
                let input = self.name(&op.input)?;
                let turned = self.graph.add("Neg", &self.layer, vec![input], Vec::new());
                let soft = self.graph.add("Softplus", &self.layer, vec![turned], Vec::new());
                self.put(&op.out, "Neg", vec![soft], Vec::new());
            }
            A::LeakyRelu(op) => {
                let input = self.name(&op.lhs)?;
                let slope = Attribute::Float(number(&op.rhs) as f32);
                self.put(&op.out, "LeakyRelu", vec![input], vec![("alpha", slope)]);
            }
            A::PRelu(op) => self.binary(op, "PRelu", None)?,
            A::HardSigmoid(op) => {
                let input = self.name(&op.tensor)?;
                let [alpha, beta] = [&op.alpha, &op.beta].map(|scalar| Attribute::Float(number(scalar) as f32));
                self.put(&op.out, "HardSigmoid", vec![input], vec![("alpha", alpha), ("beta", beta)]);
            }
            A::Softmax(op) => self.over_axis(&op.input, &op.out, "Softmax", op.axis)?,
            A::LogSoftmax(op) => self.over_axis(&op.input, &op.out, "LogSoftmax", op.axis)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn unary(
        &mut self,
        op: &UnaryOpIr,
        operator: &'static str,
        each: Option<fn(f32) -> f32>,
    ) -> Result<(), Refusal> {
        if let (Some(known), Some(each)) = (self.known(&op.input), each)
            && let Some(result) = known.mapped(each)
        {
            let label = self.label(&op.input);
            self.put_known(&op.out, result, label);
            return Ok(());
        }
        let input = self.name(&op.input)?;
        self.put(&op.out, operator, vec![input], Vec::new());
        Ok(())
    }

    pub(super) fn binary(
        &mut self,
        op: &BinaryOpIr,
        operator: &'static str,
        both: Option<Both>,
    ) -> Result<(), Refusal> {
        if let (Some(a), Some(b), Some(both)) = (self.known(&op.lhs), self.known(&op.rhs), both)
            && let Some(result) = a.combined(&b, both)
        {
            let label = self.label(&op.lhs);
            self.put_known(&op.out, result, label);
            return Ok(());
        }
        let inputs = vec![self.operand(&op.lhs, &op.rhs, &op.out)?, self.operand(&op.rhs, &op.lhs, &op.out)?];
        self.put(&op.out, operator, inputs, Vec::new());
        Ok(())
    }

    /// With a scalar, which may follow from the sizes.
    pub(super) fn with_scalar(
        &mut self,
        at: usize,
        op: &ScalarOpIr,
        operator: &'static str,
        both: Option<Both>,
        pick: fn(&OperationIr) -> Option<ScalarIr>,
    ) -> Result<(), Refusal> {
        let values: Vec<f64> = self.each(at, pick)?.iter().map(number).collect();
        let is_fixed = values.iter().all(|value| value.to_bits() == values[0].to_bits());
        if let (true, Some(known), Some(both)) = (is_fixed, self.known(&op.lhs), both)
            && let Some(result) = known.mapped(|x| both(x, values[0] as f32))
        {
            let label = self.label(&op.lhs);
            self.put_known(&op.out, result, label);
            return Ok(());
        }
        let is_integer = is_integer(&op.lhs);
        let scalar = if is_fixed {
            self.scalar(values[0], is_integer)
        } else {
            let whole: Vec<i64> = values.iter().map(|value| *value as i64).collect();
            let size = Size::fit(&whole, &self.sizes).filter(|_| values.iter().all(|value| value.fract() == 0.0));
            let size = size.ok_or("a number changes with the sizes of the inputs and is no sum of products of them")?;
            let row = self.size_value(&size);
            match is_integer {
                true => row,
                false => self.graph.add("Cast", "sizes", vec![row], to_element(element::F32)),
            }
        };
        let input = self.name(&op.lhs)?;
        self.put(&op.out, operator, vec![input, scalar], Vec::new());
        Ok(())
    }

    fn power(&mut self, op: &ScalarOpIr) -> Result<(), Refusal> {
        let power = number(&op.rhs);
        if let Some(result) = self.known(&op.lhs).and_then(|known| known.mapped(|x| x.powf(power as f32))) {
            let label = self.label(&op.lhs);
            self.put_known(&op.out, result, label);
            return Ok(());
        }
        let input = self.name(&op.lhs)?;
        if power == 2.0 {
            self.put(&op.out, "Mul", vec![input.clone(), input], Vec::new());
        } else if power == 0.5 {
            self.put(&op.out, "Sqrt", vec![input], Vec::new());
        } else {
            let power = self.scalar(power, is_integer(&op.lhs));
            self.put(&op.out, "Pow", vec![input, power], Vec::new());
        }
        Ok(())
    }

    fn reduced(&mut self, op: &ReduceDimOpIr, operator: &'static str) -> Result<(), Refusal> {
        let inputs = vec![self.name(&op.input)?, self.integers(vec![op.axis as i64])];
        self.put(&op.out, operator, inputs, vec![("keepdims", Attribute::Int(1))]);
        Ok(())
    }

    fn placed(&mut self, op: &ReduceDimOpIr, operator: &'static str) -> Result<(), Refusal> {
        let input = self.name(&op.input)?;
        let attributes = vec![("axis", Attribute::Int(op.axis as i64)), ("keepdims", Attribute::Int(1))];
        self.put(&op.out, operator, vec![input], attributes);
        Ok(())
    }

    fn over_axis(&mut self, x: &TensorIr, out: &TensorIr, operator: &'static str, axis: usize) -> Result<(), Refusal> {
        let input = self.name(x)?;
        self.put(out, operator, vec![input], vec![("axis", Attribute::Int(axis as i64))]);
        Ok(())
    }

    pub(super) fn cast(&mut self, input: &TensorIr, out: &TensorIr) -> Result<(), Refusal> {
        if input.dtype == out.dtype {
            return self.put_same(out, input);
        }
        let to = match out.dtype {
            DType::F32 => element::F32,
            DType::I64 => element::I64,
            DType::I32 => element::I32,
            DType::Bool(_) => element::BOOL,
            other => return Err(format!("there is no operator that makes {other:?}")),
        };
        let input = self.name(input)?;
        self.put(out, "Cast", vec![input], to_element(to));
        Ok(())
    }

    /// A tensor of one number again and again.
    pub(super) fn filled(&mut self, out: &TensorIr, value: f64) -> Result<(), Refusal> {
        let sizes = self.all_sizes(out)?;
        let one = |value: f64| match out.dtype {
            DType::F32 => Some(Elements::F32(vec![value as f32])),
            DType::I64 | DType::I32 => Some(Elements::I64(vec![value as i64])),
            DType::Bool(_) => Some(Elements::Bool(vec![value != 0.0])),
            _ => None,
        };
        let elements = one(value).ok_or_else(|| format!("there is no operator that makes {:?}", out.dtype))?;
        let single = Constant { shape: vec![1], elements };
        if let Some(known) = sizes.iter().map(Size::known).collect::<Option<Vec<_>>>() {
            let shape: Vec<usize> = known.into_iter().map(|size| size as usize).collect();
            self.put_known(out, single.expanded(&shape), String::new());
            return Ok(());
        }
        let shape = self.sizes_value(&sizes);
        let value = self.graph.hold(&format!("[{value}]"), single);
        self.put(out, "Expand", vec![value, shape], Vec::new());
        Ok(())
    }
}

/// The scalar of an operation with one.
pub(super) fn scalar_of(operation: &OperationIr) -> Option<ScalarIr> {
    use NumericOperationIr as N;
    let (OperationIr::NumericFloat(_, numeric) | OperationIr::NumericInt(_, numeric)) = operation else { return None };
    match numeric {
        N::AddScalar(op)
        | N::SubScalar(op)
        | N::MulScalar(op)
        | N::DivScalar(op)
        | N::GreaterElem(op)
        | N::GreaterEqualElem(op)
        | N::LowerElem(op)
        | N::LowerEqualElem(op)
        | N::ClampMin(op)
        | N::ClampMax(op) => Some(op.rhs),
        _ => None,
    }
}

pub(super) fn is_integer(tensor: &TensorIr) -> bool {
    matches!(tensor.dtype, DType::I64 | DType::I32)
}

fn to_element(element: i32) -> Vec<(&'static str, Attribute)> {
    vec![("to", Attribute::Int(i64::from(element)))]
}
