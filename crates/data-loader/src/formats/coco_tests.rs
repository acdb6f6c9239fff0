//! Are images the class that their annotations name, and annotations that contradict each other refused?

use super::*;

fn schema() -> Schema {
    toml::from_str("target = { name = \"y\", kind = \"class\" }\n[features]\nimage = \"image\"").unwrap()
}

const CATEGORIES: &str = r#"[{"id": 7, "name": "cat", "supercategory": "animal"}, {"id": 9, "name": "dog"}]"#;

/// Opens a folder with two images and this annotation file.
fn open(images: &str, annotations: &str, categories: &str) -> Result<(Coco, tempfile::TempDir), Error> {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("images/deep")).unwrap();
    for (name, colour) in [("a.png", [1, 2, 3]), ("deep/b.png", [4, 5, 6])] {
        image::RgbImage::from_pixel(3, 2, image::Rgb(colour)).save(root.path().join("images").join(name)).unwrap();
    }
    let text = format!(
        r#"{{"info": {{"year": 2017}}, "images": {images}, "annotations": {annotations}, "categories": {categories}}}"#
    );
    std::fs::write(root.path().join("a.json"), text).unwrap();
    let file = |name: &str, role| SourceFile {
        name: name.into(),
        path: root.path().join(name),
        sha256: String::new(),
        bytes: 0,
        role,
        part: Some(Part::Train),
    };
    let files = [file("a.json", Role::Labels), file("images", Role::Images)];
    Coco::open(&files, &Config::default(), &schema()).map(|coco| (coco, root))
}

const IMAGES: &str = r#"[{"id": 3, "file_name": "deep/b.png", "width": 3}, {"id": 1, "file_name": "a.png"}]"#;

#[test]
fn the_class_of_an_image_is_its_category() {
    let annotations = r#"[{"id": 5, "image_id": 1, "category_id": 9, "bbox": [0, 0, 1, 1]},
        {"image_id": 3, "category_id": 7}, {"image_id": 3, "category_id": 7, "segmentation": [[1.5, 2]]}]"#;
    let (coco, _root) = open(IMAGES, annotations, CATEGORIES).unwrap();
    assert_eq!((coco.len(), coco.key(0).unwrap().as_str()), (2, "images/deep/b.png"));
    let record = coco.read(0).unwrap();
    assert_eq!(record.field("y"), Some(&Value::Text("cat".into())));
    let Some(Value::Image(image)) = record.field("image") else { panic!("no image") };
    assert_eq!((image.height, image.width, &image.pixels[..3]), (2, 3, &[4, 5, 6][..]));
    assert_eq!((coco.field(1, "y").unwrap(), coco.part(1)), (Value::Text("dog".into()), Some(Part::Train)));
}

#[test]
fn an_image_of_two_classes_is_a_bad_example_and_one_of_none_has_no_target() {
    let two = r#"[{"image_id": 3, "category_id": 9}, {"image_id": 3, "category_id": 7}]"#;
    let (coco, _root) = open(IMAGES, two, CATEGORIES).unwrap();
    let error = coco.field(0, "y").unwrap_err();
    assert!(error.to_string().contains("`y` is `cat`, `dog` at once") && error.is_bad_example(), "{error}");
    assert_eq!(coco.field(1, "y").unwrap(), Value::Missing);
}

#[test]
fn annotations_that_cannot_be_meant_are_refused() {
    let one = r#"[{"image_id": 3, "category_id": 7}]"#;
    for (images, annotations, categories, words) in [
        (IMAGES, r#"[{"image_id": 8, "category_id": 7}]"#, CATEGORIES, "no image has the id 8"),
        (IMAGES, r#"[{"image_id": 3, "category_id": 8}]"#, CATEGORIES, "no category has the id 8"),
        (r#"[{"id": 3, "file_name": "../a.json"}]"#, one, CATEGORIES, "`../a.json` would lie outside"),
        (r#"[{"id": 3, "file_name": "/etc/passwd"}]"#, one, CATEGORIES, "would lie outside"),
        (r#"[{"id": 3, "file_name": "a"}, {"id": 3, "file_name": "b"}]"#, one, CATEGORIES, "two images have the id 3"),
        (r#"[{"id": 3, "file_name": "a"}, {"id": 4, "file_name": "a"}]"#, one, CATEGORIES, "is named twice"),
        (IMAGES, one, r#"[{"id": 7, "name": "a"}, {"id": 7, "name": "b"}]"#, "two categories have the id 7"),
        (IMAGES, one, "{", "no annotation file"),
    ] {
        let Err(error) = open(images, annotations, categories) else { panic!("{words}: opened") };
        assert!(error.to_string().contains(words) && error.is_usage(), "{words}: {error}");
    }
    let file =
        |role| SourceFile { name: "x".into(), path: "x".into(), sha256: String::new(), bytes: 0, role, part: None };
    for (role, words) in
        [(Role::Images, "no annotation file for the images in x"), (Role::Labels, "no folder of images for x")]
    {
        let error = Coco::open(&[file(role)], &Config::default(), &schema()).err().unwrap();
        assert!(error.to_string().contains(words) && error.hint().is_some(), "{error}");
    }
}
