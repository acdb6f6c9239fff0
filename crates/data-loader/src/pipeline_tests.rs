//! Does a pipeline prepare what its signature promises?

use super::*;
use crate::example::Image;
use crate::transforms::tests::Memory;

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn fit(schema: &str, task: Task, rows: &[&[Value]]) -> Result<(Pipeline, Memory), Error> {
    let schema: Schema = toml::from_str(schema).unwrap();
    let memory = Memory::new(&schema, rows);
    let all: Vec<u32> = (0..rows.len() as u32).collect();
    let pipeline = Pipeline::fit(&schema, task, &Transforms::default_for(&schema), &memory, &all, false)?;
    let json = serde_json::to_string(&pipeline).unwrap();
    assert_eq!(serde_json::from_str::<Pipeline>(&json).unwrap(), pipeline, "a pipeline does not survive JSON");
    Ok((pipeline, memory))
}

const TABLE: &str =
    "target = { name = \"y\", kind = \"class\" }\n[features]\nc = \"category\"\nx = \"number\"\nz = \"number\"";

#[test]
fn a_table_becomes_numbers_and_categories() {
    let rows: &[&[Value]] = &[
        &[text("red"), Value::Number(1.0), Value::Number(5.0), text("10")],
        &[Value::Missing, Value::Missing, Value::Number(5.0), text("9")],
        &[text("blue"), Value::Number(3.0), Value::Number(5.0), text("9")],
    ];
    let (pipeline, memory) = fit(TABLE, Task::Classify, rows).unwrap();
    assert_eq!(pipeline.labels().unwrap(), ["9", "10"]);
    let batch = pipeline.batch(memory.0).unwrap();
    let numbers = batch.input("numbers").unwrap();
    assert_eq!(numbers.array.shape, [3, 2]);
    let ArrayData::F32(values) = &numbers.array.data else { panic!("no numbers") };
    let root = 1.5_f32.sqrt();
    assert!(values.iter().zip([-root, 0.0, 0.0, 0.0, root, 0.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{values:?}");
    assert_eq!(batch.input("categories").unwrap().array.data, ArrayData::I64(vec![2, 0, 1]));
    assert_eq!(batch.target, crate::batch::Target::Classes(vec![1, 0, 0]));
    let InputKind::Categories { sizes, .. } = &pipeline.signature().input("categories").unwrap().kind else { panic!() };
    assert_eq!(sizes, &[3]);
}

#[test]
fn what_a_request_lacks_is_named() {
    let rows: &[&[Value]] = &[
        &[text("red"), Value::Number(1.0), Value::Number(5.0), text("a")],
        &[text("red"), Value::Number(2.0), Value::Number(5.0), text("b")],
    ];
    let (pipeline, memory) = fit(TABLE, Task::Classify, rows).unwrap();
    let mut record = memory.0[0].clone();
    record.fields.pop();
    assert_eq!(pipeline.prepare(record.clone()).unwrap().target, TargetValue::None);
    record.fields.pop();
    let error = pipeline.prepare(record).unwrap_err();
    assert!(matches!(&error, Error::ColumnMissing { column, .. } if column == "z"), "{error}");

    let mut record = memory.0[0].clone();
    *record.field_mut("y").unwrap() = text("c");
    let error = pipeline.prepare(record).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Example #0 has the class `c`, which was never seen in training; the known classes are `a`, `b`."
    );

    let mut record = memory.0[0].clone();
    *record.field_mut("x").unwrap() = Value::Number(1e300);
    let error = pipeline.prepare(record).unwrap_err();
    assert!(error.to_string().starts_with("Example #0: the number `x` is 2e300 once"), "{error}");
}

#[test]
fn texts_are_padded_to_the_longest() {
    let schema = "target = { name = \"y\", kind = \"class\" }\n[features]\nt = \"text\"";
    let rows: &[&[Value]] = &[&[text("ab"), text("x")], &[text("b"), text("y")]];
    let (pipeline, memory) = fit(schema, Task::Classify, rows).unwrap();
    let batch = pipeline.batch(memory.0.clone()).unwrap();
    let tokens = batch.input("tokens").unwrap();
    assert_eq!((&tokens.array.shape[..], &tokens.array.data), (&[2, 2][..], &ArrayData::I64(vec![2, 3, 3, 0])));
    assert_eq!((tokens.mask.as_deref(), tokens.lengths.as_deref()), (Some(&[1, 1, 1, 0][..]), Some(&[2, 1][..])));
    for empty in [Value::Missing, text("")] {
        let mut record = memory.0[0].clone();
        *record.field_mut("t").unwrap() = empty;
        assert!(pipeline.prepare(record).unwrap_err().is_bad_example());
    }
}

#[test]
fn images_stay_bytes_and_keep_their_size() {
    let image = |side: usize, byte| {
        Value::Image(Image { channels: 1, height: side, width: side, pixels: vec![byte; side * side] })
    };
    let (pipeline, memory) =
        fit("[features]\ni = \"image\"", Task::Reconstruct, &[&[image(2, 0)], &[image(2, 255)]]).unwrap();
    let spec = pipeline.signature().input("image").unwrap();
    assert_eq!(spec.kind, InputKind::Image { mean: vec![0.5], std: vec![0.5] });
    assert_eq!(pipeline.schema().image, Some(ImageSize { channels: 1, height: 2, width: 2 }));
    assert_eq!(pipeline.prepare(memory.0[1].clone()).unwrap().inputs[0].1.data, ArrayData::U8(vec![255; 4]));
    let mut record = memory.0[0].clone();
    *record.field_mut("i").unwrap() = image(3, 0);
    assert!(pipeline.prepare(record).unwrap_err().to_string().contains("[1, 3, 3]"));
}

#[test]
fn images_of_any_size_are_taken_where_a_transform_makes_it() {
    let image = |height: usize, width: usize, byte| {
        Value::Image(Image { channels: 3, height, width, pixels: vec![byte; height * width * 3] })
    };
    let schema: Schema = toml::from_str("[features]\ni = \"image\"").unwrap();
    let rows: &[&[Value]] = &[&[image(9, 20, 0)], &[image(30, 4, 255)], &[image(4, 4, 255)]];
    let memory = Memory::new(&schema, rows);
    let fit = |transforms: &str| {
        let transforms: Transforms = toml::from_str(transforms).unwrap();
        Pipeline::fit(&schema, Task::Reconstruct, &transforms, &memory, &[0, 1, 2], false).unwrap()
    };
    for transforms in [
        "[resize]\nsize = [4, 5]\n[normalize]",
        "[resize]\nshorter = 6\n[center_crop]\nsize = [4, 5]\n[normalize]",
        "[random_resized_crop]\nsize = [4, 5]\n[normalize]",
        "[random_crop]\nsize = [4, 5]\npadding = 30\n[normalize]",
    ] {
        let pipeline = fit(transforms);
        assert_eq!(pipeline.schema().image, Some(ImageSize { channels: 3, height: 4, width: 5 }), "{transforms}");
        assert!(pipeline.schema().images_of_any_size, "{transforms}");
        let batch = pipeline.batch(memory.0.clone()).unwrap();
        assert_eq!(batch.inputs[0].array.shape, [3, 3, 4, 5], "{transforms}");
        // Every image counts alike, because it is measured at the size at which it is learnt from; a window is filled in black.
        let InputKind::Image { mean, .. } = &pipeline.signature().inputs[0].kind else { panic!() };
        let wanted = if transforms.contains("random_crop") { (16.0 + 16.0) / 60.0 } else { 2.0 / 3.0 };
        assert!((mean[0] - wanted).abs() < 1e-6, "{transforms}: {mean:?}");
        let json = serde_json::to_string(&pipeline).unwrap();
        assert_eq!(serde_json::from_str::<Pipeline>(&json).unwrap(), pipeline);
    }
    // That the first image has the size already says nothing of the others.
    let memory = Memory::new(&schema, &[&[image(4, 5, 9)], &[image(8, 8, 9)]]);
    let list: Transforms = toml::from_str("[random_crop]\nsize = [4, 5]\npadding = 1").unwrap();
    let pipeline = Pipeline::fit(&schema, Task::Reconstruct, &list, &memory, &[0], false).unwrap();
    assert!(pipeline.schema().images_of_any_size && pipeline.schema().size_to_read().is_none());
    assert_eq!(pipeline.batch(memory.0.clone()).unwrap().inputs[0].array.shape, [2, 3, 4, 5]);
    // Without such a transform all must have one size, to which new ones are brought.
    let pipeline = Pipeline::fit(&schema, Task::Reconstruct, &Transforms::default(), &memory, &[0], false).unwrap();
    assert_eq!(pipeline.schema().size_to_read(), Some([4, 5]));
}

#[test]
fn new_images_come_before_transforms_as_those_of_training_did() {
    let folder = tempfile::tempdir().unwrap();
    for (class, byte) in [("a", 10), ("b", 200)] {
        std::fs::create_dir_all(folder.path().join("images").join(class)).unwrap();
        let picture = image::RgbImage::from_fn(24, 24, |x, _| image::Rgb([byte, (x * 10) as u8, 0]));
        picture.save(folder.path().join("images").join(class).join("0.png")).unwrap();
    }
    let head =
        "name = \"t\"\ntitle = \"t\"\nsummary = \"t\"\nsource = \"here\"\nlicence = \"CC0-1.0\"\ncitation = \"none\"\n";
    let format = "[format.image_folder]\nsize = [8, 8]\n[[files]]\npath = \"images\"\n";
    let schema = "[schema]\ntarget = { name = \"y\", kind = \"class\" }\n[schema.features]\nimage = \"image\"\n";
    std::fs::write(folder.path().join("card.toml"), format!("{head}{format}{schema}")).unwrap();
    let card = crate::Card::open(folder.path()).unwrap();
    let records = crate::formats::open(&card).unwrap();
    for transforms in
        ["[center_crop]\nsize = [4, 6]", "[random_crop]\nsize = [4, 6]", "[resize]\nsize = [4, 6]", "[normalize]"]
    {
        let list: Transforms = toml::from_str(transforms).unwrap();
        let pipeline = Pipeline::fit(card.schema(), Task::Classify, &list, records.as_ref(), &[0, 1], false).unwrap();
        assert_eq!(pipeline.schema().size_to_read(), Some([8, 8]), "{transforms}");
        let new = crate::formats::open_for_prediction(&folder.path().join("images"), pipeline.schema()).unwrap();
        for row in 0..2 {
            let [known, unknown] =
                [records.read(row), new.read(row)].map(|record| pipeline.prepare(record.unwrap()).unwrap());
            assert_eq!(known.inputs, unknown.inputs, "{transforms}");
        }
    }
}

#[test]
fn targets_that_are_numbers_travel_in_units_of_the_network() {
    let schema = "target = { name = \"y\", kind = \"number\" }\n[features]\nx = \"number\"";
    let rows: &[&[Value]] = &[&[Value::Number(0.0), Value::Number(10.0)], &[Value::Number(1.0), Value::Number(30.0)]];
    let (pipeline, memory) = fit(schema, Task::Regress, rows).unwrap();
    let OutputSpec::Values { names, mean, std } = &pipeline.signature().output else { panic!() };
    assert_eq!((&names[..], &mean[..], &std[..]), (&["y".to_owned()][..], &[20.0][..], &[10.0][..]));
    assert_eq!(pipeline.prepare(memory.0[1].clone()).unwrap().target, TargetValue::Values(vec![1.0]));
}

#[test]
fn a_target_of_large_numbers_survives_its_scaling() {
    // Seconds since 1970: as `f32` all of them would be one and the same number.
    let schema = "target = { name = \"y\", kind = \"number\" }\n[features]\nx = \"number\"";
    let seconds = [1_700_000_001.0, 1_700_000_003.0, 1_700_000_008.0];
    let rows: Vec<[Value; 2]> = seconds.iter().map(|&y| [Value::Number(0.0), Value::Number(y)]).collect();
    let rows: Vec<&[Value]> = rows.iter().map(|row| &row[..]).collect();
    let (pipeline, memory) = fit(schema, Task::Regress, &rows).unwrap();
    let OutputSpec::Values { mean, std, .. } = &pipeline.signature().output else { panic!() };
    assert_eq!(mean[0], 1_700_000_004.0);
    for (record, second) in memory.0.iter().zip(seconds) {
        let TargetValue::Values(scaled) = pipeline.prepare(record.clone()).unwrap().target else { panic!() };
        assert_eq!(scaled[0], ((second - mean[0]) / std[0]) as f32);
        assert!((mean[0] + std[0] * f64::from(scaled[0]) - second).abs() < 1e-5);
    }
}

#[test]
fn tasks_that_the_target_cannot_serve_are_refused() {
    let row: &[&[Value]] = &[&[text("red"), Value::Number(1.0), Value::Number(5.0), text("a")]];
    let error = fit(TABLE, Task::Classify, row).unwrap_err();
    assert!(matches!(&error, Error::OneClass { class } if class == "a"), "{error}");
    assert!(fit(TABLE, Task::Regress, row).unwrap_err().to_string().contains("`y` is a class"));
    assert!(
        fit("[features]\nx = \"category\"", Task::Classify, &[&[text("a")]])
            .unwrap_err()
            .to_string()
            .contains("has none")
    );
    assert!(fit(TABLE, Task::Segment, row).is_err());
    let schema: Schema = toml::from_str(TABLE).unwrap();
    let memory = Memory::new(&schema, row);
    let error = Pipeline::fit(&schema, Task::Classify, &Transforms(Vec::new()), &memory, &[0], false).unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("Add [data.transforms.encode]."));
}
