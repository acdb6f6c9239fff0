//! Do random transforms draw from the ranges that they state, evenly, by the chance they are given and nothing else?
//!
//! Every test draws from a fresh seed, which a failure names. Counts and means must lie within five standard deviations of what is
//! stated, which a right one misses once in 1.7 million times.

use super::tests::fit;
use super::{FittedTransform, MEMBERS};
use crate::example::{Image, Record, Value};
use crate::random::Random;

/// A seed that nobody has tried before.
fn fresh() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_nanos() as u64
}

fn fitted(config: &str) -> FittedTransform {
    let image = Image { channels: 1, height: 4, width: 4, pixels: vec![0; 16] };
    fit(config, "[features]\ni = \"image\"", &[&[Value::Image(image)]]).unwrap().0.remove(0)
}

fn applied(transform: &FittedTransform, image: &Image, random: Option<&mut Random>) -> Image {
    let mut record = Record::new("r".into(), vec![("i".into(), Value::Image(image.clone()))], None);
    transform.apply(&mut record, random).unwrap();
    match record.fields.pop() {
        Some((_, Value::Image(image))) => image,
        other => panic!("{other:?}"),
    }
}

/// Every pixel says where it lies: y and x, and a third channel.
fn places(height: usize, width: usize) -> Image {
    let pixels = (0..height * width).flat_map(|place| [(place / width) as u8, (place % width) as u8, 128]).collect();
    Image { channels: 3, height, width, pixels }
}

/// How many bytes are 255, which windows are filled with.
fn padding(image: &Image) -> usize {
    image.pixels.iter().map(|byte| usize::from(*byte == 255)).sum()
}

/// Whether `count` of `n` lies within five standard deviations of `p`.
fn likely(count: usize, n: usize, p: f64, what: &str) {
    let (wanted, slack) = (n as f64 * p, 5.0 * (n as f64 * p * (1.0 - p)).sqrt());
    assert!((count as f64 - wanted).abs() <= slack, "{what}: {count} of {n}, and {wanted:.1} are to be expected");
}

/// Whether the mean of `values` lies within five standard deviations of the middle of an even distribution over `range`.
fn even(values: &[f64], range: [f64; 2], what: &str) {
    let spread = range[1] - range[0];
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let slack = 5.0 * spread / (12.0 * values.len() as f64).sqrt();
    assert!((mean - f64::midpoint(range[0], range[1])).abs() <= slack, "{what}: the mean is {mean} within {range:?}");
    let low = values.iter().filter(|&&value| value < range[0] + spread / 4.0).count();
    likely(low, values.len(), 0.25, what);
}

#[test]
fn flips_and_erasing_happen_as_often_as_they_are_asked_to() {
    let (seed, n) = (fresh(), 4000);
    let image = places(6, 7);
    for (config, p) in [
        ("[horizontal_flip]", 0.5),
        ("[horizontal_flip]\np = 0.2", 0.2),
        ("[vertical_flip]", 0.5),
        ("[vertical_flip]\np = 0.9", 0.9),
        ("[random_erasing]\nfill = 200", 0.5),
        ("[random_erasing]\nfill = 200\np = 0.1", 0.1),
    ] {
        let transform = fitted(config);
        let mut random = Random::derive(&[seed]);
        let changed = (0..n).filter(|_| applied(&transform, &image, Some(&mut random)) != image).count();
        likely(changed, n, p, &format!("{config}, seed {seed}"));
    }
}

#[test]
fn windows_lie_anywhere_within_the_padding() {
    let (seed, n) = (fresh(), 10_000);
    let transform = fitted("[random_crop]\nsize = [8, 8]\npadding = 2\nfill = 255");
    let mut random = Random::derive(&[seed]);
    let mut counts = [[0; 5]; 5];
    for _ in 0..n {
        let found = applied(&transform, &places(8, 8), Some(&mut random));
        // The middle is never padding.
        let middle = (4 * 8 + 4) * 3;
        counts[usize::from(found.pixels[middle]) - 2][usize::from(found.pixels[middle + 1]) - 2] += 1;
        let padded = padding(&found);
        let [rows, columns] = [0, 1].map(|axis| 8 - usize::from(found.pixels[middle + axis].abs_diff(4)));
        assert_eq!(padded, (64 - rows * columns) * 3, "seed {seed}");
    }
    counts.iter().flatten().for_each(|&count| likely(count, n, 1.0 / 25.0, &format!("a window, seed {seed}")));
    // Too small on one side, even with its padding: in the middle there, anywhere on the other.
    let found = applied(&transform, &places(2, 30), Some(&mut random));
    let columns = [0, 1, 2].map(|columns| (6 * 8 + 2 * columns) * 3);
    assert!(columns.contains(&padding(&found)), "{} bytes of padding", padding(&found));
}

#[test]
fn parts_have_the_areas_and_proportions_that_are_stated() {
    let (seed, n) = (fresh(), 3000);
    let transform = fitted("[random_resized_crop]\nsize = [2, 2]\nscale = [0.1, 0.4]\nfilter = \"nearest\"");
    let FittedTransform::RandomResizedCrop(crop) = &transform else { panic!() };
    let mut random = Random::derive(&[seed]);
    let parts: Vec<_> = (0..n).map(|_| crop.draw(2000, 3000, &mut random)).collect();
    let of = |value: &dyn Fn(&crate::raster::movement::Rectangle) -> f64| parts.iter().map(value).collect::<Vec<f64>>();
    even(&of(&|part| (part.height * part.width) as f64 / 6e6), [0.1, 0.4], &format!("areas, seed {seed}"));
    let ratios = of(&|part| (part.width as f64 / part.height as f64).ln());
    even(&ratios, [(0.75_f64).ln(), (4.0_f64 / 3.0).ln()], &format!("proportions, seed {seed}"));
    even(&of(&|part| part.top as f64 / (2000 - part.height) as f64), [0.0, 1.0], &format!("tops, seed {seed}"));
    even(&of(&|part| part.left as f64 / (3000 - part.width) as f64), [0.0, 1.0], &format!("lefts, seed {seed}"));

    // No part of such proportions fits, and the middle of the whole length or height is taken.
    let whole = fitted("[random_resized_crop]\nsize = [2, 2]\nscale = [1.0, 1.0]");
    let FittedTransform::RandomResizedCrop(whole) = &whole else { panic!() };
    for (image, wanted) in [([30, 300], [30, 40]), ([300, 30], [40, 30])] {
        let part = whole.draw(image[0], image[1], &mut random);
        assert_eq!([part.height, part.width], wanted);
        assert_eq!([part.top, part.left], [(image[0] - wanted[0]) / 2, (image[1] - wanted[1]) / 2]);
    }
    // Without chance: seven eighths of the middle.
    let middle = fitted("[random_resized_crop]\nsize = [56, 56]");
    let found = applied(&middle, &places(64, 100), None);
    assert_eq!((found.height, found.pixels[..2].to_vec()), (56, vec![4, 22]));
}

#[test]
fn every_operation_of_rand_augment_is_as_likely_as_any_other() {
    let (seed, n) = (fresh(), 14_000);
    let image = {
        let mut noise = Random::derive(&[seed, 1]);
        let pixels = (0..20 * 24 * 3).map(|_| 20 + noise.below(200) as u8).collect();
        Image { channels: 3, height: 20, width: 24, pixels }
    };
    let transform = fitted("[rand_augment]\nnum_ops = 1\nmagnitude = 20");
    let mut random = Random::derive(&[seed]);
    let mut counts = std::collections::HashMap::<Vec<u8>, usize>::new();
    for _ in 0..n {
        *counts.entry(applied(&transform, &image, Some(&mut random)).pixels).or_default() += 1;
    }
    // Nine operations go both ways, five go one way, and all twenty-three results differ.
    assert_eq!(counts.len(), 23, "seed {seed}");
    let mut sorted: Vec<usize> = counts.into_values().collect();
    sorted.sort_unstable();
    sorted[..18].iter().for_each(|&count| likely(count, n, 1.0 / 28.0, &format!("one way, seed {seed}")));
    sorted[18..].iter().for_each(|&count| likely(count, n, 1.0 / 14.0, &format!("the only way, seed {seed}")));
}

#[test]
fn colours_change_evenly_within_what_is_stated() {
    let (seed, n) = (fresh(), 3000);
    let image = Image { channels: 1, height: 1, width: 1, pixels: vec![100] };
    let transform = fitted("[color_jitter]\nbrightness = 0.5");
    let mut random = Random::derive(&[seed]);
    let values: Vec<f64> =
        (0..n).map(|_| f64::from(applied(&transform, &image, Some(&mut random)).pixels[0]) + 0.5).collect();
    assert!(values.iter().all(|value| (50.0..=150.5).contains(value)));
    even(&values, [50.0, 150.0], &format!("brightness, seed {seed}"));

    let red = Image { channels: 3, height: 1, width: 1, pixels: vec![200, 0, 0] };
    let transform = fitted("[color_jitter]\nhue = 0.1");
    let greenish = (0..n).filter(|_| applied(&transform, &red, Some(&mut random)).pixels[1] > 0).count();
    likely(greenish, n, 0.5, &format!("hues towards green, seed {seed}"));
    // A tenth of the circle is six tenths of the way to yellow.
    let turned = applied(&transform, &red, Some(&mut random)).pixels;
    assert!(turned[0] == 200 && turned[1].max(turned[2]) <= 120, "{turned:?}");
}

#[test]
fn erased_rectangles_have_the_areas_and_proportions_that_are_stated() {
    let (seed, n) = (fresh(), 3000);
    let transform = fitted("[random_erasing]\np = 1.0\nfill = 255");
    let mut random = Random::derive(&[seed]);
    let image = Image { channels: 1, height: 60, width: 60, pixels: vec![0; 3600] };
    let mut areas = Vec::new();
    for _ in 0..n {
        let found = applied(&transform, &image, Some(&mut random));
        let gone: Vec<usize> = (0..3600).filter(|&place| found.pixels[place] == 255).collect();
        let (rows, columns): (Vec<usize>, Vec<usize>) = gone.iter().map(|place| (place / 60, place % 60)).unzip();
        let length = |axis: &[usize]| axis.iter().max().unwrap() - axis.iter().min().unwrap() + 1;
        let (height, width) = (length(&rows), length(&columns));
        assert_eq!(height * width, gone.len(), "no rectangle, seed {seed}");
        areas.push(gone.len() as f64 / 3600.0);
        // Sides are rounded to pixels.
        let ratio = height as f64 / width as f64;
        assert!((0.27..3.7).contains(&ratio), "{height} x {width}, seed {seed}");
    }
    // The largest flat ones do not fit and are drawn again, so areas are even only up to about a quarter.
    assert!(areas.iter().all(|area| (0.015..0.345).contains(area)), "seed {seed}");
    let small: Vec<f64> = areas.into_iter().filter(|area| *area < 0.25).collect();
    let below = small.iter().filter(|&&area| area < 0.135).count();
    likely(below, small.len(), 0.5, &format!("areas, seed {seed}"));
    let noise = fitted("[random_erasing]\np = 1.0\nnoise = true\nscale = [0.2, 0.3]");
    let found = applied(&noise, &image, Some(&mut random));
    let distinct: std::collections::HashSet<&u8> = found.pixels.iter().collect();
    assert!(distinct.len() > 100, "noise of {} bytes", distinct.len());
}

#[test]
fn the_same_chance_gives_the_same_pixels_and_none_gives_none() {
    let seed = fresh();
    let image = places(40, 50);
    for entry in MEMBERS {
        let random =
            ["auto_augment", "color_jitter", "horizontal_flip", "rand_augment", "random_erasing", "vertical_flip"];
        let settings = match entry.name {
            "random_crop" | "random_resized_crop" => "size = [20, 20]\n",
            "color_jitter" => "brightness = 0.4\ncontrast = 0.4\nsaturation = 0.4\nhue = 0.1",
            name if random.contains(&name) => "",
            _ => continue,
        };
        let transform = fitted(&format!("[{}]\n{settings}", entry.name));
        let run = |first: u64| -> Vec<Image> {
            // Another image before each, so that what lies in the buffers of this thread differs.
            let before = |pass: u64| applied(&transform, &places(41, 60 + pass as usize % 7), None);
            (0..30)
                .map(|pass| {
                    before(pass + first);
                    applied(&transform, &image, Some(&mut Random::derive(&[seed, pass, 7])))
                })
                .collect()
        };
        let once = run(0);
        assert_eq!(once, run(3), "{}, seed {seed}", entry.name);
        assert_eq!(std::thread::scope(|scope| scope.spawn(|| run(1)).join().unwrap()), once, "{}", entry.name);
        assert!(once.iter().any(|found| *found != once[0]), "{} knows one pass alone, seed {seed}", entry.name);
        let plain = applied(&transform, &image, None);
        assert_eq!(plain, applied(&transform, &image, None), "{}", entry.name);
        if random.contains(&entry.name) {
            assert_eq!(plain, image, "{} changes an image without chance", entry.name);
        }
    }
}

#[test]
fn settings_that_cannot_be_meant_are_refused_by_their_address() {
    for (config, address) in [
        ("[resize]", "data.transforms.resize"),
        ("[resize]\nsize = [0, 4]", "data.transforms.resize.size"),
        ("[resize]\nsize = [4, 4]\nshorter = 3", "data.transforms.resize"),
        ("[resize]\nshorter = 4000000000", "data.transforms.resize.shorter"),
        ("[center_crop]\nsize = [70000, 1]", "data.transforms.center_crop.size"),
        ("[random_crop]\nsize = [4, 4]\npadding = 4000000000", "data.transforms.random_crop.padding"),
        ("[random_resized_crop]\nsize = [4, 4]\nscale = [0.5, 0.2]", "data.transforms.random_resized_crop.scale"),
        ("[random_resized_crop]\nsize = [4, 4]\nratio = [0.0, 1.0]", "data.transforms.random_resized_crop.ratio"),
        ("[random_resized_crop]\nsize = [4, 4]\ncenter = 0.0", "data.transforms.random_resized_crop.center"),
        ("[horizontal_flip]\np = 1.5", "data.transforms.horizontal_flip.p"),
        ("[vertical_flip]\np = nan", "data.transforms.vertical_flip.p"),
        ("[color_jitter]\nhue = 0.6", "data.transforms.color_jitter.hue"),
        ("[color_jitter]\nbrightness = -1.0", "data.transforms.color_jitter.brightness"),
        ("[rand_augment]\nmagnitude = 31", "data.transforms.rand_augment.magnitude"),
        ("[rand_augment]\nbins = 1", "data.transforms.rand_augment.bins"),
        ("[random_erasing]\nscale = [0.0, 1.1]", "data.transforms.random_erasing.scale"),
        ("[mixup]\nalpha = 0.0", "data.transforms.mixup.alpha"),
        ("[cutmix]\np = -0.1", "data.transforms.cutmix.p"),
    ] {
        let image = Image { channels: 1, height: 4, width: 4, pixels: vec![0; 16] };
        let Err(error) = fit(config, "[features]\ni = \"image\"", &[&[Value::Image(image)]]) else {
            panic!("{config} was accepted")
        };
        assert!(error.to_string().starts_with(&format!("The setting `{address}` ")), "{config}: {error}");
        assert!(error.hint().is_some() && error.is_usage(), "{config}");
    }
    // An image so long that its other side would be millions of pixels is refused when it is met.
    let transform = fitted("[resize]\nshorter = 7000");
    let long = Image { channels: 1, height: 1, width: 200, pixels: vec![0; 200] };
    let mut record = Record::new("r".into(), vec![("i".into(), Value::Image(long))], None);
    assert!(transform.apply(&mut record, None).is_err());
}
