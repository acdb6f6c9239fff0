//! Do the checks see what is planted in columns of every kind, wherever they stand, beside images and in series?

use std::path::Path;

use image::{Rgb, RgbImage};

use super::tests::{Planted, of};
use super::*;
use crate::DataConfig;
use crate::random::Random;

/// A card whose files lie in `folder`.
fn card(folder: &Path, body: &str) -> DataConfig {
    let head = "name = \"planted\"\ntitle = \"\"\nsummary = \"\"\nsource = \"\"\nlicence = \"\"\ncitation = \"\"\n";
    std::fs::write(folder.join("card.toml"), format!("{head}{body}")).unwrap();
    DataConfig::new(folder)
}

fn checked(config: &DataConfig, depth: Depth) -> Report {
    let dataset = Dataset::open_for_checks(config, &config.card, None, 7).unwrap();
    check(&dataset, depth, 7, &mut |_, _, _| {}).unwrap()
}

#[test]
fn columns_keep_their_places_beside_dates() {
    let features = ["when = \"date\"", "x = \"number\"", "same = \"number\"", "leak = \"category\""];
    for turn in 0..features.len() {
        let mut order: Vec<usize> = (0..features.len()).collect();
        order.rotate_left(turn);
        let mut random = Random::derive(&[turn as u64]);
        let rows: Vec<String> = (0..160)
            .map(|row| {
                let class = ["u", "v"][random.below(2) as usize];
                let cells = [
                    format!("2024-{:02}-{:02}", row % 12 + 1, row % 28 + 1),
                    random.unit().to_string(),
                    "5".to_owned(),
                    format!("was-{class}"),
                ];
                let cells: Vec<&str> = order.iter().map(|&at| cells[at].as_str()).collect();
                format!("{},{class}", cells.join(","))
            })
            .collect();
        let names: Vec<&str> = order.iter().map(|&at| features[at]).collect();
        let header: Vec<&str> = names.iter().map(|name| name.split(' ').next().unwrap()).collect();
        let report =
            Planted::new(&names.join("\n"), "class", &format!("{},y", header.join(",")), &rows[..120], &rows[120..])
                .check();
        let columns = |check: &str| of(&report, check).iter().flat_map(|f| f.columns.clone()).collect::<Vec<_>>();
        assert_eq!((columns("constant"), columns("leakage")), (vec!["same".to_owned()], vec!["leak".to_owned()]));
        assert!(of(&report, "cardinality").is_empty() && of(&report, "missing").is_empty(), "{:?}", report.findings);
    }
}

#[test]
fn of_a_series_the_steps_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::derive(&[3]);
    let lines: Vec<String> = (0..300)
        .map(|row| {
            let x = if row == 77 { "1e6".to_owned() } else { random.unit().to_string() };
            format!("{row},{x},5,{}", (row as f64 / 9.0).sin())
        })
        .collect();
    std::fs::write(folder.path().join("a.csv"), format!("t,x,same,y\n{}\n", lines.join("\n"))).unwrap();
    let config = card(
        folder.path(),
        "[format.csv]\n[[files]]\npath = \"a.csv\"\n[split.time]\nby = \"t\"\nvalidation = 0.2\ntest = 0.2\n[schema]\n\
         ignore = [\"t\"]\ntarget = { name = \"y\", kind = \"number\" }\n[schema.features]\nx = \"number\"\nsame = \"number\"\n\
         [schema.windows]\nlength = 12\nhorizon = 3\ntime = \"t\"\n",
    );
    for depth in [Depth::Fast, Depth::Thorough] {
        let report = checked(&config, depth);
        // Windows that were left out between the parts are no fault of the data.
        assert!(of(&report, "unreadable").is_empty(), "{:?}", report.findings);
        let [constant] = of(&report, "constant")[..] else { panic!("{:?}", report.findings) };
        assert_eq!(constant.columns, ["same"]);
        assert_eq!(report.rows, 300);
        let left: Vec<&str> = report.remarks.iter().map(|remark| remark.check.as_str()).collect();
        assert!(left.contains(&"exact_duplicates") && left.contains(&"leakage"), "{left:?}");
    }
    let report = checked(&config, Depth::Thorough);
    let outliers = of(&report, "outliers");
    let found = outliers.iter().find(|finding| finding.columns == ["x"]).unwrap();
    assert_eq!(found.examples[0].id, "planted/a.csv#77");
}

/// A folder of JSON lines, each with a small picture that may be missing, a column and a class.
fn pictures(folder: &Path, line: impl Fn(usize) -> (Option<[u8; 16]>, &'static str, &'static str)) -> DataConfig {
    let lines: Vec<String> = (0..120)
        .map(|row| {
            let (image, x, y) = line(row);
            let image = image.map(|pixels| pixels.chunks(4).map(<[u8]>::to_vec).collect::<Vec<_>>());
            serde_json::json!({ "image": image, "x": x, "y": y }).to_string()
        })
        .collect();
    std::fs::write(folder.join("a.jsonl"), lines.join("\n")).unwrap();
    card(
        folder,
        "[format.jsonl]\n[[files]]\npath = \"a.jsonl\"\n[schema]\ntarget = { name = \"y\", kind = \"class\" }\n\
         [schema.features]\nimage = \"image\"\nx = \"category\"\n",
    )
}

fn noise(row: usize) -> [u8; 16] {
    let mut random = Random::derive(&[row as u64]);
    std::array::from_fn(|_| random.below(256) as u8)
}

#[test]
fn columns_beside_images_are_looked_at_before_a_training_too() {
    let folder = tempfile::tempdir().unwrap();
    let class = |row: usize| ["u", "v"][row % 2];
    let config = pictures(folder.path(), |row| (Some(noise(row)), class(row), class(row)));
    for depth in [Depth::Fast, Depth::Thorough] {
        let report = checked(&config, depth);
        let [leak] = of(&report, "leakage")[..] else { panic!("{depth:?}: {:?}", report.findings) };
        assert_eq!((&leak.columns[..], report.closely), (&["x".to_owned()][..], 120));
    }
}

#[test]
fn missing_images_do_not_move_what_is_said_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let config = pictures(folder.path(), |row| {
        let image = match row {
            0..10 => None,
            100 => Some([7; 16]),
            // The same picture twice, the second a little brighter.
            _ if row == 50 || row == 60 => Some(noise(50).map(|pixel| (pixel / 2) + u8::from(row == 60))),
            _ => Some(noise(row)),
        };
        (image, "x", ["u", "v"][row % 2])
    });
    let dataset = Dataset::open_for_checks(&config, folder.path(), None, 7).unwrap();
    let survey = Survey::read(&dataset, Depth::Thorough, 7, &mut |_, _, _| {}).unwrap();
    // A training could do nothing with those without an image.
    assert_eq!((survey.bad_count, survey.rows.len()), (10, 120));
    let report = checked(&config, Depth::Thorough);
    let quality = of(&report, "image_quality");
    let blank = quality.iter().find(|finding| finding.message.contains("one grey")).unwrap();
    assert_eq!(blank.examples[0].id, "planted/a.jsonl#100");
}

#[test]
fn drawings_that_differ_in_colour_alone_are_not_nearly_equal() {
    let folder = tempfile::tempdir().unwrap();
    let colours = [[220, 30, 30], [30, 160, 40], [40, 60, 220], [200, 180, 20]];
    for (class, colour) in colours.iter().enumerate() {
        let class = folder.path().join("images").join(format!("c{class}"));
        std::fs::create_dir_all(&class).unwrap();
        for number in 0..5_u32 {
            let picture = RgbImage::from_fn(32, 32, |x, y| {
                let inside = (10 + number..20 + number).contains(&x) && (8..24).contains(&y);
                Rgb(if inside { *colour } else { [255; 3] })
            });
            picture.save(class.join(format!("{number}.png"))).unwrap();
        }
    }
    let config = card(
        folder.path(),
        "[format.image_folder]\n[[files]]\npath = \"images\"\n[schema]\ntarget = { name = \"y\", kind = \"class\" }\n\
         [schema.features]\nimage = \"image\"\n",
    );
    for name in ["notes.txt", "list.csv"] {
        std::fs::write(folder.path().join("images/c0").join(name), "x").unwrap();
    }
    let remarks = checked(&config, Depth::Thorough).remarks;
    let told = remarks.iter().find(|remark| remark.check == "wrong_extension").unwrap();
    assert!(told.reason.contains("images/c0/list.csv and 1 other file passed over"), "{}", told.reason);
    let dataset = Dataset::open_for_checks(&config, folder.path(), None, 7).unwrap();
    let pairs = near_duplicates::pairs(&dataset, 7, &mut |_, _, _| {}).unwrap();
    assert!(!pairs.is_empty(), "drawings of one colour at nearly one place are nearly equal");
    let class = |row: u32| dataset.record(row).unwrap().field("y").cloned();
    assert!(pairs.iter().all(|&(a, b, _)| class(a) == class(b)));
}
