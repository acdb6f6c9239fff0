//! How do sizes and other numbers get into the graph? Each once, however often it is needed.

use burn::backend::ir::TensorIr;
use model_zoo::graph::Axis;

use super::super::constant::{Constant, Elements};
use super::super::graph::Attribute;
use super::super::size::Size;
use super::{Lowering, Refusal};

impl Lowering<'_> {
    /// The size of each axis of a tensor.
    pub(super) fn all_sizes(&self, tensor: &TensorIr) -> Result<Vec<Size>, Refusal> {
        let sizes = self.fitted(tensor.id).into_iter().collect::<Option<Vec<_>>>();
        sizes.ok_or_else(|| "the size of an axis is no sum of products of the inputs' sizes".to_owned())
    }

    /// A row of integers in the graph.
    pub(super) fn sizes_value(&mut self, sizes: &[Size]) -> String {
        if let Some(known) = sizes.iter().map(Size::known).collect::<Option<Vec<_>>>() {
            return self.integers(known);
        }
        let key = format!("sizes {}", sizes.iter().map(Size::to_string).collect::<Vec<_>>().join(", "));
        if let Some(name) = self.once.get(&key) {
            return name.clone();
        }
        let parts: Vec<String> = sizes.iter().map(|size| self.size_value(size)).collect();
        let name = match parts.len() {
            1 => parts[0].clone(),
            _ => self.graph.add("Concat", "sizes", parts, vec![("axis", Attribute::Int(0))]),
        };
        self.once.insert(key, name.clone());
        name
    }

    /// A size in the graph, a row of one integer.
    pub(super) fn size_value(&mut self, size: &Size) -> String {
        if let Some(known) = size.known() {
            return self.integers(vec![known]);
        }
        let key = format!("size {size}");
        if let Some(name) = self.once.get(&key) {
            return name.clone();
        }
        let mut sum: Option<String> = (size.constant != 0).then(|| self.integers(vec![size.constant]));
        for (factor, axes) in size.terms.clone() {
            let mut product: Option<String> = (factor != 1).then(|| self.integers(vec![factor]));
            for axis in axes {
                let of_axis = self.axis_value(axis);
                product = Some(match product {
                    Some(product) => self.graph.add("Mul", "sizes", vec![product, of_axis], Vec::new()),
                    None => of_axis,
                });
            }
            let product = product.unwrap_or_else(|| self.integers(vec![factor]));
            sum = Some(match sum {
                Some(sum) => self.graph.add("Add", "sizes", vec![sum, product], Vec::new()),
                None => product,
            });
        }
        let name = sum.unwrap_or_else(|| self.integers(vec![0]));
        self.once.insert(key, name.clone());
        name
    }

    /// The size of an open axis in the graph, a row of one integer.
    pub(super) fn axis_value(&mut self, axis: Axis) -> String {
        let key = format!("axis {}", axis.name());
        if let Some(name) = self.once.get(&key) {
            return name.clone();
        }
        let name = match self.axes.get(&axis).cloned() {
            Some((input, place)) => {
                let part = |at: usize| Attribute::Int(at as i64);
                let ends = vec![("start", part(place)), ("end", part(place + 1))];
                self.graph.add("Shape", axis.name(), vec![input], ends)
            }
            None => self.integers(vec![1]),
        };
        self.once.insert(key, name.clone());
        name
    }

    /// A row of integers that do not change.
    pub(super) fn integers(&mut self, values: Vec<i64>) -> String {
        let key = format!("integers {values:?}");
        if let Some(name) = self.once.get(&key) {
            return name.clone();
        }
        let label = values.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        let name = self.graph.hold(&format!("[{label}]"), Constant::integers(values));
        self.once.insert(key, name.clone());
        name
    }

    /// A number without axes, of the type that `like` has.
    pub(super) fn scalar(&mut self, value: f64, is_integer: bool) -> String {
        let key = format!("scalar {value:e} {is_integer}");
        if let Some(name) = self.once.get(&key) {
            return name.clone();
        }
        let constant = match is_integer {
            true => Constant { shape: Vec::new(), elements: Elements::I64(vec![value as i64]) },
            false => Constant::scalar(value as f32),
        };
        let name = self.graph.hold(&format!("{value}"), constant);
        self.once.insert(key, name.clone());
        name
    }
}
