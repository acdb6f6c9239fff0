//! Are rates those of the closed forms, and of `PyTorch`?

use std::path::Path;

use super::*;

/// The schedule written as TOML.
fn parse(text: &str) -> Schedule {
    #[derive(Deserialize)]
    struct Config {
        schedule: Schedule,
    }
    toml::from_str::<Config>(text).unwrap().schedule
}

fn check(text: &str, total: u64, epoch: f64, expected: &[(u64, f64)]) {
    let schedule = parse(text);
    schedule.check().unwrap();
    for (step, rate) in expected {
        let ours = schedule.learning_rate(0.1, *step, total, epoch);
        assert!((ours - rate).abs() < 1e-12, "{text}, step {step}: {ours} instead of {rate}");
    }
}

#[test]
fn rates_are_those_of_the_closed_forms() {
    check("[schedule.constant]", 10, 5.0, &[(0, 0.1), (9, 0.1), (99, 0.1)]);
    check("[schedule.constant]\nwarmup = 4", 10, 5.0, &[(0, 0.02), (1, 0.04), (3, 0.08), (4, 0.1), (9, 0.1)]);
    check("[schedule.constant]\nwarmup = 0.4", 10, 5.0, &[(0, 0.02), (1, 0.04), (3, 0.08), (4, 0.1)]);
    check("[schedule.linear]\nwarmup = 0", 10, 5.0, &[(0, 0.1), (1, 0.09), (5, 0.05), (9, 0.01), (10, 0.01)]);
    check("[schedule.linear]\nwarmup = 2\nfloor = 0.5", 12, 5.0, &[(2, 0.1), (7, 0.075), (11, 0.055)]);
    check("[schedule.cosine]\nwarmup = 0", 12, 5.0, &[(0, 0.1), (4, 0.075), (6, 0.05), (8, 0.025)]);
    check("[schedule.cosine]\nwarmup = 2\nfloor = 0.2", 10, 5.0, &[(2, 0.1), (6, 0.06)]);
    check("[schedule.step]\nevery_epochs = 2\nfactor = 0.5", 60, 10.0, &[(0, 0.1), (19, 0.1), (20, 0.05), (59, 0.025)]);
    check("[schedule.step]\nmilestones = [1, 2.5]", 60, 10.0, &[(9, 0.1), (10, 0.01), (24, 0.01), (25, 0.001)]);
    // Three batches of which two make a step: an epoch is a step and a half.
    check("[schedule.step]\nmilestones = [30]", 60, 1.5, &[(44, 0.1), (45, 0.01)]);
    check("[schedule.step]\nmilestones = [0.3]", 60, 10.0, &[(2, 0.1), (3, 0.01)]);
}

/// The formulas of `torch.optim.lr_scheduler.OneCycleLR` for `max_lr=0.1, total_steps=10`: the peak is at step 0.3 * 10 - 1.
#[test]
fn one_cycle_is_that_of_pytorch() {
    let cosine = |from: f64, to: f64, part: f64| to + (from - to) / 2.0 * (1.0 + (std::f64::consts::PI * part).cos());
    let expected: Vec<(u64, f64)> = (0..10)
        .map(|step| match step {
            0..=2 => (step, cosine(0.004, 0.1, step as f64 / 2.0)),
            _ => (step, cosine(0.1, 0.000_000_4, (step as f64 - 2.0) / 7.0)),
        })
        .collect();
    check("[schedule.one_cycle]", 10, 5.0, &expected);
    check("[schedule.one_cycle]", 10, 5.0, &[(0, 0.004), (1, 0.052), (2, 0.1), (9, 0.000_000_4)]);
}

#[test]
fn rates_are_finite_and_never_above_the_base() {
    for member in MEMBERS {
        let schedule = parse(&format!("[schedule.{}]", member.name));
        assert_eq!(schedule.name(), member.name);
        for total in [0, 1, 2, 3, 7, 1000, u64::MAX] {
            let mut rates: Vec<f64> = Vec::new();
            for step in (0..total.min(1000)).chain([total, u64::MAX]) {
                let rate = schedule.learning_rate(0.1, step, total, (total / 3) as f64);
                assert!(rate.is_finite() && (0.0..=0.1 + 1e-15).contains(&rate), "{member:?} {step}/{total}: {rate}");
                rates.push(rate);
            }
            let turns = rates.windows(3).filter(|w| (w[1] - w[0]) * (w[2] - w[1]) < 0.0).count();
            assert!(turns <= 1, "{member:?} goes up and down more than once");
        }
    }
}

#[test]
fn settings_that_cannot_be_meant_are_refused() {
    assert_eq!(Schedule::default(), parse("[schedule.constant]"));
    for (text, key) in [
        ("[schedule.constant]\nwarmup = -1", "warmup"),
        ("[schedule.linear]\nwarmup = nan", "warmup"),
        ("[schedule.cosine]\nfloor = 2", "floor"),
        ("[schedule.one_cycle]\npct_start = -0.1", "pct_start"),
        ("[schedule.one_cycle]\ndiv = 0", "div"),
        ("[schedule.one_cycle]\nfinal_div = inf", "final_div"),
        ("[schedule.step]\nfactor = 10", "factor"),
        ("[schedule.step]\nevery_epochs = 0", "every_epochs"),
        ("[schedule.step]\nmilestones = [1, -2]", "milestones"),
    ] {
        let message = parse(text).check().unwrap_err();
        assert!(message.contains(&format!("`{key}`")), "{message}");
    }
    assert!(toml::from_str::<Schedule>("[cosine]\nwarmups = 1").is_err());
}

#[test]
fn every_member_is_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/schedules");
    let stems = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut stems: Vec<_> = stems.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    stems.retain(|stem| stem != "mod" && stem != "tests");
    stems.sort();
    assert_eq!(MEMBERS.iter().map(|member| member.name).collect::<Vec<_>>(), stems);
}
