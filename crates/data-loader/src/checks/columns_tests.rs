//! Do the checks of columns find what was planted in a table, and stay silent about a clean one?

use super::tests::{Planted, of};
use super::*;
use crate::random::Random;

/// A number that is nearly normal.
fn normal(random: &mut Random) -> f64 {
    (0..12).map(|_| random.unit()).sum::<f64>() - 6.0
}

/// A table of two normal columns and a category, whose class follows from them with some noise.
fn rows(seed: u64, count: usize) -> Vec<Vec<String>> {
    let mut random = Random::derive(&[seed, 99]);
    let row = |_| {
        let (a, b) = (normal(&mut random), normal(&mut random));
        let c = ["red", "green", "blue"][random.below(3) as usize];
        let y = if a + b + normal(&mut random) > 0.0 { "u" } else { "v" };
        vec![a.to_string(), b.to_string(), c.to_owned(), y.to_owned()]
    };
    (0..count).map(row).collect()
}

/// The value of a column that is made of the others of its row.
type Copied = fn(&Vec<String>) -> String;
/// The same, with the place of the row.
type Leak = fn(usize, &Vec<String>) -> String;

const FEATURES: &str = "a = \"number\"\nb = \"number\"\nc = \"category\"";

/// Checks a table of 400 rows after `change`, with one more column if it has one.
fn checked(seed: u64, more: &str, change: impl Fn(usize, &mut Vec<String>)) -> Report {
    planted(seed, more, change).check()
}

fn planted(seed: u64, more: &str, change: impl Fn(usize, &mut Vec<String>)) -> Planted {
    let mut table = rows(seed, 400);
    table.iter_mut().enumerate().for_each(|(at, row)| change(at, row));
    let lines: Vec<String> = table.iter().map(|row| row.join(",")).collect();
    let (features, header) = match more {
        "" => (FEATURES.to_owned(), "a,b,c,y"),
        more => (format!("{FEATURES}\nd = \"{more}\""), "a,b,c,y,d"),
    };
    Planted::new(&features, "class", header, &lines[..300], &lines[300..])
}

#[test]
fn a_clean_table_raises_no_alarm() {
    for seed in 0..20 {
        let report = checked(seed, "", |_, _| {});
        let alarms: Vec<&Finding> =
            report.findings.iter().filter(|finding| finding.severity != Severity::Note).collect();
        assert!(alarms.is_empty(), "seed {seed}: {alarms:?}");
        // Of normal numbers one in 2,150 lies beyond 3.5, of 400 rows a few are the farthest, and two may be near by chance.
        let few = |finding: &Finding| {
            ["isolation_forest", "near_duplicates", "outliers"].contains(&finding.check.as_str()) && finding.count <= 4
        };
        assert!(report.findings.iter().all(few), "seed {seed}: {:?}", report.findings);
        assert_eq!(report.checks, MEMBERS.iter().map(|entry| entry.name).collect::<Vec<_>>());
    }
}

#[test]
fn constant_columns_are_found() {
    for (kind, value) in [("number", "7"), ("category", "same")] {
        let report = checked(1, kind, |_, row| row.push(value.to_owned()));
        let [found] = of(&report, "constant")[..] else { panic!("{:?}", report.findings) };
        assert!(found.severity == Severity::Warning && found.columns == ["d"], "{found:?}");
        assert!(found.message.contains("in every row"), "{}", found.message);
    }
    // One other value in 400 rows is more than a thousandth.
    let report = checked(1, "number", |at, row| row.push(if at == 5 { "8" } else { "7" }.to_owned()));
    assert!(of(&report, "constant").is_empty());
}

#[test]
fn copies_of_columns_are_found_in_other_units_and_words() {
    for seed in 0..5 {
        let copies: [(&str, Copied); 4] = [
            ("number", |row| row[0].clone()),
            ("number", |row| (row[0].parse::<f64>().unwrap() * -2.54 + 7.0).to_string()),
            ("number", |row| format!("{:.5}", row[1].parse::<f64>().unwrap() * 100.0)),
            ("category", |row| format!("{}ish", row[2])),
        ];
        for (number, (kind, copy)) in copies.iter().enumerate() {
            let report = checked(seed, kind, |_, row| row.push(copy(row)));
            let [found] = of(&report, "duplicate_columns")[..] else { panic!("{number}: {:?}", report.findings) };
            assert_eq!(found.columns, [["a", "a", "b", "c"][number], "d"]);
        }
        let near = checked(seed, "number", |at, row| {
            row.push((row[0].parse::<f64>().unwrap() + 0.01 * (at % 7) as f64).to_string());
        });
        assert!(of(&near, "duplicate_columns").is_empty(), "{:?}", near.findings);
    }
}

#[test]
fn missing_values_are_counted_by_column_and_class() {
    let report = checked(2, "", |at, row| {
        if at % 10 == 0 {
            row[1].clear();
        }
    });
    let [found] = of(&report, "missing")[..] else { panic!("{:?}", report.findings) };
    assert_eq!((found.severity, found.count, &found.columns[..]), (Severity::Note, 40, &["b".to_owned()][..]));
    assert_eq!(report.columns[1].missing, 40);
    // Only one class lacks it: then the gap tells the class.
    let uneven = checked(2, "", |at, row| {
        if row[3] == "u" && at % 2 == 0 {
            row[1].clear();
        }
    });
    let [found] = of(&uneven, "missing")[..] else { panic!("{:?}", uneven.findings) };
    assert!(
        found.severity == Severity::Warning && found.message.contains("of the class `u` and 0.00 % of `v`"),
        "{}",
        found.message
    );
    let mut gated = planted(2, "", |at, row| {
        if at % 10 == 0 {
            row[1].clear();
        }
    });
    gated.config.gates.missing = Some(0.05);
    assert_eq!(gated.check().failed().count(), 1);
    gated.config.gates.missing = Some(0.2);
    assert_eq!(gated.check().failed().count(), 0);
}

#[test]
fn numbers_far_out_are_named() {
    for seed in 0..5 {
        let report = checked(seed, "", |at, row| {
            if at == 123 {
                row[0] = "55.5".into();
            }
        });
        let outliers = of(&report, "outliers");
        let found = outliers.iter().find(|finding| finding.columns == ["a"]).unwrap();
        assert!(found.examples[0].id == "planted/train.csv#123" && found.message.contains("55.5"), "{found:?}");
        assert_eq!(found.severity, Severity::Note);
    }
}

#[test]
fn columns_that_name_or_number_the_rows_are_found() {
    let named = checked(3, "category", |at, row| row.push(format!("id-{at}")));
    assert!(of(&named, "cardinality")[0].message.contains("names the examples"));
    let numbered = checked(3, "number", |at, row| row.push((1000 + at).to_string()));
    assert!(of(&numbered, "cardinality")[0].message.contains("numbers the rows"));
    // In whatever order.
    let mixed = checked(3, "number", |at, row| row.push((at * 7919 % 400).to_string()));
    assert!(of(&mixed, "cardinality")[0].message.contains("numbers the rows"));
    let rare = checked(3, "category", |at, row| row.push(if at % 10 == 0 { format!("r{at}") } else { "usual".into() }));
    let [found] = of(&rare, "cardinality")[..] else { panic!("{:?}", rare.findings) };
    assert_eq!((found.severity, found.count), (Severity::Note, 40));
}

#[test]
fn columns_that_give_the_answer_away_are_found() {
    for seed in 0..5 {
        let leaks: [(&str, Leak); 4] = [
            ("category", |_, row| format!("was-{}", row[3])),
            ("number", |_, row| if row[3] == "u" { "1" } else { "0" }.to_owned()),
            // Any number above 10 for the one class and below it for the other.
            ("number", |at, row| if row[3] == "u" { 10.1 + at as f64 } else { 9.9 - at as f64 }.to_string()),
            // Missing for one class alone.
            ("number", |at, row| if row[3] == "u" { String::new() } else { (at * 7919 % 1013).to_string() }),
        ];
        for (number, (kind, leak)) in leaks.iter().enumerate() {
            let report = checked(seed, kind, |at, row| row.push(leak(at, row)));
            let [found] = of(&report, "leakage")[..] else { panic!("{number}: {:?}", report.findings) };
            assert!(found.columns == ["d"] && found.severity == Severity::Warning, "{found:?}");
        }
        // A column that is right in nine cases out of ten is a good feature, not a leak.
        let good =
            checked(seed, "category", |at, row| row.push(if at % 10 == 0 { "u".into() } else { row[3].clone() }));
        assert!(of(&good, "leakage").is_empty(), "{:?}", good.findings);
    }
}

#[test]
fn numbers_that_give_a_number_away_are_found() {
    for seed in 0..5 {
        let mut random = Random::derive(&[seed, 5]);
        let table = |leak: &dyn Fn(f64) -> f64, random: &mut Random| -> Vec<String> {
            let row = |_| {
                let (y, noise) = (normal(random), normal(random));
                format!("{},{},{y}", leak(y), y + noise)
            };
            (0..400).map(row).collect()
        };
        // The last two have a tail that a mean of neighbours does not reach.
        let leaks = [|y: f64| y, |y: f64| y.exp(), |y: f64| -3.0 * y + 1.0, |y: f64| y.powi(9), |y: f64| y.powi(7)];
        for (number, leak) in leaks.iter().enumerate() {
            let lines = table(leak, &mut random);
            let planted =
                Planted::new("a = \"number\"\nb = \"number\"", "number", "a,b,y", &lines[..300], &lines[300..]);
            let report = planted.check();
            let [found] = of(&report, "leakage")[..] else { panic!("{number}: {:?}", report.findings) };
            assert_eq!(found.columns, ["a"]);
        }
    }
}

#[test]
fn names_and_words_of_data_may_be_anything() {
    let hostile = "\u{202e}<script>\"\"\u{0}`'; drop";
    let report =
        checked(4, "category", |at, row| row.push(if at % 3 == 0 { hostile.to_owned() } else { "x".to_owned() }));
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
}

#[test]
fn rows_that_are_equal_by_chance_fail_no_gate() {
    for seed in 0..10 {
        let mut random = Random::derive(&[seed, 6]);
        let mut word = |of: &[&str]| of[random.below(of.len() as u64) as usize].to_owned();
        // Three categories with 60 combinations for 400 rows: nearly every row of test stands in training too.
        let table: Vec<String> = (0..400)
            .map(|_| {
                [
                    word(&["r", "g", "b"]),
                    word(&["1", "2", "3", "4"]),
                    word(&["a", "b", "c", "d", "e"]),
                    word(&["u", "v"]),
                ]
            })
            .map(|fields| fields.join(","))
            .collect();
        let features = "a = \"category\"\nb = \"category\"\nc = \"category\"";
        let report = Planted::new(features, "class", "a,b,c,y", &table[..300], &table[300..]).check();
        let found = of(&report, "exact_duplicates");
        assert!(!found.is_empty() && found.iter().all(|finding| finding.severity == Severity::Note), "{found:?}");
        assert!(found.iter().any(|finding| finding.count > 50 && finding.message.contains("no wonder")), "{found:?}");
        assert!(report.duplicates.is_empty(), "what is no wonder is not proposed to be dropped");
    }
    // With two numbers that hardly ever meet, an equal row is one, also among others that are usual in a gap.
    let report = checked(1, "number", |at, row| {
        if at % 20 == 0 {
            *row = vec![String::new(), String::new(), "red".into(), "u".into()];
        }
        if at == 350 {
            *row = ["0.125", "0.25", "red", "u"].map(str::to_owned).to_vec();
        }
        if at == 45 {
            *row = ["0.125", "0.25", "red", "v"].map(str::to_owned).to_vec();
        }
        row.push((at % 5).to_string());
        if at == 350 || at == 45 {
            row[4] = "5".into();
        }
    });
    let failed: Vec<&Finding> = report.failed().collect();
    let [failed] = failed[..] else { panic!("{failed:?}") };
    assert_eq!((failed.count, failed.pairs[0].second.id.as_str()), (1, "planted/test.csv#50"));
}

#[test]
fn a_target_that_never_changes_is_given_away_by_nothing() {
    let mut random = Random::derive(&[8]);
    let rows: Vec<String> = (0..200).map(|_| format!("{},3.1", normal(&mut random))).collect();
    let report = Planted::new("a = \"number\"", "number", "a,y", &rows[..150], &rows[150..]).check();
    assert!(of(&report, "leakage").is_empty(), "{:?}", report.findings);
}

#[test]
fn a_few_numbers_far_out_are_found_among_zeros() {
    let report = checked(6, "number", |at, row| {
        row.push(
            if at == 210 {
                "1e12"
            } else if at % 2 == 0 {
                "0"
            } else {
                "3"
            }
            .to_owned(),
        );
    });
    let outliers = of(&report, "outliers");
    let found = outliers.iter().find(|finding| finding.columns == ["d"]).unwrap();
    assert_eq!((found.count, found.examples[0].id.as_str()), (1, "planted/train.csv#210"));
    // Where many lie far out it is said that none was called so.
    let report =
        checked(6, "number", |at, row| row.push(if at % 10 == 0 { "1e6" } else { ["1", "2"][at % 2] }.to_owned()));
    assert!(report.remarks.iter().any(|remark| remark.check == "outliers" && remark.reason.contains("`d`")));
}

#[test]
fn rows_that_were_copied_do_not_make_their_values_usual() {
    for copies in [2, 12, 40] {
        let mut random = Random::derive(&[copies, 9]);
        let rows: Vec<String> = (0..120)
            .flat_map(|_| {
                let row =
                    format!("{},{},{}", normal(&mut random), normal(&mut random), ["u", "v"][random.below(2) as usize]);
                vec![row; copies as usize]
            })
            .collect();
        // Split by chance after the copying, as who balances classes first does.
        let mut mixed: Vec<usize> = (0..rows.len()).collect();
        random.shuffle(&mut mixed);
        let rows: Vec<String> = mixed.into_iter().map(|row| rows[row].clone()).collect();
        let cut = rows.len() * 3 / 4;
        let report =
            Planted::new("a = \"number\"\nb = \"number\"", "class", "a,b,y", &rows[..cut], &rows[cut..]).check();
        let failed: Vec<&Finding> = report.failed().collect();
        let [failed] = failed[..] else { panic!("{copies}: {:?}", report.findings) };
        assert_eq!(failed.gate.as_deref(), Some("exact_duplicates_across_splits"), "{copies} copies");
    }
    // A single continuous column is no excuse.
    let mut random = Random::derive(&[10]);
    let mut rows: Vec<String> =
        (0..200).map(|row| format!("{},{}", normal(&mut random), ["u", "v"][row % 2])).collect();
    rows[199] = rows[3].clone();
    let report = Planted::new("a = \"number\"", "class", "a,y", &rows[..150], &rows[150..]).check();
    assert!(report.failed().any(|finding| finding.check == "exact_duplicates"), "{:?}", report.findings);
}

#[test]
fn a_column_without_any_value_is_a_finding_and_not_the_end() {
    let report = checked(2, "number", |_, row| row.push(String::new()));
    assert!(of(&report, "constant")[0].message.contains("no value in any row"), "{:?}", report.findings);
    let [unfit] = of(&report, "unreadable")[..] else { panic!("{:?}", report.findings) };
    assert!(unfit.severity == Severity::Error && unfit.message.contains("cannot be fitted"), "{}", unfit.message);
}

#[test]
fn tables_of_few_answers_are_full_of_equal_rows() {
    for seed in 0..5 {
        let mut random = Random::derive(&[seed, 11]);
        let mut one = |of: &[(&str, u64)]| {
            let mut at = random.below(100);
            let mut chosen = of[0].0;
            for (word, share) in of {
                chosen = word;
                if at < *share {
                    break;
                }
                at -= share;
            }
            chosen.to_owned()
        };
        // As of the passengers of a ship: class, sex and age say nearly the same of hundreds.
        let table: Vec<String> = (0..1500)
            .map(|_| {
                [
                    one(&[("crew", 40), ("third", 32), ("first", 15), ("second", 13)]),
                    one(&[("male", 79), ("female", 21)]),
                    one(&[("adult", 95), ("child", 5)]),
                    one(&[("u", 70), ("v", 30)]),
                ]
                .join(",")
            })
            .collect();
        let features = "a = \"category\"\nb = \"category\"\nc = \"category\"";
        let report = Planted::new(features, "class", "a,b,c,y", &table[..1100], &table[1100..]).check();
        assert_eq!(report.failed().count(), 0, "{:?}", report.findings);
        assert!(report.duplicates.is_empty());
    }
}

#[test]
fn a_flag_is_no_outlier_and_one_pair_far_out_no_leak() {
    let report = checked(7, "number", |at, row| row.push(if at % 33 == 0 { "1" } else { "0" }.to_owned()));
    assert!(of(&report, "outliers").iter().all(|finding| finding.columns != ["d"]), "{:?}", report.findings);
    let mut random = Random::derive(&[12]);
    let mut rows: Vec<String> = (0..400).map(|_| format!("{},{}", normal(&mut random), normal(&mut random))).collect();
    rows[17] = "5e3,7e3".into();
    let report = Planted::new("a = \"number\"", "number", "a,y", &rows[..300], &rows[300..]).check();
    assert!(of(&report, "leakage").is_empty(), "{:?}", report.findings);
}
