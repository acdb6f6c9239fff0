//! Every architecture can be recorded as a graph, which has the same operations whatever the sizes of its open axes are.

use std::mem::discriminant;

use burn::backend::ir::OperationIr;
use data_loader::signature::Signature;
use model_zoo::graph::{self, Axis, Recorded, Sizes};
use model_zoo::network::NetworkConfig;

use crate::promises::{Promise, all};

fn recorded<C: NetworkConfig>(config: &C, signature: &Signature, sizes: &Sizes) -> Recorded {
    graph::record_network(signature, sizes, |device| config.build(signature, 3, device)).unwrap()
}

#[test]
fn a_graph_has_the_same_operations_at_all_sizes() {
    struct Same;
    impl Promise for Same {
        fn check<C: NetworkConfig>(&self, config: &C, signature: &Signature, case: &str) {
            if case.contains("lite0") && case.ends_with("images of any size") {
                // It fills images up as TensorFlow does, at one side more than at the other, by their size.
                return;
            }
            let axes = graph::open_axes(signature);
            assert!(axes.contains_key(&Axis::Batch));
            let sizes = |by: usize| -> Sizes {
                let size = |axis: &Axis| if matches!(axis, Axis::Batch | Axis::Length) { 1 + by } else { 13 + 2 * by };
                axes.keys().map(|axis| (*axis, size(axis))).collect()
            };
            let [one, other] = [1, 3].map(|by| recorded(config, signature, &sizes(by)));
            let kinds = |of: &Recorded| of.operations.iter().map(discriminant::<OperationIr>).collect::<Vec<_>>();
            let (a, b) = (kinds(&one), kinds(&other));
            let differs = a.iter().zip(&b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
            assert!(a == b, "{case}: {:?} and {:?}", one.operations.get(differs), other.operations.get(differs));
            assert!(!one.layers.is_empty(), "{case}");
            assert_eq!(
                one.inputs.iter().map(|(name, _)| name).collect::<Vec<_>>(),
                other.inputs.iter().map(|(name, _)| name).collect::<Vec<_>>()
            );
        }
    }
    all(&Same);
}
