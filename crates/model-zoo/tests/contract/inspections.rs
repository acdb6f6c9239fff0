//! Does an inspection tell what is there?

use model_zoo::architectures::WithNetwork;
use model_zoo::inspection::inspect;
use model_zoo::network::NetworkConfig;
use model_zoo::{device, summary};

use crate::data::{self, CASES};

/// How many numbers a network learns.
struct Count<'a>(&'a data_loader::Signature);

impl WithNetwork for Count<'_> {
    type Out = usize;
    fn run<C: NetworkConfig>(self, config: &C) -> usize {
        summary::parameters(&config.build(self.0, 0, &device::open("cpu").unwrap().device).unwrap())
    }
}

/// Every parameter stands in exactly one line, and three examples are three times the work and the memory of one.
#[test]
fn lines_add_up_to_the_whole() {
    for (name, settings, kinds) in CASES {
        for kind in *kinds {
            let case = format!("{name} on {kind}");
            let (architecture, signature) = (data::architecture(name, settings()), data::signature(kind));
            let one = inspect(&architecture, &signature, 1).unwrap();
            let of_lines: usize = one.layers.iter().map(|layer| layer.parameters).sum();
            assert_eq!(of_lines, one.parameters, "{case}");
            assert_eq!(one.parameters, architecture.with(Count(&signature)), "{case}");
            assert!(one.multiply_adds > 0 && one.activation_bytes > 0, "{case}");
            assert_eq!(one.output[0], 1, "{case}");
            let three = inspect(&architecture, &signature, 3).unwrap();
            assert_eq!(three.multiply_adds, 3 * one.multiply_adds, "{case}");
            assert_eq!(three.activation_bytes, 3 * one.activation_bytes, "{case}");
            assert_eq!(one.clone().of_batch(3), three, "{case}");
            let names = |all: &[model_zoo::inspection::Layer]| all.iter().map(|l| l.name.clone()).collect::<Vec<_>>();
            assert_eq!(names(&three.layers), names(&one.layers), "{case}");
        }
    }
}
