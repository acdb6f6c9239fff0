//! Transforms become part of an ONNX file, which then answers what was read as the model does.

use std::fs;
use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

use crate::sandbox::{CARD, CONFIG, Sandbox, tiny_rows};

/// What showed that the file of the run `r` holds its transforms, and by how much answers differed at most.
fn proven(sandbox: &Sandbox, run: &str) -> f64 {
    let told = sandbox.run(&format!("export {run} --to onnx --with-preprocessing --json")).expect(0).json();
    let proof = &told["files"][0]["proof"]["equal"];
    assert_eq!(proof["examples"], 8, "{told}");
    proof["largest"].as_f64().unwrap()
}

/// Columns may be called as outputs are, and as nothing at all.
#[test]
fn columns_of_any_name_become_inputs() {
    let card = CARD.replace(
        "a = \"number\"\nb = \"number\"\nc = \"category\"",
        "label = \"number\"\nscores = \"number\"\nprobabilities = \"category\"",
    );
    let sandbox = Sandbox::with(&card, &tiny_rows(), CONFIG);
    let text =
        fs::read_to_string(sandbox.path("tiny/tiny.csv")).unwrap().replace("a,b,c,y", "label,scores,probabilities,y");
    sandbox.write("tiny/tiny.csv", text);
    sandbox.run("train config.toml --run r --set train.epochs=1").succeeded();
    let told = sandbox.run("export r --to onnx --with-preprocessing --out out --json").expect(0).json();
    assert_eq!(told["files"][0]["proof"]["equal"]["examples"], 8, "{told}");
}

/// Images of another size are brought to the network's within the graph, as they are before it.
#[test]
fn images_are_resized_within_the_graph() {
    let sandbox = Sandbox::empty();
    for (size, filter) in [("[17, 13]", "bilinear"), ("[40, 36]", "bicubic")] {
        let card = crate::sandbox::repository().join("datasets/mnist");
        sandbox.write("config.toml", format!(
            "device = \"cpu\"\n[data]\ncard = {card:?}\n[data.transforms.resize]\nsize = {size}\nfilter = \"{filter}\"\n\
             [data.transforms.normalize]\n[model.mlp]\nhidden = [16]\n[train]\nsteps = 20\nbatch_size = 32\n"
        ));
        sandbox.run(&format!("train config.toml --run {filter}")).succeeded();
        let told = sandbox.run(&format!("export {filter} --to onnx --with-preprocessing --json")).expect(0).json();
        let proof = &told["files"][0]["proof"]["equal"];
        assert!(proof["examples"] == 8 && proof["largest"].as_f64().unwrap() < 2e-2, "{told}");
    }
}

/// Photographs of many sizes are cut and resized as they are where they are read, also where they are smaller than the cut.
#[test]
fn images_of_any_size_are_cut_within_the_graph() {
    let sandbox = Sandbox::empty();
    for k in 0..40_u32 {
        let (width, height) = (20 + k * 7 % 45, 20 + k * 11 % 31);
        let pixel = |x: u32, y: u32| Rgb([(x * 9 + k) as u8, (y * 13) as u8, ((x + y) * (k % 2 + 1) * 3) as u8]);
        let mut bytes = Cursor::new(Vec::new());
        RgbImage::from_fn(width, height, pixel).write_to(&mut bytes, ImageFormat::Png).unwrap();
        sandbox.write(&format!("tiny/images/{}/{k}.png", ["even", "odd"][k as usize % 2]), bytes.into_inner());
    }
    let card = CARD
        .replace("[format.csv]", "[format.image_folder]")
        .replace("tiny.csv", "images")
        .replace("a = \"number\"\nb = \"number\"\nc = \"category\"", "image = \"image\"");
    sandbox.write("tiny/card.toml", card);
    for (name, transforms, most) in [
        ("middle", "[data.transforms.random_resized_crop]\nsize = [16, 12]\n", 2e-2),
        ("cubic", "[data.transforms.random_resized_crop]\nsize = [24, 24]\nfilter = \"bicubic\"\ncenter = 0.6\n", 2e-2),
        ("shorter", "[data.transforms.resize]\nshorter = 26\n[data.transforms.center_crop]\nsize = [21, 24]\n", 2e-2),
        // 33 is more than some have and less than others do; nothing is averaged, so that numbers are the same.
        ("cut", "[data.transforms.center_crop]\nsize = [33, 28]\n", 1e-5),
        ("filled", "[data.transforms.random_crop]\nsize = [25, 33]\nfill = 90\n", 1e-5),
    ] {
        let config = format!(
            "device = \"cpu\"\n[data]\ncard = \"tiny\"\n{transforms}[data.transforms.normalize]\n[model.mlp]\nhidden = [16]\n\
             [train]\nsteps = 10\nbatch_size = 8\n"
        );
        sandbox.write("config.toml", config);
        sandbox.run(&format!("train config.toml --run {name}")).succeeded();
        let largest = proven(&sandbox, name);
        assert!(largest <= most, "{name}: {largest}");
    }
}

/// Numbers go by their place among quantiles, and categories by the mean of the target; gaps and what was never seen as well.
#[test]
fn columns_are_looked_up_within_the_graph() {
    for (run, transforms) in [
        ("uniform", "[data.transforms.quantile]\nquantiles = 20\n[data.transforms.impute]\n[data.transforms.encode]\n"),
        (
            "normal",
            "[data.transforms.impute]\n[data.transforms.quantile]\noutput = \"normal\"\n[data.transforms.one_hot]\n",
        ),
        (
            "clipped",
            "[data.transforms.min_max]\nclip = true\n[data.transforms.impute]\nindicator = true\n[data.transforms.encode]\n",
        ),
        (
            "log",
            "[data.transforms.log]\nmethod = \"signed\"\n[data.transforms.robust]\n[data.transforms.impute]\n[data.transforms.one_hot]\n",
        ),
        ("means", "[data.transforms.impute]\n[data.transforms.target_encode]\n[data.transforms.standardize]\n"),
    ] {
        // Two classes have one mean, three have one each.
        for classes in [2, 3] {
            let rows: Vec<String> = tiny_rows().into_iter().filter(|row| classes == 3 || !row.ends_with('z')).collect();
            let config = CONFIG.replace("[model.mlp]", &format!("{transforms}\n[model.mlp]"));
            let sandbox = Sandbox::with(CARD, &rows, &config);
            sandbox.run(&format!("train config.toml --run {run} --set train.epochs=1")).succeeded();
            let largest = proven(&sandbox, run);
            assert!(largest <= 1e-5, "{run}: {largest}");
        }
    }
}

/// What a graph cannot do is refused by its name, and nothing is written.
#[test]
fn what_cannot_be_part_of_a_graph_is_named() {
    let rows: Vec<String> = tiny_rows()
        .iter()
        .enumerate()
        .map(|(k, row)| {
            let (_, rest) = row.split_once(',').unwrap();
            format!("2026-{:02}-{:02},{rest}", k % 12 + 1, k % 28 + 1)
        })
        .collect();
    let config = CONFIG.replace("[model.mlp]", "[data.transforms.dates]\n[data.transforms.encode]\n[model.mlp]");
    let sandbox = Sandbox::with(&CARD.replace("a = \"number\"", "a = \"date\""), &rows, &config);
    sandbox.run("train config.toml --run r --set train.epochs=1").succeeded();
    sandbox
        .run("export r --to onnx --with-preprocessing --out x")
        .refused(2, &["`a` is a date", "read before the graph"]);
    assert!(!sandbox.path("x/model.onnx").exists());
    sandbox.run("export r --to onnx --out x").expect(0);
}
