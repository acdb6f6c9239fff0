//! `firebox completions`: a completion script for a shell.

use clap::CommandFactory;

use super::Ended;
use crate::args::Cli;
use crate::failure::Status;
use crate::report;

#[expect(clippy::unnecessary_wraps, reason = "every command ends alike")]
pub(super) fn run(shell: clap_complete::Shell) -> Ended {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "firebox", &mut script);
    report::line(String::from_utf8_lossy(&script));
    Ok(Status::Done)
}
