//! How does an image as it is read become the input of a network?

use data_loader::signature::InputSpec;
use data_loader::transforms::FittedTransform as T;
use data_loader::transforms::resize::Filter;
use data_loader::{FeatureKind, Pipeline};

use super::super::constant::{Constant, Elements};
use super::super::graph::{Attribute, Element, Port, Span};
use super::super::proto::element;
use super::{Around, cast};

/// Puts what is done to images before the network.
///
/// # Errors
/// Which transform cannot be part of a graph.
pub(super) fn embed(
    around: &mut Around<'_>,
    pipeline: &Pipeline,
    spec: &InputSpec,
    mean: &[f32],
    std: &[f32],
) -> Result<(), String> {
    let moves: Vec<&T> = pipeline.transforms().iter().filter(|transform| moves(transform)).collect();
    let channels = mean.len();
    let input = around.graph.fresh("pixels");
    let column = pipeline.schema().features.0.iter().find(|(_, kind)| *kind == FeatureKind::Image);
    around.columns.extend(column.map(|(name, _)| (input.clone(), name.clone())));
    // Where nothing brings images to a size they have it.
    let fixed = spec.shape.get(1..).filter(|_| !moves.iter().any(|transform| transform.brings_to_size()));
    let side = |at: usize, name: &str| match fixed.and_then(|sides| sides[at]) {
        Some(side) => Span::Fixed(side),
        None => Span::Open(name.to_owned()),
    };
    let shape = vec![Span::Open("batch".into()), Span::Fixed(channels), side(0, "height"), side(1, "width")];
    let meaning = "bytes by channel, row and column, as they are decoded".to_owned();
    around.graph.inputs.push(Port { name: input.clone(), element: Element::U8, shape, meaning });
    let mut value = around.add("Cast", "pixels", vec![input], cast(element::F32));
    for transform in moves {
        value = match transform {
            T::Resize(resize) => match (resize.size, resize.filter) {
                (Some(size), Filter::Bilinear) => resized(around, value, size, "linear"),
                (Some(size), Filter::Bicubic) => resized(around, value, size, "cubic"),
                (Some(_), _) => return Err("`resize` is written for the filters \"bilinear\" and \"bicubic\"".into()),
                (None, _) => {
                    return Err("`resize` to a shorter side gives images of different sizes; set `size`".into());
                }
            },
            other => {
                let text = serde_json::to_value(other).unwrap_or_default();
                let name = text.as_object().and_then(|object| object.keys().next()).cloned().unwrap_or_default();
                return Err(format!("`{name}` cuts images by their size; prepare them by `resize` with a `size`"));
            }
        };
    }
    // In the order in which the device computes it, so that the numbers are the same.
    let row = |values: Vec<f32>| Constant::floats(vec![1, channels, 1, 1], values);
    let scale = around.graph.hold("pixels.scale", row(std.iter().map(|s| 1.0 / (255.0 * s)).collect()));
    let shift = around.graph.hold("pixels.shift", row(mean.iter().zip(std).map(|(m, s)| -m / s).collect()));
    let scaled = around.add("Mul", "pixels", vec![value, scale], Vec::new());
    around.add_as("Add", &spec.name, vec![scaled, shift], Vec::new());
    Ok(())
}

/// Whether a transform moves the pixels of an image that is only to be answered.
fn moves(transform: &T) -> bool {
    matches!(transform, T::CenterCrop(_) | T::RandomCrop(_) | T::RandomResizedCrop(_) | T::Resize(_))
}

/// Bytes brought to a size, as bytes are: what shrinks is averaged, and the result rounded and cut off.
fn resized(around: &mut Around<'_>, value: String, [height, width]: [usize; 2], mode: &str) -> String {
    around.resizes = true;
    let across = side(around, value, 3, width, mode);
    side(around, across, 2, height, mode)
}

/// One axis brought to a size. Rows come before columns, and what lies between them are bytes, as it is where images are decoded.
fn side(around: &mut Around<'_>, value: String, axis: i64, size: usize, mode: &str) -> String {
    let sizes = around.graph.hold("pixels.size", Constant::integers(vec![size as i64]));
    let mut attributes = vec![
        ("mode", Attribute::Text(mode.to_owned())),
        ("axes", Attribute::Ints(vec![axis])),
        ("antialias", Attribute::Int(1)),
        ("coordinate_transformation_mode", Attribute::Text("half_pixel".to_owned())),
        ("exclude_outside", Attribute::Int(1)),
    ];
    if mode == "cubic" {
        // The curve of Catmull and Rom.
        attributes.push(("cubic_coeff_a", Attribute::Float(-0.5)));
    } else {
        attributes.retain(|(name, _)| *name != "exclude_outside");
    }
    let value = around.add("Resize", "pixels", vec![value, String::new(), String::new(), sizes], attributes);
    let value = around.add("Round", "pixels", vec![value], Vec::new());
    let bound = |value: f32| Constant { shape: Vec::new(), elements: Elements::F32(vec![value]) };
    let (low, high) = (around.graph.hold("pixels.least", bound(0.0)), around.graph.hold("pixels.most", bound(255.0)));
    around.add("Clip", "pixels", vec![value, low, high], Vec::new())
}
