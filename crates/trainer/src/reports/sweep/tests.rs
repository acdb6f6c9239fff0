//! Is the page whole, safe and small, whatever a sweep was like? All data here is made up.

use super::made_up::{CONDITIONAL, empty, hostile, study};
use super::*;
use crate::sweep::trial::{Look, State};

/// Every tag that is opened is closed, in order. Attributes hold no `>` because it is escaped.
fn check(page: &str) {
    let body = page.split("<style>").next().unwrap().to_owned() + page.split("</style>").nth(1).unwrap();
    let body = body.split("<script").next().unwrap();
    let mut open: Vec<&str> = Vec::new();
    for tag in body.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        let name = tag.split([' ', '\n']).next().unwrap();
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{tag}");
        } else if !tag.ends_with('/') && !["!doctype", "meta", "input"].contains(&name) {
            open.push(name);
        }
    }
    assert_eq!(open, ["html", "body"], "closed after the script");
    for number in ["NaN", "inf%", "inf ", "infpx"] {
        assert!(
            !body.contains(number),
            "{number} is on the page: {}",
            body.split(number)
                .next()
                .unwrap()
                .chars()
                .rev()
                .take(300)
                .collect::<String>()
                .chars()
                .rev()
                .collect::<String>()
        );
    }
    assert_eq!(page.matches("<script").count(), 2, "its own scripts alone");
}

fn page(facts: &SweepFacts) -> String {
    let page = render(facts);
    check(&page);
    page
}

#[test]
fn a_sweep_is_told_on_one_page() {
    let facts = study(&["accuracy"], CONDITIONAL, 200);
    let page = page(&facts);
    let best = crate::sweep::trial::ranked(&facts.trials, &facts.objectives)[0];
    let value = super::super::html::text::number(best.scores["accuracy"]);
    for text in [
        format!("<p class=\"label\">Best accuracy</p><p class=\"value\">{value}</p>"),
        format!("in trial {} of 200", best.number),
        "the highest accuracy".into(),
        "over 7 parameters. It is over: 200 of 200 trials finished".into(),
        "firebox train --from runs/sweep-penguins_mlp".into(),
        "Saved by pruning".into(),
        "fANOVA from".into(),
        "the loss is not a number after step 86".into(),
        "by hand".into(),
        "card = &quot;datasets/penguins&quot;".into(),
    ] {
        assert!(page.contains(&text), "{text} is missing");
    }
    for state in [State::Complete, State::Pruned, State::Failed] {
        let count = facts.trials.iter().filter(|trial| trial.state == state).count();
        let name = super::super::html::text::capital(state.name());
        assert!(page.contains(&format!("<dt>{name}</dt><dd>{count}</dd>")), "{name}: {count}");
    }
    assert!(!page.contains("http"), "nothing is loaded");
    if let Some(folder) = std::env::var_os("FIREBOX_REPORT_OUT") {
        let folder = Path::new(&folder);
        let keep = |name: &str, facts: &SweepFacts| write(facts, &folder.join(name)).unwrap();
        keep("sweep.html", &facts);
        keep("two.html", &study(&["accuracy", "parameters"], CONDITIONAL, 200));
        keep("one.html", &study(&["accuracy"], CONDITIONAL, 1));
        keep("few.html", &study(&["loss"], CONDITIONAL, 14));
        keep("many.html", &study(&["accuracy"], CONDITIONAL, 10_000));
        keep("hostile.html", &hostile());
        keep("empty.html", &empty(&["accuracy"], CONDITIONAL));
    }
}

#[test]
fn numbers_are_those_of_the_trials() {
    let facts = study(&["accuracy"], CONDITIONAL, 40);
    let page = page(&facts);
    let steps: u64 = facts.trials.iter().map(|trial| trial.step).sum();
    assert!(page.contains(&format!("<dt>Steps</dt><dd>{}</dd>", grouped(steps as f64))));
    let pruned = facts.trials.iter().filter(|trial| trial.state == State::Pruned);
    let saved: usize = pruned.map(|trial| 20 - trial.history.len()).sum();
    let over = facts.trials.iter().filter(|trial| trial.state != State::Failed).count();
    assert!(saved > 0 && page.contains(&format!("{saved} of {} evaluations", over * 20)));
    for trial in facts.trials.iter().filter(|trial| trial.state == State::Complete) {
        let value = trial.scores["accuracy"];
        assert!(page.contains(&format!("<td class=\"n\" data-v=\"{value}\">")), "trial {}", trial.number);
    }
}

#[test]
fn hostile_texts_stay_texts() {
    let page = page(&hostile());
    for text in ["<script>alert", "<img", "</style><img", "\u{202e}", "<!--", "</pre>'"] {
        assert!(!page.contains(text), "{text} got through");
    }
    assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("\\u003cscript\\u003e"));
}

#[test]
fn studies_of_every_size_make_a_page() {
    let spaces =
        [CONDITIONAL, "a = { low = 0.0, high = 1.0 }", "a = { choices = [1, 2] }\nb = { choices = [true, false] }", ""];
    for text in spaces {
        for objectives in
            [&["accuracy"][..], &["loss"], &["accuracy", "seconds"], &["accuracy", "seconds", "parameters"], &[]]
        {
            for count in [0, 1, 2, 3, 12, 40] {
                let mut facts = study(objectives, text, count);
                page(&facts);
                facts.trials.iter_mut().for_each(|trial| trial.state = State::Complete);
                page(&facts);
                facts.trials.iter_mut().for_each(|trial| trial.state = State::Failed);
                assert!(objectives.is_empty() || page(&facts).contains("No trial came to its end yet."));
                for state in [State::Waiting, State::Running] {
                    facts.trials.iter_mut().for_each(|trial| (trial.state, trial.ended) = (state, None));
                    page(&facts);
                }
                facts.trials.iter_mut().for_each(|trial| *trial = Trial::new(trial.number, "searcher"));
                page(&facts);
            }
        }
    }
}

#[test]
fn what_is_no_number_breaks_nothing() {
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, f64::MAX, f64::MIN_POSITIVE, 0.0] {
        for every in [1, 3] {
            let mut facts = study(&["loss", "seconds"], CONDITIONAL, 30);
            for trial in facts.trials.iter_mut().step_by(every) {
                trial.scores.values_mut().for_each(|value| *value = odd);
                trial.history.iter_mut().for_each(|look| *look = Look(look.0, Some(odd)));
                trial.seconds = odd;
                trial.began = Some(odd);
                trial.ended = Some(-odd);
                trial.planned = u64::MAX / 100;
            }
            facts.written = odd;
            page(&facts);
        }
    }
    let mut facts = study(&["accuracy"], CONDITIONAL, 30);
    for trial in &mut facts.trials {
        trial.settings = trial
            .settings
            .take()
            .map(|settings| settings.into_keys().map(|key| (key, serde_json::json!([null, "x", -1]))).collect());
        trial.history.iter_mut().for_each(|look| look.1 = None);
    }
    page(&facts);
}

#[test]
fn a_study_of_many_trials_stays_a_page() {
    let page = page(&study(&["accuracy"], CONDITIONAL, 10_000));
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    assert!(page.contains("1,500 of the 10,000 trials") && page.contains("The best 500 of 10,000 trials."));
}

#[test]
#[ignore = "measures time, for which a machine must have nothing else to do"]
fn a_page_of_many_trials_is_made_in_a_second() {
    for objectives in [&["accuracy"][..], &["accuracy", "parameters"]] {
        let facts = study(objectives, CONDITIONAL, 10_000);
        let began = std::time::Instant::now();
        let length = render(&facts).len();
        let seconds = began.elapsed().as_secs_f64();
        assert!(seconds < 1.0, "{seconds} s for {length} bytes");
    }
}
