//! What do the checks say of images: of clean ones, of broken, misnamed and unusual ones, and of copies that were altered?

#![allow(clippy::unwrap_used)]

use std::path::Path;

use data_loader::checks::{self, Depth, Finding, Report, Severity};
use data_loader::random::Random;
use data_loader::{DataConfig, Dataset};
use image::{DynamicImage, ImageFormat, RgbImage};

/// A picture of a few blobs of colour, smooth as photographs are, from a seed.
fn picture(seed: u64, width: u32, height: u32) -> RgbImage {
    let mut random = Random::derive(&[seed, 4]);
    let blobs: Vec<[f64; 6]> = (0..12).map(|_| std::array::from_fn(|_| random.unit())).collect();
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (f64::from(x) / f64::from(width), f64::from(y) / f64::from(height));
        let mut colour = [60.0_f64; 3];
        for [bx, by, size, r, g, b] in &blobs {
            let near = (-((x - bx).powi(2) + (y - by).powi(2)) / (0.02 * size + 0.001)).exp();
            colour.iter_mut().zip([r, g, b]).for_each(|(colour, tint)| *colour += near * (tint * 240.0 - 60.0));
        }
        image::Rgb(colour.map(|value| value.clamp(0.0, 255.0) as u8))
    })
}

/// A folder of 30 clean pictures for training and 10 for test, of two classes.
fn folder(seed: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for row in 0..40_u64 {
        let part = if row < 30 { "train" } else { "test" };
        let place = folder.path().join(format!("{part}/{}", ["a", "b"][row as usize % 2]));
        std::fs::create_dir_all(&place).unwrap();
        picture(seed * 1000 + row, 120, 90).save(place.join(format!("{row:02}.png"))).unwrap();
    }
    let card = "name = \"photos\"\ntitle = \"\"\nsummary = \"\"\nsource = \"\"\nlicence = \"\"\ncitation = \"\"\n[format.image_folder]\n\
                [[files]]\npath = \"train\"\npart = \"train\"\n[[files]]\npath = \"test\"\npart = \"test\"\n\
                [schema]\ntarget = { name = \"y\", kind = \"class\" }\n[schema.features]\nimage = \"image\"\n\
                [transforms.normalize]\n";
    std::fs::write(folder.path().join("card.toml"), card).unwrap();
    folder
}

fn check(folder: &Path, depth: Depth) -> Report {
    let dataset = Dataset::open_for_checks(&DataConfig::new(folder), folder, None, 3).unwrap();
    checks::check(&dataset, depth, 3, &mut |_, _, _| {}).unwrap()
}

fn of<'r>(report: &'r Report, check: &str) -> Vec<&'r Finding> {
    report.findings.iter().filter(|finding| finding.check == check).collect()
}

#[test]
fn clean_pictures_raise_no_alarm() {
    for seed in 0..2 {
        let folder = folder(seed);
        for depth in [Depth::Fast, Depth::Thorough] {
            let report = check(folder.path(), depth);
            let alarms: Vec<&Finding> =
                report.findings.iter().filter(|finding| finding.severity != Severity::Note).collect();
            assert!(alarms.is_empty(), "seed {seed}: {alarms:?}");
            assert!(of(&report, "near_duplicates").is_empty(), "seed {seed}: {:?}", report.findings);
        }
    }
}

#[test]
fn altered_copies_are_found_across_and_within_parts() {
    for seed in 0..2 {
        let folder = folder(seed);
        let original = |row: u64| DynamicImage::ImageRgb8(picture(seed * 1000 + row, 120, 90));
        let place = |name: &str| folder.path().join(name);
        // Across: saved as JPEG, made smaller, made brighter. Within: trimmed by a pixel on each side.
        original(2).save_with_format(place("test/a/jpeg.jpg"), ImageFormat::Jpeg).unwrap();
        original(4)
            .resize_exact(80, 60, image::imageops::FilterType::Triangle)
            .save(place("test/a/small.png"))
            .unwrap();
        original(7).brighten(25).save(place("test/b/bright.png")).unwrap();
        original(9).crop_imm(1, 1, 118, 88).save(place("train/b/trimmed.png")).unwrap();
        let report = check(folder.path(), Depth::Thorough);
        let [across, within] = of(&report, "near_duplicates")[..] else { panic!("seed {seed}: {:?}", report.findings) };
        assert_eq!((across.severity, across.count), (Severity::Warning, 3), "{}", across.message);
        let mut pairs: Vec<(&str, &str)> =
            across.pairs.iter().map(|pair| (pair.first.id.as_str(), pair.second.id.as_str())).collect();
        pairs.sort_unstable();
        let wanted = [
            ("photos/train/a/02.png", "photos/test/a/jpeg.jpg"),
            ("photos/train/a/04.png", "photos/test/a/small.png"),
            ("photos/train/b/07.png", "photos/test/b/bright.png"),
        ];
        assert_eq!(pairs, wanted);
        assert_eq!((within.severity, within.count), (Severity::Note, 1), "{}", within.message);
        assert!(across.pairs.iter().all(|pair| pair.likeness >= 0.99 && pair.likeness <= 1.0));
    }
}

#[test]
fn equal_files_across_parts_fail_before_training_without_decoding() {
    let folder = folder(9);
    std::fs::copy(folder.path().join("train/a/06.png"), folder.path().join("test/b/copy.png")).unwrap();
    for depth in [Depth::Fast, Depth::Thorough] {
        let report = check(folder.path(), depth);
        let [found] = of(&report, "exact_duplicates")[..] else { panic!("{:?}", report.findings) };
        assert_eq!((found.severity, found.count), (Severity::Error, 1));
        assert!(found.message.contains("1 of them with another target"), "{}", found.message);
        assert!(
            found.message.contains("photos/train/a/06.png (train) and photos/test/b/copy.png (test)"),
            "{}",
            found.message
        );
        assert!(of(&report, "near_duplicates").is_empty(), "an exact one is not told twice");
    }
    // The same pixels in another file are found where images are decoded.
    let pixels = image::open(folder.path().join("train/a/08.png")).unwrap();
    pixels.save_with_format(folder.path().join("test/a/again.png"), ImageFormat::Png).unwrap();
    assert_eq!(of(&check(folder.path(), Depth::Thorough), "exact_duplicates")[0].count, 2);
}

#[test]
fn broken_misnamed_and_unusual_images_are_named() {
    let folder = folder(11);
    let place = |name: &str| folder.path().join(name);
    let whole = std::fs::read(place("train/a/00.png")).unwrap();
    std::fs::write(place("train/a/00.png"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(place("train/a/text.png"), "this is no image").unwrap();
    picture(500, 120, 90).save_with_format(place("train/a/really.png"), ImageFormat::Jpeg).unwrap();
    picture(501, 120, 90).save_with_format(place("train/a/passed_over.dat"), ImageFormat::Png).unwrap();
    RgbImage::from_pixel(120, 90, image::Rgb([9, 9, 9])).save(place("train/b/blank.png")).unwrap();
    picture(502, 900, 675).save(place("train/b/large.png")).unwrap();
    picture(503, 180, 60).save(place("train/b/wide.png")).unwrap();
    let report = check(folder.path(), Depth::Thorough);
    let [unreadable] = of(&report, "unreadable")[..] else { panic!("{:?}", report.findings) };
    let ids: Vec<&str> = unreadable.examples.iter().map(|example| example.id.as_str()).collect();
    // A network takes images of one size, and no transform makes it.
    let other_sizes = ["photos/train/b/large.png", "photos/train/b/wide.png"];
    let broken = ["photos/train/a/00.png", "photos/train/a/text.png"];
    assert_eq!((unreadable.severity, ids), (Severity::Error, [broken, other_sizes].concat()));
    let misnamed = of(&report, "wrong_extension");
    let named: Vec<String> =
        misnamed.iter().flat_map(|finding| finding.examples.iter().map(|example| example.id.clone())).collect();
    assert_eq!(named.len(), 3, "{named:?}");
    assert!(
        named[0].ends_with("really.png") && named[1].ends_with("text.png") && named[2].ends_with("passed_over.dat")
    );
    let quality = of(&report, "image_quality");
    let about = |word: &str| {
        let found = quality.iter().find(|finding| finding.message.contains(word));
        found.map_or(Vec::new(), |finding| finding.examples.iter().map(|example| example.id.clone()).collect())
    };
    assert_eq!(about("of one grey"), ["photos/train/b/blank.png"]);
    assert_eq!(about("large"), ["photos/train/b/large.png"]);
    assert_eq!(about("wide"), ["photos/train/b/wide.png"]);
}
