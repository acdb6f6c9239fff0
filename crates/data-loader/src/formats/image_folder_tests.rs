//! Are the images of a folder found in order, with their classes, and refused by their paths?

use super::*;
use crate::decode::size_of;
use crate::example::Image;
use crate::schema::ImageSize;

fn schema() -> Schema {
    toml::from_str("target = { name = \"class\", kind = \"class\" }\n[features]\nimage = \"image\"\n").unwrap()
}

fn save(path: &Path, pixel: [u8; 3], width: u32, height: u32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::RgbImage::from_pixel(width, height, image::Rgb(pixel)).save(path).unwrap();
}

fn open(root: &Path, config: &Config) -> Result<ImageFolder, Error> {
    let file = SourceFile {
        name: "root".into(),
        path: root.into(),
        sha256: String::new(),
        bytes: 0,
        role: crate::card::Role::default(),
        part: None,
    };
    ImageFolder::open(&[file], config, &schema())
}

#[test]
fn images_are_found_in_order_and_decoded_pixel_by_pixel() {
    let root = tempfile::tempdir().unwrap();
    save(&root.path().join("dog/b.png"), [1, 2, 3], 2, 1);
    save(&root.path().join("cat/deep/a.png"), [9, 9, 9], 2, 1);
    save(&root.path().join("dog/.hidden.png"), [0; 3], 2, 1);
    std::fs::write(root.path().join("dog/notes.txt"), "x").unwrap();
    let folder = open(root.path(), &Config::default()).unwrap();
    assert_eq!(folder.len(), 2);
    assert_eq!(folder.read(0).unwrap().id.key, "root/cat/deep/a.png");
    let record = folder.read(1).unwrap();
    let image = Image { channels: 3, height: 1, width: 2, pixels: vec![1, 2, 3, 1, 2, 3] };
    assert_eq!(record.field("image"), Some(&Value::Image(image)));
    assert_eq!(folder.field(0, "class").unwrap(), Value::Text("cat".into()));
}

#[test]
fn images_are_resized_and_made_grey() {
    let root = tempfile::tempdir().unwrap();
    save(&root.path().join("a/x.png"), [200, 200, 200], 40, 30);
    save(&root.path().join("a/y.jpg"), [200, 200, 200], 40, 30);
    let folder = open(root.path(), &Config { channels: 1, size: Some([5, 4]) }).unwrap();
    for row in 0..2 {
        let Value::Image(image) = folder.field(row, "image").unwrap() else { panic!("no image") };
        assert_eq!((image.channels, image.height, image.width), (1, 5, 4));
        assert!(image.pixels.iter().all(|&p| p.abs_diff(200) <= 1));
    }
}

#[test]
fn prediction_takes_one_image_or_any_folder_and_brings_them_to_size() {
    let root = tempfile::tempdir().unwrap();
    save(&root.path().join("x.png"), [1, 2, 3], 7, 7);
    let mut schema = schema();
    schema.image = Some(ImageSize { channels: 1, height: 3, width: 2 });
    for path in [root.path().join("x.png"), root.path().to_path_buf()] {
        let record = ImageFolder::open_for_prediction(&path, &schema).unwrap().read(0).unwrap();
        let Some(Value::Image(image)) = record.field("image") else { panic!("no image") };
        assert_eq!(size_of(image), schema.image.unwrap());
        assert_eq!(record.fields.len(), 1);
    }
    // The model's own transforms make the size.
    schema.images_of_any_size = true;
    let record = ImageFolder::open_for_prediction(root.path(), &schema).unwrap().read(0).unwrap();
    let Some(Value::Image(image)) = record.field("image") else { panic!("no image") };
    assert_eq!(size_of(image), ImageSize { channels: 1, height: 7, width: 7 });
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(ImageFolder::open_for_prediction(empty.path(), &schema), Err(Error::NoExamples { .. })));
}

#[test]
fn what_is_not_an_image_is_an_error_with_its_path() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a/x.png");
    save(&path, [1, 2, 3], 50, 50);
    let whole = std::fs::read(&path).unwrap();
    for bytes in [b"<html>".to_vec(), vec![], whole[..20].to_vec(), whole[..whole.len() / 2].to_vec()] {
        std::fs::write(&path, &bytes).unwrap();
        let error = open(root.path(), &Config::default()).unwrap().read(0).unwrap_err();
        assert!(error.to_string().contains("x.png") && error.is_bad_example(), "{error}");
    }
    // A header that claims 4 billion by 1 billion pixels.
    let mut huge = whole;
    huge[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x3b, 0x9a, 0xca, 0]);
    let crc = crc32(&huge[12..29]).to_be_bytes();
    huge[29..33].copy_from_slice(&crc);
    std::fs::write(&path, &huge).unwrap();
    let error = open(root.path(), &Config::default()).unwrap().read(0).unwrap_err();
    assert!(error.to_string().contains("more than the 50000000 pixels") && error.is_bad_example(), "{error}");
}

/// The checksum of PNG chunks, bit by bit (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn folders_and_settings_that_cannot_be_used_are_refused() {
    let root = tempfile::tempdir().unwrap();
    assert!(matches!(open(root.path(), &Config::default()), Err(Error::NoExamples { .. })));
    assert!(matches!(open(&root.path().join("none"), &Config::default()), Err(Error::NotFound { .. })));
    assert!(open(root.path(), &Config { channels: 2, size: None }).is_err());
    assert!(open(root.path(), &Config { channels: 1, size: Some([0, 1]) }).is_err());
    assert!(open(root.path(), &Config { channels: 1, size: Some([usize::MAX, 3]) }).is_err());
}

#[test]
fn images_come_in_the_order_of_their_paths_however_deep_they_lie() {
    let root = tempfile::tempdir().unwrap();
    let names = ["cat/a/z.png", "cat/b/y.png", "cat/c.png", "dog/a.png"];
    names.iter().rev().for_each(|name| save(&root.path().join(name), [1, 2, 3], 1, 1));
    let folder = open(root.path(), &Config::default()).unwrap();
    let keys: Vec<String> = (0..folder.len()).map(|row| folder.key(row).unwrap()).collect();
    assert_eq!(keys, names.map(|name| format!("root/{name}")));
    let new = ImageFolder::open_for_prediction(root.path(), &schema()).unwrap();
    let keys: Vec<String> = (0..new.len()).map(|row| new.key(row).unwrap()).collect();
    assert!(keys.iter().zip(names).all(|(key, name)| key.ends_with(name)), "{keys:?}");
}

#[test]
fn images_whose_class_is_not_known_and_classes_without_images_are_refused() {
    let root = tempfile::tempdir().unwrap();
    save(&root.path().join("cat/a.png"), [1, 2, 3], 1, 1);
    std::fs::create_dir(root.path().join("dog")).unwrap();
    std::fs::write(root.path().join("dog/notes.txt"), "x").unwrap();
    let Err(error) = open(root.path(), &Config::default()) else { panic!("opened") };
    assert!(error.to_string().contains(&root.path().join("dog").display().to_string()), "{error}");
    assert!(error.hint().unwrap().contains(".jpeg") && error.is_usage());

    save(&root.path().join("dog/a.png"), [1, 2, 3], 1, 1);
    assert!(open(root.path(), &Config::default()).is_ok());
    save(&root.path().join("loose.png"), [1, 2, 3], 1, 1);
    let Err(error) = open(root.path(), &Config::default()) else { panic!("opened") };
    assert!(error.to_string().contains("loose.png") && error.hint().unwrap().contains(".jpeg"), "{error}");
}

#[test]
fn an_image_that_cannot_be_decoded_is_an_example_that_cannot_be_read() {
    let root = tempfile::tempdir().unwrap();
    save(&root.path().join("cat/a.png"), [1, 2, 3], 1, 1);
    std::fs::rename(root.path().join("cat/a.png"), root.path().join("cat/a.JFIF")).unwrap();
    std::fs::write(root.path().join("cat/b.webp"), b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0/").unwrap();
    std::fs::write(root.path().join("cat/c.gif"), b"GIF89a\x01\0\x01\0\0\0\0;").unwrap();
    std::fs::write(root.path().join("cat/d.bmp"), b"BM1234").unwrap();
    std::fs::write(root.path().join("cat/notes.txt"), b"x").unwrap();
    std::fs::write(root.path().join("cat/.hidden.webp"), b"x").unwrap();
    let folder = open(root.path(), &Config::default()).unwrap();
    assert_eq!(folder.len(), 4);
    assert!(folder.read(0).is_ok(), "what an image is its bytes say");
    for (row, name) in [(1, "b.webp"), (2, "c.gif"), (3, "d.bmp")] {
        let error = folder.read(row).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(name) && text.contains("not a PNG or JPEG image") && error.is_bad_example(), "{error}");
    }
    assert_eq!(folder.passed_over(), [root.path().join("cat/notes.txt")]);
    // Whoever asks about a folder of photographs wants answers for those that can be read.
    let asked = ImageFolder::open_for_prediction(root.path(), &schema()).unwrap();
    assert_eq!((asked.len(), asked.passed_over().len()), (1, 4));
}

#[cfg(unix)]
#[test]
fn links_within_a_class_are_followed_and_none_is_left_out() {
    let root = tempfile::tempdir().unwrap();
    let images = root.path().join("im");
    save(&images.join("cat/a.png"), [1, 2, 3], 1, 1);
    save(&root.path().join("store/b.png"), [4, 5, 6], 1, 1);
    std::os::unix::fs::symlink("../../store", images.join("cat/batch1")).unwrap();
    let folder = open(&images, &Config::default()).unwrap();
    assert_eq!((folder.len(), folder.key(1).unwrap().as_str()), (2, "root/cat/batch1/b.png"));
    assert_eq!(folder.field(1, "class").unwrap(), Value::Text("cat".into()));
    std::os::unix::fs::symlink("/nonexistent/x.png", images.join("cat/c.png")).unwrap();
    let Err(error) = open(&images, &Config::default()) else { panic!("a link to nothing was passed over") };
    assert!(error.to_string().contains("c.png is a link to /nonexistent/x.png"), "{error}");
}
