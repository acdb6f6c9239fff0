//! Are labels and pixels those that the layout of CIFAR puts where they are?

use super::*;
use crate::tables::columnar::tests::source;

fn schema() -> Schema {
    toml::from_str("target = { name = \"y\", kind = \"class\" }\n[features]\nimage = \"image\"").unwrap()
}

/// A row whose pixels are 10 where they are red, 20 where green and 30 where blue, the first red one being `first`.
fn row(labels: &[u8], first: u8) -> Vec<u8> {
    let mut bytes = labels.to_vec();
    bytes.push(first);
    bytes.extend([10; 1023].into_iter().chain([20; 1024]).chain([30; 1024]));
    bytes
}

fn open(bytes: &[u8], config: &str) -> Result<Cifar, Error> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    Cifar::open(&[source(file.path())], &toml::from_str(config).unwrap(), &schema())
}

#[test]
fn one_label_or_two_stand_before_the_pixels() {
    let text = |text: &str| Value::Text(text.into());
    let ten = open(&[row(&[3], 1), row(&[0], 2)].concat(), "labels = 1").unwrap();
    assert_eq!((ten.len(), ten.field(0, "y").unwrap(), ten.field(1, "y").unwrap()), (2, text("3"), text("0")));
    let Value::Image(image) = ten.field(1, "image").unwrap() else { panic!("no image") };
    let mut planes = [vec![10; 1024], vec![20; 1024], vec![30; 1024]].concat();
    planes[0] = 2;
    assert_eq!((image.channels, image.height, image.width, image.planar()), (3, 32, 32, planes));
    let hundred = [row(&[19, 99], 1), row(&[4, 7], 2)].concat();
    let fine = open(&hundred, "labels = 2").unwrap();
    assert_eq!((fine.len(), fine.field(0, "y").unwrap()), (2, text("99")));
    let coarse = open(&hundred, "labels = 2\nuse = \"coarse\"").unwrap();
    assert_eq!((coarse.field(0, "y").unwrap(), coarse.read(1).unwrap().field("y")), (text("19"), Some(&text("4"))));
}

#[test]
fn classes_have_the_names_of_the_card_and_others_are_errors() {
    let named = open(&[row(&[1], 0), row(&[2], 0)].concat(), "classes = [\"aeroplane\", \"car\"]").unwrap();
    assert_eq!(named.field(0, "y").unwrap(), Value::Text("car".into()));
    let error = named.read(1).unwrap_err();
    assert!(error.to_string().contains("is 2, and the card names 2 classes") && error.is_bad_example(), "{error}");
}

#[test]
fn files_that_do_not_fit_are_refused() {
    assert!(open(&[], "").unwrap().is_empty());
    let error = open(&row(&[1], 0)[1..], "").err().unwrap();
    assert!(error.to_string().contains("3072 bytes are no multiple of the 3073"), "{error}");
    assert!(open(&row(&[1], 0), "labels = 2").is_err());
    assert!(open(&[], "labels = 3").err().unwrap().to_string().contains("`format.cifar.labels` is 3"));
}
