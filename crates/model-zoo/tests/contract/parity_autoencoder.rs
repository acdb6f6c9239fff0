//! Does an autoencoder give back what PyTorch's gives back? The fixtures come from `tests/peers/parity_autoencoder.py`.

use data_loader::Task;
use data_loader::signature::{InputSpec, OutputSpec, Signature};
use serde_json::{Value, json};

use crate::data;
use crate::parity::{Compare, columns, image};

fn check(file: &str, settings: Value, inputs: Vec<InputSpec>) {
    let signature = Signature { task: Task::Reconstruct, inputs, output: OutputSpec::Inputs };
    data::architecture("autoencoder", settings).with(Compare { file, signature });
}

#[test]
fn autoencoder_of_numbers_and_categories() {
    check("autoencoder_table", json!({ "hidden": [9, 6], "code": 2, "activation": "gelu" }), columns());
}

/// Sides that are odd on the way in have to be the same on the way out.
#[test]
fn autoencoder_of_images() {
    let settings = json!({ "hidden": [9], "code": 4, "channels": [3, 5], "activation": "gelu" });
    check("autoencoder_image", settings, vec![image(2, 7, 10)]);
}
