//! Is only a whole image decoded, and exactly as the `image` crate does?

use image::DynamicImage;
use image::codecs::jpeg::JpegEncoder;

use super::*;

/// A progressive JPEG of 24 x 16 pixels and ten scans, made by Pillow 13 with `quality=60, progressive=True`.
const PROGRESSIVE: &str = "\
    ffd8ffe000104a46494600010100000100010000ffdb0043000d090a0b0a080d0b0a0b0e0e0d0f13201513121213271c1e17202e293130 \
    2e292d2c333a4a3e333646372c2d405741464c4e525352323e5a615a50604a51524fffdb0043010e0e0e131113261515264f352d354f4f \
    4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4fffc20011080010 \
    001803012200021101031101ffc400160001010100000000000000000000000000050004ffc40016010101010000000000000000000000 \
    0000020103ffda000c0301000210031000000123523a412652d27fffc400191000020301000000000000000000000000020300012111ff \
    da0008010100010502154a5425f005794b8d0cffc400191100020301000000000000000000000000000103041112ffda0008010301013f \
    018672d5b7de267fffc4001811000301010000000000000000000000000001020313ffda0008010201013f01e92a48d11fffc400161001 \
    010100000000000000000000000000011000ffda0008010100063f028b437fffc4001b1000020300030000000000000000000000001101 \
    2141315161ffda0008010100013f217e1174c8146615ab93cc5a9367ffda000c03010002000300000010afefffc4001911000300030000 \
    0000000000000000000000011131d1e1ffda0008010301013f1075c911c517747fffc40018110100030100000000000000000000000001 \
    00112181ffda0008010201013f1008cd95168ecfffc4001c10010001050101000000000000000000000100112131417161a1ffda000801 \
    0100013f10b48d7f6704d06d0390b61af5964e8f92a5310b8246b38eabcd7df93fffd9";

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.bytes().filter(|byte| *byte != b' ').map(|c| (c as char).to_digit(16).unwrap() as u8).collect();
    digits.as_chunks().0.iter().map(|[high, low]| high << 4 | low).collect()
}

/// A baseline JPEG of a pattern, grey or in colours.
fn baseline(grey: bool) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(40, 24, |x, y| image::Rgb([(x * 6) as u8, (y * 10) as u8, (x * y) as u8]));
    let mut picture = DynamicImage::ImageRgb8(picture);
    if grey {
        picture = DynamicImage::ImageLuma8(picture.to_luma8());
    }
    let mut bytes = Vec::new();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 80)).unwrap();
    bytes
}

fn decoded(bytes: &[u8], channels: usize) -> Result<Image, Error> {
    let file = tempfile::Builder::new().suffix(".jpg").tempfile().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    decode(file.path(), channels, None)
}

fn each() -> [(&'static str, Vec<u8>); 3] {
    [("baseline", baseline(false)), ("grey", baseline(true)), ("progressive", unhex(PROGRESSIVE))]
}

#[test]
fn a_whole_jpeg_has_the_pixels_that_its_decoder_gives() {
    for (kind, bytes) in each() {
        let picture = image::load_from_memory(&bytes).unwrap();
        let brightness: Vec<u8> = picture.to_rgb8().pixels().map(|colour| grey(colour.0)).collect();
        assert_eq!(decoded(&bytes, 1).unwrap().pixels, brightness, "{kind}");
        let colours = decoded(&bytes, 3).unwrap();
        assert_eq!((colours.height, colours.width), (picture.height() as usize, picture.width() as usize));
        assert_eq!(colours.pixels, picture.to_rgb8().into_raw(), "{kind}");
        // Bytes behind the end, as cameras and downloads leave them, do no harm.
        let mut more = bytes.clone();
        more.extend([0; 100]);
        assert_eq!(decoded(&more, 3).unwrap(), colours, "{kind}");
    }
}

#[test]
fn a_jpeg_that_was_cut_anywhere_is_refused_with_its_path() {
    for (kind, bytes) in each() {
        assert_eq!(bytes[bytes.len() - 2..], [0xff, 0xd9], "{kind}");
        for cut in 0..bytes.len() {
            assert!(!jpeg_is_whole(&bytes[..cut]), "{kind}, {cut} of {}", bytes.len());
        }
        for part in [1, 10, 25, 50, 75, 90, 99] {
            let cut = bytes.len() * part / 100;
            let error = decoded(&bytes[..cut], 3).unwrap_err();
            assert!(matches!(&error, Error::Malformed { .. }), "{kind}, {part} %: {error}");
            assert!(error.to_string().contains(".jpg") && error.is_bad_example(), "{kind}, {part} %: {error}");
        }
        // A download that reserved its room and never filled it.
        let mut hollow = bytes.clone();
        hollow[bytes.len() / 2..].fill(0);
        assert!(matches!(decoded(&hollow, 3), Err(Error::Malformed { .. })), "{kind}");
    }
}

#[test]
fn the_end_of_a_preview_is_not_the_end_of_the_picture() {
    let bytes = baseline(false);
    let preview = baseline(true);
    let mut with = bytes[..2].to_vec();
    with.extend([0xff, 0xe1]);
    with.extend((preview.len() as u16 + 2).to_be_bytes());
    with.extend(&preview);
    with.extend(&bytes[2..]);
    assert_eq!(decoded(&with, 3).unwrap(), decoded(&bytes, 3).unwrap());
    assert!((0..with.len()).all(|cut| !jpeg_is_whole(&with[..cut])));
}
