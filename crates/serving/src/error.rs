//! What can go wrong between a bundle and an answer?

use std::net::SocketAddr;
use std::path::Path;

use data_loader::Task;
use data_loader::atomic::Failed;

/// An error of serving. Each is a sentence that names the culprit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The answer holds numbers that are none.
    #[error("the model's answer to {id} is not a number")]
    NotFinite {
        /// The example.
        id: String,
    },
    /// Answers of this kind have no form to be shown in.
    #[error("answers for the task `{task}` cannot be shown yet")]
    CannotShow {
        /// The task of the model.
        task: Task,
    },
    /// A model of another task was asked to continue a text.
    #[error("the model was trained for the task `{task}` and continues no texts")]
    CannotContinue {
        /// The task of the model.
        task: Task,
    },
    /// Tokens cannot be drawn so.
    #[error("tokens cannot be drawn: {0}")]
    Sampling(String),
    /// Something cannot be packaged to be deployed.
    #[error("cannot package {what}: {reason}")]
    Package {
        /// A file, a name, a setting.
        what: String,
        /// What is wrong with it.
        reason: String,
        /// What to do instead.
        way_out: String,
    },
    /// A model cannot be called so in addresses.
    #[error("a model cannot be served as `{}`: {reason}", name.escape_debug())]
    Name {
        /// What it was to be called.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The weights of a model alone are more than all models may have.
    #[error("the weights of `{name}` have {bytes} bytes, and all models together may have {room}")]
    Room {
        /// What it is called.
        name: String,
        /// How many bytes its weights have.
        bytes: u64,
        /// How many all of them may have.
        room: u64,
    },
    /// What is written of a server cannot be meant.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file that says who may ask, or shows who serves, cannot be meant.
    #[error("{}: {reason}", path.display())]
    Access {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {reason}")]
    Randomness {
        /// What it said.
        reason: String,
    },
    /// The port cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A server does not answer as one that is well.
    #[error("{url} is not well: {reason}")]
    Unwell {
        /// What was asked for.
        url: String,
        /// What came instead of 200.
        reason: String,
    },
    /// The program failed where it should not.
    #[error("the program failed while {doing}")]
    Panicked {
        /// What it was doing.
        doing: &'static str,
    },
    /// The data does not suit the model.
    #[error(transparent)]
    Data(#[from] data_loader::Error),
    /// The model or the device fails.
    #[error(transparent)]
    Model(#[from] model_zoo::Error),
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        Self::Model(failed.into())
    }
}

impl Error {
    /// What cannot be packaged, why, and what to do instead.
    pub(crate) fn package(what: impl Into<String>, reason: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self::Package { what: what.into(), reason: reason.into(), way_out: way_out.into() }
    }

    /// For `map_err`: a file that cannot be read, written ...
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Model(model_zoo::Error::Io { doing, path, source })
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFinite { .. } => {
                Some("its weights grew beyond all bounds in training; choose an earlier checkpoint with RUN@step-N, or train with a lower learning rate".into())
            }
            Self::CannotShow { task: Task::Generate } => Some("`firebox generate` continues texts".into()),
            Self::CannotShow { task: Task::Contrast } => {
                Some("its weights are where another training begins: name its bundle in [pretrained]".into())
            }
            Self::CannotShow { .. } => Some("models for the tasks classify, regress, forecast and reconstruct can answer".into()),
            Self::CannotContinue { .. } => Some("choose one that was trained with `task = \"generate\"`, or `firebox predict`".into()),
            Self::Sampling(_) => Some("a temperature of 0 takes the most likely token, 1 draws as the model says".into()),
            Self::Package { way_out, .. } => Some(way_out.clone()),
            Self::Name { .. } => Some("name it with --name, in letters, digits, `-`, `_` and `.`".into()),
            Self::Room { .. } => Some("raise `memory` in the config of the server".into()),
            Self::Config { .. } => Some("it looks like `[[models]]` with `bundle = \"runs/RUN/bundle\"`; the README shows every key".into()),
            Self::Access { .. } => Some("keys are written by --new-key, tokens are verified by a JWK set in JSON, certificates and keys are in PEM".into()),
            Self::Randomness { .. } => None,
            Self::Listen { .. } => Some("choose another port with --address; port 0 is one that is free".into()),
            Self::Unwell { .. } => Some("see what the server says, or ask its /v2/health/live".into()),
            Self::Panicked { .. } => Some("please report it with what stands above".into()),
            Self::Data(error) => error.hint(),
            Self::Model(error) => error.hint(),
        }
    }

    /// Whether the user's words or files are the cause, rather than the model, the machine or this program.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::NotFinite { .. } | Self::Unwell { .. } | Self::Panicked { .. } | Self::Randomness { .. } => false,
            Self::CannotShow { .. }
            | Self::CannotContinue { .. }
            | Self::Sampling(_)
            | Self::Package { .. }
            | Self::Name { .. }
            | Self::Room { .. }
            | Self::Config { .. }
            | Self::Access { .. }
            | Self::Listen { .. } => true,
            Self::Data(error) => error.is_usage(),
            Self::Model(error) => error.is_usage(),
        }
    }
}
