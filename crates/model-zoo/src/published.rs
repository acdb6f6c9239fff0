//! With what are parameters counted where papers and packages state how many there are?

use data_loader::Task;
use data_loader::signature::{Dtype, InputKind, InputSpec, OutputSpec, Signature};

use crate::network::NetworkConfig;
use crate::{device, summary};

/// Square colour images of `side` pixels and the thousand classes of ImageNet.
pub(crate) fn photographs(side: usize) -> Signature {
    let kind = InputKind::Image { mean: vec![0.5; 3], std: vec![0.25; 3] };
    let shape = vec![Some(3), Some(side), Some(side)];
    let image = InputSpec { name: "image".into(), dtype: Dtype::U8, shape, kind };
    let labels = (0..1000).map(|k| k.to_string()).collect();
    Signature { task: Task::Classify, inputs: vec![image], output: OutputSpec::Classes { labels } }
}

/// How many numbers the network learns.
pub(crate) fn count(config: &impl NetworkConfig, signature: &Signature) -> usize {
    summary::parameters(&config.build(signature, 0, &device::open("cpu").unwrap().device).unwrap())
}
