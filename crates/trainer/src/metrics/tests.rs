//! Do metrics give what the field's reference gives, and never panic?

use std::path::Path;

use serde_json::Value;

use super::*;

/// Numbers that are in the user's units as they are.
fn plain(values: Vec<f32>) -> Expected {
    Expected::Values { values, mean: vec![0.0], std: vec![1.0] }
}

fn numbers(value: &Value) -> Option<Vec<f32>> {
    Some(value.as_array()?.iter().map(|number| number.as_f64().unwrap() as f32).collect())
}

/// Every value expected is given, nothing else is given, and an expected `null` is left out; in one go or row by row.
fn check(case: &Value, mut metrics: Vec<Box<dyn Metric>>, answers: &Answers) {
    let rows = answers.scores.len() / answers.width;
    for row in 0..rows {
        let range = row * answers.width..(row + 1) * answers.width;
        let one = Answers {
            scores: answers.scores[range.clone()].to_vec(),
            width: answers.width,
            expected: match &answers.expected {
                Expected::Classes(classes) => Expected::Classes(vec![classes[row]]),
                Expected::SoftLabels(soft) => Expected::SoftLabels(soft[range].to_vec()),
                Expected::Values { values, .. } => plain(values[range].to_vec()),
                Expected::Horizon { .. } => unreachable!("no fixture has forecasts"),
            },
            weights: answers.weights.as_ref().map(|weights| vec![weights[row]]),
        };
        for metric in &mut metrics {
            metric.observe(&one);
        }
    }
    let given: Vec<(String, f64)> = metrics.iter().flat_map(|metric| metric.values()).collect();
    let expected = case["expected"].as_object().unwrap();
    for (name, value) in expected {
        let found = given.iter().find(|(given, _)| given == name).map(|(_, value)| *value);
        match (value.as_f64(), found) {
            (Some(theirs), Some(ours)) => {
                let close = (ours - theirs).abs() <= 1e-6 * theirs.abs().max(1.0);
                assert!(close, "{}: {name} is {ours}, scikit-learn says {theirs}", case["name"]);
            }
            (theirs, ours) => assert_eq!(theirs, ours, "{}: {name}", case["name"]),
        }
    }
    let names: Vec<String> = metrics.iter().flat_map(|metric| metric.names()).collect();
    for (name, _) in &given {
        assert!(expected.contains_key(name), "{}: {name} is given", case["name"]);
        assert!(names.contains(name), "{name} was not announced");
        assert!(direction(name).is_some(), "{name} has no direction");
    }
}

/// On answers that are committed, or with `FIREBOX_METRICS` on those that `tests/peers/run.sh` has just drawn.
#[test]
fn values_are_those_of_scikit_learn() {
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/metrics.json");
    let path = std::env::var("FIREBOX_METRICS").unwrap_or_else(|_| committed.to_owned());
    let fixture: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for case in fixture["classes"].as_array().unwrap() {
        let width = case["width"].as_u64().unwrap() as usize;
        let labels: Vec<String> = (0..width).map(|class| format!("class {class}")).collect();
        let classes = case["classes"].as_array().unwrap().iter().map(|class| class.as_i64().unwrap()).collect();
        let answers = Answers {
            scores: numbers(&case["scores"]).unwrap(),
            width,
            expected: Expected::Classes(classes),
            weights: numbers(&case["weights"]),
        };
        let mut metrics = for_task(Task::Classify, &labels);
        metrics.push(Box::new(iou::Iou::new(&labels)));
        metrics.push(Box::new(perplexity::Perplexity::default()));
        metrics.extend(case["k"].as_u64().map(|k| Box::new(top_k::TopK::new(k as usize)) as Box<dyn Metric>));
        check(case, metrics, &answers);

        let mut pairs = confusion_matrix::ConfusionMatrix::new(&labels);
        pairs.observe(&answers);
        let matrix = pairs.matrix().unwrap();
        for (ours, theirs) in matrix.counts.iter().zip(numbers(&case["matrix"]).unwrap()) {
            assert!((ours - f64::from(theirs)).abs() < 1e-4);
        }
    }
    for case in fixture["values"].as_array().unwrap() {
        let answers = Answers {
            scores: numbers(&case["scores"]).unwrap(),
            width: case["width"].as_u64().unwrap() as usize,
            expected: plain(numbers(&case["values"]).unwrap()),
            weights: numbers(&case["weights"]),
        };
        check(case, for_task(Task::Regress, &[]), &answers);
        let mut by_spread = r2::R2::by_spread();
        by_spread.observe(&answers);
        match (by_spread.values().first(), case["r2_by_spread"].as_f64()) {
            (Some((_, ours)), Some(theirs)) => assert!((ours - theirs).abs() <= 1e-6 * theirs.abs().max(1.0)),
            (ours, theirs) => assert!(ours.is_none() && theirs.is_none(), "{}: {ours:?}, {theirs:?}", case["name"]),
        }
    }
}

fn judge(metric: &mut dyn Metric, scores: &[f32], width: usize, expected: Expected) -> Vec<(String, f64)> {
    metric.observe(&Answers { scores: scores.to_vec(), width, expected, weights: None });
    metric.values()
}

#[test]
fn a_single_logit_is_two_classes() {
    let classes = || Expected::Classes(vec![1, 0, 1, 0]);
    let (single, pair) = ([2.0, -1.0, -0.5, 0.25], [0.0, 2.0, 0.0, -1.0, 0.0, -0.5, 0.0, 0.25]);
    let labels = ["no".to_owned(), "yes".to_owned()];
    for (mut one, mut two) in for_task(Task::Classify, &labels).into_iter().zip(for_task(Task::Classify, &labels)) {
        let (one, two) = (judge(&mut *one, &single, 1, classes()), judge(&mut *two, &pair, 2, classes()));
        assert_eq!(one, two);
    }
}

/// Seconds since 1970, ten apart: in 32 bits they would all be the same number.
#[test]
fn large_numbers_are_judged_in_the_users_units() {
    let truths: Vec<f32> = (0..50).map(|k| k as f32 / 10.0 - 2.5).collect();
    let expected = || Expected::Values { values: truths.clone(), mean: vec![1.7e9], std: vec![10.0] };
    let wrong = vec![0.0; 50];
    let mae: f64 = truths.iter().map(|truth| 10.0 * f64::from(truth.abs())).sum::<f64>() / 50.0;
    assert!((judge(&mut mae::Mae::default(), &wrong, 1, expected())[0].1 - mae).abs() < 1e-5);
    assert!(judge(&mut r2::R2::default(), &wrong, 1, expected())[0].1 < 1e-6);
    assert_eq!(judge(&mut r2::R2::default(), &truths, 1, expected())[0].1, 1.0);
}

/// Two steps, the second in other units than the first.
fn horizon(values: Vec<f32>, quantiles: &[f64], naive: Vec<f64>) -> Expected {
    Expected::Horizon { values, mean: vec![0.0, 10.0], std: vec![1.0, 2.0], quantiles: quantiles.to_vec(), naive }
}

/// The truths are 1 and 14, then 3 and 10; told are 0, 2, 4 and 10, 12, 13, then 3, 5, 7 and 8, 9, 12.
#[test]
fn forecasts_are_judged_by_every_quantile_and_by_the_median() {
    let told = [0.0, 2.0, 4.0, 0.0, 1.0, 1.5, 3.0, 5.0, 7.0, -1.0, -0.5, 1.0];
    let expected = || horizon(vec![1.0, 2.0, 3.0, 0.0], &[0.1, 0.5, 0.9], vec![1.0, 0.5]);
    let value = |metric: &mut dyn Metric| judge(metric, &told, 6, expected())[0].1;
    let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9, "{found}, not {wanted}");
    // The medians miss by 1, 2, 2 and 1.
    near(value(&mut mae::Mae::default()), 1.5);
    // In units of 1 and of 0.5: 1.5 and 3.
    near(value(&mut mase::Mase::default()), 2.25);
    near(value(&mut coverage::Coverage::default()), 0.75);
    let low = 0.1 * 1.0 + 0.1 * 4.0 + 0.0 + 0.1 * 2.0;
    let middle = 0.5 * (1.0 + 2.0 + 2.0 + 1.0);
    let high = 0.1 * 3.0 + 0.9 * 1.0 + 0.1 * 4.0 + 0.1 * 2.0;
    near(value(&mut pinball::Pinball::default()), (low + middle + high) / 12.0);
    // One number a step has no quantiles to judge, and a window that repeats itself no scale.
    let plain = || horizon(vec![1.0, 2.0], &[], vec![0.0]);
    assert!(judge(&mut pinball::Pinball::default(), &[0.0, 1.0], 2, plain()).is_empty());
    assert!(judge(&mut coverage::Coverage::default(), &[0.0, 1.0], 2, plain()).is_empty());
    assert!(judge(&mut mase::Mase::default(), &[0.0, 1.0], 2, plain()).is_empty());
    near(judge(&mut mae::Mae::default(), &[0.0, 1.0], 2, plain())[0].1, 1.5);
}

#[test]
fn soft_labels_are_met_by_their_own_logarithm() {
    let soft = [0.5_f32, 0.3, 0.2];
    let scores = soft.map(f32::ln);
    let entropy: f64 = soft.iter().map(|share| -f64::from(*share) * f64::from(*share).ln()).sum();
    let values = judge(&mut log_loss::LogLoss::default(), &scores, 3, Expected::SoftLabels(soft.to_vec()));
    assert!((values[0].1 - entropy).abs() < 1e-6);
    assert_eq!(judge(&mut accuracy::Accuracy::default(), &scores, 3, Expected::SoftLabels(soft.to_vec()))[0].1, 1.0);
}

#[test]
fn nothing_panics_on_broken_answers() {
    let labels: Vec<String> = (0..7).map(|class| class.to_string()).collect();
    let bad = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0, 0.0, f32::MAX, f32::MIN];
    for (task, _) in Task::ALL {
        for width in [0, 1, 2, 3, 7, 9] {
            for expected in [
                Expected::Classes(vec![0, -1, 99, i64::MAX, i64::MIN]),
                Expected::SoftLabels(bad[..5].to_vec()),
                plain(bad.to_vec()),
                plain(Vec::new()),
                Expected::Values { values: bad.to_vec(), mean: Vec::new(), std: Vec::new() },
                horizon(bad.to_vec(), &[0.1, 0.9], vec![f64::NAN, 0.0]),
                horizon(Vec::new(), &[], Vec::new()),
            ] {
                for weights in [None, Some(vec![]), Some(vec![f32::NAN, -1.0, 0.0, f32::INFINITY, 1.0])] {
                    for metric in &mut for_task(*task, &labels) {
                        assert_eq!(metric.values(), [], "nothing observed");
                        let (scores, expected) = (bad.to_vec(), expected.clone());
                        metric.observe(&Answers { scores, width, expected, weights: weights.clone() });
                        metric.values();
                    }
                }
            }
        }
    }
}

#[test]
fn a_row_that_is_not_a_number_counts_as_wrong() {
    let scores = [f32::NAN, 0.0, 1.0, 0.0];
    let classes = || Expected::Classes(vec![0, 0]);
    assert_eq!(judge(&mut accuracy::Accuracy::default(), &scores, 2, classes())[0].1, 0.5);
    assert_eq!(judge(&mut top_k::TopK::default(), &scores, 2, classes())[0].1, 0.5);
    assert_eq!(judge(&mut recall::Recall::default(), &scores, 2, classes())[0].1, 0.5);
}

#[test]
fn every_member_is_listed_and_known_by_its_direction() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/metrics");
    let stems = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut stems: Vec<_> = stems.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    stems.retain(|stem| stem != "mod" && stem != "tests");
    stems.sort();
    assert_eq!(MEMBERS.iter().map(|member| member.name).collect::<Vec<_>>(), stems);
    let labels: Vec<String> = (0..6).map(|class| class.to_string()).collect();
    for (task, _) in Task::ALL {
        assert!(names(*task, &labels).iter().all(|name| direction(name).is_some()));
    }
    assert_eq!(names(Task::Regress, &[]), ["mae", "rmse", "r2"]);
    assert_eq!(names(Task::Classify, &labels).iter().filter(|name| name.starts_with("f1")).count(), 9);
    assert_eq!(direction("top_5_accuracy"), Some(Direction::Higher));
    assert_eq!(direction("f1/a/b"), Some(Direction::Higher));
    assert_eq!(direction("loss"), Some(Direction::Lower));
    assert_eq!([direction("top_x_accuracy"), direction("beauty"), direction("")], [None; 3]);
    assert!(Direction::Lower.is_better(0.0, f64::NAN) && !Direction::Lower.is_better(f64::NAN, 0.0));
}
