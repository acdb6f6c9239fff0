//! How do convolutions and linear layers compute with bytes?
//!
//! Weights become signed bytes, each output channel with a scale of its own, as in Jacob et al., "Quantization and Training of Neural
//! Networks for Efficient Integer-Arithmetic-Only Inference", 2018. What goes in becomes unsigned bytes: in a range that was measured
//! beforehand (static, written as `QuantizeLinear` and `DequantizeLinear` around each layer), or in that of the batch at hand (dynamic).

use std::collections::{BTreeMap, BTreeSet};

use super::constant::{Constant, Elements};
use super::graph::{Attribute, Graph, Node};
use super::proto::element;
use super::simplify::remove_unused;

/// The smallest and the largest number that a value takes.
pub type Ranges = BTreeMap<String, (f32, f32)>;

/// The largest signed byte; its negative is the smallest that is used, so that 0 lies in the middle.
const LARGEST: f32 = 127.0;

/// The most units that a bias has, far below where 32 bits end: sums of products are added to it.
const ROOM: f32 = (1 << 30) as f32;

/// A layer whose weights become bytes.
struct Layer {
    /// Its place among the nodes.
    at: usize,
    /// The axis of the weights that its output channels lie along.
    axis: usize,
}

/// The names of what goes into the layers that compute with bytes.
pub fn measured(graph: &Graph) -> Vec<String> {
    let names: BTreeSet<String> = layers(graph).iter().map(|layer| graph.nodes[layer.at].inputs[0].clone()).collect();
    names.into_iter().collect()
}

/// Convolutions and linear layers with weights that are known and used by them alone.
fn layers(graph: &Graph) -> Vec<Layer> {
    let layer = |(at, node): (usize, &Node)| {
        let weight = graph.constants.get(node.inputs.get(1)?)?;
        weight.as_floats()?;
        let axis = match node.operator {
            "Conv" => 0,
            "Gemm" => usize::from(node.int("transB") != Some(1)),
            "MatMul" if weight.shape.len() == 2 => 1,
            _ => return None,
        };
        // A bias that is computed would have to be quantised on the way.
        let bias_known = node.inputs.get(2).is_none_or(|bias| graph.constants.contains_key(bias));
        bias_known.then_some(Layer { at, axis })
    };
    graph.nodes.iter().enumerate().filter_map(layer).collect()
}

/// Signed bytes for weights, and a scale for each output channel.
fn bytes(weight: &Constant, axis: usize) -> (Constant, Vec<f32>) {
    let values = weight.as_floats().unwrap_or_default();
    let (channels, inner): (usize, usize) = (weight.shape[axis], weight.shape[axis + 1..].iter().product());
    let channel = |at: usize| at / inner.max(1) % channels;
    let mut largest = vec![0.0_f32; channels];
    for (at, value) in values.iter().enumerate() {
        largest[channel(at)] = largest[channel(at)].max(value.abs());
    }
    // A channel of zeros has any scale.
    let scales: Vec<f32> = largest.iter().map(|most| if *most > 0.0 { most / LARGEST } else { 1.0 }).collect();
    let byte = |(at, value): (usize, &f32)| (value / scales[channel(at)]).round().clamp(-LARGEST, LARGEST) as i8;
    let elements = Elements::I8(values.iter().enumerate().map(byte).collect());
    (Constant { shape: weight.shape.clone(), elements }, scales)
}

/// The same beside a bias, which is written in units of both scales: a channel whose scale would leave no room for its bias in 32 bits gets
/// a larger one.
fn bytes_beside(weight: &Constant, axis: usize, bias: Option<&[f32]>, of_input: f32) -> (Constant, Vec<f32>) {
    let (whole, scales) = bytes(weight, axis);
    let Some(bias) = bias else { return (whole, scales) };
    let least = |at: usize| bias[at].abs() / (of_input * ROOM);
    let wider: Vec<f32> = scales.iter().enumerate().map(|(at, scale)| scale.max(least(at))).collect();
    if wider == scales {
        return (whole, scales);
    }
    let (inner, channels) = (weight.shape[axis + 1..].iter().product::<usize>().max(1), wider.len());
    let values = weight.as_floats().unwrap_or_default().iter().enumerate();
    let byte = |(at, value): (usize, &f32)| (value / wider[at / inner % channels]).round() as i8;
    (Constant { shape: weight.shape.clone(), elements: Elements::I8(values.map(byte).collect()) }, wider)
}

/// The scale and the byte of 0 for numbers of a range.
fn scale_of((low, high): (f32, f32)) -> (f32, u8) {
    // 0 must be a byte exactly: images and sequences are filled up with it.
    let (low, high) = (low.min(0.0), high.max(0.0));
    let scale = if high > low { (high - low) / 255.0 } else { 1.0 };
    (scale, (-low / scale).round().clamp(0.0, 255.0) as u8)
}

/// The graph with bytes in the ranges that were measured; a layer whose input was not stays as it is.
pub fn with_ranges(graph: &Graph, ranges: &Ranges) -> Graph {
    let mut quantised = graph.clone();
    let all = layers(graph);
    let mut done: BTreeMap<String, (String, f32)> = BTreeMap::new();
    let mut nodes: Vec<Node> = Vec::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        let mut node = node.clone();
        let layer = all.iter().find(|layer| layer.at == at);
        if let Some((layer, range)) = layer.and_then(|layer| Some((layer, ranges.get(&node.inputs[0])?))) {
            let input = node.inputs[0].clone();
            let (x, scale) = if let Some(known) = done.get(&input) {
                known.clone()
            } else {
                let (scale, zero) = scale_of(*range);
                let made = around(&mut quantised, &mut nodes, &input, scale, zero);
                done.insert(input, (made.clone(), scale));
                (made, scale)
            };
            let name = node.inputs[1].clone();
            let bias = node.inputs.get(2).and_then(|bias| graph.constants[bias].as_floats());
            let (weight, scales) = bytes_beside(&graph.constants[&name], layer.axis, bias, scale);
            let weight = quantised.hold(&format!("{name}.bytes"), weight);
            let of_weight = quantised.hold(&format!("{name}.scales"), row(scales.clone()));
            let weight = back(&mut quantised, &mut nodes, &name, vec![weight, of_weight], Some(layer.axis));
            let mut inputs = vec![x, weight];
            if let Some(bias) = node.inputs.get(2) {
                // In the units of the sums of products, so that it is added to them as it is.
                let units: Vec<f32> = scales.iter().map(|of_weight| of_weight * scale).collect();
                let values = graph.constants[bias].as_floats().unwrap_or_default();
                let whole = values.iter().zip(&units).map(|(value, unit)| (value / unit).round() as i32).collect();
                let whole = Constant { shape: vec![units.len()], elements: Elements::I32(whole) };
                let whole = quantised.hold(&format!("{bias}.sums"), whole);
                let units = quantised.hold(&format!("{bias}.scales"), row(units));
                inputs.push(back(&mut quantised, &mut nodes, bias, vec![whole, units], Some(0)));
            }
            node.inputs = inputs;
        }
        nodes.push(node);
    }
    quantised.nodes = nodes;
    remove_unused(&mut quantised);
    quantised
}

fn row(values: Vec<f32>) -> Constant {
    Constant::floats(vec![values.len()], values)
}

/// A value as bytes and back.
fn around(graph: &mut Graph, nodes: &mut Vec<Node>, value: &str, scale: f32, zero: u8) -> String {
    let scale = graph.hold(&format!("{value}.scale"), Constant::scalar(scale));
    let zero = graph.hold(&format!("{value}.zero"), Constant { shape: Vec::new(), elements: Elements::U8(vec![zero]) });
    let inputs = vec![value.to_owned(), scale.clone(), zero.clone()];
    let bytes = put(graph, nodes, "QuantizeLinear", value, inputs, Vec::new());
    back(graph, nodes, value, vec![bytes, scale, zero], None)
}

/// Bytes as numbers.
fn back(graph: &mut Graph, nodes: &mut Vec<Node>, value: &str, inputs: Vec<String>, axis: Option<usize>) -> String {
    let attributes = axis.map(|axis| ("axis", Attribute::Int(axis as i64))).into_iter().collect();
    put(graph, nodes, "DequantizeLinear", value, inputs, attributes)
}

fn put(
    graph: &mut Graph,
    nodes: &mut Vec<Node>,
    operator: &'static str,
    layer: &str,
    inputs: Vec<String>,
    attributes: Vec<(&'static str, Attribute)>,
) -> String {
    let name = graph.add(operator, layer, inputs, attributes);
    nodes.extend(graph.nodes.pop());
    name
}

/// The graph with bytes in the range of each batch.
pub fn dynamic(graph: &Graph) -> Graph {
    let mut quantised = graph.clone();
    let all = layers(graph);
    let mut done: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut nodes: Vec<Node> = Vec::new();
    for (at, node) in graph.nodes.iter().enumerate() {
        let Some(layer) = all.iter().find(|layer| layer.at == at) else {
            nodes.push(node.clone());
            continue;
        };
        let input = node.inputs[0].clone();
        let x = if let Some(known) = done.get(&input) {
            known.clone()
        } else {
            let made = quantised.add_with("DynamicQuantizeLinear", &input, vec![input.clone()], Vec::new(), 3);
            nodes.extend(quantised.nodes.pop());
            done.insert(input, made.clone());
            made
        };
        let [x, x_scale, x_zero] = x.as_slice() else { continue };
        let name = node.inputs[1].clone();
        let mut weight = graph.constants[&name].clone();
        let mut axis = layer.axis;
        if node.operator == "Gemm" && axis == 0 {
            weight = weight.permuted(&[1, 0]);
            axis = 1;
        }
        let (weight, scales) = bytes(&weight, axis);
        let rank = weight.shape.len();
        let weight = quantised.hold(&format!("{name}.bytes"), weight);
        let zero = Constant { shape: Vec::new(), elements: Elements::I8(vec![0]) };
        let zero = quantised.hold(&format!("{name}.zero"), zero);
        // Along the channels of what comes out.
        let along = |values: Vec<f32>| match node.operator {
            "Conv" => Constant::floats([vec![1, values.len()], vec![1; rank - 2]].concat(), values),
            _ => row(values),
        };
        let inputs = vec![x.clone(), weight, x_zero.clone(), zero];
        let operator = if node.operator == "Conv" { "ConvInteger" } else { "MatMulInteger" };
        let attributes = if node.operator == "Conv" { node.attributes.clone() } else { Vec::new() };
        let label = node.name.rsplit_once('/').map_or(node.name.as_str(), |(layer, _)| layer);
        let sums = put(&mut quantised, &mut nodes, operator, label, inputs, attributes);
        let to = vec![("to", Attribute::Int(i64::from(element::F32)))];
        let sums = put(&mut quantised, &mut nodes, "Cast", label, vec![sums], to);
        let scales = quantised.hold(&format!("{name}.scales"), along(scales));
        let units = put(&mut quantised, &mut nodes, "Mul", label, vec![x_scale.clone(), scales], Vec::new());
        let mut last = put(&mut quantised, &mut nodes, "Mul", label, vec![sums, units], Vec::new());
        if let Some(bias) = node.inputs.get(2) {
            let values = graph.constants[bias].as_floats().unwrap_or_default().to_vec();
            let bias = quantised.hold(bias, along(values));
            last = put(&mut quantised, &mut nodes, "Add", label, vec![last, bias], Vec::new());
        }
        if let Some(node) = nodes.last_mut().filter(|node| node.outputs[0] == last) {
            // Whoever used what the layer gave uses this.
            node.outputs[0].clone_from(&graph.nodes[at].outputs[0]);
        }
    }
    quantised.nodes = nodes;
    remove_unused(&mut quantised);
    quantised
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights of nothing beside a bias of something: 32 bits hold it in units of both scales.
    #[test]
    fn a_channel_of_nothing_keeps_its_bias() {
        let weight = Constant::floats(vec![2, 1], vec![1e-12, 0.5]);
        let (whole, scales) = bytes_beside(&weight, 0, Some(&[2.0, 2.0]), 0.01);
        assert_eq!(whole.elements, Elements::I8(vec![0, 127]));
        assert!(2.0 / (scales[0] * 0.01) <= ROOM * 1.001 && scales[1] == 0.5 / 127.0, "{scales:?}");
    }

    #[test]
    fn weights_become_bytes_channel_by_channel() {
        let weight = Constant::floats(vec![2, 2], vec![1.0, -2.0, 0.5, 0.25]);
        let (rows, scales) = bytes(&weight, 0);
        assert_eq!(rows.elements, Elements::I8(vec![64, -127, 127, 64]));
        assert_eq!(scales, [2.0 / 127.0, 0.5 / 127.0]);
        let (columns, scales) = bytes(&weight, 1);
        assert_eq!(columns.elements, Elements::I8(vec![127, -127, 64, 16]));
        assert_eq!(scales, [1.0 / 127.0, 2.0 / 127.0]);
        assert_eq!(bytes(&Constant::floats(vec![1, 1], vec![0.0]), 0).1, [1.0]);
    }

    /// 0 has a byte of its own, whatever the range.
    #[test]
    fn zero_stays_zero() {
        for range in [(-1.0, 3.0), (0.0, 6.0), (2.0, 5.0), (-4.0, -1.0), (0.0, 0.0)] {
            let (scale, zero) = scale_of(range);
            let back = |byte: u8| (f32::from(byte) - f32::from(zero)) * scale;
            assert_eq!(back(zero), 0.0);
            assert!(back(255) >= range.1.max(0.0) - scale && back(0) <= range.0.min(0.0) + scale, "{range:?}");
        }
    }
}
