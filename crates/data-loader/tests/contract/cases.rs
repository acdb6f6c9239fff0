//! What does a small data set look like in each format? Every member of the list of formats needs a case here.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};

/// How many rows each of the two files of a case has.
pub(crate) const ROWS: usize = 13;

/// The files of a data set in the format `name`, its `[[files]]` and its features; the target `y` is `0`, `1`, `0`, `1` ...
pub(crate) fn case(name: &str, folder: &Path) -> (&'static str, &'static str) {
    let table = "x = \"number\"\nc = \"category\"";
    let file = |path: String, bytes: Vec<u8>| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    for (number, part) in ["a", "b"].into_iter().enumerate() {
        let rows = (0..ROWS).map(|row| (row + number * ROWS, row % 2));
        match name {
            "arrow" => {
                let batch = columns(rows);
                let mut writer = arrow_ipc::writer::FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
                // Two batches, so that rows lie in several blocks.
                writer.write(&batch.slice(0, 5)).unwrap();
                writer.write(&batch.slice(5, ROWS - 5)).unwrap();
                file(format!("{part}.arrow"), writer.into_inner().unwrap());
            }
            "cifar" => {
                let row = |(x, y): (usize, usize)| [y as u8].into_iter().chain(vec![x as u8; 3072]);
                file(format!("{part}.bin"), rows.flat_map(row).collect());
            }
            "csv" => {
                let rows: Vec<String> = rows.map(|(x, y)| format!("{x}.5,c{},{y}", x % 3)).collect();
                file(format!("{part}.csv"), format!("x,c,y\n{}\n", rows.join("\n")).into());
            }
            "idx" => {
                let idx = |shape: &[u32], bytes: Vec<u8>| {
                    let sizes = shape.iter().flat_map(|size| size.to_be_bytes());
                    [0, 0, 8, shape.len() as u8].into_iter().chain(sizes).chain(bytes).collect::<Vec<u8>>()
                };
                let pixels = rows.clone().flat_map(|(x, _)| [x as u8, x as u8 * 3, 7, 0]).collect();
                file(format!("{part}-images"), idx(&[ROWS as u32, 2, 2], pixels));
                file(format!("{part}-labels"), idx(&[ROWS as u32], rows.map(|(_, y)| y as u8).collect()));
            }
            "image_folder" => rows.for_each(|(x, y)| {
                let path = folder.join(format!("{part}/{y}/{x:03}.png"));
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                image::RgbImage::from_pixel(3, 2, image::Rgb([x as u8, 9, 200])).save(path).unwrap();
            }),
            "jsonl" => {
                let rows: Vec<String> =
                    rows.map(|(x, y)| format!("{{\"x\": {x}, \"c\": \"{}\", \"y\": {y}}}", x % 3)).collect();
                file(format!("{part}.jsonl"), rows.join("\n").into());
            }
            "coco" => {
                let (mut images, mut annotations) = (Vec::new(), Vec::new());
                std::fs::create_dir_all(folder.join(part)).unwrap();
                for (x, y) in rows {
                    let picture = image::RgbImage::from_pixel(3, 2, image::Rgb([x as u8, 9, 200]));
                    picture.save(folder.join(format!("{part}/{x:03}.png"))).unwrap();
                    images.push(format!("{{\"id\": {x}, \"file_name\": \"{x:03}.png\"}}"));
                    annotations.push(format!("{{\"image_id\": {x}, \"category_id\": {y}}}"));
                }
                let categories = "[{\"id\": 0, \"name\": \"0\"}, {\"id\": 1, \"name\": \"1\"}]";
                let (images, annotations) = (images.join(","), annotations.join(","));
                let text = format!(
                    "{{\"images\": [{images}], \"annotations\": [{annotations}], \"categories\": {categories}}}"
                );
                file(format!("{part}.json"), text.into());
            }
            "mask_folder" => {
                for folder_of in ["images", "masks"] {
                    std::fs::create_dir_all(folder.join(part).join(folder_of)).unwrap();
                }
                for (x, y) in rows {
                    let picture = image::RgbImage::from_pixel(3, 2, image::Rgb([x as u8, 9, 200]));
                    picture.save(folder.join(format!("{part}/images/{x:03}.png"))).unwrap();
                    let mask = image::GrayImage::from_pixel(3, 2, image::Luma([y as u8]));
                    mask.save(folder.join(format!("{part}/masks/{x:03}.png"))).unwrap();
                }
            }
            "parquet" => {
                let batch = columns(rows);
                let mut bytes = Vec::new();
                let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
                for (from, rows) in [(0, 5), (5, ROWS - 5)] {
                    writer.write(&batch.slice(from, rows)).unwrap();
                    writer.flush().unwrap();
                }
                writer.close().unwrap();
                file(format!("{part}.parquet"), bytes);
            }
            "tar" => {
                let mut builder = tar::Builder::new(Vec::new());
                for (x, y) in rows {
                    let json = format!("{{\"x\": {x}.5, \"c\": \"{}\"}}", x % 3);
                    for (ending, text) in [("json", json), ("cls", y.to_string())] {
                        let mut header = tar::Header::new_ustar();
                        header.set_size(text.len() as u64);
                        builder.append_data(&mut header, format!("{x:04}.{ending}"), text.as_bytes()).unwrap();
                    }
                }
                file(format!("{part}.tar"), builder.into_inner().unwrap());
            }
            "text" => rows.for_each(|(x, y)| file(format!("{part}/{y}/{x:03}.txt"), format!("text {x}").into())),
            other => panic!("the format `{other}` has no case here"),
        }
    }
    match name {
        "mask_folder" => ("a/images:images a/masks:labels b/images:images b/masks:labels", "i = \"image\""),
        "coco" => ("a:images a.json:labels b:images b.json:labels", "i = \"image\""),
        "text" => ("a b", "t = \"text\""),
        "arrow" => ("a.arrow b.arrow", table),
        "cifar" => ("a.bin b.bin", "i = \"image\""),
        "parquet" => ("a.parquet b.parquet", table),
        "tar" => ("a.tar b.tar", table),
        "csv" => ("a.csv b.csv", table),
        "idx" => ("a-images:images a-labels:labels b-images:images b-labels:labels", "i = \"image\""),
        "image_folder" => ("a b", "i = \"image\""),
        _ => ("a.jsonl b.jsonl", table),
    }
}

/// The rows as columns.
fn columns(rows: impl Iterator<Item = (usize, usize)> + Clone) -> RecordBatch {
    let x: Vec<f64> = rows.clone().map(|(x, _)| x as f64 + 0.5).collect();
    let c: Vec<String> = rows.clone().map(|(x, _)| format!("c{}", x % 3)).collect();
    let y: Vec<i64> = rows.map(|(_, y)| y as i64).collect();
    RecordBatch::try_from_iter([
        ("x", Arc::new(Float64Array::from(x)) as ArrayRef),
        ("c", Arc::new(StringArray::from(c))),
        ("y", Arc::new(Int64Array::from(y))),
    ])
    .unwrap()
}
