//! How does this program start itself, where a task needs a process of its own?

use std::process::{Command, Stdio};

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
pub fn json(command: &mut Command) -> Result<serde_json::Value, Failure> {
    let output = command.stdin(Stdio::null()).output().map_err(not_started)?;
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    if output.status.success() {
        return Ok(told);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure {
        message: told["error"].as_str().unwrap_or(said.trim()).to_owned(),
        hint: told["hint"].as_str().map(str::to_owned),
        usage: output.status.code() == Some(2),
        gate: false,
    })
}
