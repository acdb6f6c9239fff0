//! Do pixels and masks go where they should, together?

use super::*;
use crate::error::Error;
use crate::example::{Record, Value};
use crate::raster::move_all;

fn image(channels: usize, height: usize, width: usize) -> Image {
    let pixels = (0..channels * height * width).map(|place| (place * 37 % 251) as u8).collect();
    Image { channels, height, width, pixels }
}

fn at(image: &Image, y: usize, x: usize) -> &[u8] {
    let from = (y * image.width + x) * image.channels;
    &image.pixels[from..from + image.channels]
}

fn moved(before: &Image, movement: &Movement, kind: Kind) -> Image {
    let mut image = before.clone();
    movement.apply(&mut image, kind).unwrap();
    assert_eq!(image.pixels.len(), image.channels * image.height * image.width);
    image
}

#[test]
fn flips_and_windows_find_every_pixel_again() {
    for channels in [1, 2, 3] {
        for (height, width) in [(1, 1), (2, 3), (5, 4)] {
            let before = image(channels, height, width);
            let horizontal = moved(&before, &Movement::FlipHorizontal, Kind::Picture);
            let vertical = moved(&before, &Movement::FlipVertical, Kind::Picture);
            for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                assert_eq!(at(&horizontal, y, x), at(&before, y, width - 1 - x));
                assert_eq!(at(&vertical, y, x), at(&before, height - 1 - y, x));
            }
            for (top, left) in [(0, 0), (-2, 1), (1, -1), (-9, 0), (0, 9), (3, 3)] {
                let window = Movement::Window { top, left, height: 3, width: 4, fill: 7 };
                let cut = moved(&before, &window, Kind::Picture);
                for (y, x) in (0..3).flat_map(|y| (0..4).map(move |x| (y, x))) {
                    let inside = (usize::try_from(y as isize + top), usize::try_from(x as isize + left));
                    match inside {
                        (Ok(from_y), Ok(from_x)) if from_y < height && from_x < width => {
                            assert_eq!(at(&cut, y, x), at(&before, from_y, from_x), "{top} {left} {y} {x}");
                        }
                        _ => assert_eq!(at(&cut, y, x), vec![7; channels], "{top} {left} {y} {x}"),
                    }
                }
            }
        }
    }
}

#[test]
fn a_mask_keeps_its_classes_when_an_image_is_averaged() {
    let mut mask = image(1, 9, 9);
    mask.pixels.iter_mut().enumerate().for_each(|(place, class)| *class = if place % 2 == 0 { 3 } else { 200 });
    let of = Rectangle { top: 1, left: 2, height: 7, width: 6 };
    let smaller = Movement::Resize { of, height: 3, width: 4, filter: Filter::Bilinear };
    assert!(moved(&mask, &smaller, Kind::Mask).pixels.iter().all(|class| [3, 200].contains(class)));
    assert!(!moved(&mask, &smaller, Kind::Picture).pixels.iter().all(|byte| [3, 200].contains(byte)));
    let erased = Movement::Erase { of, fill: Erased::Constant(0) };
    assert_eq!(moved(&mask, &erased, Kind::Mask), mask);
    let picture = moved(&mask, &erased, Kind::Picture);
    assert_eq!(picture.pixels.iter().map(|byte| u32::from(*byte == 0)).sum::<u32>(), 42);
}

#[test]
fn fields_of_one_record_move_together_or_not_at_all() {
    let fields = |second: Image| {
        vec![
            ("a".into(), Value::Image(image(3, 4, 6))),
            ("n".into(), Value::Number(1.0)),
            ("b".into(), Value::Image(second)),
        ]
    };
    let mut record = Record::new("r".into(), fields(image(1, 4, 6)), None);
    let mut asked = 0;
    move_all(&mut record, |height, width| {
        asked += 1;
        assert_eq!([height, width], [4, 6]);
        vec![Movement::Window { top: 1, left: 1, height: 2, width: 2, fill: 0 }, Movement::FlipHorizontal]
    })
    .unwrap();
    assert_eq!(asked, 1, "chance is asked once a record");
    for (name, channels) in [("a", 3), ("b", 1)] {
        let Some(Value::Image(found)) = record.field(name) else { panic!("no image") };
        assert_eq!(at(found, 0, 0), at(&image(channels, 4, 6), 1, 2));
    }
    let mut record = Record::new("r".into(), fields(image(1, 4, 5)), None);
    let error = move_all(&mut record, |_, _| vec![Movement::FlipVertical]).unwrap_err();
    assert!(matches!(&error, Error::Field { id, column, .. } if id == "r" && column == "b"), "{error}");
}

#[test]
fn images_without_pixels_and_parts_that_are_not_there_are_refused() {
    let mut empty = Image { channels: 3, height: 0, width: 5, pixels: Vec::new() };
    assert!(Movement::FlipHorizontal.apply(&mut empty, Kind::Picture).is_err());
    let mut lying = Image { channels: 3, height: 9, width: 9, pixels: vec![0; 5] };
    assert!(Movement::FlipVertical.apply(&mut lying, Kind::Picture).is_err());
    for of in [(0, 0, 4, 1), (3, 0, 1, 1), (0, 0, 0, 1), (0, 2, 1, 2)] {
        let of = Rectangle { top: of.0, left: of.1, height: of.2, width: of.3 };
        let resize = Movement::Resize { of, height: 2, width: 2, filter: Filter::Bilinear };
        assert!(resize.apply(&mut image(3, 3, 3), Kind::Picture).is_err(), "{resize:?}");
    }
}

#[test]
fn a_turn_by_nothing_and_a_whole_pixel_are_exact() {
    let before = image(3, 5, 6);
    let identity = Movement::Affine { matrix: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], fill: 9 };
    assert_eq!(moved(&before, &identity, Kind::Picture), before);
    let right = Movement::Affine { matrix: [1.0, 0.0, -2.0, 0.0, 1.0, 1.0], fill: 9 };
    let window = Movement::Window { top: 1, left: -2, height: 5, width: 6, fill: 9 };
    for kind in [Kind::Picture, Kind::Mask] {
        let found = moved(&before, &right, kind);
        assert_eq!(found, moved(&before, &window, kind));
        // A brightness that comes in from outside would be a class in a mask, and there it is class 0.
        assert_eq!(found.pixels[0], if kind == Kind::Mask { 0 } else { 9 });
    }
}
