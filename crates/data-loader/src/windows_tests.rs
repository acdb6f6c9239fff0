//! Do windows stay within their group, their part and their time, and do transforms learn from the training part alone?

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::batch::ArrayData;
use crate::data_config::DataConfig;
use crate::dataset::Dataset;
use crate::example::TargetValue;
use crate::pipeline::Pipeline;
use crate::signature::{InputKind, OutputSpec};
use crate::task::Task;

/// A data set of lines `time,group,x,y` in `folder`, with `windows` as the inside of [schema.windows].
fn write(folder: &Path, lines: &[String], windows: &str, split: &str) {
    let card = format!(
        "name = \"s\"\ntitle = \"\"\nsummary = \"\"\nsource = \"\"\nlicence = \"\"\ncitation = \"\"\n[format.csv]\n\
         [[files]]\npath = \"a.csv\"\n[schema]\ntarget = {{ name = \"y\", kind = \"number\" }}\nignore = [\"time\", \"group\"]\n\
         [schema.features]\nx = \"number\"\n[schema.windows]\n{windows}\n{split}"
    );
    std::fs::write(folder.join("card.toml"), card).unwrap();
    std::fs::write(folder.join("a.csv"), format!("time,group,x,y\n{}\n", lines.join("\n"))).unwrap();
}

fn open(lines: &[String], windows: &str, split: &str) -> Result<Dataset, Error> {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), lines, windows, split);
    Dataset::open(&DataConfig::new("."), folder.path(), None, 0)
}

/// A line whose `x` is its time and whose `y` is 1000 for each group, plus its time.
fn line(time: u32, group: u32) -> String {
    format!("{time},g{group},{time},{}", group * 1000 + time)
}

/// The times of the rows of a window, as they were read, and its group.
fn times(data: &Dataset, window: u32) -> (Vec<u32>, u32) {
    let record = data.record(window).unwrap();
    let Some(Value::Series(steps)) = record.field(SERIES) else { panic!("no series") };
    let number = |step: &Record, name: &str| match step.field(name) {
        Some(Value::Number(number)) => *number as u32,
        other => panic!("{other:?}"),
    };
    let groups: Vec<u32> = steps.iter().map(|step| number(step, "y") / 1000).collect();
    assert!(groups.windows(2).all(|pair| pair[0] == pair[1]), "a window reaches into another group: {groups:?}");
    (steps.iter().map(|step| number(step, "x")).collect(), groups[0])
}

const TIME: &str = "[split.time]\nby = \"time\"\nvalidation = 0.2\ntest = 0.2";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn windows_keep_to_group_part_and_time(
        gaps in proptest::collection::vec((0..3_u32, 10..999_u32), 0..4), order in any::<u64>(),
        length in 1..6_usize, horizon in 1..4_usize, stride in 1..4_usize,
    ) {
        // Three series of 60 steps, some steps left out, in any order of the lines.
        let there = |group: u32, time: u32| !gaps.iter().any(|(of, at)| *of == group && *at % 60 == time);
        let rows = (0..180).map(|i| (i % 60, i / 60)).filter(|(time, group)| there(*group, *time));
        let mut lines: Vec<String> = rows.map(|(time, group)| line(time, group)).collect();
        crate::random::Random::derive(&[order]).shuffle(&mut lines);
        let windows = format!("length = {length}\nhorizon = {horizon}\nstride = {stride}\ntime = \"time\"\ngroup = \"group\"");
        let data = open(&lines, &windows, TIME).unwrap();
        let mut seen = Vec::new();
        for part in Part::ALL {
            prop_assert!(!data.part(part).is_empty());
            for &window in data.part(part) {
                let (times, group) = times(&data, window);
                prop_assert_eq!(times.len(), length + horizon);
                prop_assert!(times.windows(2).all(|pair| pair[1] == pair[0] + 1), "over a gap: {times:?}");
                seen.extend(times.into_iter().map(|time| ((group, time), part)));
            }
        }
        // No row lies in windows of two parts, and later parts are later.
        seen.sort_by_key(|(row, _)| *row);
        for pair in seen.windows(2) {
            prop_assert!(pair[0].0 != pair[1].0 || pair[0].1 == pair[1].1, "{:?} is in two parts", pair[0].0);
            prop_assert!(pair[0].0.0 != pair[1].0.0 || pair[0].1 as u8 <= pair[1].1 as u8);
        }
    }
}

#[test]
fn a_window_is_what_is_known_and_what_is_to_be_told() {
    let lines: Vec<String> = (0..50).map(|time| line(time, 0)).collect();
    let windows = "length = 4\nhorizon = 2\ntime = \"time\"";
    let data = open(&lines, windows, TIME).unwrap();
    // 45 windows: 9 each for validation and test; of the 27 others and of validation 5 share rows with the next part.
    assert_eq!(Part::ALL.map(|part| data.part(part).len()), [22, 4, 9]);
    assert_eq!((data.lineage().rows, data.lineage().embargoed), (45, 10));
    let spec = data.signature().input(SERIES).unwrap();
    assert_eq!(
        (&spec.shape[..], &spec.kind),
        (&[Some(4), Some(2)][..], &InputKind::Series { names: vec!["x".into(), "y".into()] })
    );
    let OutputSpec::Horizon { names, mean, std, .. } = &data.signature().output else { panic!("no values") };
    assert_eq!((data.signature().task, &names[..]), (Task::Forecast, &["y+1".to_owned(), "y+2".into()][..]));
    // The training windows lie on the rows 0 to 26, whose mean is 13; each row counts once, however many windows have it.
    assert_eq!(mean, &[13.0, 13.0]);
    assert!((std[0] - ((27.0_f64 * 27.0 - 1.0) / 12.0).sqrt()).abs() < 1e-12);
    let first = data.part(Part::Test)[0];
    let example = data.example(first, None).unwrap();
    let ArrayData::F32(input) = &example.inputs[0].1.data else { panic!("no numbers") };
    let scaled = |value: f64| ((value - mean[0]) / std[0]) as f32;
    assert_eq!((input[0], input[1], input[7]), (scaled(36.0), scaled(36.0), scaled(39.0)));
    assert_eq!(example.target, TargetValue::Values(vec![scaled(40.0), scaled(41.0)]));
    assert_eq!(example.id.key, "s/a.csv#39", "a forecast is made at the last row that is known");
    let batch = data.pipeline().batch(vec![data.record(first).unwrap(), data.record(first + 1).unwrap()]).unwrap();
    assert_eq!(batch.inputs[0].array.shape, [2, 4, 2]);
}

#[test]
fn what_lies_behind_training_changes_nothing_that_was_learnt() {
    let mut lines: Vec<String> = (0..50).map(|time| line(time, 0)).collect();
    let windows = "length = 4\nhorizon = 2\ntime = \"time\"";
    let pipeline = |lines: &[String]| open(lines, windows, TIME).unwrap().pipeline().clone();
    let before = pipeline(&lines);
    for (time, line) in lines.iter_mut().enumerate().skip(27) {
        *line = format!("{time},g0,9999,-9999");
    }
    assert_eq!(pipeline(&lines), before);
    lines[26] = "26,g0,9999,-9999".into();
    assert_ne!(pipeline(&lines), before);
}

#[test]
fn new_rows_are_continued_behind_their_end() {
    let lines: Vec<String> = (0..50).map(|time| line(time, 0)).collect();
    let data = open(&lines, "length = 4\nhorizon = 2\nstride = 3\ntime = \"time\"", TIME).unwrap();
    let json = serde_json::to_string(data.pipeline()).unwrap();
    let pipeline: Pipeline = serde_json::from_str(&json).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.csv");
    let new: Vec<String> = (100..109).map(|time| line(time, 0)).collect();
    std::fs::write(&path, format!("time,group,x,y\n{}\n", new.join("\n"))).unwrap();
    let records = crate::formats::open_for_prediction(&path, pipeline.schema()).unwrap();
    // Nine rows, four of them known: the last window ends at the last row, another three rows before.
    assert_eq!(records.len(), 2);
    let example = pipeline.prepare(records.read(1).unwrap()).unwrap();
    assert_eq!((example.id.key.as_str(), example.target), ("new.csv#8", TargetValue::None));
    std::fs::write(&path, "time,group,x\n1,g0,1\n").unwrap();
    let error = crate::formats::open_for_prediction(&path, pipeline.schema()).err().unwrap();
    assert!(error.to_string().contains("no column `y`"), "{error}");
}

#[test]
fn what_is_no_series_is_refused() {
    let lines: Vec<String> = (0..50).map(|time| line(time, 0)).collect();
    let refused = |lines: &[String], windows: &str, split: &str, word: &str| {
        let error = open(lines, windows, split).err().unwrap_or_else(|| panic!("{windows} is taken"));
        assert!(error.to_string().contains(word) && error.hint().is_some() && error.is_usage(), "{error}");
    };
    let good = "length = 4\nhorizon = 2\ntime = \"time\"";
    refused(&lines, "length = 0\nhorizon = 2", TIME, "windows.length");
    refused(&lines, "length = 4\nhorizon = 18446744073709551615", TIME, "18446744073709551615");
    refused(&lines, "length = 4000000000\nhorizon = 4000000000", TIME, "no examples");
    refused(&lines, &format!("{good}\nmax_step = 1"), TIME, "windows.max_step");
    refused(&lines, "length = 40\nhorizon = 20", TIME, "no examples");
    refused(&lines, "length = 10\nhorizon = 5", "[split.random]\nvalidation = 0.4", "shares rows");
    let mut twice = lines.clone();
    twice.push(line(7, 0));
    refused(&twice, good, TIME, "same time");
    let mut gap = lines.clone();
    gap.remove(20);
    refused(&gap, &format!("{good}\ngaps = \"error\""), TIME, "between the rows s/a.csv#19 and s/a.csv#20");
    assert!(open(&gap, good, TIME).is_ok());
    let mut missing = lines.clone();
    missing[3] = ",g0,1,1".into();
    refused(&missing, good, TIME, "missing");
    missing[3] = "soon,g0,1,1".into();
    refused(&missing, good, TIME, "\"soon\", which is no time");
}

#[test]
fn dates_are_times_and_the_last_rows_judge_without_a_word_about_it() {
    let dates = ["2023-11", "2023-12", "2024-01", "2024-02", "2024-03", "2024-04", "2024-05"];
    // Months of 29 to 31 days are no gaps, and a month left out is one.
    let lines: Vec<String> =
        dates.iter().flat_map(|month| [1, 11, 21].map(|day| format!("{month}-{day:02},g,1,2"))).collect();
    let windows = "length = 2\nhorizon = 1\ntime = \"time\"";
    let data = open(&lines, windows, "").unwrap();
    assert_eq!((data.lineage().rows, data.config().split.as_ref().unwrap().name()), (19, "time"));
    let mut less = lines;
    less.drain(9..12);
    assert_eq!(open(&less, windows, "[split.time]\nby = \"time\"\ntest = 0.4").unwrap().lineage().rows, 14);
}
