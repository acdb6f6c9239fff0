//! Which part of an image is kept where its size is known only when it comes?

use super::super::constant::{Constant, Elements};
use super::super::graph::Attribute;
use super::super::proto::element;
use super::images::Side;
use super::{Around, cast};

/// The axes of rows and of columns.
const AXES: [i64; 2] = [2, 3];

/// The length of an axis of `value`, as `[1]` of 64 bits, a whole number.
fn length(around: &mut Around<'_>, value: &str, axis: i64) -> String {
    let shape = around.add("Shape", "pixels", vec![value.to_owned()], Vec::new());
    let axis = around.graph.hold("pixels.axis", Constant::integers(vec![axis]));
    around.add("Gather", "pixels", vec![shape, axis], vec![("axis", Attribute::Int(0))])
}

fn float(around: &mut Around<'_>, value: f64) -> String {
    around.numbers("pixels.number", vec![value])
}

/// A number below 2^51 rounded half to even: so does every addition of 64 bits that leaves no bits behind the point, where `Round` is
/// not for 64 bits everywhere.
fn rounded(around: &mut Around<'_>, value: String) -> String {
    let large = float(around, 1.5 * 2_f64.powi(52));
    let whole = around.add("Add", "pixels", vec![value, large.clone()], Vec::new());
    around.add("Sub", "pixels", vec![whole, large], Vec::new())
}

/// Half of what is whole and not below 0, rounded down, as a whole number of 64 bits.
fn halved_down(around: &mut Around<'_>, value: String) -> String {
    let two = around.graph.hold("pixels.two", Constant::integers(vec![2]));
    let value = around.add("Cast", "pixels", vec![value], cast(element::I64));
    around.add("Div", "pixels", vec![value, two], Vec::new())
}

/// Both sides where the shorter one is to have `shorter` pixels and the longer one keeps the proportions, rounded down.
pub(super) fn shortened(around: &mut Around<'_>, value: &str, shorter: usize) -> [Side; 2] {
    let sides = AXES.map(|axis| length(around, value, axis));
    let least = around.add("Min", "pixels", sides.to_vec(), Vec::new());
    let shorter = around.graph.hold("pixels.shorter", Constant::integers(vec![shorter as i64]));
    sides.map(|side| {
        let times = around.add("Mul", "pixels", vec![side, shorter.clone()], Vec::new());
        // Of the shorter side it is `shorter` itself. Whole numbers are divided as whole numbers.
        Side::Computed(around.add("Div", "pixels", vec![times, least.clone()], Vec::new()))
    })
}

/// The middle of an image as it is, with `fill` where it has nothing.
pub(super) fn centre(around: &mut Around<'_>, value: String, size: [usize; 2], fill: u8) -> String {
    let rows = along(around, value, AXES[0], size[0], fill);
    along(around, rows, AXES[1], size[1], fill)
}

/// The middle along one axis: pixels are picked one by one, so that it is known how many there are.
fn along(around: &mut Around<'_>, value: String, axis: i64, size: usize, fill: u8) -> String {
    let whole = length(around, &value, axis);
    // The odd pixel goes where it does when images are read: half to even, and before a smaller image the smaller half.
    let wide = around.add("Cast", "pixels", vec![whole.clone()], cast(element::F64));
    let (wanted, half, zero) = (float(around, size as f64), float(around, 0.5), float(around, 0.0));
    let over = around.add("Sub", "pixels", vec![wide, wanted], Vec::new());
    let halved = around.add("Mul", "pixels", vec![over.clone(), half], Vec::new());
    let even = rounded(around, halved);
    let even = around.add("Cast", "pixels", vec![even], cast(element::I64));
    let lacking = around.add("Neg", "pixels", vec![over.clone()], Vec::new());
    let smaller_half = halved_down(around, lacking);
    let before = around.add("Neg", "pixels", vec![smaller_half], Vec::new());
    let is_smaller = around.add("Less", "pixels", vec![over, zero], Vec::new());
    let start = around.add("Where", "pixels", vec![is_smaller, before, even], Vec::new());
    let counted = around.graph.hold("pixels.counted", Constant::integers((0..size as i64).collect()));
    let places = around.add("Add", "pixels", vec![counted, start], Vec::new());
    let (first, one) = (
        around.graph.hold("pixels.first", Constant::integers(vec![0])),
        around.graph.hold("pixels.one", Constant::integers(vec![1])),
    );
    let last = around.add("Sub", "pixels", vec![whole, one], Vec::new());
    let within = around.add("Max", "pixels", vec![places.clone(), first], Vec::new());
    let within = around.add("Min", "pixels", vec![within, last], Vec::new());
    let picked = around.add("Gather", "pixels", vec![value, within.clone()], vec![("axis", Attribute::Int(axis))]);
    let is_there = around.add("Equal", "pixels", vec![places, within], Vec::new());
    let shape = if axis == AXES[0] { vec![size as i64, 1] } else { vec![size as i64] };
    let shape = around.graph.hold("pixels.shape", Constant::integers(shape));
    let is_there = around.add("Reshape", "pixels", vec![is_there, shape], Vec::new());
    let fill = Constant { shape: vec![1], elements: Elements::F32(vec![f32::from(fill)]) };
    let fill = around.graph.hold("pixels.fill", fill);
    around.add("Where", "pixels", vec![is_there, picked, fill], Vec::new())
}

/// So much of the largest middle part whose width is `ratio` times its height.
pub(super) fn middle(around: &mut Around<'_>, value: String, ratio: f64, part: f64) -> String {
    let sides = AXES.map(|axis| {
        let side = length(around, &value, axis);
        around.add("Cast", "pixels", vec![side], cast(element::F64))
    });
    let [height, width] = sides.clone();
    let (ratio, part, one) = (float(around, ratio), float(around, part), float(around, 1.0));
    let wide = around.add("Mul", "pixels", vec![height.clone(), ratio.clone()], Vec::new());
    let is_narrow = around.add("Less", "pixels", vec![width.clone(), wide.clone()], Vec::new());
    let low = around.add("Div", "pixels", vec![width.clone(), ratio], Vec::new());
    let whole = [
        around.add("Where", "pixels", vec![is_narrow.clone(), low, height], Vec::new()),
        around.add("Where", "pixels", vec![is_narrow, width, wide], Vec::new()),
    ];
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for (whole, side) in whole.into_iter().zip(sides) {
        let length = around.add("Mul", "pixels", vec![whole, part.clone()], Vec::new());
        let length = rounded(around, length);
        let length = around.add("Min", "pixels", vec![length, side.clone()], Vec::new());
        let length = around.add("Max", "pixels", vec![length, one.clone()], Vec::new());
        let over = around.add("Sub", "pixels", vec![side, length.clone()], Vec::new());
        let start = halved_down(around, over);
        let length = around.add("Cast", "pixels", vec![length], cast(element::I64));
        ends.push(around.add("Add", "pixels", vec![start.clone(), length], Vec::new()));
        starts.push(start);
    }
    let [starts, ends] =
        [starts, ends].map(|both| around.add("Concat", "pixels", both, vec![("axis", Attribute::Int(0))]));
    let axes = around.graph.hold("pixels.axes", Constant::integers(AXES.to_vec()));
    around.add("Slice", "pixels", vec![value, starts, ends, axes], Vec::new())
}
