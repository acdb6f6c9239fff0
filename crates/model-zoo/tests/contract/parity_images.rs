//! Do the same weights and images give the answers of torchvision and timm?
//!
//! The fixtures come from `tests/peers/parity_images.py`, which makes the packages' networks narrow.

use data_loader::Task;
use data_loader::signature::{OutputSpec, Signature};
use serde_json::json;

use crate::data;
use crate::parity::{Compare, check, check_as, image};

#[test]
fn airbench() {
    check("airbench", json!({ "channels": [3, 4, 5] }), vec![image(2, 12, 17)], 4);
}

#[test]
fn convnext() {
    let settings = json!({ "blocks": [1, 2, 1, 1], "channels": [6, 8, 10, 12], "patch": 2, "drop_path": 0.0 });
    check("convnext", settings, vec![image(3, 18, 22)], 4);
}

#[test]
fn efficientnet_b0() {
    let settings = json!({ "form": "b0", "width": 0.03, "dropout": 0.0, "drop_path": 0.0 });
    check_as("efficientnet_b0", "efficientnet", settings, vec![image(3, 34, 46)], 4);
}

/// Sides of which one is even and one odd: TensorFlow pads them differently.
#[test]
fn efficientnet_lite0() {
    let settings = json!({ "form": "lite0", "width": 0.03, "dropout": 0.0, "drop_path": 0.0 });
    check_as("efficientnet_lite0", "efficientnet", settings, vec![image(3, 33, 46)], 4);
}

#[test]
fn mobilenet_v3_small() {
    let settings = json!({ "size": "small", "width": 0.05, "dropout": 0.0 });
    check_as("mobilenet_v3_small", "mobilenet_v3", settings, vec![image(3, 34, 46)], 4);
}

#[test]
fn resnet18_on_small_images() {
    let settings = json!({ "depth": 18, "width": 2, "stem": "small" });
    check_as("resnet18", "resnet_imagenet", settings, vec![image(3, 10, 14)], 4);
}

#[test]
fn resnet50_on_photographs() {
    let settings = json!({ "depth": 50, "width": 1 });
    check_as("resnet50", "resnet_imagenet", settings, vec![image(3, 70, 54)], 4);
}

/// Sides that cannot be halved twice.
#[test]
fn unet() {
    let labels = ["a", "b", "c"].map(str::to_owned).to_vec();
    let signature =
        Signature { task: Task::Segment, inputs: vec![image(3, 10, 7)], output: OutputSpec::Mask { labels } };
    data::architecture("unet", json!({ "depth": 2, "width": 2 })).with(Compare { file: "unet", signature });
}

#[test]
fn vit() {
    let settings = json!({ "patch": 4, "features": 12, "layers": 2, "heads": 3 });
    check("vit", settings, vec![image(3, 12, 8)], 4);
}
