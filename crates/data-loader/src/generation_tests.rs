//! Do texts become what a network needs to continue them, and is every token of them told exactly once?

use std::sync::Arc;

use super::*;
use crate::batch::Target;
use crate::card::Card;
use crate::data_config::DataConfig;
use crate::dataset::Dataset;
use crate::loader::Loader;
use crate::random::Random;
use crate::split::Part;
use crate::task::Task;
use crate::transforms::tests::Memory;

const CARD: &str = r#"
    name = "t"
    title = "T"
    summary = ""
    source = ""
    licence = ""
    citation = ""
    files = []
    format = { csv = {} }
    [schema.features]
    t = "text"
"#;

/// The data set of these texts, `settings` being the inside of `[data.transforms.tokenize]`.
fn open(texts: &[&str], settings: &str, task: Task) -> Result<Arc<Dataset>, Error> {
    let card = Card { config: toml::from_str(CARD).unwrap(), folder: ".".into(), files: Vec::new() };
    let rows: Vec<[Value; 1]> = texts.iter().map(|text| [Value::Text((*text).into())]).collect();
    let rows: Vec<&[Value]> = rows.iter().map(|row| &row[..]).collect();
    let memory = Box::new(Memory::new(card.schema(), &rows));
    let config: DataConfig = toml::from_str(&format!(
        "card = \"\"\nsplit = {{ random = {{ validation = 0.2, test = 0.0, seed = 1 }} }}\n[transforms.tokenize]\n{settings}"
    ))
    .unwrap();
    Dataset::from_records(&config, card, memory, Some(task), None, 0).map(Arc::new)
}

#[test]
fn a_text_stands_between_marks_and_each_place_tells_the_next_token() {
    let dataset = open(&["ba", "ab", "b", "aab", "bb"], "max_length = 4", Task::Generate).unwrap();
    let signature = dataset.signature();
    // Padding, the unknown token, two characters and the mark.
    assert_eq!(signature.output, OutputSpec::Tokens { vocabulary: 5 });
    signature.check().unwrap();
    let record = |text: &str| Record::new(text.into(), vec![("t".into(), Value::Text(text.into()))], None);
    let batch = dataset.pipeline().batch(vec![record("ba"), record("a"), record("aab")]).unwrap();
    assert_eq!(batch.inputs[0].array.data, ArrayData::I64(vec![4, 3, 2, 0, 4, 2, 0, 0, 4, 2, 2, 3]));
    let told = vec![3, 2, 4, -1, 2, 4, -1, -1, 2, 2, 3, 4];
    assert_eq!(batch.target, Target::Tokens { shape: [3, 4], ids: told });
    // A mark and five characters are more than four tokens.
    assert!(dataset.pipeline().prepare(record("aabb")).is_err());
}

#[test]
fn ids_become_the_text_again() {
    let texts = ["the lowest tower", "a newer, wider tower", "low: the widest", "naïve 東京", "two  blanks"];
    for settings in ["", "method = \"bpe\"\nvocabulary = 300"] {
        let dataset = open(&texts, settings, Task::Generate).unwrap();
        let pipeline = dataset.pipeline();
        let train: Vec<String> = dataset.part(Part::Train).iter().map(|&row| texts[row as usize].into()).collect();
        for text in train {
            let ids = pipeline.prompt(&text).unwrap();
            assert_eq!(ids[0], pipeline.mark().unwrap());
            assert_eq!(pipeline.text(&ids).unwrap(), text);
        }
    }
    let error = open(&texts, "", Task::Generate).unwrap().pipeline().prompt("the §").unwrap_err();
    assert!(error.to_string().contains('§'), "{error}");
}

/// Every token of a text, and the mark behind it, is the target of one place, behind the tokens before it.
#[test]
fn of_texts_in_pieces_every_token_is_told_once() {
    let mut random = Random::derive(&[5]);
    let texts: Vec<String> = (0..40)
        .map(|k| {
            (0..=random.below(if k % 3 == 0 { 40 } else { 6 }))
                .map(|_| char::from(b'a' + random.below(5) as u8))
                .collect()
        })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let dataset = open(&texts, "max_length = 7", Task::Generate).unwrap();
    let mark = dataset.pipeline().mark().unwrap();
    let mut found = Vec::new();
    for part in [Part::Train, Part::Validation] {
        for batch in Loader::once(Arc::clone(&dataset), part, 8).unwrap() {
            let batch = batch.unwrap();
            let ArrayData::I64(ids) = &batch.inputs[0].array.data else { panic!("no ids") };
            let Target::Tokens { shape: [rows, length], ids: told } = &batch.target else { panic!("no targets") };
            assert!(*length <= 7);
            for row in 0..*rows {
                let (ids, told) = (&ids[row * length..][..*length], &told[row * length..][..*length]);
                let count = told.iter().filter(|&&id| id >= 0).count();
                assert_eq!(ids[1..count], told[..count - 1]);
                let id = batch.ids[row].key.clone();
                let (text, piece) = id.split_once(", piece ").unwrap_or((&id, "1"));
                let row: usize = text.trim_start_matches('#').parse().unwrap();
                found.push((row, piece.parse::<usize>().unwrap(), ids[0], told[..count].to_vec()));
            }
        }
    }
    found.sort();
    for (row, text) in texts.iter().enumerate() {
        let pieces: Vec<_> = found.iter().filter(|(of, ..)| *of == row).collect();
        assert_eq!(pieces.len(), (text.len() + 1).div_ceil(7));
        let told: Vec<i64> = pieces.iter().flat_map(|(_, _, _, told)| told.clone()).collect();
        assert_eq!(dataset.pipeline().text(&told).unwrap(), *text);
        assert_eq!(told.last(), Some(&mark));
        // A piece begins with the mark or with the last token that the piece before told.
        let begins: Vec<i64> = pieces.iter().map(|(_, _, first, _)| *first).collect();
        assert_eq!(begins[0], mark);
        for (begin, before) in begins[1..].iter().zip(&pieces) {
            assert_eq!(before.3.last(), Some(begin));
        }
    }
}

#[test]
fn long_texts_are_refused_or_cut_where_that_is_wished_alone() {
    let texts = ["abcdefgh", "abc", "ab", "c", "b"];
    let error = open(&texts, "max_length = 5\nlong = \"refuse\"", Task::Generate).unwrap_err();
    assert!(error.to_string().contains("9 tokens long") && error.is_bad_example(), "{error}");
    for (settings, task) in [("long = \"cut\"", Task::Generate), ("long = \"pieces\"", Task::Reconstruct)] {
        let error = open(&texts, settings, task).unwrap_err();
        assert!(error.to_string().contains("data.transforms.tokenize.long"), "{error}");
    }
    let refusing = open(&texts, "max_length = 5\nlong = \"refuse\"", Task::Reconstruct).unwrap();
    let prepare = |dataset: &Dataset| (0..5).map(|row| dataset.example(row, None).is_ok()).collect::<Vec<_>>();
    assert_eq!(prepare(&refusing), [false, true, true, true, true]);
    let cut = open(&texts, "max_length = 5", Task::Reconstruct).unwrap();
    assert_eq!(prepare(&cut), [true; 5]);
}

#[test]
fn other_columns_have_no_place_where_texts_are_generated() {
    let schema: Schema = toml::from_str("[features]\nt = \"text\"\nx = \"number\"").unwrap();
    let error = output(&schema, &[]).unwrap_err();
    assert!(error.to_string().contains("other features"), "{error}");
}

/// A tokenizer as GPT-2's is: the mark is the last of its tokens, and `more` of its settings.
fn gpt2(folder: &std::path::Path, end: &str, more: serde_json::Value) -> String {
    let added = serde_json::json!({"id": 3, "content": end, "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true});
    let mut json = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [added], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": {"type": "Fuse"},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false, "vocab": {"a": 0, "b": 1, "ab": 2, end: 3}, "merges": [["a", "b"]]},
    });
    json["padding"] = more;
    let path = folder.join("tokenizer.json");
    std::fs::write(&path, json.to_string()).unwrap();
    format!("method = {{ file = {:?} }}\nmax_length = 9", path.to_str().unwrap())
}

/// The rows of a published embedding are as many as the file's tokens: a mark of ours would ask for one more.
#[test]
fn a_given_file_says_which_token_ends_a_text() {
    let folder = tempfile::tempdir().unwrap();
    let texts = ["ab", "ba", "aab", "b", "a"];
    let padding = serde_json::json!({"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 3, "pad_type_id": 0, "pad_token": "<|endoftext|>"});
    for more in [serde_json::Value::Null, padding] {
        let settings = gpt2(folder.path(), "<|endoftext|>", more);
        let pipeline = open(&texts, &settings, Task::Generate).unwrap().pipeline().clone();
        assert_eq!(pipeline.signature().output, OutputSpec::Tokens { vocabulary: 4 });
        // It is drawn, even where the file pads with it.
        assert_eq!((pipeline.mark(), pipeline.never_drawn()), (Some(3), vec![]));
        assert_eq!(pipeline.prompt("ab").unwrap(), [3, 2]);
        let record = Record::new("x".into(), vec![("t".into(), Value::Text("aab".into()))], None);
        let batch = pipeline.batch(vec![record]).unwrap();
        assert_eq!(batch.inputs[0].array.data, ArrayData::I64(vec![3, 0, 2]));
        assert_eq!(batch.target, Target::Tokens { shape: [1, 3], ids: vec![0, 2, 3] });
        assert_eq!(pipeline.text(&[3, 0, 2, 3]).unwrap(), "aab");
        let again: Pipeline = serde_json::from_str(&serde_json::to_string(&pipeline).unwrap()).unwrap();
        assert_eq!(again.mark(), Some(3));
    }
    // Other tasks have no marks.
    let settings = gpt2(folder.path(), "<|endoftext|>", serde_json::Value::Null);
    assert_eq!(open(&texts, &settings, Task::Reconstruct).unwrap().pipeline().mark(), None);
    // One that no published file has is named, or there is one more than the file has.
    let settings = gpt2(folder.path(), "<stop>", serde_json::Value::Null);
    assert_eq!(open(&texts, &settings, Task::Generate).unwrap().pipeline().mark(), Some(4));
    let named = format!("{settings}\nmark = \"<stop>\"");
    assert_eq!(open(&texts, &named, Task::Generate).unwrap().pipeline().mark(), Some(3));
    for (wrong, task) in [
        (format!("{settings}\nmark = \"<none>\""), Task::Generate),
        (named, Task::Reconstruct),
        ("mark = \"a\"".into(), Task::Generate),
    ] {
        let error = open(&texts, &wrong, task).unwrap_err();
        assert!(error.to_string().contains("data.transforms.tokenize.mark"), "{error}");
    }
}

/// What a file puts around a text would stand between our mark and the text, or be told a second time.
#[test]
fn what_a_file_puts_around_texts_gives_way_to_the_mark() {
    let folder = tempfile::tempdir().unwrap();
    let texts = ["ab", "ba", "aab", "b", "a"];
    let settings = gpt2(folder.path(), "</s>", serde_json::Value::Null);
    let path = folder.path().join("tokenizer.json");
    let mut json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    json["post_processor"] = serde_json::json!({
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
        "pair": [], "special_tokens": {"</s>": {"id": "</s>", "ids": [3], "tokens": ["</s>"]}},
    });
    std::fs::write(&path, json.to_string()).unwrap();
    let pipeline = open(&texts, &settings, Task::Generate).unwrap().pipeline().clone();
    assert_eq!(pipeline.prompt("ab").unwrap(), [3, 2]);
    let record = || Record::new("x".into(), vec![("t".into(), Value::Text("aab".into()))], None);
    let batch = pipeline.batch(vec![record()]).unwrap();
    assert_eq!(batch.target, Target::Tokens { shape: [1, 3], ids: vec![0, 2, 3] });
    // Other tasks read what the file says.
    let other = open(&texts, &settings, Task::Reconstruct).unwrap();
    let batch = other.pipeline().batch(vec![record()]).unwrap();
    assert_eq!(batch.inputs[0].array.data, ArrayData::I64(vec![0, 2, 3]));
}
