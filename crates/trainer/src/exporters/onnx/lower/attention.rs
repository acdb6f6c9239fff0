//! How places of a sequence look at each other.
//!
//! Attention is written as the products, the softmax and the mask that it is made of: every runtime knows these, and the larger ones find
//! attention in them.

use burn::backend::ir::{AttentionOpIr, TensorIr};

use super::super::graph::Attribute;
use super::super::size::Size;
use super::{Lowering, Refusal, number};

impl Lowering<'_> {
    /// `softmax(q k^T / sqrt(features)) v`, without what is forbidden.
    pub(super) fn attention(&mut self, op: &AttentionOpIr) -> Result<bool, Refusal> {
        if op.options.softcap.is_some() {
            return Ok(false);
        }
        let features = op.query.shape[3] as f64;
        let scale = op.options.scale.as_ref().map_or(1.0 / features.sqrt(), number);
        let [query, key, value] = [&op.query, &op.key, &op.value].map(|tensor| self.name(tensor));
        let (query, key, value) = (query?, key?, value?);
        let layer = self.layer.clone();
        let order = vec![("perm", Attribute::Ints(vec![0, 1, 3, 2]))];
        let key = self.graph.add("Transpose", &layer, vec![key], order);
        let scale = self.scalar(scale, false);
        // Smaller numbers first: the query is scaled, and not every pair.
        let query = self.graph.add("Mul", &layer, vec![query, scale], Vec::new());
        let mut scores = self.graph.add("MatMul", &layer, vec![query, key], Vec::new());
        if let Some(bias) = &op.attn_bias {
            let bias = self.name(bias)?;
            scores = self.graph.add("Add", &layer, vec![scores, bias], Vec::new());
        }
        // The smallest number does what minus infinity would: no row forbids everything.
        let least = self.scalar(f64::from(f32::MIN), false);
        if let Some(mask) = &op.mask {
            let mask = match self.values.get(&mask.id).cloned() {
                Some(super::Value::Expanded { of, .. }) => self.name(&of)?,
                _ => self.name(mask)?,
            };
            scores = self.graph.add("Where", &layer, vec![mask, least.clone(), scores], Vec::new());
        }
        if op.options.is_causal {
            let ahead = self.ahead(&op.query, &op.key)?;
            scores = self.graph.add("Where", &layer, vec![ahead, least, scores], Vec::new());
        }
        let weights = self.graph.add("Softmax", &layer, vec![scores], vec![("axis", Attribute::Int(-1))]);
        self.put(&op.out, "MatMul", vec![weights, value], Vec::new());
        Ok(true)
    }

    /// True where a place of the query would look at a later one of the key, `[queries, keys]`.
    fn ahead(&mut self, query: &TensorIr, key: &TensorIr) -> Result<String, Refusal> {
        let size = |tensor: &TensorIr| self.fitted(tensor.id)[2].clone();
        let (queries, keys) = (size(query), size(key));
        let both = queries.zip(keys).filter(|(queries, keys)| queries == keys);
        let (length, _) = both.ok_or("causal attention is written for as many queries as keys")?;
        let name = format!("ahead {length}");
        if let Some(known) = self.once.get(&name) {
            return Ok(known.clone());
        }
        let places = self.places(&length);
        let [first, second] = [0, 1].map(|axis| self.integers(vec![axis]));
        let keys = self.graph.add("Unsqueeze", "places", vec![places.clone(), first], Vec::new());
        let queries = self.graph.add("Unsqueeze", "places", vec![places, second], Vec::new());
        let ahead = self.graph.add("Less", "places", vec![queries, keys], Vec::new());
        self.once.insert(name, ahead.clone());
        Ok(ahead)
    }

    /// 0, 1, 2 ... up to below `length`.
    fn places(&mut self, length: &Size) -> String {
        let length = self.size_value(length);
        let axis = self.integers(vec![0]);
        let length = self.graph.add("Squeeze", "places", vec![length, axis], Vec::new());
        let [zero, one] = [0.0, 1.0].map(|value| self.scalar(value, true));
        self.graph.add("Range", "places", vec![zero, length, one], Vec::new())
    }
}
