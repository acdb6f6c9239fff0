//! How does this program start itself, where a task needs a process of its own?

use std::process::Command;

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
