//! How does an image as it is read become the input of a network?

use data_loader::signature::InputSpec;
use data_loader::transforms::FittedTransform as T;
use data_loader::transforms::resize::Filter;
use data_loader::{FeatureKind, Pipeline};

use super::super::constant::{Constant, Elements};
use super::super::graph::{Attribute, Element, Port, Span};
use super::super::proto::element;
use super::{Around, cast, cuts};

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
    // The size that images had in training before anything was done to them; where nothing brings them to a size they have that of
    // the network.
    let read = pipeline.schema().size_to_read().map(|size| size.map(Some).to_vec());
    let given = || spec.shape.get(1..).filter(|_| !moves.iter().any(|transform| transform.brings_to_size()));
    let fixed = read.or_else(|| given().map(<[_]>::to_vec));
    let side = |at: usize, name: &str| match fixed.as_ref().and_then(|sides| sides[at]) {
        Some(side) => Span::Fixed(side),
        None => Span::Open(name.to_owned()),
    };
    let shape = vec![Span::Open("batch".into()), Span::Fixed(channels), side(0, "height"), side(1, "width")];
    let meaning = "bytes by channel, row and column, as they are decoded".to_owned();
    around.graph.inputs.push(Port { name: input.clone(), element: Element::U8, shape, meaning });
    let mut value = around.add("Cast", "pixels", vec![input], cast(element::F32));
    for transform in moves {
        value = match transform {
            T::Resize(resize) => {
                let mode = mode(resize.filter, "resize")?;
                match (resize.size, resize.shorter) {
                    (Some([height, width]), _) => {
                        resized(around, value, [Side::Fixed(height), Side::Fixed(width)], mode)
                    }
                    (None, Some(shorter)) => {
                        let sides = cuts::shortened(around, &value, shorter);
                        resized(around, value, sides, mode)
                    }
                    (None, None) => value,
                }
            }
            T::CenterCrop(crop) => cuts::centre(around, value, crop.size, 0),
            T::RandomCrop(crop) => cuts::centre(around, value, crop.size, crop.fill),
            T::RandomResizedCrop(crop) => {
                let mode = mode(crop.filter, "random_resized_crop")?;
                let [height, width] = crop.size;
                let middle = cuts::middle(around, value, width as f64 / height as f64, crop.center);
                resized(around, middle, [Side::Fixed(height), Side::Fixed(width)], mode)
            }
            // `moves` lets nothing else through.
            _ => value,
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

/// The mode of `Resize` that is the filter of a transform.
fn mode(filter: Filter, transform: &str) -> Result<&'static str, String> {
    match filter {
        Filter::Bilinear => Ok("linear"),
        Filter::Bicubic => Ok("cubic"),
        _ => Err(format!("`{transform}` is written for the filters \"bilinear\" and \"bicubic\"")),
    }
}

/// How long one side is to be.
pub(super) enum Side {
    /// So many pixels.
    Fixed(usize),
    /// What this value of the graph says, `[1]`.
    Computed(String),
}

/// Bytes brought to a size, as bytes are: what shrinks is averaged, and the result rounded and cut off.
fn resized(around: &mut Around<'_>, value: String, [height, width]: [Side; 2], mode: &str) -> String {
    around.resizes = true;
    let across = side(around, value, 3, width, mode);
    side(around, across, 2, height, mode)
}

/// One axis brought to a size. Rows come before columns, and what lies between them are bytes, as it is where images are decoded.
fn side(around: &mut Around<'_>, value: String, axis: i64, size: Side, mode: &str) -> String {
    let sizes = match size {
        Side::Fixed(size) => around.graph.hold("pixels.size", Constant::integers(vec![size as i64])),
        Side::Computed(size) => size,
    };
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
