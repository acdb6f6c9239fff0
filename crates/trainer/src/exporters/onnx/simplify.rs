//! What of a graph need not be computed? Norms over the batch become part of the layer before them, and what nobody uses goes.

use std::collections::BTreeSet;

use super::constant::Constant;
use super::graph::{Graph, Node};

/// Makes a graph smaller without changing what it gives, but for the order in which floats are added.
pub fn simplify(graph: &mut Graph) {
    while fold_one_norm(graph) {}
    remove_unused(graph);
}

/// Folds one batch norm into the convolution or linear layer before it; whether there was one.
fn fold_one_norm(graph: &mut Graph) -> bool {
    let folded = graph.nodes.iter().position(|norm| {
        norm.operator == "BatchNormalization"
            && graph.uses(&norm.inputs[0]) == 1
            && graph.maker(&norm.inputs[0]).is_some_and(|layer| scaled(graph, layer, norm).is_some())
    });
    let Some(at) = folded else { return false };
    let norm = graph.nodes[at].clone();
    let place = graph.nodes.iter().position(|node| node.outputs.first() == norm.inputs.first());
    let Some(layer) = place.map(|place| graph.nodes[place].clone()) else { return false };
    let Some((weight, bias)) = scaled(graph, &layer, &norm) else { return false };
    // Others may use the same numbers, so they stay until nobody does.
    let weight = graph.hold(&layer.inputs[1], weight);
    let bias_name = layer.inputs.get(2).cloned().unwrap_or_else(|| {
        let (name, _) = layer.inputs[1].rsplit_once('.').unwrap_or((&layer.inputs[1], ""));
        format!("{name}.bias")
    });
    let bias = graph.hold(&bias_name, bias);
    if let Some(node) = place.map(|place| &mut graph.nodes[place]) {
        node.inputs = vec![node.inputs[0].clone(), weight, bias];
        node.outputs[0].clone_from(&norm.outputs[0]);
    }
    graph.nodes.remove(at);
    true
}

/// Weight and bias of a layer, behind which a norm is no longer needed; nothing if it cannot be folded.
fn scaled(graph: &Graph, layer: &Node, norm: &Node) -> Option<(Constant, Constant)> {
    let of = |name: &String| graph.constants.get(name);
    let parameter = |at: usize| norm.inputs.get(at).and_then(of)?.as_floats();
    let (gamma, beta, mean, variance) = (parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?);
    let epsilon = f64::from(norm.float("epsilon")?);
    let weight = of(layer.inputs.get(1)?)?;
    let axis = match layer.operator {
        "Conv" => 0,
        "ConvTranspose" if layer.int("group") == Some(1) => 1,
        "Gemm" => usize::from(layer.int("transB") != Some(1)),
        _ => return None,
    };
    let channels = *weight.shape.get(axis)?;
    let bias = match layer.inputs.get(2) {
        Some(name) => of(name)?.as_floats()?.to_vec(),
        None => vec![0.0; channels],
    };
    if [gamma, beta, mean, variance, &bias].iter().any(|values| values.len() != channels) {
        return None;
    }
    let scale: Vec<f64> = gamma
        .iter()
        .zip(variance)
        .map(|(gamma, variance)| f64::from(*gamma) / (f64::from(*variance) + epsilon).sqrt())
        .collect();
    let inner: usize = weight.shape[axis + 1..].iter().product();
    let values = weight.as_floats()?.iter().enumerate();
    let values = values.map(|(at, value)| (f64::from(*value) * scale[at / inner % channels]) as f32).collect();
    let shift = |at: usize| (f64::from(bias[at]) - f64::from(mean[at])) * scale[at] + f64::from(beta[at]);
    let bias = (0..channels).map(|at| shift(at) as f32).collect();
    Some((Constant::floats(weight.shape.clone(), values), Constant::floats(vec![channels], bias)))
}

/// Removes nodes and numbers that no output needs, and what a node gives beyond that.
pub fn remove_unused(graph: &mut Graph) {
    let mut needed: BTreeSet<String> = graph.outputs.iter().map(|port| port.name.clone()).collect();
    let mut kept = Vec::new();
    for mut node in std::mem::take(&mut graph.nodes).into_iter().rev() {
        if !node.outputs.iter().any(|output| needed.contains(output)) {
            continue;
        }
        for output in node.outputs.iter_mut().filter(|output| !needed.contains(*output)) {
            output.clear();
        }
        while node.outputs.last().is_some_and(String::is_empty) {
            node.outputs.pop();
        }
        needed.extend(node.inputs.iter().filter(|input| !input.is_empty()).cloned());
        kept.push(node);
    }
    kept.reverse();
    graph.nodes = kept;
    graph.constants.retain(|name, _| needed.contains(name));
    graph.inputs.retain(|port| needed.contains(&port.name));
}

#[cfg(test)]
mod tests {
    use super::super::graph::{Attribute, Element, Port};
    use super::*;

    /// Two channels, of which the norm doubles one and shifts the other.
    #[test]
    fn a_norm_becomes_part_of_the_convolution_before_it() {
        let mut graph = Graph::default();
        let mut hold =
            |name: &str, values: &[f32]| graph.hold(name, Constant::floats(vec![values.len()], values.to_vec()));
        let parameters = [
            hold("norm.weight", &[2.0, 1.0]),
            hold("norm.bias", &[0.0, 5.0]),
            hold("norm.mean", &[1.0, 1.0]),
            hold("norm.var", &[0.75, 3.75]),
        ];
        let weight = graph.hold("conv.weight", Constant::floats(vec![2, 1, 1, 1], vec![3.0, 4.0]));
        let conv = graph.add("Conv", "conv", vec!["image".into(), weight], Vec::new());
        let inputs = [vec![conv], parameters.to_vec()].concat();
        let norm = graph.add("BatchNormalization", "norm", inputs, vec![("epsilon", Attribute::Float(0.25))]);
        let unused = graph.add("Relu", "", vec![norm.clone()], Vec::new());
        assert_eq!(unused, "Relu");
        let port =
            |name: &str| Port { name: name.into(), element: Element::F32, shape: vec![], meaning: String::new() };
        graph.inputs = vec![port("image"), port("mask")];
        graph.outputs = vec![port(&norm)];
        simplify(&mut graph);
        let [node] = graph.nodes.as_slice() else { panic!("{:?}", graph.nodes) };
        assert_eq!((node.operator, node.outputs[0].as_str()), ("Conv", norm.as_str()));
        let floats = |at: usize| graph.constants[&node.inputs[at]].as_floats().unwrap().to_vec();
        assert_eq!(floats(1), [6.0, 2.0]);
        assert_eq!(floats(2), [-2.0, 4.5]);
        assert_eq!(graph.constants.len(), 2);
        assert_eq!(graph.inputs.len(), 1, "an input that nobody needs is none");
    }
}
