//! Are the targets of training rows hidden from their own encodings?

use proptest::prelude::*;

use super::*;
use crate::schema::Schema;
use crate::transforms::FittedTransform;
use crate::transforms::tests::{Memory, fit};

const NUMBER: &str = "target = { name = \"y\", kind = \"number\" }\n[features]\nc = \"category\"";
const CLASS: &str = "target = { name = \"y\", kind = \"class\" }\n[features]\nc = \"category\"";

fn row(category: &str, target: f64) -> [Value; 2] {
    [Value::Text(category.into()), Value::Number(target)]
}

fn encoder(config: &str, schema: &str, rows: &[&[Value]]) -> (TargetEncode, Memory) {
    let (fitted, memory) = fit(config, schema, rows).unwrap();
    let [FittedTransform::TargetEncode(fitted), ..] = &fitted[..] else { panic!("no encoder") };
    (fitted.clone(), memory)
}

fn encoded(fitted: &TargetEncode, record: &Record, training: bool) -> Vec<f64> {
    let mut record = record.clone();
    let mut random = Random::derive(&[1]);
    fitted.apply(&mut record, training.then_some(&mut random)).unwrap();
    let number = |(_, value): &(String, Value)| if let Value::Number(number) = value { Some(*number) } else { None };
    record.fields.iter().filter(|(name, _)| name.starts_with('c')).filter_map(number).collect()
}

proptest! {
    #[test]
    fn a_training_row_never_sees_its_own_target(
        rows in proptest::collection::vec((0..4_u8, -5.0..5.0_f64), 12..40), place in 0..12_usize, other in -50.0..50.0_f64,
    ) {
        let make = |rows: &[(u8, f64)]| {
            let rows: Vec<[Value; 2]> = rows.iter().map(|(c, y)| row(&c.to_string(), *y)).collect();
            let rows: Vec<&[Value]> = rows.iter().map(|row| &row[..]).collect();
            encoder("[target_encode]", NUMBER, &rows)
        };
        let (before, memory) = make(&rows);
        let mut changed = rows.clone();
        changed[place].1 = other;
        let (after, _) = make(&changed);
        let record = &memory.0[place];
        prop_assert_eq!(encoded(&before, record, true), encoded(&after, record, true));
        // Elsewhere it counts, as it should.
        prop_assert!(encoded(&before, record, false) != encoded(&after, record, false));
    }

    #[test]
    fn the_m_estimate_has_its_closed_form(rows in proptest::collection::vec((0..4_u8, -5.0..5.0_f64), 12..40), m in 0.0..20.0_f64) {
        let values: Vec<[Value; 2]> = rows.iter().map(|(c, y)| row(&c.to_string(), *y)).collect();
        let values: Vec<&[Value]> = values.iter().map(|row| &row[..]).collect();
        let (fitted, memory) = encoder(&format!("[target_encode]\nsmoothing = {{ m = {m:?} }}"), NUMBER, &values);
        for (place, record) in memory.0.iter().enumerate() {
            for training in [false, true] {
                let of = fold(&record.id.key, 5);
                let seen = |i: &usize| !training || fold(&memory.0[*i].id.key, 5) != of;
                let all: Vec<f64> = (0..rows.len()).filter(seen).map(|i| rows[i].1).collect();
                let mean = all.iter().sum::<f64>() / all.len() as f64;
                let same: Vec<f64> =
                    (0..rows.len()).filter(seen).filter(|&i| rows[i].0 == rows[place].0).map(|i| rows[i].1).collect();
                let wanted = match same.is_empty() {
                    true => mean,
                    false => (same.iter().sum::<f64>() + m * mean) / (same.len() as f64 + m),
                };
                prop_assert!((encoded(&fitted, record, training)[0] - wanted).abs() < 1e-9);
            }
        }
    }
}

#[test]
fn what_comes_behind_is_fitted_on_out_of_fold_values() {
    // Every category stands once, so that out of its fold it is unknown and gets the mean of the other folds.
    let rows: Vec<[Value; 2]> = (0..30).map(|i| row(&format!("k{i}"), f64::from(i))).collect();
    let rows: Vec<&[Value]> = rows.iter().map(|row| &row[..]).collect();
    let config = "[target_encode]\nsmoothing = { m = 0.0 }\n[min_max]";
    let (fitted, memory) = fit(config, NUMBER, &rows).unwrap();
    let [FittedTransform::TargetEncode(encoder), FittedTransform::MinMax(min_max)] = &fitted[..] else { panic!() };
    let scale = min_max.scales.get("c").unwrap();
    let seen: Vec<f64> = memory.0.iter().map(|record| encoded(encoder, record, true)[0]).collect();
    let least = seen.iter().copied().fold(f64::INFINITY, f64::min);
    assert!((scale.centre - least).abs() < 1e-12 && scale.spread < 10.0, "{scale:?}");
    // With its own target in sight each would get exactly that, from 0 to 29.
    assert_eq!(encoded(encoder, &memory.0[29], false), [29.0]);
}

#[test]
fn two_classes_are_one_number_and_more_are_one_each() {
    let class = |category: &str, class: &str| [Value::Text(category.into()), Value::Text(class.into())];
    let two: Vec<[Value; 2]> = (0..20).map(|i| class("a", if i % 4 == 0 { "10" } else { "9" })).collect();
    let two: Vec<&[Value]> = two.iter().map(|row| &row[..]).collect();
    let (fitted, memory) = encoder("[target_encode]\nsmoothing = { m = 0 }", CLASS, &two);
    // 10 comes behind 9, as in the labels, and counts as 1.
    assert_eq!((encoded(&fitted, &memory.0[0], false), fitted.classes.len()), (vec![0.25], 0));
    let three: Vec<[Value; 2]> = (0..20).map(|i| class("a", ["x", "y", "z", "z"][i % 4])).collect();
    let three: Vec<&[Value]> = three.iter().map(|row| &row[..]).collect();
    let (fitted, memory) = encoder("[target_encode]\nsmoothing = { m = 0 }", CLASS, &three);
    assert_eq!(encoded(&fitted, &memory.0[0], false), [0.25, 0.25, 0.5]);
    let mut features = toml::from_str::<Schema>(CLASS).unwrap().features;
    fitted.reshape(&mut features);
    assert_eq!(features.0.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["c_x", "c_y", "c_z"]);
}

#[test]
fn what_cannot_be_encoded_is_refused() {
    let rows: &[&[Value]] = &[&row("a", 1.0), &row("b", 2.0)];
    for (config, word) in [("folds = 1", "folds"), ("smoothing = { m = -1 }", "m = -1"), ("columns = [\"d\"]", "`d`")] {
        let error = fit(&format!("[target_encode]\n{config}"), NUMBER, rows).err().unwrap();
        assert!(error.to_string().contains(word) && error.hint().is_some(), "{error}");
    }
    let error = fit("[target_encode]", NUMBER, &rows[..1]).err().unwrap();
    assert!(error.to_string().contains("one fold"), "{error}");
    let error = fit("[target_encode]", "[features]\nc = \"category\"", &[&[Value::Text("a".into())]]).err().unwrap();
    assert!(error.to_string().contains("has none"), "{error}");
}
