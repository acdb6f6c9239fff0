//! Are masks the numbers that Pillow wrote, do they go with their images, and do they reach a batch?

use std::path::Path;

use super::*;
use crate::batch::Target;
use crate::card::Role;
use crate::formats::Records;
use crate::pipeline::Pipeline;
use crate::random::Random;
use crate::signature::OutputSpec;
use crate::tables::columnar::tests::{fixtures, json};
use crate::task::Task;

fn schema(count: usize, void: &str) -> Schema {
    let classes: Vec<String> = (0..count).map(|class| format!("\"c{class}\"")).collect();
    toml::from_str(&format!(
        "[target]\nname = \"y\"\nkind = \"mask\"\nclasses = [{}]\n{void}\n[features]\nimage = \"image\"",
        classes.join(",")
    ))
    .unwrap()
}

fn files(root: &Path, images: &str, masks: &str) -> [SourceFile; 2] {
    [(images, Role::Images), (masks, Role::Labels)].map(|(name, role)| SourceFile {
        name: name.into(),
        path: root.join(name),
        sha256: String::new(),
        bytes: 0,
        role,
        part: None,
    })
}

fn open(root: &Path, config: &Config, schema: &Schema) -> Result<MaskFolder, Error> {
    MaskFolder::open(&files(root, "images", "masks"), config, schema)
}

#[test]
fn grey_levels_and_places_in_a_palette_are_numbers_of_classes() {
    let folder = open(&fixtures().join("masks"), &Config::default(), &schema(256, "")).unwrap();
    let expected = json("masks/expected.json");
    assert_eq!(folder.len(), 5);
    for row in 0..folder.len() {
        let record = folder.read(row).unwrap();
        let name = record.id.key.trim_start_matches("images/").trim_end_matches(".png").to_owned();
        let wanted: Vec<u8> =
            expected[&name].as_array().unwrap().iter().map(|class| class.as_u64().unwrap() as u8).collect();
        let mask = Image { channels: 1, height: 5, width: 7, pixels: wanted };
        assert_eq!(record.field("y"), Some(&Value::Mask(mask)), "{name}");
    }
    for (name, words) in [("colour", "it has colours"), ("deep", "levels above 255")] {
        let error = decode_mask(&fixtures().join(format!("masks/wrong/{name}.png"))).unwrap_err();
        assert!(error.to_string().contains(words) && error.is_bad_example(), "{error}");
    }
    let bytes = std::fs::read(fixtures().join("masks/masks/palette256.png")).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    for cut in 0..bytes.len() - 12 {
        std::fs::write(file.path(), &bytes[..cut]).unwrap();
        assert!(matches!(decode_mask(file.path()), Err(Error::Malformed { .. })), "{cut}");
    }
}

#[test]
fn masks_are_resized_and_flipped_with_their_images_and_reach_the_batch() {
    let size = Config { size: Some([10, 14]), ..Config::default() };
    let folder = open(&fixtures().join("masks"), &size, &schema(256, "")).unwrap();
    let row = (0..5).find(|&row| folder.key(row).unwrap().contains("grey")).unwrap();
    let Value::Mask(mask) = folder.field(row, "y").unwrap() else { panic!("no mask") };
    let wanted = json("masks/expected.json")["grey"].clone();
    for (place, &class) in mask.pixels.iter().enumerate() {
        // Twice as large: every pixel became four.
        assert_eq!(wanted[place / 14 / 2 * 7 + place % 14 / 2], u64::from(class), "pixel {place}");
    }

    let transforms = toml::from_str("[horizontal_flip]\np = 1.0\n").unwrap();
    let all: Vec<u32> = (0..5).collect();
    let pipeline = Pipeline::fit(&schema(256, ""), Task::Segment, &transforms, &folder, &all, false).unwrap();
    let OutputSpec::Mask { labels } = &pipeline.signature().output else { panic!("no mask") };
    assert_eq!((labels.len(), labels[3].as_str()), (256, "c3"));
    assert_eq!(pipeline.signature().check(), Ok(()));
    let batch = pipeline.batch(vec![folder.read(row).unwrap(), folder.read(0).unwrap()]).unwrap();
    let Target::Mask { shape, classes } = &batch.target else { panic!("no mask") };
    assert_eq!(shape, &[2, 10, 14]);
    assert!(classes[..140].iter().zip(&mask.pixels).all(|(class, pixel)| *class == i64::from(*pixel)));
    let mut random = Random::derive(&[1]);
    let example = pipeline.prepare_with(folder.read(row).unwrap(), Some(&mut random)).unwrap();
    let crate::example::TargetValue::Mask { classes: flipped, .. } = example.target else { panic!("no mask") };
    for (place, class) in flipped.iter().enumerate() {
        assert_eq!(*class, i64::from(mask.pixels[place / 14 * 14 + 13 - place % 14]), "pixel {place}");
    }
}

#[test]
fn pixels_that_do_not_count_are_left_out_and_unknown_ones_refused() {
    let root = tempfile::tempdir().unwrap();
    for folder in ["images", "masks"] {
        std::fs::create_dir(root.path().join(folder)).unwrap();
    }
    image::GrayImage::from_raw(2, 2, vec![0, 1, 255, 0]).unwrap().save(root.path().join("masks/a.png")).unwrap();
    image::RgbImage::new(2, 2).save(root.path().join("images/a.png")).unwrap();
    let target = |schema: &Schema| {
        let folder = open(root.path(), &Config::default(), schema).unwrap();
        let pipeline = Pipeline::fit(schema, Task::Segment, &toml::from_str("").unwrap(), &folder, &[0], false)?;
        pipeline.batch(vec![folder.read(0)?]).map(|batch| batch.target)
    };
    let wanted = Target::Mask { shape: [1, 2, 2], classes: vec![0, 1, -1, 0] };
    assert_eq!(target(&schema(2, "void = 255")).unwrap(), wanted);
    let error = target(&schema(2, "")).unwrap_err();
    assert!(error.to_string().contains("255 at row 1, column 0, and the card names 2 classes"), "{error}");
    assert!(error.is_bad_example());
}

#[test]
fn images_and_masks_that_do_not_go_together_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let picture = |name: &str, width| {
        let path = root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::GrayImage::new(width, 2).save(path).unwrap();
    };
    let check = |words: &str| {
        let error = open(root.path(), &Config::default(), &schema(2, "")).err().unwrap();
        assert!(error.to_string().contains(words) && error.is_usage() && error.hint().is_some(), "{error}");
    };
    std::fs::create_dir_all(root.path().join("images")).unwrap();
    picture("masks/a.png", 3);
    check("holds no .png, .jpg or .jpeg image");
    picture("images/b.png", 3);
    check("b.png has no mask b.png in");
    picture("images/a.jpg", 3);
    picture("masks/b.png", 4);
    picture("masks/c.png", 3);
    check("c.png is the mask of no image");
    std::fs::remove_file(root.path().join("masks/c.png")).unwrap();
    let folder = open(root.path(), &Config::default(), &schema(2, "")).unwrap();
    assert!(folder.read(0).is_ok());
    assert!(folder.read(1).unwrap_err().to_string().contains("`y` is 2 x 4 (height, width), and its image is 2 x 3"));
    picture("images/b.jpeg", 3);
    check("have one name but for the ending");
}
