//! Does a list of pieces give texts the ids that BERT's own tokenizer gives them, and is every other file refused?

use serde::Deserialize;

use super::*;
use crate::example::Value;
use crate::transforms::FittedTransform;
use crate::transforms::tests::{applied, fit};
use crate::transforms::tokenize::Tokenize;

const SCHEMA: &str = "[features]\nt = \"text\"";
const LINES: &str = "[unused0]\nthe\n[UNK]\nold\n[CLS]\nboat\n##s\n[SEP]\n[MASK]\n[PAD]\nthé\n";

/// What `tests/peers/wordpiece_bert.py` writes.
#[derive(Deserialize)]
struct Fixture {
    vocabulary: Vec<String>,
    texts: Vec<String>,
    cut: usize,
    uncased: Vec<Vec<i64>>,
    cased: Vec<Vec<i64>>,
    uncased_cut: Vec<Vec<i64>>,
    cased_cut: Vec<Vec<i64>>,
}

/// A folder that holds `lines` as `vocab.txt`, and the inside of `[data.transforms]` that names it.
fn written(lines: &[u8], settings: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vocab.txt");
    std::fs::write(&path, lines).unwrap();
    let config = format!("[tokenize]\nmethod = {{ vocabulary = {:?} }}\n{settings}", path.to_str().unwrap());
    (folder, config)
}

fn tokenizer(lines: &str, settings: &str) -> Tokenize {
    let (_folder, config) = written(lines.as_bytes(), settings);
    let (fitted, _) = fit(&config, SCHEMA, &[&[Value::Text("the".into())]]).unwrap();
    // As a bundle holds it.
    let fitted: Vec<FittedTransform> = serde_json::from_str(&serde_json::to_string(&fitted).unwrap()).unwrap();
    let [FittedTransform::Tokenize(tokenize)] = &fitted[..] else { panic!("no tokenize") };
    tokenize.clone()
}

#[test]
fn ids_are_those_of_transformers() {
    let path = std::env::var_os("FIREBOX_WORDPIECE")
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/wordpiece.json").into());
    let fixture: Fixture = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(fixture.texts.len(), 200);
    let lines = fixture.vocabulary.join("\n");
    let cut = format!("max_length = {}", fixture.cut);
    for (settings, wanted) in [
        ("max_length = 512".to_owned(), &fixture.uncased),
        ("max_length = 512\nlowercase = true".to_owned(), &fixture.uncased),
        ("max_length = 512\nlowercase = false".to_owned(), &fixture.cased),
        (cut.clone(), &fixture.uncased_cut),
        (format!("{cut}\nlowercase = false"), &fixture.cased_cut),
    ] {
        let tokenize = tokenizer(&lines, &settings);
        assert_eq!(tokenize.vocabulary(), fixture.vocabulary.len());
        for (text, wanted) in fixture.texts.iter().zip(wanted) {
            assert_eq!(tokenize.ids(text).unwrap(), *wanted, "{settings}: {text:?}");
        }
    }
}

#[test]
fn ids_are_the_numbers_of_the_lines_and_marks_stand_around_a_text() {
    for lines in
        [LINES.to_owned(), LINES.replace('\n', "\r\n"), format!("\u{feff}{LINES}"), LINES.trim_end().to_owned()]
    {
        let tokenize = tokenizer(&lines, "");
        assert_eq!(tokenize.ids("The old boats, thé!"), Ok(vec![4, 1, 3, 5, 6, 2, 1, 2, 7]));
        assert_eq!((tokenize.vocabulary(), tokenize.padding(), tokenize.unknown()), (11, Some(9), Some(2)));
        assert_eq!(tokenize.ids(""), Ok(vec![4, 7]));
        // What is no text is left out, the unknown included.
        assert_eq!(tokenize.text(&[4, 1, 3, 5, 6, 2, 7, 9, 9]).unwrap(), "the old boats");
    }
    assert_eq!(tokenizer(LINES, "lowercase = false").ids("The thé"), Ok(vec![4, 2, 10, 7]));
    // A longer text keeps its end mark, unless it is refused.
    assert_eq!(tokenizer(LINES, "max_length = 3").ids("old old old"), Ok(vec![4, 3, 7]));
    let (_folder, config) = written(LINES.as_bytes(), "max_length = 4\nlong = \"refuse\"");
    let text = |text: &str| [Value::Text(text.into())];
    let (fitted, memory) = fit(&config, SCHEMA, &[&text("old boat"), &text("old boats")]).unwrap();
    let kept = memory.0.into_iter().map(|mut record| fitted[0].apply(&mut record, None).is_ok());
    assert_eq!(kept.collect::<Vec<_>>(), [true, false]);
}

/// Lists without [CLS] and [SEP] serve where texts are generated, which have a mark of their own.
#[test]
fn where_texts_are_generated_no_marks_of_the_file_stand_around_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vocab.txt");
    for lines in ["the\n[UNK]\nold\n", "the\n[UNK]\nold\n[CLS]\n[SEP]\n"] {
        std::fs::write(&path, lines).unwrap();
        assert_eq!(open(&path, true, false, 9).unwrap().ids("The boat, old", true), Ok(vec![0, 1, 1, 2]));
    }
}

#[test]
fn other_files_are_refused_with_path_and_line() {
    let refused = |lines: &[u8]| {
        let (folder, config) = written(lines, "");
        let error = fit(&config, SCHEMA, &[&[Value::Text("the".into())]]).err().unwrap();
        let path = folder.path().join("vocab.txt").display().to_string();
        let text = error.to_string();
        assert!(text.contains(&path) && error.is_usage() && !error.is_bad_example(), "{text}");
        assert!(error.hint().is_some_and(|hint| hint.len() > 20), "{text}");
        text.replace(&path, "FILE")
    };
    let without = |token: &str| LINES.replace(&format!("{token}\n"), "");
    assert!(refused(without("[UNK]").as_bytes()).contains("FILE has no `[UNK]` in its 10 lines"));
    assert!(refused(without("[CLS]").as_bytes()).contains("no `[CLS]`"));
    assert!(refused(without("[SEP]").as_bytes()).contains("no `[SEP]`"));
    assert!(refused(b"{\"version\": \"1.0\"}").contains("first is"));
    assert_eq!(refused(b""), "FILE is empty.");
    assert_eq!(refused(format!("{LINES}old\n").as_bytes()), "Line 12 of FILE is \"old\", as line 4 is already.");
    assert_eq!(refused(LINES.replace("boat", "\nboat").as_bytes()), "Line 6 of FILE is empty.");
    assert_eq!(refused(format!("{LINES}\n").as_bytes()), "Line 12 of FILE is empty.");
    // Beside counts no line is a token.
    assert!(refused(LINES.replace('\n', "\t12\n").as_bytes()).contains("has no `[UNK]`"));
    assert!(refused(LINES.replace("boat", "boat ").as_bytes()).contains("Line 6 of FILE is \"boat \""));
    let latin = [LINES.as_bytes(), b"caf\xe9\n"].concat();
    assert_eq!(refused(&latin), "Line 12 of FILE is no text in UTF-8.");
    let wide: Vec<u8> = LINES.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&[0xff, 0xfe][..], &wide].concat();
    assert_eq!(refused(&marked), "Line 1 of FILE is no text in UTF-8.");
}

#[test]
fn what_is_no_file_is_refused() {
    let (folder, _) = written(LINES.as_bytes(), "");
    let error = open(folder.path(), true, true, 9).unwrap_err();
    assert!(error.to_string().contains("is a folder") && error.hint().unwrap().contains("vocab.txt"), "{error}");
    let error = open(&folder.path().join("vocabulary.txt"), true, true, 9).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }) && error.hint().is_some(), "{error}");
    let (_folder, config) = written(LINES.as_bytes(), "max_length = 2");
    let error = fit(&config, SCHEMA, &[&[Value::Text("the".into())]]).err().unwrap();
    assert!(error.to_string().contains("adds 2 tokens"), "{error}");
}

/// Some published lists have a token that Unicode counts as the end of a line.
#[test]
fn lines_end_where_lines_of_files_end() {
    let lines = format!("{LINES}\u{2028}\n\u{3000}\n\u{85}\nlast\n");
    assert_eq!(tokenizer(&lines, "").ids("last"), Ok(vec![4, 14, 7]));
    let (_folder, config) = written(lines.as_bytes(), "");
    let rows = applied(&config, SCHEMA, &[&[Value::Text("last".into())], &[Value::Missing]]);
    assert_eq!(rows, [[Value::Tokens(vec![4, 14, 7])], [Value::Missing]]);
}
