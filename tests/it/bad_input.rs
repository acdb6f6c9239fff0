//! What does a user meet whose config, data, run or device is wrong? A sentence with the path, key or row, a hint, exit
//! code 2, and nothing lost.

use crate::sandbox::{CARD, CONFIG, Sandbox, run, tiny_rows};

/// `train` refuses this sandbox with all of `words`, and leaves no run behind.
fn refuses_to_train(sandbox: &Sandbox, words: &[&str]) {
    refuses_to_train_with(sandbox, "", words);
}

fn refuses_to_train_with(sandbox: &Sandbox, more: &str, words: &[&str]) {
    for place in ["", "--run made/here"] {
        sandbox.run(&format!("train config.toml {place} {more}")).refused(2, words);
        let runs = std::fs::read_dir(sandbox.path("runs")).map_or(0, Iterator::count);
        assert_eq!(runs, 0, "half a run was left under runs/ by {more} {words:?}");
        assert!(!sandbox.path("made/here").exists(), "half a run was left by {more} {words:?}");
    }
}

fn with_row(place: usize, row: &str) -> Vec<String> {
    let mut rows = tiny_rows();
    row.clone_into(&mut rows[place]);
    rows
}

/// All rows for training, so that a given row is met there.
const ALL_TRAIN: &str = "\n[data.split.random]\n";

fn config(from: &str, to: &str) -> String {
    assert!(CONFIG.contains(from), "{from}");
    CONFIG.replace(from, to)
}

#[test]
fn a_good_one_trains() {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run r").succeeded();
}

#[test]
fn a_misspelt_key_names_the_one_that_was_meant() {
    for (from, to, words) in [
        ("epochs = 8", "epoch = 8", ["config.toml, line 12, in [train]", "`epoch`", "Did you mean `epochs`?"]),
        ("[train]", "[trian]", ["config.toml", "`trian`", "Did you mean `train`?"]),
        ("[model.mlp]", "[model.mpl]", ["config.toml, line 6", "`mpl`", "Did you mean `mlp`?"]),
        ("[schedule.cosine]", "[schedule.cosin]", ["[schedule.cosin]", "`cosin`", "Did you mean `cosine`?"]),
        ("learning_rate", "learningrate", ["[optimizer.adamw]", "`learningrate`", "Did you mean `learning_rate`?"]),
        ("card =", "cadr =", ["[data]", "`cadr`", "Did you mean `card`?"]),
    ] {
        refuses_to_train(&Sandbox::with(CARD, &tiny_rows(), &config(from, to)), &words);
    }
    let sandbox = Sandbox::new();
    for (setting, words) in [
        ("train.epoch=3", ["`epoch`", "Did you mean `epochs`?"]),
        ("trian.epochs=3", ["`trian`", "Did you mean `train`?"]),
        ("optimizer=admw", ["`admw`", "Did you mean `adamw`?"]),
        ("train.epochs", ["--set train.epochs", "no `=`"]),
    ] {
        refuses_to_train_with(&sandbox, &format!("--set {setting}"), &words);
    }
    for (from, to, words) in [
        ("[format.csv]", "[format.cvs]", ["card.toml, line 8", "Did you mean `csv`?"]),
        ("target =", "taget =", ["card.toml, line 14, in [schema]", "Did you mean `target`?"]),
        ("\"category\"", "\"categry\"", ["card.toml", "Did you mean `category`?"]),
    ] {
        refuses_to_train(&Sandbox::with(&CARD.replace(from, to), &tiny_rows(), CONFIG), &words);
    }
}

#[test]
fn a_value_of_another_type_or_out_of_range_names_its_key() {
    for (from, to, words) in [
        ("epochs = 8", "epochs = \"many\"", ["config.toml, line 12, in [train]", "expected u64"]),
        ("dropout = 0.2", "dropout = [0.2]", ["config.toml, line 9, in [model.mlp]", "expected f64"]),
        ("hidden = [8, 8]", "hidden = 8", ["config.toml, line 7, in [model.mlp]", "expected a sequence"]),
        ("batch_size = 5", "batch_size = -5", ["config.toml, line 13, in [train]", "-5"]),
        ("batch_size = 5", "batch_size = 0", ["`train.batch_size`", "at least 1"]),
        ("epochs = 8", "epochs = 0", ["`train.epochs`", "at least 1"]),
        ("epochs = 8", "epochs = 9000000000000000000", ["`train.epochs`", "steps"]),
        ("learning_rate = 1e-2", "learning_rate = -1", ["`optimizer.adamw`", "learning_rate is -1"]),
        ("clip_norm = 1.0", "clip_norm = 0.0", ["`train.clip_norm`", "above 0"]),
        ("ema_decay = 0.9", "ema_decay = 1.0", ["`train.ema_decay`", "below 1"]),
        ("record_every = 1", "watch = \"accurcy\"", ["`train.watch`", "`accurcy`"]),
        ("[data]", "task = \"regress\"\n[data]", ["regress", "class"]),
        ("warmup = 0.1", "warmup = 0.1\nwarmup = 0.2", ["config.toml, line 24", "duplicate key"]),
        ("patience = 1000", "patience = 0", ["`stopping.patience`", "at least 1"]),
        ("[schedule.cosine]", "[loss.mse]\n[schedule.cosine]", ["`loss.mse`", "cannot judge the task `classify`"]),
        ("hidden = [8, 8]", "hidden = [100000000000]", ["more than 4 billion weights", "smaller"]),
        ("hidden = [8, 8]", "hidden = [9000000000000000000, 3]", ["more than 4 billion weights", "smaller"]),
        ("hidden = [8, 8]", "hidden = [0]", ["`mlp`", "at least 1"]),
    ] {
        refuses_to_train(&Sandbox::with(CARD, &tiny_rows(), &config(from, to)), &words);
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let sandbox = Sandbox::new();
    for (line, words) in [
        ("train nowhere.toml", ["no config at nowhere.toml", "Check the path"]),
        ("train tiny", ["tiny", "cannot read"]),
        ("config show nowhere.toml", ["no config at nowhere.toml", "Check the path"]),
        ("verify resume nowhere.toml", ["no config at nowhere.toml", "Check the path"]),
        ("train config.toml --set data.card=nothing", ["no card at nothing", "card.toml"]),
        ("resume nowhere", ["nowhere is not a run", "firebox runs"]),
        ("evaluate nowhere", ["nowhere is not a run", "firebox runs"]),
        ("predict nowhere tiny/tiny.csv", ["nowhere is not a run", "firebox runs"]),
    ] {
        sandbox.run(line).refused(2, &words);
    }
    assert!(!sandbox.path("runs").exists() || std::fs::read_dir(sandbox.path("runs")).unwrap().count() == 0);
    sandbox.write("config.toml", [0xff, 0xfe, 0, 1]);
    refuses_to_train(&sandbox, &["config.toml", "UTF-8"]);
    sandbox.write("config.toml", CONFIG);
    std::fs::remove_file(sandbox.path("tiny/tiny.csv")).unwrap();
    refuses_to_train(&sandbox, &["tiny/tiny.csv", "no data file"]);
}

#[test]
fn a_broken_row_is_named() {
    let anywhere = |row: &str, words: &[&str]| refuses_to_train(&Sandbox::with(CARD, &with_row(3, row), CONFIG), words);
    anywhere("1,2,red", &["tiny.csv", "row 3 (line 5)", "3 values"]);
    anywhere("1,2,red,x,9", &["tiny.csv", "row 3 (line 5)", "5 values"]);
    anywhere("1,2,red,", &["tiny.csv#3", "target `y`"]);
    let split = format!("{CONFIG}{ALL_TRAIN}");
    let trained = |row: &str, words: &[&str]| refuses_to_train(&Sandbox::with(CARD, &with_row(3, row), &split), words);
    trained("NaN,2,red,x", &["tiny.csv#3", "`a` is NaN", "missing"]);
    trained("1,inf,red,x", &["tiny.csv#3", "`b` is inf"]);
    trained("one,2,red,x", &["tiny.csv#3", "`a`", "one"]);
}

#[test]
fn data_that_teaches_nothing_is_refused() {
    refuses_to_train(&Sandbox::with(CARD, &[], CONFIG), &["no examples"]);
    let one_class: Vec<String> = (0..30).map(|k| format!("{k},1,red,x")).collect();
    refuses_to_train(&Sandbox::with(CARD, &one_class, CONFIG), &["class `x`"]);
    let large = config("batch_size = 5", "batch_size = 500");
    refuses_to_train(&Sandbox::with(CARD, &tiny_rows(), &large), &["batch size 500", "54 training examples"]);
    let mut rows = tiny_rows();
    rows.push("1,2,red,zebra".into());
    let card =
        CARD.replace("\n[schema]", "part = \"train\"\n\n[[files]]\npath = \"more.csv\"\npart = \"test\"\n\n[schema]");
    let card = card.split("\n[split").next().unwrap();
    let sandbox = Sandbox::with(card, &rows[..90], CONFIG);
    sandbox.write("tiny/more.csv", "a,b,c,y\n1,2,red,x\n1,2,red,zebra\n");
    refuses_to_train(&sandbox, &["more.csv#1", "`zebra`", "never seen in training"]);
}

/// An IDX file of bytes: the size of each axis, and the values.
fn idx(axes: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, axes.len() as u8];
    bytes.extend(axes.iter().flat_map(|axis| axis.to_be_bytes()));
    bytes.extend(values);
    bytes
}

const IDX_CARD: &str = r#"name = "pixels"
title = "Pixels"
summary = "made for a test"
source = "here"
licence = "CC0"
citation = "none"
[format.idx]
[[files]]
path = "images"
role = "images"
[[files]]
path = "labels"
role = "labels"
[schema]
target = { name = "digit", kind = "class" }
features = { image = "image" }
[split.stratified]
validation = 0.2
test = 0.2
"#;

#[test]
fn a_truncated_idx_or_gzip_is_refused() {
    let sandbox = Sandbox::with(IDX_CARD, &[], &config("[model.mlp]", "[model.mlp]\nactivation = \"relu\""));
    let pixels: Vec<u8> = (0..60 * 16).map(|k| (k * 37 % 251) as u8).collect();
    let labels: Vec<u8> = (0..60).map(|k| k % 3).collect();
    let images = idx(&[60, 4, 4], &pixels);
    sandbox.write("tiny/labels", idx(&[60], &labels));
    sandbox.write("tiny/images", &images[..images.len() - 100]);
    refuses_to_train(&sandbox, &["tiny/images", "bytes follow"]);
    sandbox.write("tiny/images", &images[..7]);
    refuses_to_train(&sandbox, &["tiny/images", "header"]);
    sandbox.write("tiny/images", b"<html>404 Not Found</html>");
    refuses_to_train(&sandbox, &["tiny/images", "zero bytes"]);

    sandbox.write("tiny/images", &images);
    sandbox.run("train config.toml --run r").succeeded();
    let zipped = gzip(&sandbox, "tiny/images");
    sandbox.write("tiny/images", &zipped[..zipped.len() / 2]);
    refuses_to_train(&sandbox, &["tiny/images", "gzip"]);
    sandbox.write("new-images-ubyte.gz", &zipped[..zipped.len() / 2]);
    sandbox.run("predict r new-images-ubyte.gz").refused(2, &["new-images-ubyte.gz", "gzip"]);
    sandbox.write("new-images-ubyte.gz", &zipped);
    assert_eq!(sandbox.run("predict r new-images-ubyte.gz").expect(0).stdout.lines().count(), 60);
    sandbox.write("wrong.idx", idx(&[2, 3, 3], &[0; 18]));
    sandbox.run("predict r wrong.idx").refused(2, &["wrong.idx", "[1, 3, 3]", "[1, 4, 4]"]);
    // Data that has changed since cannot be resumed from.
    sandbox.run("resume r").refused(2, &["tiny/images", "gzip"]);
}

fn gzip(sandbox: &Sandbox, name: &str) -> Vec<u8> {
    let zipped = std::process::Command::new("gzip").arg("-c").arg(sandbox.path(name)).output().unwrap();
    assert!(zipped.status.success());
    zipped.stdout
}

#[test]
fn an_image_that_is_not_an_image_is_named() {
    let card = CARD
        .replace("[format.csv]", "[format.image_folder]\nsize = [4, 4]")
        .replace("tiny.csv", "images")
        .replace("a = \"number\"\nb = \"number\"\nc = \"category\"", "image = \"image\"");
    let sandbox = Sandbox::with(&card, &[], &format!("{CONFIG}{ALL_TRAIN}"));
    let ppm = |shade: u8| [b"P6 2 2 255 ".as_slice(), &[shade; 12]].concat();
    // PPM is not among the formats that are built in, so these are no images however they are called.
    for k in 0..12 {
        sandbox.write(&format!("tiny/images/{}/{k}.png", k % 2), ppm(k * 20));
    }
    refuses_to_train(&sandbox, &["tiny/images/0/0.png"]);
    for k in 0..12 {
        sandbox.write(&format!("tiny/images/{}/{k}.png", k % 2), png(k * 20));
    }
    sandbox.run("train config.toml --run r").succeeded();
    sandbox.write("tiny/images/1/5.png", "not a picture");
    refuses_to_train(&sandbox, &["tiny/images/1/5.png"]);
    sandbox.run("predict r tiny/images/1/5.png").refused(2, &["tiny/images/1/5.png"]);
    sandbox.run("predict r tiny/images").refused(2, &["tiny/images/1/5.png"]);
    let picture = png(7);
    sandbox.write("tiny/images/1/5.png", &picture[..picture.len() / 2]);
    sandbox.run("predict r tiny/images/1/5.png").refused(2, &["tiny/images/1/5.png"]);
    sandbox.run("predict r tiny/images/0/0.png").expect(0);
    // What is left out is told.
    std::fs::create_dir(sandbox.path("new")).unwrap();
    std::fs::copy(sandbox.path("tiny/images/0/0.png"), sandbox.path("new/a.png")).unwrap();
    sandbox.write("new/b.gif", "GIF89a");
    let ended = sandbox.run("predict r new").expect(0);
    assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
    assert!(ended.stderr.contains("Passed over new/b.gif"), "{}", ended.stderr);
}

/// A grey PNG of 4 x 4 pixels, stored without compression.
fn png(shade: u8) -> Vec<u8> {
    let rows: Vec<u8> = (0..4).flat_map(|y| [0, shade, shade, shade.wrapping_add(y), 9]).collect();
    let mut packed = vec![0x78, 1, 1, rows.len() as u8, 0, !(rows.len() as u8), 0xff];
    packed.extend(&rows);
    let (a, b) = rows.iter().fold((1_u32, 0_u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65521;
        (a, (b + a) % 65521)
    });
    packed.extend((b << 16 | a).to_be_bytes());
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8], data: &[u8]| {
        bytes.extend((data.len() as u32).to_be_bytes());
        let body = [kind, data].concat();
        bytes.extend(&body);
        bytes.extend(crc32(&body).to_be_bytes());
    };
    chunk(b"IHDR", &[0, 0, 0, 4, 0, 0, 0, 4, 8, 0, 0, 0, 0]);
    chunk(b"IDAT", &packed);
    chunk(b"IEND", &[]);
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn new_data_that_does_not_suit_the_model_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run r").succeeded();
    let before = sandbox.contents("r");
    for (name, text, words) in [
        ("no_b.csv", "a,c\n1,red\n", ["no_b.csv", "no column `b`"]),
        ("near.csv", "a,B,c\n1,2,red\n", ["no column `b`", "Did you mean `B`?"]),
        ("nan.csv", "a,b,c\n1,2,red\n1,NaN,red\n", ["nan.csv#1", "`b` is NaN"]),
        ("word.csv", "a,b,c\n1,two,red\n", ["word.csv#0", "`b`"]),
        ("short.csv", "a,b,c\n1,2,red\n1,2\n", ["short.csv, row 1 (line 3)", "2 values"]),
        ("bad.jsonl", "{\"a\": 1, \"b\": 2, \"c\": \"red\"}\n{\"a\": 1, \"b\"\n", ["bad.jsonl", "row 1 (line 2)"]),
        ("gap.jsonl", "{\"a\": 1, \"c\": \"red\"}\n", ["gap.jsonl#0", "`b`"]),
        ("what.xyz", "a,b,c\n1,2,red\n", ["what.xyz", "format"]),
        ("what.txt", "a,b,c\n1,2,red\n", ["reads the columns", ".csv"]),
        ("photo.png", "x", ["reads the columns", ".csv"]),
        ("header.csv", "a,b,c\n", ["no examples", "header.csv"]),
        ("nothing.csv", "", ["nothing.csv", "header"]),
        ("nothing.jsonl", "", ["no examples", "nothing.jsonl"]),
    ] {
        sandbox.write(name, text);
        sandbox.run(&format!("predict r {name}")).refused(2, &words);
    }
    sandbox.run("predict r gone.csv").refused(2, &["gone.csv", "no data file"]);
    sandbox.run("predict r@step-7 no_b.csv").refused(2, &["`step-7`"]);
    assert_eq!(sandbox.contents("r"), before, "predicting must not touch the run");
    // Numbers that are missing and categories that training never saw are not mistakes.
    sandbox.write("new.csv", "c,b,a\nblue,,\n");
    sandbox.run("predict r new.csv").expect(0);
}

#[test]
fn a_run_that_exists_is_not_touched() {
    let sandbox = Sandbox::new();
    sandbox.run("train config.toml --run r").succeeded();
    let before = sandbox.contents("r");
    sandbox.run("train config.toml --run r").refused(2, &["run folder r exists", "firebox resume r"]);
    sandbox.run("train config.toml --run tiny").refused(2, &["run folder tiny exists", "--run"]);
    sandbox.run("train config.toml --run config.toml").refused(2, &["config.toml"]);
    sandbox.run("train config.toml --run config.toml/r").refused(2, &["config.toml", "check the path"]);
    assert_eq!(sandbox.contents("r"), before);
    sandbox.run("resume tiny").refused(2, &["tiny is not a run"]);
}

#[test]
fn a_device_that_is_not_there_is_refused() {
    let sandbox = Sandbox::new();
    for (device, word) in [("wgpu:99", "`wgpu:99`"), ("gpu", "`gpu` is not a device"), ("cpu:1", "`cpu:1`"), ("", "``")]
    {
        let line = format!("--set device={device}");
        refuses_to_train_with(&sandbox, &line, &[word, "firebox devices"]);
    }
    refuses_to_train_with(&sandbox, "--device ndarray", &["`ndarray`", "--features ndarray"]);
    let devices = run(["devices", "--json"]).expect(0).json();
    let real =
        |found: &serde_json::Value| found["name"].as_str().unwrap().starts_with("wgpu") && found["software"] == false;
    if devices.as_array().unwrap().iter().any(real) {
        eprintln!("skipped: there is a graphics card here, so `--device wgpu` is no mistake");
    } else {
        refuses_to_train_with(&sandbox, "--device wgpu", &["`wgpu` was not found", "--device cpu"]);
    }
}
