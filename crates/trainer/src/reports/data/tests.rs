//! Is a report about data drawn in whole, whatever stands in the data?

use data_loader::checks::{ClassCount, ColumnFacts, Remark, VERSION};

use super::*;

const HOSTILE: &str = "a\"><script>alert(1)</script></td></style><img src=x onerror=alert(1)>\u{202e}<!--";

fn made_up(text: &str) -> Report {
    let sample = |shown| Sample {
        id: text.to_owned(),
        part: Some(Part::Test),
        target: Some(text.to_owned()),
        why: text.to_owned(),
        shown,
    };
    let row = |value: &str| Shown::Row(vec![(text.to_owned(), text.to_owned()), ("b".into(), value.to_owned())]);
    let shown = [Shown::Nothing, Shown::Text(text.into()), Shown::Thumbnail("AAAA".into()), row("1")];
    let finding = |severity, shown: Shown, paired: bool| Finding {
        check: "near_duplicates".into(),
        gate: Some("near_duplicates".into()),
        severity,
        message: format!("Something about {text}."),
        count: 1000,
        columns: vec![text.to_owned()],
        examples: if paired { Vec::new() } else { vec![sample(shown.clone()), sample(shown.clone())] },
        pairs: match paired {
            true => vec![Pair { first: sample(shown.clone()), second: sample(shown), likeness: 0.9876 }],
            false => Vec::new(),
        },
    };
    let mut findings: Vec<Finding> = shown
        .iter()
        .flat_map(|shown| [true, false].map(|paired| finding(Severity::Warning, shown.clone(), paired)))
        .collect();
    findings.insert(0, finding(Severity::Error, row("2"), true));
    findings[0].pairs[0].second.shown = row("3");
    let classes = (0..300).map(|class| ClassCount { class: format!("{text}{class}"), examples: [class, 1, 0] });
    let column = |range, most| ColumnFacts {
        name: text.to_owned(),
        kind: "number".into(),
        missing: 3,
        distinct: Some(9),
        range,
        most,
    };
    Report {
        version: VERSION,
        card: text.to_owned(),
        thorough: true,
        seed: 7,
        parts: [60_000, 0, 10],
        rows: 60_010,
        closely: 9,
        checks: vec!["constant".into()],
        remarks: vec![Remark { check: "outliers".into(), reason: text.to_owned() }],
        classes: classes.collect(),
        columns: vec![column(Some([0.0, 1e300, f64::MAX]), None), column(None, Some((text.to_owned(), 4)))],
        findings,
        duplicates: Vec::new(),
        label_errors: None,
    }
}

/// Every tag that is opened is closed, in order. Attributes hold no `>` because it is escaped.
fn check(page: &str) {
    let body = page.split("<style>").next().unwrap().to_owned() + page.split("</style>").nth(1).unwrap();
    let mut open: Vec<&str> = Vec::new();
    for tag in body.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        let name = tag.split([' ', '\n']).next().unwrap();
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{tag}");
        } else if !["!doctype", "meta", "img"].contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    assert!(!page.contains("NaN"));
}

#[test]
fn everything_is_on_the_page() {
    let page = render(&made_up("penguins"));
    check(&page);
    for text in [
        "A gate fails",
        "data.gates.near_duplicates",
        "likeness 0.988",
        "<mark>2</mark>",
        "The first 200 of 300",
        "60,010",
    ] {
        assert!(page.contains(text), "{text} is missing");
    }
    assert!(!page.contains("http"), "nothing is loaded");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("x.html");
    write(&made_up("penguins"), &out).unwrap();
    assert_eq!(std::fs::read_to_string(&out).unwrap(), page);
}

#[test]
fn hostile_data_stay_text() {
    let page = render(&made_up(HOSTILE));
    check(&page);
    for text in ["<script", "<img src=x", "\u{202e}", "<!--", "onerror=alert(1)>"] {
        assert!(!page.contains(text), "{text} got through");
    }
    let mut changed = made_up("x");
    changed.findings[1].pairs[0].first.shown = Shown::Thumbnail("\"><script>".into());
    assert!(!render(&changed).contains("<script"));
}

#[test]
fn nothing_found_is_a_page_too() {
    let mut report = made_up("x");
    report.findings.clear();
    report.classes.clear();
    report.columns.clear();
    let page = render(&report);
    check(&page);
    assert!(page.contains("Nothing stands against training"));
}
