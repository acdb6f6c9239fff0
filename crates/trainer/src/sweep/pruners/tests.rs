//! Who goes on and who ends, told by hand.

use super::asha::Asha;
use super::hyperband::Hyperband;
use super::median::Median;
use super::patient::Patient;
use super::percentile::Percentile;
use super::*;

fn track(number: u64, losses: &[f64]) -> Track {
    Track { number, losses: losses.to_vec(), complete: true }
}

/// What a trial with such losses would meet, evaluation by evaluation: after which one it ends.
fn ended(pruner: &dyn Prune, own: &[f64], others: &[Track]) -> Option<usize> {
    let others: Vec<&Track> = others.iter().collect();
    (1..own.len()).find(|&n| {
        let own = Track { number: 1000, losses: own[..n].to_vec(), complete: false };
        pruner.ends(&own, &others, 64)
    })
}

#[test]
fn rungs_come_at_powers_of_the_reduction() {
    let asha = Asha::default();
    assert_eq!((1..100).filter(|&n| asha.judges(n)).collect::<Vec<_>>(), [1, 4, 16, 64]);
    let later = Asha { grace: 3, reduction: 2 };
    assert_eq!((1..30).filter(|&n| later.judges(n)).collect::<Vec<_>>(), [3, 6, 12, 24]);
}

#[test]
fn of_a_rung_the_best_quarter_goes_on() {
    let asha = Asha::default();
    let others: Vec<Track> = (0..7).map(|n| track(n, &[n as f64; 8])).collect();
    // Of eight, two go on.
    assert_eq!(ended(&asha, &[0.5; 8], &others), None);
    assert_eq!(ended(&asha, &[1.5; 8], &others), Some(1));
    // Better at the second rung than at the first: who is among the best of those that came there.
    assert_eq!(ended(&asha, &[0.5, 1.0, 1.0, 9.0, 1.0], &others), None);
    let few = [track(0, &[1.0]), track(1, &[2.0])];
    assert_eq!((ended(&asha, &[1.5; 3], &few), ended(&asha, &[0.5; 3], &few)), (Some(1), None));
    assert_eq!(ended(&asha, &[f64::NAN; 3], &few), Some(1));
    assert_eq!(ended(&asha, &[3.0; 3], &[]), None);
    // Equals are no better.
    assert_eq!(ended(&asha, &[1.0; 3], &few), None);
}

#[test]
fn brackets_share_the_work_and_compare_their_own() {
    let hyperband = Hyperband::default();
    assert_eq!((hyperband.brackets(27), hyperband.brackets(26), hyperband.brackets(1)), (4, 3, 1));
    let mut counts = [0_u64; 4];
    for number in 0..4000 {
        counts[hyperband.bracket(number, 27) as usize] += 1;
    }
    // Shares of 27, 18 / 1, 6 and 4 where the work of each bracket is alike: ceil(4 * 3^s / (s + 1)).
    let shares = [27.0, 12.0, 6.0, 4.0].map(|share| share / 49.0 * 4000.0);
    for (count, share) in counts.iter().zip(shares) {
        // Five standard deviations of a binomial count.
        assert!((*count as f64 - share).abs() < 5.0 * (share * (1.0 - share / 4000.0)).sqrt(), "{counts:?}");
    }
    // Of the last bracket nobody ends before its first rung, 27.
    let late = (0..10_000).find(|&number| hyperband.bracket(number, 27) == 3).unwrap();
    let others: Vec<Track> = (2000..2100).map(|n| track(n, &[0.0; 27])).collect();
    let others: Vec<&Track> = others.iter().collect();
    let own = |n: usize| Track { number: late, losses: vec![1.0; n], complete: false };
    assert_eq!((1..=27).find(|&n| hyperband.ends(&own(n), &others, 27)), Some(27));
}

#[test]
fn what_is_worse_than_a_percentile_of_the_complete_ends() {
    let others: Vec<Track> = (0..5).map(|n| track(n, &[n as f64; 4])).collect();
    let median = Median::default();
    assert_eq!((ended(&median, &[2.1; 4], &others), ended(&median, &[2.0; 4], &others)), (Some(1), None));
    assert_eq!(ended(&median, &[2.1; 4], &others[..4]), None, "too few are complete");
    assert_eq!(ended(&Median { warmup: 2, ..median }, &[2.1; 4], &others), Some(3));
    let quarter = Percentile::default();
    assert_eq!((ended(&quarter, &[1.1; 4], &others), ended(&quarter, &[0.9; 4], &others)), (Some(1), None));
    let mut running = others.clone();
    for track in &mut running {
        track.complete = false;
    }
    assert_eq!(ended(&quarter, &[9.0; 4], &running), None);
    assert!(Percentile { interval: 3, warmup: 1, ..quarter }.judges(5));
}

#[test]
fn what_gets_no_better_ends_or_is_judged_by_another() {
    let patient = Patient { patience: 2, min_delta: 0.1, then: None };
    assert_eq!(ended(&patient, &[3.0, 2.0, 1.95, 1.92, 1.0], &[]), Some(4));
    assert_eq!(ended(&patient, &[3.0, 2.0, 1.8, 1.6, 1.4, 1.2], &[]), None);
    assert_eq!(ended(&patient, &[f64::NAN; 5], &[]), Some(3));
    let others: Vec<Track> = (0..5).map(|n| track(n, &[n as f64; 6])).collect();
    let judged = |own: &[f64]| {
        let then = Some(Box::new(Pruner::Median(Median::default())));
        ended(&Patient { then, ..patient.clone() }, own, &others)
    };
    assert_eq!((judged(&[1.0; 6]), judged(&[3.0; 6])), (None, Some(3)));
}

#[test]
fn settings_that_make_no_sense_are_refused_in_a_sentence() {
    for (text, word) in [
        (r#"{"asha": {"reduction": 1}}"#, "reduction is 1"),
        (r#"{"asha": {"grace": 0}}"#, "grace is 0"),
        (r#"{"hyperband": {"least": 4, "most": 3}}"#, "most is 3"),
        (r#"{"median": {"interval": 0}}"#, "interval is 0"),
        (r#"{"percentile": {"best": 100.0}}"#, "best is 100"),
        (r#"{"patient": {"patience": 0}}"#, "patience is 0"),
        (r#"{"patient": {"then": {"asha": {"grace": 0}}}}"#, "grace is 0"),
    ] {
        let pruner: Pruner = serde_json::from_str(text).unwrap();
        assert!(pruner.check().unwrap_err().contains(word), "{text}");
    }
    let all = [r#"{"asha": {}}"#, r#"{"hyperband": {}}"#, r#"{"median": {}}"#, r#"{"none": {}}"#, r#"{"patient": {}}"#];
    for (text, entry) in all.iter().zip(MEMBERS) {
        let pruner: Pruner = serde_json::from_str(text).unwrap();
        assert_eq!((pruner.name(), pruner.check()), (entry.name, Ok(())));
    }
}
