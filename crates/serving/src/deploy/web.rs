//! How does a model answer in a browser, with no server behind it? As a page beside the network's graph, which
//! onnxruntime-web computes; what is asked stays in the browser.

use std::fs;
use std::path::{Path, PathBuf};

use data_loader::Entry;

use super::plan::Deployment;
use super::plan::folder::Folder;
use super::typed;
use crate::Error;

mod description;
mod files;

/// This member.
pub const ENTRY: Entry = Entry {
    name: "web",
    summary: "a page that answers in the browser, from the exported graph; it draws, takes images or prepared features",
};

/// The files of onnxruntime-web that the page loads: its interface, and what computes on a processor.
const RUNTIME: [&str; 3] = ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"];
/// Where they lie in the package, in an unpacked archive of it, and beside others of a project.
const WITHIN: [&str; 4] = ["", "dist", "package/dist", "node_modules/onnxruntime-web/dist"];

pub(super) fn write(deployment: &Deployment, folder: &mut Folder) -> Result<Vec<String>, Error> {
    let graph = files::graph(deployment)?;
    let description = description::of(deployment)?;
    folder.text("index.html", &page(&deployment.name))?;
    folder.text("model.json", &description)?;
    folder.bytes("model.onnx", &graph)?;
    folder.text("README.md", &readme(deployment))?;
    let place = typed(folder.place());
    let mut next = Vec::new();
    match &deployment.runtime {
        Some(runtime) => copy_runtime(runtime, folder)?,
        None => next.extend(fetch(&place)),
    }
    next.push(format!("python3 -m http.server --bind 127.0.0.1 --directory {place} 8000"));
    Ok(next)
}

/// The page, with nothing to load but what lies beside it.
fn page(name: &str) -> String {
    let script = concat!(include_str!("web/model.js"), "\n", include_str!("web/page.js"));
    let page = include_str!("web/page.html").replace("@NAME@", name);
    page.replace("@STYLE@", include_str!("web/page.css")).replace("@SCRIPT@", script)
}

/// How the runtime gets into a folder that has none yet.
fn fetch(place: &str) -> [String; 2] {
    let files: Vec<String> = RUNTIME.iter().map(|file| format!("package/dist/{file}")).collect();
    [
        "npm pack onnxruntime-web".to_owned(),
        format!(
            "tar --extract --file onnxruntime-web-*.tgz --strip-components 2 --directory {place} {}",
            files.join(" ")
        ),
    ]
}

fn copy_runtime(runtime: &Path, folder: &mut Folder) -> Result<(), Error> {
    let whole = |place: &PathBuf| RUNTIME.iter().all(|file| place.join(file).is_file());
    let Some(place) = WITHIN.iter().map(|within| runtime.join(within)).find(whole) else {
        return Err(Error::package(
            format!("{} as onnxruntime-web", runtime.display()),
            format!("{} do not lie there, nor in its `dist`", RUNTIME.join(", ")),
            "`npm pack onnxruntime-web && tar --extract --file onnxruntime-web-*.tgz` makes the folder `package`; name that",
        ));
    };
    for file in RUNTIME {
        let path = place.join(file);
        folder.bytes(file, &fs::read(&path).map_err(Error::io("read", &path))?)?;
    }
    Ok(())
}

fn readme(deployment: &Deployment) -> String {
    format!(
        "\
# {name}

The model {name} in version {version}, as a page that answers in the browser. Any server of files can show this folder; over `file://`
browsers load no programs:

```sh
python3 -m http.server --bind 127.0.0.1 8000
```

Open http://127.0.0.1:8000, or http://127.0.0.1:8000/?self-test, which asks the golden samples and tells whether this browser answers
as the network did when the bundle was made.

| file | |
|---|---|
| `index.html` | the page; it loads what lies beside it, and nothing from elsewhere |
| `model.onnx` | the network as a graph, as `firebox export --to onnx` wrote it |
| `model.json` | signature, labels, normalisation, decoding, and golden samples as the network takes them |
| {runtime} | onnxruntime-web (MIT licence), which computes |

If the last three are not here yet, they come from npm, once:

```sh
{fetch}
```

Images are resized as in training and normalised with its mean and deviation. Numbers and categories are asked for as the bundle's
transforms leave them, not as they stand in a table. Texts and series are given as JSON.
",
        name = deployment.name,
        version = deployment.version,
        runtime = RUNTIME.map(|file| format!("`{file}`")).join(", "),
        fetch = fetch(".").join("\n"),
    )
}

#[cfg(test)]
mod tests;
