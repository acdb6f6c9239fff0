//! Does a list of fetched files survive a kill, and is what cannot be read refused?

use super::*;
use crate::config::parse_toml;

fn entry(text: &str) -> CardFile {
    parse_toml(text, Path::new("card.toml")).unwrap()
}

const ONE: &str = "path = \"a.csv\"\n[from.local]\npath = \"../a.csv\"\n";
const MANY: &str = "path = \"p/*.csv\"\n[from.local]\npath = \"../*.csv\"\n";

#[test]
fn half_a_line_is_passed_over_and_other_nonsense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".card.fetched.jsonl");
    let (one, many) = (entry(ONE), entry(MANY));
    let source = one.from.clone().unwrap();
    let mut ledger = Ledger::read(folder.path()).unwrap();
    for sum in ["00", "11"] {
        ledger.note_file("a.csv", &source, sum, false).unwrap();
    }
    ledger.note_pattern(&many, many.from.as_ref().unwrap(), vec!["p/a.csv".into()]).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 3);
    // A kill in the middle of a line: the next process goes on from the whole ones, and writes them anew.
    for cut in [1, 5, text.lines().last().unwrap().len()] {
        std::fs::write(&path, &text[..text.len() - cut]).unwrap();
        let mut ledger = Ledger::read(&folder.path().join("card.toml")).unwrap();
        assert!(ledger.check(&one, "a.csv", Path::new("a.csv"), "11").unwrap().is_some(), "the last line counts");
        assert_eq!(ledger.patterns.len(), usize::from(cut == 1), "{cut}");
        ledger.note_file("b.csv", &source, "22", true).unwrap();
        let again = Ledger::read(folder.path()).unwrap();
        assert!(again.check(&one, "b.csv", Path::new("b.csv"), "22").unwrap().unwrap().by_archive);
        assert_eq!(again.files.len(), 2);
    }
    std::fs::write(&path, format!("nonsense\n{text}")).unwrap();
    let error = Ledger::read(folder.path()).unwrap_err();
    assert!(error.to_string().contains("line 1") && error.is_usage(), "{error}");
}

#[test]
fn settings_count_only_where_they_lead_to_other_data() {
    let of = |text: &str| {
        entry(&format!("path = \"a\"\n[from.rest]\nurl = \"https://a.org/x\"\n{text}")).from.unwrap().settings()
    };
    let plain = of("");
    for same in ["token = true", "max_pages = 3", "max_bytes = 1000", "records = \"\""] {
        assert_eq!(of(same), plain, "{same}");
    }
    for other in ["records = \"data\"", "next = \"next\"", "page = { parameter = \"p\" }"] {
        assert_ne!(of(other), plain, "{other}");
    }
}

#[test]
fn what_is_there_of_a_pattern_is_what_was_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let many = entry(MANY);
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut ledger = Ledger::read(folder.path()).unwrap();
    let check = |ledger: &Ledger, list: &[&str]| ledger.check_all(&many, &names(list), folder.path());
    assert!(matches!(check(&ledger, &["p/a.csv"]), Err(Error::NotFetched { .. })), "nobody knows what belongs to it");
    ledger.note_pattern(&many, many.from.as_ref().unwrap(), names(&["p/a.csv", "p/b.csv"])).unwrap();
    check(&ledger, &["p/a.csv", "p/b.csv"]).unwrap();
    let error = check(&ledger, &["p/a.csv"]).unwrap_err();
    assert!(matches!(&error, Error::NotFetched { path, .. } if path.ends_with("p/b.csv")), "{error}");
    let error = check(&ledger, &["p/a.csv", "p/b.csv", "p/c.csv"]).unwrap_err();
    assert!(error.to_string().contains("p/c.csv matches p/*.csv") && error.is_usage(), "{error}");
    let moved = entry(&MANY.replace("../*", "../new/*"));
    let error = ledger.check_all(&moved, &names(&["p/a.csv", "p/b.csv"]), folder.path()).unwrap_err();
    assert!(error.to_string().contains("other settings") && error.hint().unwrap().contains("data fetch"), "{error}");
    // Without a source a pattern is whatever matches.
    ledger.check_all(&entry("path = \"p/*.csv\""), &names(&["p/z.csv"]), folder.path()).unwrap();
}
