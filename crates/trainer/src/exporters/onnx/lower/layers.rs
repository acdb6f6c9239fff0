//! Layers with parameters, and what looks at images through windows.

use burn::backend::ir::{
    BatchNormOpIr, Conv1dOpIr, Conv2dOpIr, ConvTranspose2dOpIr, LayerNormOpIr, ModuleOperationIr, TensorIr,
};

use super::super::graph::Attribute;
use super::{Lowering, Refusal, number};

impl Lowering<'_> {
    pub(super) fn module(&mut self, operation: &ModuleOperationIr) -> Result<bool, Refusal> {
        use ModuleOperationIr as M;
        match operation {
            M::Linear(op) => self.linear(&op.x, &op.weight, op.bias.as_ref(), true, &op.out)?,
            M::Conv1d(op) => self.conv1d(op)?,
            M::Conv2d(op) => self.conv2d(op)?,
            M::ConvTranspose2d(op) => self.conv_transpose2d(op)?,
            M::BatchNorm(op) => self.batch_norm(op)?,
            M::LayerNorm(op) => self.layer_norm(op)?,
            M::Embedding(op) => {
                let inputs = vec![self.name(&op.weights)?, self.name(&op.indices)?];
                self.put(&op.out, "Gather", inputs, vec![("axis", Attribute::Int(0))]);
            }
            M::Attention(op) => return self.attention(op),
            M::MaxPool2d(op) => {
                let input = self.name(&op.x)?;
                let mut attributes = window(op.kernel_size, op.stride, op.padding, op.ceil_mode);
                attributes.push(("dilations", ints(op.dilation)));
                self.put(&op.out, "MaxPool", vec![input], attributes);
            }
            M::AvgPool2d(op) => {
                let input = self.name(&op.x)?;
                let mut attributes = window(op.kernel_size, op.stride, op.padding, op.ceil_mode);
                attributes.push(("count_include_pad", Attribute::Int(i64::from(op.count_include_pad))));
                self.put(&op.out, "AveragePool", vec![input], attributes);
            }
            M::AdaptiveAvgPool2d(op) if op.output_size == [1, 1] => {
                let input = self.name(&op.x)?;
                self.put(&op.out, "GlobalAveragePool", vec![input], Vec::new());
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// `x W + b`. Of rows the weight stays as it lies; of more axes the inputs come first, as the operator wants it.
    pub(super) fn linear(
        &mut self,
        x: &TensorIr,
        weight: &TensorIr,
        bias: Option<&TensorIr>,
        is_input_major: bool,
        out: &TensorIr,
    ) -> Result<(), Refusal> {
        if x.shape.num_dims() == 2 {
            let inputs = self.with_parameters(x, weight, bias)?;
            let attributes = if is_input_major { Vec::new() } else { vec![("transB", Attribute::Int(1))] };
            self.put(out, "Gemm", inputs, attributes);
            return Ok(());
        }
        let x = self.name(x)?;
        let weight = if is_input_major { self.name(weight)? } else { self.turned(weight)? };
        match bias {
            None => self.put(out, "MatMul", vec![x, weight], Vec::new()),
            Some(bias) => {
                let product = self.graph.add("MatMul", &self.layer, vec![x, weight], Vec::new());
                let bias = self.name(bias)?;
                self.put(out, "Add", vec![product, bias], Vec::new());
            }
        }
        Ok(())
    }

    /// The name of a matrix, turned. What stands in the graph as it is, such as an embedding, is not written a second time.
    fn turned(&mut self, weight: &TensorIr) -> Result<String, Refusal> {
        let order = || vec![("perm", Attribute::Ints(vec![1, 0]))];
        match (self.held.get(&weight.id).cloned(), self.known(weight)) {
            (None, Some(known)) => {
                let label = self.label(weight);
                self.of_layer(&label);
                Ok(self.graph.hold(&format!("{label}_t"), known.permuted(&[1, 0])))
            }
            (Some(name), _) => Ok(self.graph.add("Transpose", &self.layer, vec![name], order())),
            (None, None) => {
                let name = self.name(weight)?;
                Ok(self.graph.add("Transpose", &self.layer, vec![name], order()))
            }
        }
    }

    fn conv2d(&mut self, op: &Conv2dOpIr) -> Result<(), Refusal> {
        let inputs = self.with_parameters(&op.x, &op.weight, op.bias.as_ref())?;
        let [(top, bottom), (left, right)] = op.options.padding;
        let attributes = vec![
            ("kernel_shape", ints(&op.weight.shape.to_vec()[2..])),
            ("strides", ints(op.options.stride)),
            ("pads", ints([top, left, bottom, right])),
            ("dilations", ints(op.options.dilation)),
            ("group", Attribute::Int(op.options.groups as i64)),
        ];
        self.put(&op.out, "Conv", inputs, attributes);
        Ok(())
    }

    fn conv1d(&mut self, op: &Conv1dOpIr) -> Result<(), Refusal> {
        let inputs = self.with_parameters(&op.x, &op.weight, op.bias.as_ref())?;
        let [(before, behind)] = op.options.padding;
        let attributes = vec![
            ("kernel_shape", ints(&op.weight.shape.to_vec()[2..])),
            ("strides", ints(op.options.stride)),
            ("pads", ints([before, behind])),
            ("dilations", ints(op.options.dilation)),
            ("group", Attribute::Int(op.options.groups as i64)),
        ];
        self.put(&op.out, "Conv", inputs, attributes);
        Ok(())
    }

    fn conv_transpose2d(&mut self, op: &ConvTranspose2dOpIr) -> Result<(), Refusal> {
        let inputs = self.with_parameters(&op.x, &op.weight, op.bias.as_ref())?;
        let [rows, columns] = op.options.padding;
        let attributes = vec![
            ("kernel_shape", ints(&op.weight.shape.to_vec()[2..])),
            ("strides", ints(op.options.stride)),
            ("pads", ints([rows, columns, rows, columns])),
            ("output_padding", ints(op.options.padding_out)),
            ("dilations", ints(op.options.dilation)),
            ("group", Attribute::Int(op.options.groups as i64)),
        ];
        self.put(&op.out, "ConvTranspose", inputs, attributes);
        Ok(())
    }

    fn with_parameters(
        &mut self,
        x: &TensorIr,
        weight: &TensorIr,
        bias: Option<&TensorIr>,
    ) -> Result<Vec<String>, Refusal> {
        let mut inputs = vec![self.name(x)?, self.name(weight)?];
        if let Some(bias) = bias {
            inputs.push(self.name(bias)?);
        }
        Ok(inputs)
    }

    fn batch_norm(&mut self, op: &BatchNormOpIr) -> Result<(), Refusal> {
        let x = self.name(&op.x)?;
        let mut inputs = vec![x];
        for parameter in [&op.gamma, &op.beta, &op.mean, &op.variance] {
            inputs.push(self.name(parameter)?);
        }
        let attributes = vec![("epsilon", Attribute::Float(number(&op.epsilon) as f32))];
        self.put(&op.out, "BatchNormalization", inputs, attributes);
        Ok(())
    }

    fn layer_norm(&mut self, op: &LayerNormOpIr) -> Result<(), Refusal> {
        let inputs = self.with_parameters(&op.input, &op.gamma, op.beta.as_ref())?;
        let epsilon = Attribute::Float(number(&op.epsilon) as f32);
        self.put(&op.out, "LayerNormalization", inputs, vec![("axis", Attribute::Int(-1)), ("epsilon", epsilon)]);
        Ok(())
    }
}

fn ints(values: impl AsRef<[usize]>) -> Attribute {
    Attribute::Ints(values.as_ref().iter().map(|value| *value as i64).collect())
}

fn window(
    kernel: [usize; 2],
    stride: [usize; 2],
    [rows, columns]: [usize; 2],
    ceil: bool,
) -> Vec<(&'static str, Attribute)> {
    vec![
        ("kernel_shape", ints(kernel)),
        ("strides", ints(stride)),
        ("pads", ints([rows, columns, rows, columns])),
        ("ceil_mode", Attribute::Int(i64::from(ceil))),
    ]
}
