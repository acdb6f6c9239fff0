//! What does `clean` refuse, and does it name the line?

use std::fs;
use std::path::Path;

use super::tests::{CARD, Sandbox, TABLE, everything, table};
use super::{Request, clean};

#[test]
fn what_cannot_be_meant_names_its_line() {
    let sandbox = table();
    for (decision, words) in [
        ("example = \"6\"\naction = \"drop\"", "no example has the id `6`"),
        ("example = \"1\"\naction = \"relabel\"\nlabel = \"c\"", "\"c\" is no class of the data"),
        ("example = \"1\"\naction = \"fix\"\ncolumn = \"x\"\nvalue = \"two\"", "`x` takes a number without quotes"),
        ("example = \"1\"\naction = \"fix\"\ncolumn = \"x\"\nvalue = 1e39", "`x` takes numbers up to"),
        ("example = \"1\"\naction = \"fix\"\ncolumn = \"x\"\nvalue = nan", "`x` takes a number"),
        ("example = \"1\"\naction = \"fix\"\ncolumn = \"word\"\nvalue = 3", "`word` takes a text in quotes"),
        ("example = \"1\"\naction = \"fix\"\ncolumn = \"word\"\nvalue = \"NA\"", "stands for a missing value"),
        ("example = \"1\"\naction = \"fix\"\ncolumn = \"word\"\nvalue = \" a\"", "without blanks"),
        (
            "example = \"1\"\naction = \"fix\"\ncolumn = \"wort\"\nvalue = \"a\"",
            "no column `wort`. Did you mean `word`?",
        ),
        ("example = \"1\"\naction = \"fix\"\ncolumn = \"id\"\nvalue = \"a\"", "`id` is the key"),
        ("example = \"1\"\naction = \"fix\"\ncolumn = \"y\"\nvalue = \"c\"", "is no class"),
        ("example = \"1\"\naction = \"impute\"\ncolumn = \"x\"\nvalue = 1", "is not missing"),
        ("action = \"impute\"\ncolumn = \"y\"\nvalue = \"a\"", "no value of `y` is missing"),
        ("action = \"drop\"\ncolumn = \"y\"", "is the target"),
        ("action = \"drop\"", "needs an `example` or a `column`"),
        ("example = \"1\"\naction = \"relabel\"", "needs an `example` and a `label`"),
        ("example = \"1\"\naction = \"relable\"\nlabel = \"a\"", "Did you mean `relabel`?"),
        ("example = \"1\"\naction = \"drop\"\nlable = \"a\"", "unknown field `lable`"),
    ] {
        let refusal = sandbox.refusal(&format!(
            "# one\n[[decisions]]\nexample = \"5\"\naction = \"drop\"\n\n[[decisions]]\n{decision}\n"
        ));
        assert!(refusal.contains(words), "{decision}: {refusal}");
        assert!(!refusal.contains("must be TOML"), "it is: {refusal}");
        assert!(["line 6", "line 7", "line 8", "line 9"].iter().any(|line| refusal.contains(line)), "{refusal}");
    }
    for (decisions, words) in [
        ("", "holds no decision"),
        ("decisions = 3", "line 1"),
        ("[[decisions]\n", "line 1"),
        ("[[decision]]\naction = \"drop\"", "Did you mean `decisions`?"),
    ] {
        let refusal = sandbox.refusal(decisions);
        assert!(refusal.contains(words), "{refusal}");
    }
    let all = [1, 2, 3, 4, 5].map(|id| format!("[[decisions]]\nexample = \"{id}\"\naction = \"drop\"\n"));
    assert!(sandbox.refusal(&all.concat()).contains("every one is dropped"));
}

/// As a number it would be written, and as no value it would be read.
#[test]
fn a_number_that_stands_for_a_missing_value_is_refused() {
    let sandbox = Sandbox::new(
        &CARD.replace("[schema]\n", "[schema]\nmissing = [\"\", \"-9\", \"NA\"]\n"),
        &[("t.csv", TABLE.as_bytes())],
    );
    let fix =
        |value: &str| format!("[[decisions]]\nexample = \"1\"\naction = \"fix\"\ncolumn = \"x\"\nvalue = {value}\n");
    let refusal = sandbox.refusal(&fix("-9"));
    assert!(refusal.contains("line 1: `x` takes no number that stands for a missing value"), "{refusal}");
    let filled = sandbox.refusal("[[decisions]]\naction = \"impute\"\ncolumn = \"x\"\nvalue = -9\n");
    assert!(filled.contains("stands for a missing value"), "{filled}");
    assert_eq!(sandbox.clean(&fix("-9.5")).unwrap().counts.fixed, 1);
}

#[test]
fn an_id_that_several_examples_have_is_no_mistake_of_the_file() {
    let sandbox = Sandbox::new(CARD, &[("t.csv", TABLE.replace("\n5,", "\n4,").as_bytes())]);
    let refusal = sandbox.refusal("[[decisions]]\nexample = \"4\"\naction = \"drop\"\n");
    assert!(refusal.contains("2 examples have the id `4`") && refusal.contains("Mend this decision"), "{refusal}");
    assert!(!refusal.contains("TOML"), "{refusal}");
}

#[test]
fn decisions_that_contradict_each_other_name_both_lines() {
    let sandbox = table();
    let drop = "example = \"1\"\naction = \"drop\"";
    let fix = |value: i32| format!("example = \"2\"\naction = \"fix\"\ncolumn = \"x\"\nvalue = {value}");
    for (first, second, words) in [
        (
            drop.to_owned(),
            "example = \"1\"\naction = \"relabel\"\nlabel = \"b\"".to_owned(),
            "line 1 decides otherwise",
        ),
        (
            "example = \"1\"\naction = \"relabel\"\nlabel = \"b\"".to_owned(),
            drop.to_owned(),
            "line 1 decides otherwise",
        ),
        (fix(1), fix(2), "line 1 decides otherwise"),
        (fix(1), "action = \"drop\"\ncolumn = \"x\"".to_owned(), "drops the column `x`"),
        (
            "action = \"impute\"\ncolumn = \"x\"\nvalue = 1".to_owned(),
            "action = \"impute\"\ncolumn = \"x\"\nvalue = 2".to_owned(),
            "line 1 decides otherwise",
        ),
    ] {
        let refusal = sandbox.refusal(&format!("[[decisions]]\n{first}\n[[decisions]]\n{second}\n"));
        assert!(refusal.contains(words), "{first} {second}: {refusal}");
    }
    // To say the same twice is no contradiction.
    let twice =
        format!("[[decisions]]\n{drop}\n[[decisions]]\n{drop}\n[[decisions]]\n{}\n[[decisions]]\n{}\n", fix(1), fix(1));
    let counts = sandbox.clean(&twice).unwrap().counts;
    assert_eq!((counts.dropped, counts.fixed), (1, 1));
}

#[test]
fn folders_that_hold_something_or_lie_in_the_source_are_refused() {
    let sandbox = table();
    let decisions = sandbox.path("d.toml");
    fs::write(&decisions, "[[decisions]]\nexample = \"1\"\naction = \"drop\"\n").unwrap();
    let card = sandbox.path("data");
    let before = everything(&card);
    let clean = |out: &Path| clean(&Request { card: &card, decisions: &decisions, out, unreviewed: false });
    let full = sandbox.path("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("mine"), "1").unwrap();
    for (out, words) in [
        (full.clone(), "not an empty folder"),
        (full.join("mine"), "not an empty folder"),
        (card.join("new"), "inside of the data set"),
        (card.join("a/b"), "inside of the data set"),
        (card.clone(), "not an empty folder"),
    ] {
        let error = clean(&out).unwrap_err();
        assert!(error.to_string().contains(words) && error.is_usage(), "{}: {error}", out.display());
    }
    assert_eq!((fs::read(full.join("mine")).unwrap(), everything(&card)), (b"1".to_vec(), before));
    let empty = sandbox.path("empty");
    fs::create_dir(&empty).unwrap();
    assert_eq!(clean(&empty).unwrap().after, 4);
}
