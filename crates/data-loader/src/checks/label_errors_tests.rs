//! Does confident learning find what cleanlab finds, and what was planted?

use std::collections::BTreeSet;

use super::*;
use crate::random::Random;

#[derive(serde::Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    classes: usize,
    given: Vec<usize>,
    probabilities: Vec<f32>,
    confident_joint: Vec<Vec<usize>>,
    calibrated_joint: Vec<Vec<usize>>,
    issues: BTreeSet<usize>,
    margins: Vec<f64>,
}

fn out_of_fold(classes: usize, given: Vec<usize>, probabilities: Vec<f32>) -> OutOfFold {
    OutOfFold {
        rows: (0..given.len() as u32).collect(),
        ids: (0..given.len()).map(|row| format!("t/t.csv#{row}")).collect(),
        labels: (0..classes).map(|class| format!("class {class}")).collect(),
        given,
        probabilities,
    }
}

/// Joint, margins and issues are cleanlab's. Where two cells of a row have equal remainders, it is a matter of taste which of
/// them is rounded up; then as many issues may differ as there are such examples.
#[test]
fn joint_margins_and_issues_are_those_of_cleanlab() {
    let path = std::env::var_os("FIREBOX_LABEL_ERRORS")
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/label_errors.json").into());
    let fixture: Fixture = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let (mut cases, mut issues) = (0, 0);
    for case in fixture.cases {
        let input = out_of_fold(case.classes, case.given.clone(), case.probabilities.clone());
        let found = find(&input).unwrap();
        assert_eq!(found.confident_joint, case.confident_joint);
        let mut open = 0;
        for (ours, theirs) in found.calibrated_joint.iter().zip(&case.calibrated_joint) {
            assert_eq!(ours.iter().sum::<usize>(), theirs.iter().sum::<usize>());
            let row = &found.confident_joint[cases_row(&found.calibrated_joint, ours)];
            let differing: Vec<usize> = (0..case.classes).filter(|&class| ours[class] != theirs[class]).collect();
            let remainder = |class: usize| row[class] * ours.iter().sum::<usize>() % row.iter().sum::<usize>();
            assert!(differing.windows(2).all(|pair| remainder(pair[0]) == remainder(pair[1])), "{ours:?} {theirs:?}");
            open += differing.len();
        }
        let picked: BTreeSet<usize> = found.suspects.iter().map(|suspect| suspect.row as usize).collect();
        let apart: Vec<&usize> = picked.symmetric_difference(&case.issues).collect();
        assert!(apart.len() <= open, "{apart:?} of {} issues", case.issues.len());
        for suspect in &found.suspects {
            // Theirs goes from 0 to 1.
            assert!((f64::midpoint(suspect.margin, 1.0) - case.margins[suspect.row as usize]).abs() < 1e-6);
        }
        let ranked: Vec<f64> = rank(&input).unwrap().into_iter().map(|row| case.margins[row]).collect();
        assert!(ranked.is_sorted_by(|a, b| *a <= *b + 1e-7), "the ranking is not by the margin");
        cases += 1;
        issues += picked.len();
    }
    assert!(cases >= 5 && issues > 100, "{cases} cases with {issues} issues");
}

fn cases_row(joint: &[Vec<usize>], row: &[usize]) -> usize {
    joint.iter().position(|other| std::ptr::eq(other.as_slice(), row)).unwrap()
}

#[test]
fn flipped_labels_are_found_and_come_first() {
    let (examples, classes) = (2000, 5);
    let mut random = Random::derive(&[1]);
    let mut given = Vec::new();
    let mut probabilities = Vec::new();
    let mut flipped = BTreeSet::new();
    for example in 0..examples {
        let truth = example % classes;
        // A model that is right and sure by 0.6 to 1.
        let sure = 0.6 + 0.4 * random.unit() as f32;
        probabilities.extend((0..classes).map(|class| if class == truth { sure } else { (1.0 - sure) / 4.0 }));
        given.push(if example % 49 == 7 { (truth + 1) % classes } else { truth });
        if example % 49 == 7 {
            flipped.insert(example);
        }
    }
    let input = out_of_fold(classes, given, probabilities);
    let found = find(&input).unwrap();
    let first: BTreeSet<usize> = rank(&input).unwrap()[..flipped.len()].iter().copied().collect();
    assert_eq!(first, flipped);
    let picked: BTreeSet<usize> = found.suspects.iter().map(|suspect| suspect.row as usize).collect();
    assert!(
        picked.is_subset(&flipped) && picked.len() * 10 >= flipped.len() * 8,
        "{} of {}",
        picked.len(),
        flipped.len()
    );
    assert!((found.noise_rate - 0.02).abs() < 0.01, "{}", found.noise_rate);
    let worst = &found.suspects[0];
    assert_eq!((worst.rank, worst.given != worst.suggested), (0, true));
    assert_eq!(worst.suggested, format!("class {}", worst.row as usize % classes));
}

#[test]
fn right_labels_are_left_alone() {
    let probabilities = (0..100).flat_map(|row| if row % 2 == 0 { [0.9, 0.1] } else { [0.2, 0.8] }).collect();
    let found = find(&out_of_fold(2, (0..100).map(|row| row % 2).collect(), probabilities)).unwrap();
    assert_eq!((found.suspects.len(), found.noise_rate), (0, 0.0));
    assert_eq!(found.confident_joint, [[50, 0], [0, 50]]);
    assert!((found.thresholds[0].unwrap() - 0.9).abs() < 1e-6 && (found.thresholds[1].unwrap() - 0.8).abs() < 1e-6);
}

#[test]
fn a_class_without_examples_is_nobodys_true_class() {
    let probabilities = [0.1, 0.1, 0.8].repeat(10);
    let found = find(&out_of_fold(3, vec![0; 10], probabilities)).unwrap();
    assert_eq!(found.thresholds[1..], [None, None]);
    assert_eq!((found.confident_joint[0].clone(), found.suspects.len()), (vec![10, 0, 0], 0));
}

#[test]
fn numbers_that_do_not_fit_are_sentences() {
    let sound = || out_of_fold(2, vec![0, 1], vec![0.5, 0.5, 0.5, 0.5]);
    assert!(find(&sound()).is_ok());
    for (wrong, word) in [
        (OutOfFold { given: vec![0, 2], ..sound() }, "t/t.csv#1 has label number 2 of 2"),
        (OutOfFold { probabilities: vec![0.5; 3], ..sound() }, "3 probabilities for 2 examples"),
        (OutOfFold { probabilities: vec![0.5, f32::NAN, 0.5, 0.5], ..sound() }, "t/t.csv#0 has the probability NaN"),
        (OutOfFold { rows: vec![0], ..sound() }, "1 rows"),
        (out_of_fold(1, vec![0], vec![1.0]), "1 classes"),
        (out_of_fold(2, vec![], vec![]), "no examples"),
    ] {
        let error = find(&wrong).unwrap_err();
        assert!(error.to_string().contains(word) && error.hint().is_some(), "{error}");
    }
}

#[test]
fn models_that_know_nothing_accuse_nobody() {
    let mut random = Random::derive(&[4]);
    let given: Vec<usize> = (0..400).map(|_| random.below(2) as usize).collect();
    let probabilities = (0..400)
        .flat_map(|_| {
            let p = random.unit() as f32;
            [p, 1.0 - p]
        })
        .collect();
    let found = find(&out_of_fold(2, given.clone(), probabilities)).unwrap();
    assert!(skill(&found) < SKILL, "{}", skill(&found));
    // Of one that is right about nine in ten it is 0.8.
    let probabilities = given.iter().enumerate().flat_map(|(at, &label)| {
        let right = if at % 10 == 0 { 0.2 } else { 0.9 };
        if label == 0 { [right, 1.0 - right] } else { [1.0 - right, right] }
    });
    let found = find(&out_of_fold(2, given.clone(), probabilities.collect())).unwrap();
    assert!((skill(&found) - 0.8).abs() < 0.05, "{}", skill(&found));
}
