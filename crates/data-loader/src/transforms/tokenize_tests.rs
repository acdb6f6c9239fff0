//! Do texts become the ids that other programs give them, the same ones in every training?

use super::*;
use crate::transforms::FittedTransform;
use crate::transforms::tests::{applied, fit};

const SCHEMA: &str = "[features]\nt = \"text\"";

fn text(text: &str) -> [Value; 1] {
    [Value::Text(text.into())]
}

#[test]
fn characters_become_ids_in_ascending_order() {
    let found = applied("[tokenize]", SCHEMA, &[&text("ba"), &text("aé"), &[Value::Missing]]);
    assert_eq!(found[0], [Value::Tokens(vec![3, 2])]);
    assert_eq!(found[1], [Value::Tokens(vec![2, 4])]);
    assert_eq!(found[2], [Value::Missing]);
}

#[test]
fn length_case_and_the_unknown() {
    let (fitted, _) = fit("[tokenize]\nmax_length = 3\nlowercase = true", SCHEMA, &[&text("ABcd")]).unwrap();
    let [FittedTransform::Tokenize(tokenize)] = &fitted[..] else { panic!("no tokenize") };
    assert_eq!(tokenize.characters, ['a', 'b', 'c']);
    assert_eq!(tokenize.vocabulary(), 5);
    assert_eq!(tokenize.ids("cAx…").unwrap(), [4, 2, UNKNOWN]);
    assert_eq!(tokenize.ids("İİ").unwrap().len(), 3); // Each becomes two characters in lower case.
    assert!(fit("[tokenize]\nmax_length = 0", SCHEMA, &[&text("a")]).is_err());
}

const TEXTS: [&str; 6] = [
    "the lowest newest tower",
    "a newer, wider Tower!",
    "slow and low: the widest",
    "unzähmbar — naïve 東京",
    "  two  blanks ",
    "lower lower",
];

fn subwords(method: &str) -> Tokenize {
    let rows: Vec<[Value; 1]> = TEXTS.iter().map(|line| text(line)).collect();
    let rows: Vec<&[Value]> = rows.iter().map(|row| &row[..]).collect();
    let (fitted, _) = fit(&format!("[tokenize]\n{method}"), SCHEMA, &rows).unwrap();
    let [FittedTransform::Tokenize(tokenize)] = &fitted[..] else { panic!("no tokenize") };
    tokenize.clone()
}

#[test]
fn two_trainings_give_the_same_file() {
    for method in ["method = \"bpe\"\nvocabulary = 300", "method = \"wordpiece\"\nvocabulary = 70"] {
        let json = || serde_json::to_string(&subwords(method)).unwrap();
        let first = json();
        // Hash maps are seeded anew for each of them, also within a process.
        (0..5).for_each(|_| assert_eq!(json(), first));
    }
}

#[test]
fn ids_keep_the_promises_of_the_door() {
    for (method, unknown) in
        [("method = \"bpe\"\nvocabulary = 300", false), ("method = \"wordpiece\"\nvocabulary = 70", true)]
    {
        let tokenize = subwords(method);
        for text in TEXTS.into_iter().chain(["[PAD] [UNK]", "\u{1f980}", "x".repeat(5000).as_str()]) {
            let ids = tokenize.ids(text).unwrap();
            assert!(ids.len() <= 256 && ids.iter().all(|id| (1..tokenize.vocabulary() as i64).contains(id)), "{ids:?}");
        }
        assert_eq!(tokenize.ids("\u{1f980}").unwrap().contains(&UNKNOWN), unknown, "{method}");
        assert_eq!(
            subwords(&format!("{method}\nlowercase = true")).ids("TOWER"),
            subwords(&format!("{method}\nlowercase = true")).ids("tower")
        );
        let few = subwords(&format!("{method}\nmax_length = 2"));
        assert_eq!(few.ids("the widest newest").unwrap(), tokenize.ids("the widest newest").unwrap()[..2]);
    }
}

/// A file as others write it: padding is 3, unknown 1, `a` 0 and `b` 2, and every text is closed by `[SEP]`, 7.
fn given(folder: &std::path::Path) -> std::path::PathBuf {
    let special = |id: u32, content: &str| serde_json::json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true});
    let json = serde_json::json!({
        "version": "1.0", "truncation": null,
        "padding": {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": null, "pad_id": 3, "pad_type_id": 0, "pad_token": "fill"},
        "added_tokens": [special(3, "fill"), special(7, "[SEP]")], "normalizer": null, "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [], "special_tokens": {"[SEP]": {"id": "[SEP]", "ids": [7], "tokens": ["[SEP]"]}}},
        "decoder": null, "model": {"type": "WordLevel", "vocab": {"a": 0, "<unk>": 1, "b": 2, "fill": 3, "[SEP]": 7}, "unk_token": "<unk>"},
    });
    let path = folder.join("tokenizer.json");
    std::fs::write(&path, json.to_string()).unwrap();
    path
}

#[test]
fn ids_of_a_given_file_stay_and_travel_with_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = given(folder.path());
    let config = format!("method = {{ file = {:?} }}\nmax_length = 4", path.to_str().unwrap());
    let tokenize = subwords(&config);
    let plain = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    let again: Tokenize = serde_json::from_str(&serde_json::to_string(&tokenize).unwrap()).unwrap();
    assert_eq!((again.padding(), again.unknown()), (Some(3), Some(1)));
    // An embedding has a row for every id up to the largest, those included that stand for nothing.
    assert_eq!((again.vocabulary(), again.ids("a b c fill")), (8, Ok(vec![0, 2, 1, 7])));
    assert_eq!(again.ids("b a"), Ok(vec![2, 0, 7]));
    assert_eq!(again.ids("fill"), Ok(vec![3, 7]));
    assert_eq!(again.text(&[0, 2, 0, 7, 3, 3]).unwrap(), "a b a");
    // They are those that the crate gives without us.
    let theirs = tokenizers::Tokenizer::from_bytes(&plain).unwrap();
    for text in ["a", "b b", "a c b", "", "fill a"] {
        let ids = theirs.encode_fast(text, true).unwrap();
        assert_eq!(again.ids(text), Ok(ids.get_ids().iter().map(|&id| i64::from(id)).collect()), "{text}");
    }
}

/// As bundles were made before the ids of a file stayed: a network learnt these ids.
#[test]
fn ids_of_a_given_file_are_brought_to_ours_and_travel_with_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = given(folder.path());
    let tokenize = subwords(&format!("method = {{ file = {:?} }}\nmax_length = 4", path.to_str().unwrap()));
    let mut before = serde_json::to_value(&tokenize).unwrap();
    assert_eq!(before["subwords"].as_object_mut().unwrap().remove("ids_of_the_file"), Some(true.into()));
    let again: Tokenize = serde_json::from_value(before).unwrap();
    // Padding 3 becomes 0 and unknown stays 1; `a`, `b` and `[SEP]` follow. Padding that is spelt out is no padding.
    assert_eq!((again.vocabulary(), again.ids("a b c fill")), (5, Ok(vec![2, 3, 1, 4])));
    assert_eq!(again.ids("a b"), Ok(vec![2, 3, 4]));
    assert_eq!(again.ids("fill"), Ok(vec![1, 4]));
    assert_eq!((again.padding(), again.unknown()), (Some(PADDING), Some(UNKNOWN)));
}

/// GPT-2's has neither padding nor an unknown token, and its 0 is a letter.
#[test]
fn a_file_may_have_neither_padding_nor_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let json = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null, "pre_tokenizer": null,
        "post_processor": null, "decoder": {"type": "Fuse"},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]},
    });
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, json.to_string()).unwrap();
    let config = format!("[tokenize]\nmethod = {{ file = {:?} }}", path.to_str().unwrap());
    let (fitted, _) = fit(&config, SCHEMA, &[&text("ab")]).unwrap();
    let [FittedTransform::Tokenize(tokenize)] = &fitted[..] else { panic!("no tokenize") };
    assert_eq!((tokenize.padding(), tokenize.unknown(), tokenize.vocabulary()), (None, None, 3));
    let ids = tokenize.ids("baab").unwrap();
    assert_eq!((ids.as_slice(), tokenize.text(&ids).unwrap().as_str()), (&[1, 0, 2][..], "baab"));
}

/// Else a network that must look at something would read token 0.
#[test]
fn a_text_of_no_token_is_padding_where_ids_are_those_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = given(folder.path());
    let whole = std::fs::read_to_string(&path).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&whole).unwrap();
    json["post_processor"] = serde_json::Value::Null;
    std::fs::write(&path, json.to_string()).unwrap();
    let config = format!("[tokenize]\nmethod = {{ file = {:?} }}", path.to_str().unwrap());
    assert_eq!(
        applied(&config, SCHEMA, &[&text(" "), &text("a")]),
        [[Value::Tokens(vec![3])], [Value::Tokens(vec![0])]]
    );
    assert_eq!(applied("[tokenize]\n", SCHEMA, &[&text(""), &text("a")])[0], [Value::Tokens(vec![])]);
}

#[test]
fn files_that_cannot_be_used_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = given(folder.path());
    let whole = std::fs::read_to_string(&path).unwrap();
    let error = |text: &str, more: &str| {
        std::fs::write(&path, text).unwrap();
        let config = format!("[tokenize]\nmethod = {{ file = {:?} }}\n{more}", path.to_str().unwrap());
        fit(&config, SCHEMA, &[&text_row()]).err()
    };
    assert!(error(&whole, "").is_none());
    assert!(error(&whole, "max_length = 1").unwrap().to_string().contains("adds 1 tokens"));
    assert!(error(&whole, "lowercase = true").unwrap().to_string().contains("lowercase"));
    // Ids that would make a network of rows for nothing, or that no row has.
    let far = whole.replace("\"b\":2", "\"b\":4000000000");
    assert!(far != whole && error(&far, "").unwrap().to_string().contains("ids up to 4000000000, that of `b`"));
    let beyond = whole.replace("\"ids\":[7]", "\"ids\":[8]");
    assert!(beyond != whole && error(&beyond, "").unwrap().to_string().contains("puts the id 8 into every text"));
    let random = whole.replace("\"model\":{", "\"model\":{\"dropout\":0.1,");
    assert!(error(&random, "").unwrap().to_string().contains("dropout"));
    for cut in 1..40 {
        let cut = whole.len() * cut / 40;
        assert!(matches!(error(&whole[..cut], ""), Some(Error::Malformed { .. })), "{cut}");
    }
    for text in [
        "",
        "[]",
        "{}",
        "null",
        "{\"model\": 3}",
        "{\"version\":\"1.0\",\"model\":{\"type\":\"Unigram\",\"unk_id\":9,\"vocab\":[]}}",
    ] {
        assert!(matches!(error(text, ""), Some(Error::Malformed { .. })), "{text}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(
        fit(&format!("[tokenize]\nmethod = {{ file = {:?} }}", path.to_str().unwrap()), SCHEMA, &[&text_row()])
            .is_err()
    );
    for (wrong, word) in
        [("method = \"bpe\"\nvocabulary = 257", "256 bytes"), ("method = \"wordpiece\"\nvocabulary = 2", "at least 3")]
    {
        let error = fit(&format!("[tokenize]\n{wrong}"), SCHEMA, &[&text_row()]).err().unwrap();
        assert!(error.hint().unwrap().contains(word), "{error}");
    }
}

fn text_row() -> [Value; 1] {
    text("a b")
}

#[test]
fn a_bundle_of_before_subwords_is_read() {
    let old = r#"{"column": "t", "characters": ["a", "b"], "max_length": 9, "lowercase": false}"#;
    let tokenize: Tokenize = serde_json::from_str(old).unwrap();
    assert_eq!(
        (tokenize.ids("bax"), serde_json::to_string(&tokenize).unwrap()),
        (Ok(vec![3, 2, 1]), old.replace(": ", ":").replace(", ", ","))
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_files_never_panic(places in proptest::collection::vec((0.0..1.0_f64, proptest::prelude::any::<u8>()), 1..6), which in 0..3_usize) {
        let mut bytes = match which {
            0 => serde_json::to_vec(&subwords("method = \"wordpiece\"\nvocabulary = 70").subwords).unwrap(),
            1 => {
                let folder = tempfile::tempdir().unwrap();
                let path = given(folder.path());
                serde_json::to_vec(&Subwords::open(&path, 9).unwrap()).unwrap()
            }
            _ => serde_json::to_vec(&subwords("method = \"bpe\"\nvocabulary = 280").subwords).unwrap(),
        };
        for (place, byte) in places {
            let place = (place * bytes.len() as f64) as usize;
            bytes[place] = byte;
        }
        let Ok(json) = serde_json::from_slice::<serde_json::Value>(&bytes) else { return Ok(()) };
        if let Ok(subwords) = Subwords::try_from(json) {
            for text in TEXTS {
                let _ = subwords.ids(text, true);
            }
        }
    }
}
