//! Does the model find more than chance, and does it bear what trials bring?

use super::*;
use crate::sweep::searchers::random;
use crate::sweep::searchers::tests::{cube, dimensions, least, study};

fn hollow(point: &[Option<f64>]) -> Outcome {
    let sum: f64 = point.iter().map(|place| (place.unwrap() - 0.3).powi(2)).sum();
    Outcome::Complete(vec![-(-4.0 * sum).exp()])
}

#[test]
fn it_is_better_than_chance() {
    for seed in 0..3 {
        let space = dimensions(&cube(4, 0.0, 1.0));
        let found = least(&study(&GaussianProcess::default(), &space, seed, 30, hollow));
        let by_chance = least(&study(&random::Random::default(), &space, seed, 300, hollow));
        assert!(found < -0.999 && found < by_chance, "{seed}: {found}, by chance {by_chance} of ten times as many");
    }
}

#[test]
fn choices_steps_and_what_depends_on_them_are_found() {
    let space = dimensions(
        "a = { choices = [1, 2, 3, 4] }\nb = { low = 1, high = 9 }\n\
         c = { low = 0.0, high = 1.0, when = { a = [2, 3] } }\nd = { choices = [1, 2, 3], when = { a = 3 } }",
    );
    let judge = |point: &[Option<f64>]| {
        let a = [0.4, 0.2, 0.0, 0.5][point[0].unwrap() as usize];
        let b = ((9.0 * point[1].unwrap()).floor() - 6.0).abs() / 10.0;
        let (c, d) = (point[2].map_or(0.1, |c| (c - 0.7).powi(2)), point[3].map_or(0.1, |d| d / 10.0));
        Outcome::Complete(vec![a + b + c + d])
    };
    for seed in 0..3 {
        let found = least(&study(&GaussianProcess::default(), &space, seed, 40, judge));
        assert!(found < 1e-3, "{seed}: {found}");
    }
}

#[test]
fn where_trials_fail_no_more_is_tried() {
    let space = dimensions(&cube(2, 0.0, 1.0));
    let judge = |point: &[Option<f64>]| match point[0].unwrap() < 0.6 {
        true => Outcome::Failed,
        false => hollow(point),
    };
    let known = study(&GaussianProcess::default(), &space, 1, 40, judge);
    let failed = known[20..].iter().filter(|trial| trial.outcome == Outcome::Failed).count();
    // The least loss of all lies where they fail, and the least of the others at the edge.
    assert!(failed <= 10 && least(&known) < -0.68, "{failed} {}", least(&known));
}

#[test]
fn one_loss_that_ran_away_does_not_drown_the_others() {
    let space = dimensions(&cube(2, 0.0, 1.0));
    let judge = |point: &[Option<f64>]| match point[1].unwrap() > 0.9 {
        true => Outcome::Complete(vec![1e12]),
        false => hollow(point),
    };
    let found = least(&study(&GaussianProcess::default(), &space, 2, 30, judge));
    assert!(found < -0.999, "{found}");
    let losses = standard(&[0.0, 1.0, 2.0, 3.0, 1e300]).unwrap();
    assert!(losses.is_sorted() && losses[4] < 3.0 && losses[1] - losses[0] > 0.02, "{losses:?}");
    assert_eq!(standard(&[2.0; 3]), Some(vec![0.0; 3]));
    let widest = standard(&[f64::MAX, f64::MIN, 0.0]);
    assert!(widest.is_none_or(|losses| losses.iter().all(|loss| loss.is_finite())));
}

#[test]
fn of_many_trials_the_best_and_some_of_the_others_are_modelled() {
    let trial = |number: u64| Known { number, point: vec![Some(0.5)], outcome: Outcome::Failed };
    let trials: Vec<Known> = (0..1000).map(trial).collect();
    for losses in [|k: usize| (k as f64 * 7.0) % 1000.0, |_| 1.0] {
        let mut done: Vec<(f64, &Known)> = trials.iter().enumerate().map(|(k, trial)| (losses(k), trial)).collect();
        let mut best: Vec<f64> = done.iter().map(|(loss, _)| *loss).collect();
        best.sort_by(f64::total_cmp);
        choose(&mut done);
        let mut chosen: Vec<f64> = done.iter().map(|(loss, _)| *loss).collect();
        chosen.sort_by(f64::total_cmp);
        assert!(done.len() <= MOST && done.len() >= MOST / 2);
        assert_eq!(chosen[..MOST / 2], best[..MOST / 2]);
        assert!(done.is_sorted_by_key(|(_, trial)| trial.number) && done.last().unwrap().1.number > 990);
    }
}

#[test]
fn several_losses_are_traded_against_each_other() {
    let space = dimensions("a = { low = 0.0, high = 1.0 }\nb = { low = 0.0, high = 1.0 }");
    let judge = |point: &[Option<f64>]| {
        let (a, b) = (point[0].unwrap(), point[1].unwrap());
        Outcome::Complete(vec![a * a + b, (a - 1.0).powi(2) + b])
    };
    let known = study(&GaussianProcess::default(), &space, 4, 40, judge);
    let low = known[20..].iter().filter(|trial| trial.point[1].unwrap() < 0.02);
    let along: Vec<f64> = low.map(|trial| trial.point[0].unwrap()).collect();
    let (left, right) = (along.iter().filter(|a| **a < 0.45).count(), along.iter().filter(|a| **a > 0.6).count());
    assert!(along.len() >= 12 && left > 2 && right > 2, "{along:?}");
}
