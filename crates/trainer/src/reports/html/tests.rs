//! Is the page whole, safe and small, whatever a run was like? All data here is made up.

use super::*;
use crate::metrics::Matrix;
use crate::recorders::jsonl::{Begun, History};
use crate::recorders::{Progress, Scores};
use crate::reports::CheckpointFact;

/// Noise that is the same each time.
fn noise(seed: u64) -> f64 {
    let mixed = (seed.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 40) as f64 / (1_u64 << 24) as f64
}

/// A made-up run: `records` records of training and `classes` classes.
fn made_up(records: u64, classes: usize) -> RunFacts {
    let total = records * 10;
    let mut history = History::default();
    for first_step in [0, total / 2] {
        let (device, time) = ("AMD Radeon 780M (wgpu)".to_owned(), 1.7e9);
        let begun =
            Begun { step: first_step, total_steps: total, steps_per_epoch: 860, parameters: 61_706, device, time };
        history.started.push(begun);
    }
    for record in 1..=records {
        let part = record as f64 / records as f64;
        let loss = 2.3 * (-8.0 * part).exp() + 0.02 + 0.6 * noise(record) * (0.05 + (-6.0 * part).exp());
        history.progress.push(Progress {
            step: record * 10,
            epoch: part * 5.0,
            loss,
            learning_rate: 0.001 * f64::midpoint(1.0, (3.1 * part).cos()),
            gradient_norm: None,
            examples_per_second: 21_000.0 + 2500.0 * noise(record + 7),
            waiting: Some(0.02),
            seconds: part * 205.0,
        });
    }
    for evaluation in 1..=10 {
        let part = f64::from(evaluation) / 10.0;
        let accuracy = 0.991 - 0.08 * (-4.0 * part).exp() + 0.002 * noise(evaluation as u64);
        let values = [
            "loss",
            "accuracy",
            "top_5_accuracy",
            "precision",
            "recall",
            "f1",
            "auroc",
            "log_loss",
            "calibration_error",
        ];
        let values = values.iter().enumerate().map(|(index, name)| {
            let lower = matches!(*name, "loss" | "log_loss" | "calibration_error");
            let value = accuracy - 0.001 * index as f64 * noise(index as u64);
            ((*name).to_owned(), if lower { (1.0 - accuracy) * 3.0 } else { value })
        });
        let step = (part * total as f64) as u64;
        let (epoch, seconds) = (part * 5.0, part * 205.0);
        history.scores.push(Scores { step, epoch, part: Part::Validation, values: values.collect(), seconds });
    }
    history.notices.push((40, "2 examples were skipped because they could not be read.".into()));
    let labels: Vec<String> = (0..classes).map(|class| class.to_string()).collect();
    let counts = (0..classes * classes).map(|cell| {
        let (expected, predicted) = (cell / classes, cell % classes);
        let errors = (noise(cell as u64 * 3).powi(6) * 14.0).floor();
        if expected == predicted { 960.0 + (noise(cell as u64) * 60.0).floor() } else { errors }
    });
    let mut test: Vec<(String, f64)> = history.scores.last().unwrap().values.clone();
    test[1].1 = 0.9911;
    for (class, label) in labels.iter().enumerate() {
        for family in ["precision", "recall", "f1"] {
            test.push((format!("{family}/{label}"), 0.999 - 0.02 * noise(class as u64 * 11)));
        }
    }
    RunFacts {
        name: "mnist_lenet-20260301T101500Z-4f2a".into(),
        status: "Training ended after 5 epochs, as planned.".into(),
        goal: Some(GoalVerdict {
            metric: "accuracy".into(),
            target: 0.99,
            reached: Some(0.9911),
            met: true,
            why: "A reader of postal codes errs less than once in a hundred digits.".into(),
        }),
        started: "2026-03-01 10:15:00 UTC".into(),
        ended: Some("2026-03-01 10:18:31 UTC".into()),
        config: "[data]\ncard = \"datasets/mnist\"\n\n[model.lenet]\n\n[train]\nepochs = 5\nbatch_size = 64\nseed = 0\n\n[optimizer.adamw]\n\
                 learning_rate = 0.001\n\n[schedule.cosine]\nwarmup = 0.05\n"
            .into(),
        environment: [("Firebox", "0.1.0"), ("burn", "0.22.1"), ("Commit", "3c1f09a"), ("Seed", "0"), ("System", "Linux, 2 cores")]
            .map(|(what, which)| (what.to_owned(), which.to_owned()))
            .to_vec(),
        history,
        judged_on: "test".into(),
        test,
        confusion: Some(Matrix { labels, counts: counts.collect() }),
        examples: vec![(Part::Train, 55_000), (Part::Validation, 5000), (Part::Test, 10_000)],
        checkpoints: vec![
            CheckpointFact { name: "best".into(), step: 3440, bytes: 742_331 },
            CheckpointFact { name: "last".into(), step: 4300, bytes: 742_331 },
        ],
        next: vec![
            ("Look at single answers".into(), "firebox predict runs/mnist_lenet-20260301T101500Z-4f2a@best digit.png".into()),
            ("Train longer".into(), "firebox train configs/mnist_lenet.toml --set train.epochs=10".into()),
        ],
    }
}

/// Every tag that is opened is closed, in order. Attributes hold no `>` because it is escaped.
fn check(page: &str) {
    let body = page.split("<style>").next().unwrap().to_owned() + page.split("</style>").nth(1).unwrap();
    let body = body.split("<script>").next().unwrap();
    let mut open: Vec<&str> = Vec::new();
    for tag in body.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        let name = tag.split([' ', '\n']).next().unwrap();
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed));
        } else if !tag.ends_with('/') && !["!doctype", "meta"].contains(&name) {
            open.push(name);
        }
    }
    assert_eq!(open, ["html", "body"], "closed after the script");
    for number in ["NaN", "inf%", "inf ", "NaN%"] {
        assert!(!body.contains(number), "{number} is on the page");
    }
}

#[test]
fn a_run_is_told_on_one_page() {
    let page = render(&made_up(430, 10));
    check(&page);
    for text in ["Goal met", "0.9911", "at least 0.99 accuracy", "class=\"heat\"", "Resumed", "once", "logarithmic"] {
        assert!(page.contains(text), "{text} is missing");
    }
    assert!(!page.contains("http"), "nothing is loaded");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report.html");
    write(&made_up(430, 10), &out).unwrap();
    assert_eq!(std::fs::read_to_string(&out).unwrap(), page);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    if let Some(kept) = std::env::var_os("FIREBOX_REPORT_OUT") {
        write(&made_up(430, 10), Path::new(&kept)).unwrap();
        write(&odd(), &Path::new(&kept).with_file_name("odd.html")).unwrap();
    }
}

/// A run with everything unusual: hostile and long texts, gaps, a missed goal, many classes, no end.
fn odd() -> RunFacts {
    let mut run = made_up(130, 6);
    run.name = "a\"><script>alert(1)</script>-".to_owned() + &"very-long-name-".repeat(12);
    run.status = "Stopped at step 700: the loss is not a number.</p>".into();
    run.ended = None;
    let goal = run.goal.as_mut().unwrap();
    (goal.met, goal.reached, goal.why) = (false, Some(0.412), "</style><img src=x onerror=alert(1)>".into());
    let labels = ["</td><b>", "Gentoo penguin of the southern islands", "α & ω", "\u{202e}desrever", "猫", ""];
    run.confusion = Some(Matrix {
        labels: labels.map(str::to_owned).to_vec(),
        counts: (0..36).map(|cell| if cell % 7 == 0 { 60.5 } else { f64::from(cell * 5 % 11) * 4.0 }).collect(),
    });
    run.test = vec![("accuracy".into(), 0.412), ("loss".into(), f64::NAN), ("perplexity".into(), f64::INFINITY)];
    run.test.extend(labels.iter().map(|label| (format!("f1/{label}"), noise(label.len() as u64))));
    for record in 40..60 {
        run.history.progress[record].loss = f64::NAN;
    }
    run.history.progress[20].loss = 1e5;
    run.history.scores[3].values[1].1 = f64::NAN;
    run.history.scores[5].values[1].1 = f64::INFINITY;
    run.config += "name = \"<!-- & '\"\n";
    run.config += &"x".repeat(300);
    run
}

#[test]
fn hostile_texts_stay_texts() {
    let page = render(&odd());
    check(&page);
    for text in ["<script>alert", "<img", "</style><img", "\u{202e}", "<!--"] {
        assert!(!page.contains(text), "{text} got through");
    }
    assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("Goal not met"));
}

#[test]
fn any_length_of_run_makes_a_page() {
    for records in [0, 1, 2, 61] {
        let mut run = made_up(records, 1);
        check(&render(&run));
        run.history.scores.truncate(1);
        check(&render(&run));
    }
    check(&render(&RunFacts::default()));
    assert!(render(&RunFacts { judged_on: "validation".into(), ..odd() }).contains("Validation accuracy"));
    let page = render(&made_up(100_000, 100));
    check(&page);
    assert!(page.len() < 400_000, "{} bytes for a long run", page.len());
    assert!(page.contains("most frequent confusions of 100 classes") && !page.contains("class=\"heat"));
}
