//! How does a Rust program answer by itself? With a small package in which the bundle lies, as bytes of the program.

use data_loader::Entry;
use model_zoo::bundle;

use super::plan::folder::Folder;
use super::plan::{Crates, Deployment};
use super::typed;
use crate::Error;

/// This member.
pub const ENTRY: Entry =
    Entry { name: "rust", summary: "a Rust package with the bundle within, whose `model()` answers records" };

/// The bundle as one file, which is compiled in.
const BUNDLE: &str = "bundle.tar.zst";

pub(super) fn write(deployment: &Deployment, folder: &mut Folder) -> Result<Vec<String>, Error> {
    deployment.refuse_gpu("a Rust package")?;
    let Some(crates) = &deployment.crates else {
        return Err(Error::package(
            format!("{} as a Rust package", deployment.name),
            "its crates are on no registry, and nobody said where they are",
            "name the folder of Firebox's sources, or the address of a repository with them",
        ));
    };
    let name = package(&deployment.name);
    folder.file(BUNDLE, |path| Ok(bundle::pack(&deployment.bundle, path)?))?;
    folder.text("Cargo.toml", &manifest(&name, deployment, crates)?)?;
    folder.text("src/lib.rs", &library(deployment))?;
    folder.text("examples/answer.rs", &example(&name))?;
    folder.text("README.md", &readme(&name, deployment, crates))?;
    folder.text(".gitignore", "/target\n")?;
    let mut next = Vec::new();
    if let Crates::Path(path) = crates {
        next.push(format!("cp {} {}/", typed(&path.join("Cargo.lock")), typed(folder.place())));
    }
    let manifest = typed(&folder.place().join("Cargo.toml"));
    next.push(format!("cargo run --release --manifest-path {manifest} --example answer -- INPUT"));
    Ok(next)
}

/// What the package is called: never as one that it uses, nor with a digit in front.
fn package(name: &str) -> String {
    format!("answers-{name}")
}

/// Where a crate comes from, as it stands in `Cargo.toml`.
fn origin(crates: &Crates, name: &str) -> Result<String, Error> {
    Ok(match crates {
        Crates::Path(source) => {
            let source = source.canonicalize().map_err(Error::io("read", source))?;
            let place = source.join("crates").join(name);
            if !place.join("Cargo.toml").is_file() {
                return Err(Error::package(
                    format!("crates from {}", source.display()),
                    format!("there is no crates/{name}/Cargo.toml in it"),
                    "name the folder in which the README of Firebox lies",
                ));
            }
            format!("path = {}", toml_text(&place.display().to_string()))
        }
        Crates::Git { url, revision } => match revision {
            Some(revision) => format!("git = {}, rev = {}", toml_text(url), toml_text(revision)),
            None => format!("git = {}", toml_text(url)),
        },
    })
}

/// A text as TOML writes it; JSON escapes in the same way what may stand in a path or an address.
fn toml_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn manifest(name: &str, deployment: &Deployment, crates: &Crates) -> Result<String, Error> {
    let [data_loader, model_zoo, serving] =
        ["data-loader", "model-zoo", "serving"].map(|crate_| origin(crates, crate_));
    Ok(format!(
        "\
# The model {model} in version {version}, which answers by itself.
[package]
name = \"{name}\"
version = \"0.1.0\"
edition = \"2024\"
rust-version = \"{rust}\"
publish = false

# Without the features that graphics cards need, it computes on the processor.
[dependencies]
data-loader = {{ {}, default-features = false }}
model-zoo = {{ {}, default-features = false }}
serving = {{ {}, default-features = false }}
tempfile = \"3\"

# It belongs to no workspace that happens to lie around it.
[workspace]

[profile.release]
debug = false
",
        data_loader?,
        model_zoo?,
        serving?,
        model = deployment.name,
        version = deployment.version,
        rust = env!("CARGO_PKG_RUST_VERSION"),
    ))
}

fn library(deployment: &Deployment) -> String {
    format!(
        "\
//! The model {name} in version {version}: the bundle lies in the program, and answers records.

use std::io::Write;

use model_zoo::bundle::Bundle;
use serving::{{Error, Predictor}};

/// The bundle as one file: weights, fitted transforms, labels and golden samples.
pub static BUNDLE: &[u8] = include_bytes!(\"../{BUNDLE}\");

/// The model, which answers its golden samples as it did when it was trained, or is an error.
///
/// # Errors
/// If the folder for temporary files takes none, or the processor answers otherwise.
pub fn model() -> Result<Predictor, Error> {{
    // Bundles are read from files; this one is gone as soon as it was read.
    let failed = |source| {{
        let path = std::env::temp_dir();
        Error::Model(model_zoo::Error::Io {{ doing: \"write to\", path, source }})
    }};
    let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
    file.write_all(BUNDLE).and_then(|()| file.flush()).map_err(failed)?;
    Predictor::open(Bundle::read(file.path())?, &model_zoo::device::open(\"cpu\")?)
}}
",
        name = deployment.name,
        version = deployment.version,
    )
}

fn example(name: &str) -> String {
    format!(
        "\
//! `cargo run --release --example answer -- INPUT`: answers a CSV or JSONL file, an image, or a folder of images.

use std::error::Error;
use std::path::PathBuf;

use data_loader::{{Record, formats}};

fn main() -> Result<(), Box<dyn Error>> {{
    let input: PathBuf = std::env::args_os().nth(1).ok_or(\"name a file, as in `answer new.csv`\")?.into();
    let model = {library}::model()?;
    let rows = formats::open_for_prediction(&input, model.pipeline().schema())?;
    let records: Vec<Record> = (0..rows.len()).map(|row| rows.read(row)).collect::<Result<_, _>>()?;
    for answer in model.predict(records)? {{
        let scores: Vec<String> = answer.scores.iter().map(|(name, score)| format!(\"{{name}} {{score}}\")).collect();
        println!(\"{{}}: {{}}  ({{}})\", answer.id, answer.label.as_deref().unwrap_or(\"-\"), scores.join(\", \"));
    }}
    Ok(())
}}
",
        library = name.replace('-', "_"),
    )
}

fn readme(name: &str, deployment: &Deployment, crates: &Crates) -> String {
    let from = match crates {
        Crates::Path(path) => format!(
            "The crates of Firebox are taken from a folder of this machine, `{}`. Before you give the package to others, put the address of a
repository (`git = \"...\"`) in the place of each `path` in `Cargo.toml`. Copy `Cargo.lock` from that folder once, so that every other crate
has the version with which Firebox was tested.",
            path.canonicalize().unwrap_or_else(|_| path.clone()).display()
        ),
        Crates::Git { url, revision } => format!(
            "The crates of Firebox are taken from the repository {url}{}.",
            revision.as_ref().map_or_else(String::new, |revision| format!(", at {revision}"))
        ),
    };
    format!(
        "\
# {name}

The model {model} in version {version} as a Rust package: the bundle is compiled in, and answers on the processor without a file, a
server or the network.

```rust
let model = {library}::model()?;
let answers = model.predict(records)?;
```

`examples/answer.rs` reads records from a file and answers them:

```sh
cargo run --release --example answer -- INPUT
```

{from}

| file | |
|---|---|
| `Cargo.toml` | the package and where its crates come from |
| `src/lib.rs` | `model()`, which opens the bundle and replays its golden samples |
| `examples/answer.rs` | answers what a file holds |
| `{BUNDLE}` | weights, fitted transforms, labels and golden samples |
",
        model = deployment.name,
        version = deployment.version,
        library = name.replace('-', "_"),
    )
}

#[cfg(test)]
mod tests;
