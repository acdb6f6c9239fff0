//! Temperatures and thresholds beside closed forms, and beside all that could have been chosen.

use super::threshold::{Best, best_f1};
use super::*;
use model_zoo::Decoding;
use std::collections::BTreeMap;

/// Numbers that look drawn by chance, from 0 to 1.
fn drawn(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn of(rows: &[(&[f32], usize)]) -> Scored {
    Scored {
        scores: rows.iter().flat_map(|(row, _)| row.iter().copied()).collect(),
        width: rows[0].0.len(),
        classes: rows.iter().map(|(_, class)| *class).collect(),
        weights: vec![1.0; rows.len()],
    }
}

/// Of four examples with the scores 0 and s three are right: at the best temperature the probability is 3/4, so that s/T = ln 3.
#[test]
fn two_scores_have_the_temperature_of_the_closed_form() {
    let rows: &[(&[f32], usize)] = &[(&[0.0, 4.0], 1), (&[0.0, 4.0], 1), (&[0.0, 4.0], 1), (&[0.0, 4.0], 0)];
    let fit = temperature::fit(&of(rows), Decoding::Softmax).unwrap();
    assert!((fit.temperature - 4.0 / 3.0_f64.ln()).abs() < 1e-9, "{fit:?}");
    // The surprise of a coin that falls so, and nothing left of the distance between belief and truth.
    let surprise = -(0.75 * 0.75_f64.ln() + 0.25 * 0.25_f64.ln());
    assert!((fit.loss[1] - surprise).abs() < 1e-6 && fit.loss[0] > fit.loss[1], "{fit:?}");
    assert!(fit.error[1] < 1e-6 && fit.error[0] > 0.2, "{fit:?}");
    // With two sigmoids that mirror each other the same holds.
    let rows: &[(&[f32], usize)] = &[(&[-4.0, 4.0], 1), (&[-4.0, 4.0], 1), (&[-4.0, 4.0], 1), (&[-4.0, 4.0], 0)];
    let fit = temperature::fit(&of(rows), Decoding::Sigmoid).unwrap();
    assert!((fit.temperature - 4.0 / 3.0_f64.ln()).abs() < 1e-9, "{fit:?}");
}

/// Scores that were multiplied have the temperature multiplied, and no other one has a lower loss.
#[test]
fn no_other_temperature_has_a_lower_loss() {
    let mut next = drawn(3);
    let mut scored = Scored { width: 4, ..Scored::default() };
    for _ in 0..400 {
        let row: Vec<f32> = (0..4).map(|_| (6.0 * (next() - 0.5)) as f32).collect();
        // Drawn as the softmax of half the scores says, so that the temperature is about 2.
        let terms: Vec<f64> = row.iter().map(|score| (f64::from(*score) / 2.0).exp()).collect();
        let mut place = next() * terms.iter().sum::<f64>();
        let class = terms
            .iter()
            .position(|term| {
                place -= term;
                place < 0.0
            })
            .unwrap_or(3);
        scored.scores.extend(row);
        scored.classes.push(class);
        scored.weights.push(0.5 + next());
    }
    for decoding in [Decoding::Softmax, Decoding::Sigmoid] {
        let fit = temperature::fit(&scored, decoding).unwrap();
        let mut times = scored.clone();
        times.scores.iter_mut().for_each(|score| *score *= 8.0);
        let eight = temperature::fit(&times, decoding).unwrap();
        assert!((eight.temperature / fit.temperature - 8.0).abs() < 1e-6, "{fit:?} {eight:?}");
        for other in [0.5, 0.9, 0.99, 1.01, 1.1, 2.0] {
            let mut moved = scored.clone();
            moved.scores.iter_mut().for_each(|score| *score /= (fit.temperature * other) as f32);
            let there = temperature::fit(&moved, decoding).unwrap().loss[0];
            assert!(there > fit.loss[1], "{other}: {there} and {fit:?}");
        }
    }
    let softmax = temperature::fit(&scored, Decoding::Softmax).unwrap();
    assert!((softmax.temperature - 2.0).abs() < 0.5, "{softmax:?}");
}

#[test]
fn where_nothing_is_wrong_there_is_no_temperature() {
    let error = temperature::fit(&of(&[(&[0.0, 4.0], 1), (&[3.0, 1.0], 0)]), Decoding::Softmax).unwrap_err();
    assert!(error.contains("all 2 examples"), "{error}");
    let error = temperature::fit(&of(&[(&[4.0, 0.0], 1), (&[1.0, 3.0], 0)]), Decoding::Softmax).unwrap_err();
    assert!(error.contains("no temperature from 0.01 to 100"), "{error}");
    assert!(temperature::fit(&Scored { width: 2, ..Scored::default() }, Decoding::Softmax).is_err());
}

/// Of every threshold that can be told from others none has a better F1, counted anew.
#[test]
fn no_other_threshold_has_a_better_f1() {
    let labels = ["no", "yes"].map(str::to_owned).to_vec();
    for seed in 0..20 {
        let mut next = drawn(seed);
        let mut scored = Scored { width: 2, ..Scored::default() };
        for _ in 0..60 {
            let score = (20.0 * (next() - 0.6)).round() / 5.0;
            scored.scores.extend([0.0, score as f32]);
            scored.classes.push(usize::from(next() < 1.0 / (1.0 + (-score).exp())));
            scored.weights.push(if seed % 2 == 0 { 1.0 } else { 0.5 + next() });
        }
        let decision = Decision::default();
        let Best { threshold, f1, at_half } = best_f1(&scored, &decision, "yes", &labels).unwrap();
        let count = |threshold: f64| {
            let (mut hit, mut wrong) = (0.0, 0.0);
            for (row, class, weight) in scored.rows() {
                let answered = 1.0 / (1.0 + f64::from(row[0] - row[1]).exp()) > threshold;
                match (answered, class) {
                    (true, 1) => hit += 2.0 * weight,
                    (true, _) | (false, 1) => wrong += weight,
                    _ => {}
                }
            }
            hit / (hit + wrong)
        };
        assert!((count(threshold) - f1).abs() < 1e-12 && (count(0.5) - at_half).abs() < 1e-12, "{seed}");
        for step in 1..1000 {
            assert!(count(f64::from(step) / 1000.0) <= f1 + 1e-12, "{seed}: {step}");
        }
        // The rule by which a class is answered says the same.
        let thresholds = BTreeMap::from([("yes".to_owned(), threshold)]);
        let signature = data_loader::Signature {
            task: data_loader::Task::Classify,
            inputs: Vec::new(),
            output: OutputSpec::Classes { labels: labels.clone() },
        };
        let decision = Decision::new(Decoding::Softmax, None, &thresholds, &signature).unwrap();
        for (row, _, _) in scored.rows() {
            let yes = 1.0 / (1.0 + f64::from(row[0] - row[1]).exp());
            // Between two examples there is room enough for 32 bits.
            assert_eq!(decision.class(row, &[(1.0 - yes) as f32, yes as f32]) == Some(1), yes > threshold);
        }
    }
}

#[test]
fn thresholds_are_read_as_they_are_written() {
    for (text, name, threshold) in [
        ("yes=0.3", "yes", Threshold::Number(0.3)),
        ("a=b=f1", "a=b", Threshold::BestF1),
        ("anomaly=99.5%", "anomaly", Threshold::Percentile(99.5)),
    ] {
        assert_eq!(Threshold::parse(text), Ok((name.to_owned(), threshold)));
    }
    for text in ["yes", "=0.3", "yes=", "yes=high", "yes=NaN", "anomaly=101%", "anomaly=%"] {
        assert!(Threshold::parse(text).is_err(), "{text}");
    }
}
