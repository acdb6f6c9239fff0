//! How does this program start itself, where a task needs a process of its own?

use std::io::Read;
use std::process::{Command, Stdio};

use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// This program once more; arguments are still to be given.
pub fn command() -> Result<Command, Failure> {
    let program = std::env::current_exe();
    let program = program.map_err(|error| Failure::broken(format!("cannot find this program itself: {error}")))?;
    Ok(Command::new(program))
}

/// Why a child did not come about.
pub fn not_started(error: impl std::fmt::Display) -> Failure {
    Failure::broken(format!("cannot start a child: {error}"))
}

/// What a child that prints JSON found, or why it failed, in its words.
pub fn json<T: DeserializeOwned>(command: &mut Command) -> Result<T, Failure> {
    let output = command.stdin(Stdio::null()).output().map_err(not_started)?;
    if output.status.success() {
        let odd = |error| Failure::broken(format!("what a child of this program printed cannot be read: {error}"));
        return serde_json::from_slice(&output.stdout).map_err(odd);
    }
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&output.stderr);
    let message = told["error"].as_str().unwrap_or(said.trim());
    if message.is_empty() {
        let why = format!("a child of this program ended early ({}); perhaps memory ran out", output.status);
        return Err(Failure::broken(why));
    }
    Err(Failure {
        message: message.to_owned(),
        hint: told["hint"].as_str().map(str::to_owned),
        usage: output.status.code() == Some(2),
        gate: false,
    })
}

/// Does something once standard input is closed, in a thread of its own: the other end is open as long as the parent lives, however it ends.
pub fn when_nobody_waits(then: impl FnOnce() + Send + 'static) {
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        then();
    });
}
