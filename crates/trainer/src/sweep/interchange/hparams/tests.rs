//! Do the event files hold the study? `tests/peers/sweep_hparams.py` asks TensorBoard itself.

use std::path::Path;

use prost::Message;

use super::export;
use super::messages::{About, Content, Domain, Kind, Number, Record, What};
use crate::sweep::interchange::tests::Sample;

fn records(folder: &Path) -> Vec<Record> {
    let bytes = std::fs::read(folder.join(super::FILE)).unwrap();
    let mut rest = bytes.as_slice();
    let mut records = Vec::new();
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        records.push(Record::decode(&rest[12..12 + length]).unwrap());
        rest = &rest[16 + length..];
    }
    records
}

fn told(records: &[Record]) -> Vec<About> {
    let mut all = Vec::new();
    for record in records {
        let Some(What::Summary(summary)) = &record.what else { continue };
        for plugin in summary.values.iter().filter_map(|value| value.metadata.as_ref()?.plugin.as_ref()) {
            assert_eq!(plugin.name, "hparams");
            all.push(Content::decode(plugin.content.as_slice()).unwrap().about.unwrap());
        }
    }
    all
}

fn numbers(records: &[Record], tag: &str) -> Vec<(i64, f32)> {
    let mut all = Vec::new();
    for record in records {
        let Some(What::Summary(summary)) = &record.what else { continue };
        for value in summary.values.iter().filter(|value| value.tag == tag) {
            let Some(Number::Simple(number)) = value.value else { panic!("{value:?}") };
            all.push((record.step, number));
        }
    }
    all
}

#[test]
fn a_study_and_its_trials_are_told() {
    let sample = Sample::new();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("events");
    let first = export(sample.view(), &out, false).unwrap();
    assert_eq!((first.trials, first.remarks.len()), (5, 1));
    let study = told(&records(&out));
    let [About::Experiment(study)] = &study[..] else { panic!("{study:?}") };
    let names: Vec<&str> = study.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    assert!(names.contains(&"model.mlp.hidden.each") && names.contains(&"train.batch_size"), "{names:?}");
    let rate = study.parameters.iter().find(|parameter| parameter.name.ends_with("rate")).unwrap();
    assert!(matches!(&rate.domain, Some(Domain::Interval(bounds)) if (bounds.low, bounds.high) == (1e-4, 1e-1)));
    assert_eq!(study.metrics[0].name.as_ref().unwrap().tag, "best/accuracy");

    let trial = records(&out.join("00000"));
    let said = told(&trial);
    let [About::Start(start), About::End(end)] = &said[..] else { panic!("{said:?}") };
    assert_eq!(start.settings["model.mlp.hidden.count"].kind, Some(Kind::Number(2.0)));
    assert_eq!(start.settings["model"].kind, Some(Kind::Text("mlp".into())));
    assert_eq!(start.settings["train.batch_size"].kind, Some(Kind::Text("32".into())), "another choice is a text");
    assert_eq!((start.group.as_str(), end.status, end.ended), ("0", 1, 1_700_000_060.5));
    assert_eq!(numbers(&trial, "accuracy"), [(100, 0.5), (300, 0.9)]);
    assert_eq!(numbers(&trial, "best/accuracy"), [(300, 0.9)]);
    let status = |number: &str| match told(&records(&out.join(number))).pop() {
        Some(About::End(end)) => end.status,
        other => panic!("{other:?}"),
    };
    assert_eq!(["00001", "00002", "00003"].map(status), [1, 2, 3]);
    // A second time the files are the same.
    let before = std::fs::read(out.join("00000").join(super::FILE)).unwrap();
    export(sample.view(), &out, false).unwrap();
    assert_eq!(std::fs::read(out.join("00000").join(super::FILE)).unwrap(), before);
    assert_eq!(std::fs::read_dir(out.join("00000")).unwrap().count(), 1);
}

#[test]
fn a_folder_with_something_else_in_it_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.txt"), "").unwrap();
    let sample = Sample::new();
    assert!(export(sample.view(), folder.path(), false).unwrap_err().to_string().contains("something else lies there"));
    export(sample.view(), folder.path(), true).unwrap();
    let file = folder.path().join("thesis.txt").join("below");
    assert!(export(sample.view(), &file, false).is_err());
}
