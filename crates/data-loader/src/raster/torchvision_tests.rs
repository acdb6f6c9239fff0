//! Do our transforms make of the same pixels what torchvision and PIL make of them?
//!
//! `tests/peers/augment_torchvision.py` writes what they make. Tolerances are stated beside each operation.

use serde_json::Value as Json;

use super::movement::{Erased, Filter, Movement, Rectangle};
use super::operation::Operation;
use super::{Kind, colour};
use crate::batch::{Array, ArrayData, Batch, InputArray, Target};
use crate::decode::decode_bytes;
use crate::example::{Image, Record, Value};
use crate::transforms::resize::Resize;
use crate::transforms::{Transform, auto_augment, cutmix, mixup, rand_augment};

fn fixture() -> Json {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/augment.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The bytes of a text in base 64.
fn bytes(json: &Json) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = json.as_str().unwrap().trim_end_matches('=');
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for digit in text.bytes() {
        held = held << 6 | DIGITS.iter().position(|known| *known == digit).unwrap() as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    bytes
}

fn whole(json: &Json) -> usize {
    json.as_u64().unwrap() as usize
}

fn image(json: &Json) -> Image {
    let [channels, height, width] = ["channels", "height", "width"].map(|name| whole(&json[name]));
    Image { channels, height, width, pixels: bytes(&json["pixels"]) }
}

fn floats(json: &Json) -> Vec<f64> {
    json.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// The largest and the mean difference of two images of one size.
fn difference(a: &Image, b: &Image, what: &str) -> (u8, f64) {
    assert_eq!([a.channels, a.height, a.width], [b.channels, b.height, b.width], "{what}");
    assert_eq!(a.pixels.len(), b.pixels.len(), "{what}");
    let each = || a.pixels.iter().zip(&b.pixels).map(|(a, b)| a.abs_diff(*b));
    (each().max().unwrap_or(0), each().map(f64::from).sum::<f64>() / a.pixels.len() as f64)
}

fn operation(name: &str) -> Operation {
    let all = rand_augment::OPERATIONS.into_iter().chain([Operation::Invert]);
    all.into_iter().find(|operation| format!("{operation:?}") == name).unwrap_or_else(|| panic!("no operation {name}"))
}

/// What we make of `image`, and by how many levels of 255 the largest difference may be.
fn made(image: &Image, name: &str, parameters: &Json) -> (Image, u8) {
    let mut image = image.clone();
    let list = parameters.as_array().unwrap();
    let number = |place: usize| list[place].as_f64().unwrap();
    let mut act = |movement: Movement| movement.apply(&mut image, Kind::Picture).unwrap();
    let rectangle = |first: usize| {
        let [top, left, height, width] = std::array::from_fn(|place| number(first + place) as usize);
        Rectangle { top, left, height, width }
    };
    let filters = [Filter::Bilinear, Filter::Bicubic, Filter::Lanczos, Filter::Nearest];
    let mut tolerance = 0;
    match name {
        "horizontal_flip" => act(Movement::FlipHorizontal),
        "vertical_flip" => act(Movement::FlipVertical),
        "window" => act(Movement::Window {
            top: number(0) as isize,
            left: number(1) as isize,
            height: number(2) as usize,
            width: number(3) as usize,
            fill: number(4) as u8,
        }),
        "center_crop" => {
            let centre = Movement::centre([image.height, image.width], number(0) as usize, number(1) as usize, 0);
            centre.apply(&mut image, Kind::Picture).unwrap();
        }
        "erase" => act(Movement::Erase { of: rectangle(0), fill: Erased::Constant(number(4) as u8) }),
        "brightness" => colour::brightness(&mut image, number(0) as f32),
        "contrast" => colour::contrast(&mut image, number(0) as f32),
        "saturation" => colour::saturation(&mut image, number(0) as f32),
        "sharpness" => colour::sharpness(&mut image, number(0) as f32),
        "hue" => {
            // Two chains of roundings to 32 bits.
            tolerance = 1;
            colour::hue(&mut image, number(0) as f32);
        }
        "posterize" => colour::posterize(&mut image, number(0) as u32),
        "solarize" => colour::solarize(&mut image, number(0)),
        "invert" => colour::invert(&mut image),
        "autocontrast" => colour::autocontrast(&mut image),
        "equalize" => colour::equalize(&mut image),
        "operation" => {
            let operation = operation(list[0].as_str().unwrap());
            let strength = operation.strength(number(1) as usize, number(2) as usize, image.height, image.width);
            let mut record = Record::new("r".into(), vec![("i".into(), Value::Image(image))], None);
            operation.apply(&mut record, number(3) * strength, 33).unwrap();
            let Some((_, Value::Image(found))) = record.fields.pop() else { panic!("no image") };
            return (found, 0);
        }
        "shorter" => {
            let resize = Resize { shorter: Some(number(0) as usize), ..Resize::default() };
            let mut record = Record::new("r".into(), vec![("i".into(), Value::Image(image))], None);
            resize.apply(&mut record, None).unwrap();
            let Some((_, Value::Image(found))) = record.fields.pop() else { panic!("no image") };
            return (found, 1);
        }
        _ => {
            let filter = filters.into_iter().find(|filter| {
                name.strip_prefix("resize_").is_some_and(|name| name == format!("{filter:?}").to_lowercase())
            });
            let filter = filter.unwrap_or_else(|| panic!("no case for {name}"));
            // One level, by other roundings between the two passes and of the weights, and two where weights are negative and
            // add up to more; the nearest pixel is exact.
            tolerance = match filter {
                Filter::Nearest => 0,
                Filter::Lanczos => 2,
                _ => 1,
            };
            act(Movement::Resize { of: rectangle(0), height: number(4) as usize, width: number(5) as usize, filter });
        }
    }
    (image, tolerance)
}

#[test]
fn pixels_move_and_change_as_those_of_torchvision() {
    let (mut counted, mut wrong) = (0, Vec::new());
    for group in fixture()["images"].as_array().unwrap() {
        let before = image(&group["image"]);
        for case in group["cases"].as_array().unwrap() {
            let (name, parameters) = (case["name"].as_str().unwrap(), &case["parameters"]);
            let wanted = image(&case["result"]);
            let (found, tolerance) = made(&before, name, parameters);
            let what = format!("{name} {parameters} of {} channels", before.channels);
            let (largest, mean) = difference(&found, &wanted, &what);
            if largest > tolerance {
                wrong.push(format!("{what}: {largest} levels, {mean:.4} in the mean"));
            }
            counted += 1;
        }
    }
    assert!(counted > 250 && wrong.is_empty(), "{counted} cases\n{}", wrong.join("\n"));
}

#[test]
fn strengths_and_the_policy_are_those_of_torchvision() {
    let fixture = fixture();
    for (kind, levels) in [("rand 31", 31), ("auto 10", auto_augment::LEVELS)] {
        let space = fixture["strengths"][kind].as_object().unwrap();
        let names: Vec<&str> = space.keys().map(String::as_str).collect();
        if levels == 31 {
            let ours = rand_augment::OPERATIONS.map(|operation| format!("{operation:?}"));
            let sorted = |mut names: Vec<String>| {
                names.sort();
                names
            };
            assert_eq!(sorted(ours.to_vec()), sorted(names.iter().map(|name| (*name).to_owned()).collect()));
        }
        for name in names {
            let strengths = floats(&space[name][0]);
            let operation = operation(name);
            assert_eq!(operation.is_signed(), space[name][1].as_bool().unwrap(), "{name}");
            for (level, wanted) in strengths.iter().enumerate() {
                let found = operation.strength(level, levels, 15, 19);
                // Theirs are numbers of 32 bits.
                assert!((found - wanted).abs() < 1e-4, "{kind}, {name}, {level}: {found}, not {wanted}");
            }
        }
    }
    let policy: Vec<Json> = auto_augment::CIFAR10
        .iter()
        .map(|pair| pair.iter().map(|(operation, p, _)| serde_json::json!([format!("{operation:?}"), p])).collect())
        .collect();
    let theirs = fixture["cifar10"].as_array().unwrap();
    assert_eq!(theirs.len(), policy.len());
    for ((theirs, ours), steps) in theirs.iter().zip(&policy).zip(&auto_augment::CIFAR10) {
        for place in 0..2 {
            assert_eq!((&theirs[place][0], &theirs[place][1]), (&ours[place][0], &ours[place][1]));
            assert_eq!(theirs[place][2].as_u64().unwrap_or(0) as usize, steps[place].2);
        }
    }
}

fn batch_of(fixture: &Json) -> Batch {
    let array = Array { shape: vec![5, 3, 9, 12], data: ArrayData::U8(bytes(&fixture["images"])) };
    let input = InputArray { name: "image".into(), array, mask: None, lengths: None };
    let id = Record::new("r".into(), Vec::new(), None).id;
    Batch {
        inputs: vec![input],
        target: Target::Classes(vec![0, 2, 1, 1, 0]),
        ids: vec![id; 5],
        weights: None,
        epoch: 0,
        index: 0,
        skipped: 0,
    }
}

fn signature() -> crate::Signature {
    let labels = ["a", "b", "c"].map(str::to_owned).to_vec();
    crate::Signature { task: crate::Task::Classify, inputs: Vec::new(), output: crate::OutputSpec::Classes { labels } }
}

fn same_labels(target: &Target, wanted: &Json) {
    let Target::SoftLabels { classes: 3, values } = target else { panic!("{target:?}") };
    let wanted = floats(wanted);
    assert_eq!(values.len(), wanted.len());
    assert!(values.iter().zip(&wanted).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-6), "{values:?}, not {wanted:?}");
}

#[test]
fn batches_are_mixed_as_those_of_torchvision() {
    let fixture = &fixture()["batches"];
    for case in fixture["mixup"].as_array().unwrap() {
        let mut batch = batch_of(fixture);
        let share = case["share"].as_f64().unwrap() as f32;
        mixup::blend_rows(&mut batch.inputs[0].array.data, 5, share);
        mixup::blend_targets(&mut batch.target, &signature(), share);
        let ArrayData::U8(found) = &batch.inputs[0].array.data else { panic!("no bytes") };
        for (found, wanted) in found.iter().zip(floats(&case["pixels"])) {
            // Half a level, because bytes are whole.
            assert!((f64::from(*found) - wanted).abs() <= 0.5 + 1e-4, "{share}: {found}, not {wanted}");
        }
        same_labels(&batch.target, &case["labels"]);
    }
    for case in fixture["cutmix"].as_array().unwrap() {
        let mut batch = batch_of(fixture);
        let (x, y) = (whole(&case["x"]), whole(&case["y"]));
        let hole = cutmix::Hole::about(x, y, case["share"].as_f64().unwrap(), 9, 12);
        assert!((hole.kept(9, 12) - case["kept"].as_f64().unwrap()).abs() < 1e-12);
        let ArrayData::U8(found) = &mut batch.inputs[0].array.data else { panic!("no bytes") };
        cutmix::cut(found, 5, 9, 12, hole);
        assert_eq!(found, &bytes(&case["pixels"]), "{hole:?}");
        mixup::blend_targets(&mut batch.target, &signature(), hole.kept(9, 12) as f32);
        same_labels(&batch.target, &case["labels"]);
    }
}

#[test]
fn files_of_every_kind_have_the_pixels_that_pil_reads() {
    let mut wrong = Vec::new();
    for file in fixture()["files"].as_array().unwrap() {
        let name = file["name"].as_str().unwrap();
        // Lossless files are exact. JPEG decoders differ by a level in each of three roundings, by more at sharp edges of colours
        // that were stored at half the size and where red, green or blue is cut off; inks by one more.
        let tolerance = match name {
            _ if name.ends_with("png") => 0,
            "grey jpeg" => 1,
            "baseline 4:4:4" => 3,
            _ => 8,
        };
        for (channels, wanted) in [(3, "colours"), (1, "grey")] {
            let found = decode_bytes(&bytes(&file["file"]), std::path::Path::new("x"), channels).unwrap();
            let (largest, mean) = difference(&found, &image(&file[wanted]), name);
            if largest > tolerance || mean > 0.6 {
                wrong.push(format!("{name}, {wanted}: {largest} levels, {mean:.3} in the mean"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs photographs, and what PIL makes of them: see tests/peers/augment_torchvision.py"]
fn parts_of_photographs_are_those_of_pil() {
    let list = std::fs::read_to_string(std::env::var("FIREBOX_CROPS").unwrap()).unwrap();
    let (mut largest, mut sum, mut beyond, mut count) = (0, 0.0, 0, 0);
    for line in list.lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        let mut found = crate::decode::decode(std::path::Path::new(line["file"].as_str().unwrap()), 3, None).unwrap();
        let [top, left, height, width] = std::array::from_fn(|place| whole(&line["box"][place]));
        let of = Rectangle { top, left, height, width };
        let resize = Movement::Resize { of, height: 224, width: 224, filter: Filter::Bilinear };
        resize.apply(&mut found, Kind::Picture).unwrap();
        let pixels = std::fs::read(line["pixels"].as_str().unwrap()).unwrap();
        let wanted = Image { channels: 3, height: 224, width: 224, pixels };
        let (most, mean) = difference(&found, &wanted, "a photograph");
        largest = largest.max(most);
        sum += mean;
        beyond += found.pixels.iter().zip(&wanted.pixels).filter(|(a, b)| a.abs_diff(**b) > 2).count();
        count += 1;
    }
    let mean = sum / f64::from(count);
    let part = beyond as f64 / f64::from(count * 224 * 224 * 3);
    let text = format!(
        "{count} photographs: {mean:.4} levels of 255 in the mean, {largest} at most, {part:.6} differ by more than 2\n"
    );
    std::fs::write(format!("{}.report", std::env::var("FIREBOX_CROPS").unwrap()), &text).unwrap();
    assert!(count > 0 && mean < 0.5 && part < 0.01, "{text}");
}
