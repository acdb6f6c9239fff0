//! Where does a test make its mess, and how does it run the program? A temporary folder with a tiny data set in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use trainer::recorders::jsonl::{self, History};

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_mins(2);

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A config that is shipped, such as `penguins_mlp`.
pub fn shipped(name: &str) -> PathBuf {
    repository().join("configs").join(name).with_extension("toml")
}

/// The name of every config that is shipped, ascending.
pub fn all_shipped() -> Vec<String> {
    let entries = std::fs::read_dir(repository().join("configs")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "toml"));
    let mut names: Vec<String> = paths.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// The program with these arguments; its working directory is the repository, so that shipped data is found.
pub fn firebox<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firebox"));
    command.args(arguments).current_dir(repository()).stdin(Stdio::null());
    // What the terminal or the shell of a developer says must not change what is tested.
    for variable in ["COLUMNS", "NO_COLOR", "RUST_BACKTRACE", "RAYON_NUM_THREADS", "BURN_DEVICE"] {
        command.env_remove(variable);
    }
    command
}

/// A temporary folder, gone with the test.
pub struct Sandbox(tempfile::TempDir);

/// How a run of the program ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; -1 if a signal ended it.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it printed besides results.
    pub stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let ended =
            Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) };
        for text in [&ended.stdout, &ended.stderr] {
            assert!(
                !text.contains("panicked") && !text.contains("RUST_BACKTRACE"),
                "a panic reached the user:\n{text}"
            );
        }
        ended
    }
}

impl Ended {
    /// It ended with this exit code.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// It did what was asked; a missed goal is no failure of the program.
    pub fn succeeded(self) -> Self {
        let code = if self.code == 3 { 3 } else { 0 };
        self.expect(code)
    }

    /// It ended with `code`, an error that says all of `words`, and a hint.
    pub fn refused(self, code: i32, words: &[&str]) -> Self {
        let ended = self.expect(code);
        let text = &ended.stderr;
        assert!(text.contains("error: "), "no error in:\n{text}");
        assert!(text.contains("hint: "), "no hint in:\n{text}");
        for word in words {
            assert!(text.contains(word), "{word:?} is not in:\n{text}");
        }
        ended
    }

    /// What it printed, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in:\n{}", self.stdout))
    }
}

/// Runs the program to its end.
pub fn run<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ended {
    firebox(arguments).output().unwrap().into()
}

/// The card of the tiny data set: two numbers, a category, three classes.
pub const CARD: &str = r#"name = "tiny"
title = "Tiny"
summary = "made for a test"
source = "here"
licence = "CC0"
citation = "none"

[format.csv]

[[files]]
path = "tiny.csv"

[schema]
target = { name = "y", kind = "class" }

[schema.features]
a = "number"
b = "number"
c = "category"

[split.stratified]
validation = 0.2
test = 0.2
"#;

/// The rows of the tiny data set; all that is in it follows from the number of the row.
pub fn tiny_rows() -> Vec<String> {
    let row = |k: usize| {
        let class = k % 3;
        let noise = (k * 7919 % 101) as f64 / 200.0;
        let gap = if k % 17 == 5 { String::new() } else { format!("{:.3}", class as f64 + noise) };
        format!("{gap},{:.3},{},{}", k as f64 % 5.0 - noise, ["red", "green"][k / 2 % 2], ["x", "y", "z"][class])
    };
    (0..90).map(row).collect()
}

/// A config on the tiny data set with everything in it that has a memory: norms over the batch, dropout, accumulated
/// gradients, clipping, an average of weights, early stopping.
pub const CONFIG: &str = r#"device = "cpu"

[data]
card = "tiny"

[model.mlp]
hidden = [8, 8]
batch_norm = true
dropout = 0.2

[train]
epochs = 8
batch_size = 5
accumulate = 2
clip_norm = 1.0
ema_decay = 0.9
record_every = 1

[optimizer.adamw]
learning_rate = 1e-2

[schedule.cosine]
warmup = 0.1

[stopping]
patience = 1000
"#;

impl Sandbox {
    /// An empty folder.
    pub fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with the tiny data set in `tiny` and the config `config.toml`.
    pub fn new() -> Self {
        Self::with(CARD, &tiny_rows(), CONFIG)
    }

    /// The same with another card, rows or config.
    pub fn with(card: &str, rows: &[String], config: &str) -> Self {
        let sandbox = Self::empty();
        std::fs::create_dir(sandbox.path("tiny")).unwrap();
        let rows = rows.iter().fold("a,b,c,y\n".to_owned(), |mut text, row| {
            writeln!(text, "{row}").unwrap();
            text
        });
        sandbox.write("tiny/card.toml", card);
        sandbox.write("tiny/tiny.csv", rows);
        sandbox.write("config.toml", config);
        sandbox
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The program, in this folder; the words of `line` are its arguments.
    pub fn command(&self, line: &str) -> Command {
        let mut command = firebox(line.split_whitespace());
        command.current_dir(self.0.path()).env("FIREBOX_CACHE", self.path("cache"));
        command
    }

    /// Runs the program in this folder.
    pub fn run(&self, line: &str) -> Ended {
        self.command(line).output().unwrap().into()
    }

    /// Starts the program in this folder.
    pub fn start(&self, line: &str) -> Running {
        let mut command = self.command(line);
        Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Every file of the folder, or of a part of it, with its bytes; the lock is only a sign.
    pub fn contents(&self, below: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut open = vec![self.path(below)];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else if path.file_name().is_some_and(|name| name != "lock") {
                    found.insert(path.clone(), std::fs::read(path).unwrap());
                }
            }
        }
        found
    }

    /// What a run recorded.
    pub fn history(&self, run: &str) -> History {
        jsonl::read(&self.path(run).join("metrics.jsonl")).unwrap()
    }
}

/// A program that runs; it is killed with the test.
pub struct Running(Child);

impl Running {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Waits until `happened`, or until the program has ended.
    pub fn wait_until(&mut self, mut happened: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !happened() && self.is_alive() {
            assert!(begun.elapsed() < PATIENCE, "nothing happened for two minutes");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends a signal, such as `INT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.id())).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ended {
        self.wait_until(|| false);
        let read = |stream: &mut dyn std::io::Read| {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).unwrap();
            bytes
        };
        let stdout = read(self.0.stdout.as_mut().unwrap());
        let stderr = read(self.0.stderr.as_mut().unwrap());
        Output { status: self.0.wait().unwrap(), stdout, stderr }.into()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
