//! The program itself, its words and exit codes.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::bundles::{tiny, tiny_in};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firebox-serve"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

/// Ends the program even where a test fails.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

#[cfg(unix)]
#[test]
fn it_says_where_it_listens_tells_of_its_health_and_ends_when_it_is_asked_to() {
    let bundle = tiny();
    let mut child = Started(program(&[bundle.to_str().unwrap(), "--address", "127.0.0.1:0", "--log"]).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").unwrap();
    let health = |path: &str| run(&["--health", &format!("{url}{path}")]).status.code();
    let until = Instant::now() + Duration::from_mins(1);
    while health("/v2/health/ready") != Some(0) {
        assert!(Instant::now() < until, "it does not get ready");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(health("/nowhere"), Some(1));
    let kill = Command::new("kill").args(["-TERM", &child.0.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    let mut logged = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut logged).unwrap();
    let last: serde_json::Value = serde_json::from_str(logged.lines().last().unwrap()).unwrap();
    assert_eq!((&last["path"], &last["status"]), (&"/nowhere".into(), &404.into()));
    assert_eq!(health("/v2/health/live"), Some(1), "nobody listens any more");
}

#[test]
fn wrong_words_and_wrong_bundles_are_2_with_a_hint() {
    let (_root, folder) = tiny_in("bundle");
    std::fs::write(folder.join("pipeline.json"), "{}").unwrap();
    let (good, damaged) = (tiny(), folder.display().to_string());
    let good = good.to_str().unwrap();
    for (arguments, words) in [
        (&[][..], "BUNDLE"),
        (&["nowhere", "--address", "127.0.0.1:0"], "nowhere"),
        (&[&*damaged, "--address", "127.0.0.1:0"], "SHA-256"),
        (&[good, "--address", "localhost"], "--address"),
        (&[good, "--address", "127.0.0.1:0", "--device", "abacus"], "`abacus` is not a device"),
        (&[good, "--address", "127.0.0.1:0", "--name", "a b"], "--name"),
        (&[good, "--health", "http://127.0.0.1:1"], "--health"),
        (&[good, "--max-body", "many"], "--max-body"),
    ] {
        let output = run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(words), "{arguments:?}: {said}");
    }
}
