//! Do configs, cards and documents say what they must, and only what is so?

use std::collections::BTreeSet;
use std::path::Path;

use data_loader::Task;
use trainer::Experiment;

use super::{House, check};

/// The comment at the top of a config: what it is, and a line `# Measured: SCORE on DEVICE in TIME`.
fn header_is_complete(text: &str) -> Result<(), &'static str> {
    let header: Vec<&str> = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim).collect();
    if header.first().is_none_or(|line| line.len() < 20 || line.starts_with("Measured:")) {
        return Err("does not open with a comment that says what it is");
    }
    let header = header.join(" ");
    let Some((_, measured)) = header.split_once("Measured: ") else {
        return Err("says in no line `# Measured:` what it reaches");
    };
    let words: Vec<&str> = measured.split(' ').collect();
    let place = |word: &str| words.iter().position(|found| *found == word);
    let number = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    let complete = match (place("on"), words.iter().rposition(|word| *word == "in")) {
        (Some(on), Some(time)) if on < time => words[..on].iter().any(number) && words[time..].iter().any(number),
        _ => false,
    };
    if complete { Ok(()) } else { Err("does not say `# Measured: SCORE on DEVICE in TIME`") }
}

fn configs(house: &House) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in house.below("configs/", "") {
        if let Err(reason) = header_is_complete(text) {
            complaints.push(format!("{path} {reason}"));
        }
        match Experiment::parse(text, Path::new(path), &[]) {
            Err(error) => complaints.push(format!("{path} is no config: {error}")),
            Ok(experiment) => {
                let data = experiment.data.card.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let network = experiment.model.as_ref().map_or("", |model| model.name());
                // What a network learns beside what it is made for.
                let task = if experiment.task == Some(Task::Contrast) { "_contrast" } else { "" };
                let name = format!("configs/{data}_{network}{task}.toml");
                if name != path {
                    complaints.push(format!(
                        "{path} is about {data} and {}: it belongs in {name}",
                        experiment.model.as_ref().map_or("", |model| model.name())
                    ));
                }
            }
        }
    }
    complaints
}

#[test]
fn configs_parse_and_say_what_they_reach() {
    check(configs, |house| {
        let good = "# A classifier of penguins, for this test.\n# Measured: test accuracy 1 on cpu in 2 s.\n";
        let body = "[data]\ncard = \"datasets/penguins\"\n[model.mlp]\n";
        let config = |text: &str| house.with("configs/penguins_mlp.toml", text);
        assert!(configs(&config(&format!("{good}{body}"))).is_empty());
        vec![
            (config(body), "does not open with a comment"),
            (config(&format!("# A classifier of penguins, for this test.\n{body}")), "says in no line"),
            (config(&format!("{}{body}", good.replace(" 1 on", " well on"))), "does not say `# Measured: SCORE"),
            (config(&format!("{}{body}", good.replace("in 2 s", "soon"))), "does not say `# Measured: SCORE"),
            (config(&format!("{good}{body}hiden = [3]\n")), "is no config"),
            (house.with("configs/birds.toml", &format!("{good}{body}")), "belongs in configs/penguins_mlp.toml"),
        ]
    });
}

/// The text of a document between the heading `## title` and the next one.
fn section<'a>(text: &'a str, title: &str) -> &'a str {
    let after = text.split_once(&format!("\n## {title}\n")).map_or("", |(_, after)| after);
    after.split("\n## ").next().unwrap_or(after)
}

/// The paths that the tree in the README draws, each with its comment.
fn drawn(readme: &str) -> Vec<(String, String)> {
    let mut open: Vec<String> = Vec::new();
    let block = section(readme, "Where things are").split("```").nth(1).unwrap_or_default();
    let mut found = Vec::new();
    for line in block.lines().skip(1).filter(|line| !line.trim().is_empty()) {
        let depth = (line.len() - line.trim_start().len()) / 2;
        let (name, comment) = line.trim().split_once("  ").unwrap_or((line.trim(), ""));
        open.truncate(depth);
        let path = format!("{}{name}", open.concat());
        if name.ends_with('/') {
            open.push(name.to_owned());
        }
        found.push((path, comment.trim().to_owned()));
    }
    found
}

fn tree(house: &House) -> Vec<String> {
    let drawn = drawn(house.text("README.md"));
    let mut wanted: Vec<String> = house.entries("");
    for folder in ["crates/", "crates/cli/", "examples/", "tests/", "configs/", "datasets/", "weights/"] {
        wanted.extend(house.entries(folder).iter().map(|name| format!("{folder}{name}")));
    }
    for room in house.entries("crates/").iter().filter(|room| *room != "cli/") {
        wanted.retain(|path| *path != format!("crates/{room}"));
        wanted.push(format!("crates/{room}src/"));
        let modules = house.entries(&format!("crates/{room}src/"));
        wanted.extend(
            modules.iter().filter(|name| !name.ends_with("tests.rs")).map(|name| format!("crates/{room}src/{name}")),
        );
    }
    let mut complaints = Vec::new();
    for path in &wanted {
        match drawn.iter().find(|(found, _)| found == path) {
            None => complaints.push(format!("README.md does not draw {path} in its tree")),
            Some((_, comment)) if comment.len() < 5 => {
                complaints.push(format!("README.md draws {path} and does not say what it is"));
            }
            Some(_) => {}
        }
    }
    let exists =
        |path: &str| house.files.keys().any(|file| file == path || path.ends_with('/') && file.starts_with(path));
    let gone = drawn.iter().filter(|(path, _)| !exists(path));
    complaints.extend(gone.map(|(path, _)| format!("README.md draws {path}, which is not there")));
    complaints
}

#[test]
fn the_readme_draws_the_tree_as_it_is() {
    check(tree, |house| {
        vec![
            (house.with("notes.txt", ""), "does not draw notes.txt"),
            (house.with("crates/serving/src/new.rs", ""), "does not draw crates/serving/src/new.rs"),
            (house.with("crates/new/src/lib.rs", ""), "does not draw crates/new/src/"),
            (house.without("LOG.md"), "draws LOG.md, which is not there"),
        ]
    });
}

fn commands(house: &House) -> Vec<String> {
    let table = section(house.text("README.md"), "Commands");
    // What lies deeper belongs to the command of its folder.
    let members =
        house.below("crates/cli/commands/", ".rs").map(|(path, _)| path).filter(|p| p.matches('/').count() == 3);
    let stems = members.filter_map(|path| path.rsplit('/').next()?.strip_suffix(".rs")).filter(|stem| *stem != "mod");
    let spoken = stems.map(|stem| format!("firebox {}", stem.replace('_', " ")));
    let mut complaints: Vec<String> = spoken
        .filter(|command| !table.contains(&format!("`{command}")))
        .map(|command| format!("README.md has no row for `{command}`"))
        .collect();
    for document in ["README.md", ".ci/run"] {
        if !house.text(document).lines().any(|line| line.trim_end().ends_with("cargo test --release")) {
            complaints.push(format!("{document} does not call `cargo test --release`"));
        }
    }
    complaints
}

#[test]
fn the_readme_knows_every_command() {
    check(commands, |house| {
        vec![
            (house.with("crates/cli/commands/serve_here.rs", ""), "no row for `firebox serve here`"),
            (house.with(".ci/run", "cargo test\n"), ".ci/run does not call"),
        ]
    });
}

/// The names of all tests of the house.
fn tests(house: &House) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for (_, text) in house.below("", ".rs") {
        for part in text.split("#[test]").skip(1) {
            let name = part.split_once("fn ").and_then(|(between, rest)| {
                let only_attributes =
                    between.lines().all(|line| line.trim().is_empty() || line.trim().starts_with(['#', '/']));
                only_attributes.then(|| rest.split('(').next().unwrap_or_default())
            });
            names.extend(name);
        }
    }
    names
}

fn guards(house: &House) -> Vec<String> {
    let tests = tests(house);
    let mut complaints = Vec::new();
    let mut invariants = 0;
    for paragraph in house.text("ARCHITECTURE.md").split("**Invariant.**").skip(1) {
        invariants += 1;
        let paragraph = paragraph.split("\n\n").next().unwrap_or(paragraph).replace('\n', " ");
        let guards = paragraph.split_once("Guarded by ").map_or("", |(_, guards)| guards);
        let names: Vec<&str> = guards.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            complaints
                .push(format!("ARCHITECTURE.md names no guard of:{}", paragraph.split('.').next().unwrap_or_default()));
        }
        let unknown = names.iter().filter(|name| !tests.contains(*name));
        complaints
            .extend(unknown.map(|name| format!("ARCHITECTURE.md names the guard `{name}`, and no test is called so")));
    }
    if invariants == 0 {
        complaints.push("ARCHITECTURE.md states no invariant".to_owned());
    }
    complaints
}

#[test]
fn every_invariant_has_a_guard() {
    check(guards, |house| {
        let with = |text: &str| house.with("ARCHITECTURE.md", text);
        assert!(guards(&with("**Invariant.** True. Guarded by `every_invariant_has_a_guard`.")).is_empty());
        vec![
            (with("**Invariant.** Nothing breaks."), "names no guard of: Nothing breaks"),
            (with("**Invariant.** True. Guarded by `guards`."), "`guards`, and no test"),
            (with("# Rooms"), "states no invariant"),
        ]
    });
}

fn paths(house: &House) -> Vec<String> {
    let rooms = ["crates/", "configs/", "datasets/", "examples/", "tests/", ".ci/"];
    let mut complaints = Vec::new();
    for (document, text) in house.below("", ".md") {
        let words = text.split(|c: char| c.is_whitespace() || "`()[]|,;\"'".contains(c));
        for word in words.map(|word| word.trim_end_matches(['.', ':'])) {
            let pattern = word.contains(['<', '*', '{']) || word.contains("NAME") || word.contains("DATASET");
            if pattern || !rooms.iter().any(|room| word.starts_with(room)) {
                continue;
            }
            let folder = format!("{}/", word.trim_end_matches('/'));
            if !house.files.contains_key(word) && !house.files.keys().any(|path| path.starts_with(&folder)) {
                complaints.push(format!("{document} speaks of {word}, which is not there"));
            }
        }
    }
    complaints
}

#[test]
fn documents_speak_of_files_that_exist() {
    check(paths, |house| {
        vec![
            (
                house.with("LOG.md", "Run `firebox train configs/nothing_mlp.toml`."),
                "LOG.md speaks of configs/nothing_mlp.toml",
            ),
            (house.with("LOG.md", "See crates/trainer/src/fits.rs."), "LOG.md speaks of crates/trainer/src/fits.rs"),
        ]
    });
}

fn examples(house: &House) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, (path, text)) in (1..).zip(house.below("examples/", ".rs")) {
        let name = path.trim_start_matches("examples/").trim_end_matches(".rs");
        if !name.starts_with(&format!("{number:02}_")) {
            complaints.push(format!("{path} is not number {number:02}"));
        }
        let command = format!("//! `cargo run --release --example {name}`");
        if !text.lines().next().is_some_and(|line| line.starts_with(&command)) {
            complaints.push(format!("{path} does not open with {command}"));
        }
        if !house.text("tests/it/examples.rs").contains(&format!("\"{name}\"")) {
            complaints.push(format!("tests/it/examples.rs does not run {name}"));
        }
    }
    complaints
}

#[test]
fn examples_are_numbered_and_run() {
    check(examples, |house| {
        let open = "//! `cargo run --release --example 09_new`: something new.\n";
        vec![
            (house.with("examples/09_new.rs", open), "examples/09_new.rs is not number"),
            (house.with("examples/09_new.rs", "//! Something new.\n"), "examples/09_new.rs does not open with"),
            (house.with("examples/09_new.rs", open), "tests/it/examples.rs does not run 09_new"),
        ]
    });
}
