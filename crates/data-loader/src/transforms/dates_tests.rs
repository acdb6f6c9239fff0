//! Do dates become what the calendar says?

use super::*;
use crate::transforms::tests::{applied, fit};

const SCHEMA: &str = "[features]\nd = \"date\"";

fn text(text: &str) -> [Value; 1] {
    [Value::Text(text.into())]
}

fn numbers(config: &str, dates: &[&str]) -> Vec<Vec<f64>> {
    let rows: Vec<[Value; 1]> = dates.iter().map(|date| text(date)).collect();
    let rows: Vec<&[Value]> = rows.iter().map(|row| &row[..]).collect();
    let number = |value: Value| if let Value::Number(number) = value { number } else { panic!("{value:?}") };
    applied(config, SCHEMA, &rows).into_iter().map(|row| row.into_iter().map(number).collect()).collect()
}

#[test]
fn what_comes_round_again_closes_its_circle() {
    for (feature, dates) in [
        ("month", ["2023-12-15", "2024-01-15", "2024-02-15"]),
        ("weekday", ["2024-06-02", "2024-06-03", "2024-06-04"]),
        ("day", ["2024-02-29", "2024-03-01", "2024-03-02"]),
        ("hour", ["2024-06-02T23:00", "2024-06-03T00:00", "2024-06-03T01:00"]),
        ("day_of_year", ["2023-12-31", "2024-01-01", "2024-01-02"]),
    ] {
        let found = numbers(&format!("[dates]\nfeatures = [\"{feature}\"]"), &dates);
        let distance = |a: usize, b: usize| (found[a][0] - found[b][0]).hypot(found[a][1] - found[b][1]);
        assert!((distance(0, 1) / distance(1, 2) - 1.0).abs() < 0.08, "{feature}: {found:?}");
        assert!(found[1][0].abs() < 1e-12 && (found[1][1] - 1.0).abs() < 1e-12, "{feature} does not begin at its top");
    }
}

#[test]
fn days_are_counted_from_the_earliest_date_of_training() {
    let config = "[dates]\nfeatures = [\"year\", \"days\"]";
    let found = numbers(config, &["2024-03-01", "2024-02-28", "2024-03-01T12:00"]);
    assert_eq!(found, [[2024.0, 2.0], [2024.0, 0.0], [2024.0, 2.5]]);
    let (fitted, _) = fit(config, SCHEMA, &[&text("2024-03-01")]).unwrap();
    assert!(serde_json::to_string(&fitted).unwrap().contains("2024-03-01"), "what was fitted can be read");
    let mut earlier =
        Record::new("1".into(), vec![("d".into(), Value::Text("2023-03-01T00:00:00+00:00".into()))], None);
    fitted[0].apply(&mut earlier, None).unwrap();
    assert_eq!(earlier.field("d_days"), Some(&Value::Number(-366.0)));
}

#[test]
fn a_time_of_day_is_told_where_there_is_one_and_gaps_stay() {
    assert_eq!(numbers("[dates]", &["2024-03-01"])[0].len(), 10);
    assert_eq!(numbers("[dates]", &["2024-03-01", "2024-03-01T06:00"])[0].len(), 12);
    let found = applied("[dates]\nfeatures = [\"month\"]", SCHEMA, &[&text("2024-03-01"), &[Value::Missing]]);
    assert_eq!(found[1], [Value::Missing, Value::Missing]);
    let filled = applied("[dates]\n[impute]", SCHEMA, &[&text("2024-03-01"), &[Value::Missing]]);
    assert_eq!(filled[0], filled[1]);
}

#[test]
fn what_is_no_date_is_refused_with_its_row() {
    let error = fit("[dates]", SCHEMA, &[&text("2024-03-01"), &text("01.03.2024")]).err().unwrap();
    assert_eq!(error.to_string(), "Example #1: the date `d` is \"01.03.2024\", which is no ISO 8601 date.");
    assert!(error.hint().unwrap().contains("%d.%m.%Y") && error.is_bad_example());
    assert!(fit("[dates]\nformat = \"%d.%m.%Y\"", SCHEMA, &[&text("01.03.2024")]).is_ok());
    for (wrong, word) in [
        ("format = \"%Y-%!\"", "format"),
        ("features = []", "features"),
        ("features = [\"day\", \"day\"]", "features"),
        ("columns = [\"e\"]", "columns"),
    ] {
        let error = fit(&format!("[dates]\n{wrong}"), SCHEMA, &[&text("2024-03-01")]).err().unwrap();
        assert!(error.to_string().contains(&format!("dates.{word}")), "{error}");
    }
    assert!(fit("[dates]", SCHEMA, &[&[Value::Missing]]).err().unwrap().to_string().contains("no date at all"));
    let clash = "[features]\nd = \"date\"\nd_year = \"number\"";
    assert!(fit("[dates]", clash, &[&[text("2024-03-01")[0].clone(), Value::Number(1.0)]]).is_err());
}

#[test]
fn categories_are_dates_where_it_is_asked_for() {
    let schema = "[features]\nc = \"category\"";
    assert_eq!(applied("[dates]", schema, &[&text("2024-03-01")])[0], text("2024-03-01"));
    let found = applied("[dates]\ncolumns = [\"c\"]\nfeatures = [\"year\"]", schema, &[&text("2024-03-01")]);
    assert_eq!(found[0], [Value::Number(2024.0)]);
}
