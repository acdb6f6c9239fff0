//! Does every line stand in its room? Which crate may use which, and which words are foreign where.

use toml::{Table, Value};

use super::{House, check, code, lines_with};

/// Which crates of the house each crate uses: all edges there are.
const EDGES: &[(&str, &[&str])] = &[
    ("crates/data-loader", &[]),
    ("crates/kernels", &[]),
    ("crates/model-zoo", &["data-loader", "kernels"]),
    ("crates/serving", &["data-loader", "model-zoo"]),
    ("crates/trainer", &["data-loader", "model-zoo"]),
    ("", &["data-loader", "model-zoo", "serving", "trainer"]),
];

/// Who may depend on a crate of burn, and on which.
const BURN: &[(&str, &[&str])] = &[
    ("crates/model-zoo", &["burn", "burn-router"]),
    ("crates/trainer", &["burn", "burn-pack"]),
    ("", &["burn-train"]),
];

fn manifest(house: &House, folder: &str) -> Table {
    let path = if folder.is_empty() { "Cargo.toml".to_owned() } else { format!("{folder}/Cargo.toml") };
    house.text(&path).parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every table of dependencies of a manifest, with its name; those of a platform are among them.
fn dependencies(table: &Table) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) if key.ends_with("dependencies") => {
                found.push((key.clone(), inner.keys().cloned().collect()));
            }
            Value::Table(inner) if key == "target" => {
                let of_system = inner.values().filter_map(Value::as_table).flat_map(dependencies);
                found.extend(of_system.map(|(list, names)| (format!("target's {list}"), names)));
            }
            _ => {}
        }
    }
    found
}

fn edges(house: &House) -> Vec<String> {
    let mut complaints = Vec::new();
    let rooms: Vec<String> =
        house.entries("crates/").iter().map(|name| name.trim_end_matches('/').to_owned()).collect();
    for room in rooms.iter().filter(|room| *room != "cli") {
        if !EDGES.iter().any(|(folder, _)| *folder == format!("crates/{room}")) {
            complaints.push(format!("crates/{room} is not a room of the house"));
        }
        for list in ["members", "default-members"] {
            let workspace = &manifest(house, "")["workspace"];
            let named = workspace[list].as_array().is_some_and(|list| list.contains(&format!("crates/{room}").into()));
            if !named {
                complaints.push(format!("`{list}` in Cargo.toml lacks crates/{room}: cargo would pass over its tests"));
            }
        }
    }
    for (folder, allowed) in EDGES {
        let own = rooms.iter().map(String::as_str).collect::<Vec<_>>();
        for (table, names) in dependencies(&manifest(house, folder)) {
            let mut used: Vec<&str> = names.iter().map(String::as_str).filter(|name| own.contains(name)).collect();
            used.sort_unstable();
            let right =
                if table == "dependencies" { used == *allowed } else { used.iter().all(|name| allowed.contains(name)) };
            if !right {
                complaints
                    .push(format!("{folder}/Cargo.toml, [{table}] uses {used:?} of the house; allowed is {allowed:?}"));
            }
        }
    }
    complaints
}

#[test]
fn edges_between_crates() {
    check(edges, |house| {
        let dependency =
            |folder: &str, line: &str| house.edited(&format!("{folder}/Cargo.toml"), "[dependencies]\n", line);
        vec![
            (dependency("crates/serving", "[dependencies]\ntrainer.workspace = true\n"), "crates/serving/Cargo.toml"),
            (
                dependency("crates/data-loader", "[dependencies]\nmodel-zoo.workspace = true\n"),
                "crates/data-loader/Cargo.toml",
            ),
            (
                house.edited(
                    "crates/model-zoo/Cargo.toml",
                    "[dev-dependencies]\n",
                    "[dev-dependencies]\ntrainer.workspace = true\n",
                ),
                "[dev-dependencies] uses [\"trainer\"]",
            ),
            (
                house.edited("crates/trainer/Cargo.toml", "model-zoo.workspace = true\n", ""),
                "crates/trainer/Cargo.toml",
            ),
            (house.with("crates/extra/src/lib.rs", ""), "crates/extra is not a room"),
            (
                house.edited("Cargo.toml", "\".\", \"crates/data-loader\",", "\".\","),
                "`default-members` in Cargo.toml lacks crates/data-loader",
            ),
        ]
    });
}

fn burn(house: &House) -> Vec<String> {
    let mut complaints = Vec::new();
    for (folder, _) in EDGES {
        let allowed = BURN.iter().find(|(room, _)| room == folder).map_or(&[][..], |(_, allowed)| allowed);
        for (table, names) in dependencies(&manifest(house, folder)) {
            // The examples and tests at the root stand for programs of other people.
            let outside = folder.is_empty() && table == "dev-dependencies";
            let strange = |name: &&String| {
                (name.starts_with("burn") || name.starts_with("cubecl")) && !allowed.contains(&name.as_str())
            };
            let strange = names.iter().filter(|name| strange(name) && !outside);
            complaints.extend(strange.map(|name| format!("{folder}/Cargo.toml, [{table}] names {name}")));
        }
    }
    complaints
}

#[test]
fn burn_is_known_to_the_zoo_and_the_trainer_alone() {
    check(burn, |house| {
        let with = |path: &str| house.edited(path, "[dependencies]\n", "[dependencies]\nburn.workspace = true\n");
        vec![
            (with("crates/data-loader/Cargo.toml"), "crates/data-loader/Cargo.toml, [dependencies] names burn"),
            (with("crates/serving/Cargo.toml"), "crates/serving/Cargo.toml, [dependencies] names burn"),
            (with("Cargo.toml"), "names burn"),
        ]
    });
}

/// Words that are foreign to a room: where, in which files they are at home nevertheless, the words, and whose they are.
const FOREIGN: &[(&str, &[&str], &[&str], &str)] = &[
    ("crates/data-loader/", &[], &["burn*", "Tensor*", "Device"], "devices begin in crates/model-zoo"),
    (
        "crates/data-loader/src/",
        &[
            "batch.rs",
            "collate.rs",
            "dataset.rs",
            "loader.rs",
            "loader_tests.rs",
            "number_plan.rs",
            "samplers/",
            "views.rs",
        ],
        &["epoch*"],
        "passes over the data belong to the samplers and the loader",
    ),
    (
        "crates/model-zoo/src/architectures/",
        &[],
        &["Path", "PathBuf", "File", "Batch", "epoch*", "learning_rate", "backward", "Device::*"],
        "an architecture has parameters, layers and `forward`",
    ),
    (
        "crates/model-zoo/src/",
        &["device.rs", "ops/processor/"],
        &["wgpu*", "vulkan*", "ndarray*", "flex*"],
        "backends are named in device.rs",
    ),
    (
        "crates/trainer/src/",
        &[],
        &["wgpu*", "vulkan*", "ndarray*"],
        "backends are named in crates/model-zoo/src/device.rs",
    ),
    (
        "crates/serving/",
        &[],
        &["burn*", "gradient*", "backward", "autodiff", "optimizer*", "epoch*"],
        "learning is over when a bundle is served",
    ),
    (
        "crates/cli/",
        &[],
        &["burn", "Tensor*", "gradient*", "backward", "autodiff"],
        "arithmetic belongs to the libraries",
    ),
    ("crates/", &["crates/serving/"], &["TcpListener"], "only crates/serving listens on a port"),
    (
        "crates/",
        &["crates/cli/", "crates/serving/program/main.rs"],
        &["process::exit", "process::abort", "set_var"],
        "libraries return errors; the command line ends the process",
    ),
    (
        "crates/",
        &["crates/cli/report.rs", "crates/serving/program/main.rs"],
        &["println!", "print!", "eprintln!", "eprint!", "dbg!", "stdout()"],
        "only crates/cli/report.rs prints, and the program that serves",
    ),
    (
        "crates/",
        &["crates/cli/report.rs", "crates/cli/console.rs", "crates/cli/console/", "crates/serving/program/main.rs"],
        &["stderr()"],
        "only the report and the console write to stderr, and the program that serves",
    ),
];

fn words(house: &House) -> Vec<String> {
    let mut complaints = Vec::new();
    for (room, exceptions, words, reason) in FOREIGN {
        for (path, text) in house.below(room, ".rs") {
            let inside = path.strip_prefix(room).unwrap_or(path);
            let at_home = exceptions.iter().any(|home| path.starts_with(home) || inside.starts_with(home));
            if at_home || path.ends_with("tests.rs") || path.contains("/tests/") {
                continue;
            }
            let code = code(text);
            for word in *words {
                let found = lines_with(&code, word);
                complaints
                    .extend(found.iter().map(|line| format!("{path}:{line}: `{word}` is foreign here: {reason}")));
            }
        }
    }
    complaints
}

#[test]
fn words_stand_in_their_rooms() {
    check(words, |house| {
        let with = |path: &str, line: &str| house.with(path, &format!("//! New.\n{line}\n"));
        vec![
            (with("crates/data-loader/src/formats/new.rs", "let epoch = 1;"), "formats/new.rs:2: `epoch*`"),
            (with("crates/data-loader/src/new.rs", "use burn::tensor::Tensor;"), "`burn*` is foreign"),
            (with("crates/model-zoo/src/architectures/new.rs", "use std::path::Path;"), "`Path` is foreign"),
            (with("crates/model-zoo/src/blocks/new.rs", "Device::wgpu(k)"), "`wgpu*` is foreign"),
            (with("crates/trainer/src/new.rs", "Device::vulkan(k)"), "`vulkan*` is foreign"),
            (with("crates/serving/src/new.rs", "let gradients = 0;"), "`gradient*` is foreign"),
            (with("crates/cli/commands/new.rs", "let x: Tensor<1>;"), "`Tensor*` is foreign"),
            (with("crates/cli/commands/new.rs", "println!()"), "`println!` is foreign"),
            (with("crates/trainer/src/new.rs", "std::process::exit(1)"), "`process::exit` is foreign"),
            (with("crates/trainer/src/new.rs", "TcpListener::bind(a)"), "`TcpListener` is foreign"),
            (with("crates/trainer/src/new.rs", "std::io::stderr()"), "`stderr()` is foreign"),
            (with("crates/serving/src/http/new.rs", "eprintln!()"), "`eprintln!` is foreign"),
        ]
    });
}

/// Where `unsafe` may stand, and why.
const UNSAFE: &[(&str, &str)] = &[
    ("crates/cli/main.rs", "sets BURN_DEVICE before any thread exists"),
    ("crates/serving/program/main.rs", "sets BURN_DEVICE before any thread exists"),
    ("crates/kernels/", "kernels written by hand, compared with their definitions"),
];

/// What a block says of itself, and what a function asks of its callers.
const SAFETY: [&str; 2] = ["// SAFETY: ", "/// # Safety"];

fn unsafe_blocks(house: &House) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in house.below("", ".rs") {
        let lines: Vec<&str> = text.lines().collect();
        for line in lines_with(&code(text), "unsafe") {
            if !UNSAFE.iter().any(|(place, _)| path.starts_with(place)) {
                complaints.push(format!("{path}:{line}: `unsafe` has no place here"));
            } else if !lines[line.saturating_sub(6)..line]
                .iter()
                .any(|line| SAFETY.iter().any(|words| line.contains(words)))
            {
                complaints.push(format!("{path}:{line}: `unsafe` does not say why it is sound"));
            }
        }
    }
    complaints
}

#[test]
fn unsafe_stands_where_it_is_listed_and_says_why_it_is_sound() {
    check(unsafe_blocks, |house| {
        vec![
            (house.with("crates/trainer/src/new.rs", "//! New.\nunsafe { x() }\n"), "new.rs:2: `unsafe` has no place"),
            (house.with("crates/kernels/src/new.rs", "//! New.\nunsafe { x() }\n"), "does not say why"),
            (house.edited("crates/cli/main.rs", "// SAFETY: ", "// "), "crates/cli/main.rs:"),
        ]
    });
}

/// Who knows what lies in a run.
const RUN_DIR: &str = "crates/trainer/src/run_dir.rs";

fn run_files(house: &House) -> Vec<String> {
    let joined = |line: &str| -> Vec<String> {
        line.split(".join(\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
    };
    let without_tests = |text: &str| text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned();
    let names = joined(&without_tests(house.text(RUN_DIR)));
    let mut complaints = Vec::new();
    for (path, text) in house.below("crates/trainer/src/", ".rs").chain(house.below("crates/cli/", ".rs")) {
        if path == RUN_DIR || path.ends_with("tests.rs") {
            continue;
        }
        let known = joined(&without_tests(text)).into_iter().filter(|name| names.contains(name));
        complaints.extend(
            known.map(|name| format!("{path} joins \"{name}\" to a path: only {RUN_DIR} knows file names in a run")),
        );
    }
    complaints
}

#[test]
fn file_names_in_a_run_are_known_to_one_file() {
    check(run_files, |house| {
        let line = "//! New.\nlet path = run.join(\"metrics.jsonl\");\n";
        vec![(house.with("crates/cli/commands/new.rs", line), "commands/new.rs joins \"metrics.jsonl\"")]
    });
}
