//! How does a command end when it does not end well?

use std::process::ExitCode;

/// How a command ended; the exit codes are a contract with scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 0: done.
    Done,
    /// 1: nothing came of it, and why was said.
    Failed,
    /// 3: done, and a gate such as the goal was not met.
    GateFailed,
    /// 130: interrupted, everything saved.
    Interrupted,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        match status {
            Status::Done => Self::SUCCESS,
            Status::Failed => Self::FAILURE,
            Status::GateFailed => Self::from(3),
            Status::Interrupted => Self::from(130),
        }
    }
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong, a sentence.
    pub message: String,
    /// What the user can do about it.
    pub hint: Option<String>,
    /// Whether the user's words or files are the cause.
    pub usage: bool,
    /// Whether a gate failed.
    pub gate: bool,
}

impl Failure {
    /// What is nobody's mistake, and has no remedy that could be named.
    pub fn broken(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, usage: false, gate: false }
    }

    /// A mistake on the command line.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()), usage: true, gate: false }
    }

    /// 3 for a failed gate, 2 for a mistake of the user's, 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        match (self.gate, self.usage) {
            (true, _) => 3,
            (false, true) => 2,
            (false, false) => 1,
        }
    }
}

impl From<trainer::Error> for Failure {
    fn from(error: trainer::Error) -> Self {
        Self { message: error.to_string(), hint: error.hint(), usage: error.is_usage(), gate: error.is_gate() }
    }
}

impl From<model_zoo::Error> for Failure {
    fn from(error: model_zoo::Error) -> Self {
        trainer::Error::from(error).into()
    }
}

impl From<serving::Error> for Failure {
    fn from(error: serving::Error) -> Self {
        Self { message: error.to_string(), hint: error.hint(), usage: error.is_usage(), gate: false }
    }
}

impl From<data_loader::Error> for Failure {
    fn from(error: data_loader::Error) -> Self {
        trainer::Error::from(error).into()
    }
}
