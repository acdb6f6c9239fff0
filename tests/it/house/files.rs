//! Is every file where it belongs, named for what it holds, opened by a question, short enough, and listed?

use std::collections::BTreeSet;

use super::{House, check};

/// How many lines a file may have; whoever needs more has two subjects.
const BUDGET: usize = 400;

/// Files with a budget of their own.
const BUDGETS: &[(&str, usize, &str)] = &[
    ("crates/cli/main.rs", 60, "it only starts what others do"),
    ("crates/trainer/src/fit.rs", 200, "the loop is read in one go"),
];

/// Names that say nothing about what a file holds.
const EMPTY_NAMES: &[&str] = &["base", "common", "helper", "helpers", "misc", "types", "util", "utils"];

/// Folders whose members are listed in their `mod.rs` with a name and a summary.
const LISTED: &[&str] = &[
    "crates/data-loader/src/checks",
    "crates/data-loader/src/formats",
    "crates/data-loader/src/samplers",
    "crates/data-loader/src/sources",
    "crates/data-loader/src/split",
    "crates/data-loader/src/transforms",
    "crates/model-zoo/src/architectures",
    "crates/serving/src/deploy",
    "crates/trainer/src/baselines",
    "crates/trainer/src/exporters",
    "crates/trainer/src/losses",
    "crates/trainer/src/metrics",
    "crates/trainer/src/optimizers",
    "crates/trainer/src/reports",
    "crates/trainer/src/schedules",
    "crates/trainer/src/sweep/pruners",
    "crates/trainer/src/sweep/searchers",
];

/// Files in those folders that are no members.
const NOT_MEMBERS: &[(&str, &str)] = &[
    ("crates/serving/src/deploy/plan.rs", "what every package is made from; it is none itself"),
    ("crates/trainer/src/exporters/checked.rs", "looks at what was written; it writes nothing"),
    ("crates/trainer/src/exporters/judged.rs", "judges forms on data; it is none itself"),
    ("crates/trainer/src/exporters/measured.rs", "measures forms; it is none itself"),
    ("crates/trainer/src/exporters/source.rs", "says which model is to leave; it is no form"),
    ("crates/trainer/src/reports/facts.rs", "gathers what every report tells; it is none itself"),
];

fn rust_files(house: &House) -> impl Iterator<Item = (&str, &str)> {
    house.below("", ".rs")
}

fn headers(house: &House) -> Vec<String> {
    let silent = rust_files(house)
        .filter(|(_, text)| !text.starts_with("//! ") || text.lines().next().is_none_or(|l| l.len() < 20));
    silent.map(|(path, _)| format!("{path} does not open with `//!` and what it is for")).collect()
}

#[test]
fn every_file_says_what_it_is_for() {
    check(headers, |house| {
        vec![
            (house.with("crates/trainer/src/new.rs", "use std::fs;\n"), "trainer/src/new.rs"),
            (house.with("tests/it/new.rs", "//! New.\n"), "tests/it/new.rs"),
            (house.with("examples/09_new.rs", "// A plain comment that opens nothing.\n"), "examples/09_new.rs"),
        ]
    });
}

fn budgets(house: &House) -> Vec<String> {
    let written = ["rs", "js", "css", "py", "sh"];
    let mut complaints = Vec::new();
    for (path, text) in &house.files {
        let Some((_, ending)) = path.rsplit_once('.') else { continue };
        if !written.contains(&ending) {
            continue;
        }
        let own = BUDGETS.iter().find(|(file, ..)| file == path);
        let (budget, reason) =
            own.map_or((BUDGET, "it has more than one subject"), |(_, budget, reason)| (*budget, reason));
        let lines = text.lines().count();
        if lines > budget {
            complaints.push(format!("{path} has {lines} lines and may have {budget}: {reason}"));
        }
    }
    let gone = BUDGETS.iter().filter(|(path, ..)| !house.files.contains_key(*path));
    complaints.extend(gone.map(|(path, ..)| format!("{path} has a budget and is not there")));
    complaints
}

#[test]
fn files_keep_their_budgets() {
    check(budgets, |house| {
        let long = "//! Long.\n".repeat(BUDGET + 1);
        vec![
            (house.with("crates/serving/src/long.rs", &long), "long.rs has 401 lines and may have 400"),
            (house.with("crates/trainer/src/fit.rs", &long[..2010]), "fit.rs has 201 lines and may have 200"),
            (house.without("crates/cli/main.rs"), "main.rs has a budget and is not there"),
        ]
    });
}

fn names(house: &House) -> Vec<String> {
    let empty = |path: &str| {
        path.split('/')
            .any(|part| EMPTY_NAMES.contains(&part.split('.').next().unwrap_or(part).to_lowercase().as_str()))
    };
    house.files.keys().filter(|path| empty(path)).map(|path| format!("{path} is named for nothing it holds")).collect()
}

#[test]
fn names_say_what_is_inside() {
    check(names, |house| {
        vec![
            (house.with("crates/trainer/src/utils.rs", ""), "utils.rs"),
            (house.with("crates/model-zoo/src/common/mod.rs", ""), "common/mod.rs"),
        ]
    });
}

/// The modules that a file declares, in its order, without those of tests.
fn declared(text: &str) -> Vec<&str> {
    fn module(line: &str) -> Option<&str> {
        let line = line.strip_suffix(';')?;
        ["mod ", "pub mod ", "pub(crate) mod "].iter().find_map(|start| line.strip_prefix(start))
    }
    text.lines().filter_map(module).filter(|name| !name.ends_with("tests")).collect()
}

/// The members that the list in a `mod.rs` names, in its order; none if there is no list. A list is an array of entries, or a
/// macro `members!` with a line `Variant(file),` for each.
fn listed(text: &str) -> Option<Vec<&str>> {
    if let Some((_, list)) = text.split_once("\nmembers! {") {
        fn file(line: &str) -> Option<&str> {
            line.trim().strip_suffix("),")?.split_once('(').map(|(_, file)| file)
        }
        return Some(list.split_once("\n}")?.0.lines().filter_map(file).collect());
    }
    let list = text.split_once("&[Entry] =")?.1.trim_start().strip_prefix("&[")?.split_once("];")?.0;
    let written = list.split("name: \"").skip(1).filter_map(|rest| rest.split('"').next());
    let constant = list.split([',', '\n', ' ']).filter_map(|word| word.trim().strip_suffix("::ENTRY"));
    Some(written.chain(constant).collect())
}

fn members(house: &House) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut seen = Vec::new();
    for (path, text) in rust_files(house) {
        let Some((folder, "lib.rs" | "main.rs" | "mod.rs")) = path.rsplit_once('/') else { continue };
        let inside = format!("{folder}/");
        let below =
            house.below(&inside, ".rs").filter_map(|(path, _)| path.strip_prefix(&inside)?.split(['/', '.']).next());
        // Of a module with a folder of its own the name comes twice.
        let mut found: Vec<&str> = below.collect::<BTreeSet<&str>>().into_iter().collect();
        found.retain(|name| !["lib", "main", "mod"].contains(name) && !name.ends_with("tests"));
        if declared(text) != found {
            complaints.push(format!("{path} declares {:?}, in alphabetical order are there {found:?}", declared(text)));
        }
        if let Some(listed) = listed(text) {
            seen.push(folder);
            found.retain(|name| !NOT_MEMBERS.iter().any(|(path, _)| *path == format!("{folder}/{name}.rs")));
            if listed != found {
                complaints.push(format!("{path} lists {listed:?}, in alphabetical order are there {found:?}"));
            }
        }
    }
    let unlisted = LISTED.iter().filter(|folder| !seen.contains(folder));
    complaints.extend(unlisted.map(|folder| format!("{folder}/mod.rs holds no list of its members")));
    let unknown = seen.iter().filter(|folder| !LISTED.contains(folder));
    complaints.extend(unknown.map(|folder| format!("{folder}/mod.rs holds a list that this test does not know")));
    complaints
}

#[test]
fn every_member_is_in_its_list() {
    check(members, |house| {
        let (losses, commands) = ("crates/trainer/src/losses/mod.rs", "crates/cli/commands/mod.rs");
        let formats = "crates/data-loader/src/formats/mod.rs";
        let transforms = "crates/data-loader/src/transforms/mod.rs";
        vec![
            (house.edited(transforms, "    Impute(impute),\n", ""), "transforms/mod.rs lists"),
            (house.edited(transforms, "\nmembers! {", "\nmember! {"), "transforms/mod.rs lists []"),
            (house.with("crates/trainer/src/losses/new.rs", ""), "losses/mod.rs declares"),
            (house.without("crates/trainer/src/losses/mse.rs"), "losses/mod.rs declares"),
            (house.edited(losses, "name: \"huber\"", "name: \"hubert\""), "losses/mod.rs lists"),
            (house.edited(losses, "&[Entry]", "&[&str]"), "losses/mod.rs holds no list"),
            (
                house.edited(formats, "    csv::ENTRY,\n    idx::ENTRY,", "    idx::ENTRY,\n    csv::ENTRY,"),
                "formats/mod.rs lists",
            ),
            (
                house.edited(commands, "mod completions;\nmod config;", "mod config;\nmod completions;"),
                "commands/mod.rs declares",
            ),
            (house.with("crates/trainer/src/lost.rs", ""), "trainer/src/lib.rs declares"),
            (house.with("crates/cli/lost.rs", ""), "crates/cli/main.rs declares"),
            (house.with("tests/it/lost.rs", ""), "tests/it/main.rs declares"),
            (house.with("crates/serving/src/x/mod.rs", "const M: &[Entry] = &[];"), "does not know"),
        ]
    });
}
