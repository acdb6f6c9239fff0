//! Are texts learnt, and continued by a seed alike, by a run and by its bundle?

use crate::sandbox::{CARD, CONFIG, Sandbox, tiny_rows};

const TEXT_CARD: &str = r#"
name = "letters"
title = "Letters"
summary = "made up for this test"
source = "made up"
licence = "CC0"
citation = "none"

[format.csv]

[[files]]
path = "letters.csv"

[schema.features]
text = "text"

[split.random]
validation = 0.2
test = 0.2
"#;

const TEXT_CONFIG: &str = r#"
task = "generate"

[data]
card = "letters"

[data.transforms.tokenize]
max_length = 9

# Few letters make few different pieces.
[data.gates]
exact_duplicates_across_splits = "warn"

[model.gpt]
layers = 1
features = 16
heads = 2
context = 9
dropout = 0.1

[train]
steps = 200
batch_size = 16
evaluate_every = 50

[optimizer.adamw]
learning_rate = 1e-2
"#;

/// Texts in which a letter is always followed by the next one, some of them longer than the context.
pub fn letters() -> Sandbox {
    let sandbox = Sandbox::empty();
    let text = |k: usize| (0..4 + k * 7 % 17).map(|i| char::from(b'a' + ((k + i) % 6) as u8)).collect::<String>();
    let rows: Vec<String> = (0..100).map(text).collect();
    sandbox.write("letters/card.toml", TEXT_CARD);
    sandbox.write("letters/letters.csv", format!("text\n{}\n", rows.join("\n")));
    sandbox.write("config.toml", TEXT_CONFIG);
    sandbox
}

#[test]
fn a_text_is_continued_as_it_was_learnt_and_by_a_seed_alike() {
    let sandbox = letters();
    sandbox.run("train config.toml --run r --device cpu").succeeded();
    let text = |line: &str| {
        let json = sandbox.run(&format!("generate {line} --json --device cpu")).expect(0).json();
        json.as_array().unwrap().iter().map(|one| one["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // What follows each letter was learnt, also beyond the context of 9 tokens.
    let greedy = text("r ab --temperature 0 --tokens 30").remove(0);
    let all: Vec<char> = "ab".chars().chain(greedy.chars()).collect();
    assert!(all.windows(2).all(|pair| (pair[1] as u8 - b'a') == (pair[0] as u8 - b'a' + 1) % 6), "{greedy}");
    let long = text("r abcdefabcdefabcdefab --temperature 0 --tokens 1").remove(0);
    assert!(long.is_empty() || long == "c", "{long}");

    let drawn = text("r --seed 3 --samples 4 --temperature 1.5 --top-k 4 --top-p 0.9");
    assert_eq!(drawn, text("r --seed 3 --samples 4 --temperature 1.5 --top-k 4 --top-p 0.9"));
    assert_eq!(drawn[1..], text("r --seed 4 --samples 3 --temperature 1.5 --top-k 4 --top-p 0.9"));
    assert_ne!(drawn[0], drawn[1]);
    // A run, its bundle, and the checkpoint of which that was made.
    for model in ["r/bundle", "r@best"] {
        assert_eq!(text(&format!("{model} --seed 3 --samples 4 --temperature 1.5 --top-k 4 --top-p 0.9")), drawn);
    }
    let shown = sandbox
        .run("generate r --seed 3 --samples 4 --temperature 1.5 --top-k 4 --top-p 0.9 --device cpu")
        .expect(0)
        .stdout;
    assert_eq!(shown.lines().collect::<Vec<_>>(), drawn);

    sandbox.run("generate r abz").refused(2, &["`z`"]);
    sandbox.run("generate r a --temperature=-1").refused(2, &[]);
    sandbox.run("generate r a --top-p 0").refused(2, &["top_p"]);
}

#[test]
fn a_network_that_continues_texts_resumes_exactly() {
    let json = letters().run("verify resume config.toml --steps 7 --json").expect(0).json();
    assert_eq!(json["equal"], true);
}

#[test]
fn a_text_that_does_not_fit_and_a_model_of_another_task_are_refused() {
    let sandbox = letters();
    sandbox.run("train config.toml --run r --set model.gpt.context=8").refused(2, &["`context` of 8"]);
    sandbox
        .run("train config.toml --run r --set data.transforms.tokenize.long=\"refuse\"")
        .refused(2, &["tokens long"]);
    sandbox.run("train config.toml --run r --set data.transforms.tokenize.long=\"cut\"").refused(2, &["long"]);
    let table = Sandbox::with(CARD, &tiny_rows(), CONFIG);
    table.run("train config.toml --run r --device cpu --set train.steps=2").succeeded();
    table.run("generate r").refused(2, &["classify"]);
}

/// Whether a piece goes on with the word before it shows only beside that word.
#[test]
fn pieces_of_words_are_joined_to_the_prompt() {
    let sandbox = Sandbox::empty();
    let text =
        |k: usize| ["play", "walk", "jump"][k % 3].to_owned() + ["ing", "er", "ed"][k / 3 % 3] + [" on", " by"][k % 2];
    let rows: Vec<String> = (0..90).map(text).collect();
    sandbox.write("letters/card.toml", TEXT_CARD);
    sandbox.write("letters/letters.csv", format!("text\n{}\n", rows.join("\n")));
    let pieces = "max_length = 9\nmethod = \"wordpiece\"\nvocabulary = 30\n";
    sandbox.write("config.toml", TEXT_CONFIG.replace("max_length = 9\n", pieces));
    sandbox.run("train config.toml --run r").succeeded();
    for seed in 0..5 {
        let told = sandbox.run(&format!("generate r play --seed {seed} --temperature 0.2 --json")).succeeded().json();
        let told = told.as_array().map_or_else(|| told.clone(), |all| all[0].clone());
        let (prompt, text) = (told["prompt"].as_str().unwrap(), told["text"].as_str().unwrap());
        let whole = format!("{prompt}{text}");
        assert!(rows.contains(&whole), "{whole:?}");
    }
}
