//! What can go wrong with a network, a device, or a file of weights?

use std::path::PathBuf;

/// An error of the model zoo. Each is a sentence that names the culprit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The architecture cannot work with this data.
    #[error("the architecture `{architecture}` cannot be built: {reason}")]
    Unfit {
        /// The name of the architecture.
        architecture: &'static str,
        /// Why, in terms of sizes.
        reason: String,
    },
    /// The settings ask for more weights than any device holds.
    #[error("the network would have more than 4 billion weights")]
    TooLarge,
    /// A network asked for an input that the data does not have.
    #[error("the network needs the input `{wanted}`, but the data has: {found}")]
    MissingInput {
        /// The input asked for.
        wanted: &'static str,
        /// The inputs there are.
        found: String,
    },
    /// A network that continues no texts was asked to.
    #[error("the network continues no texts")]
    CannotGenerate,
    /// What a network does cannot be written down as a graph.
    #[error("what the network does cannot be recorded as a graph: {0}")]
    NotRecorded(String),
    /// A batch does not hold what the signature says.
    #[error("the batch does not suit the network: {0}")]
    WrongBatch(String),
    /// The device's name is not known.
    #[error("`{0}` is not a device")]
    UnknownDevice(String),
    /// The device is known but was left out of this build.
    #[error("the device `{device}` is not built into this program")]
    DeviceNotBuilt {
        /// The device asked for.
        device: String,
        /// The cargo feature that would bring it.
        feature: &'static str,
    },
    /// The device is built in but not there.
    #[error("the device `{device}` was not found: {reason}")]
    DeviceMissing {
        /// The device asked for.
        device: String,
        /// What was found instead.
        reason: String,
    },
    /// The device failed while computing.
    #[error("the device failed while {doing}: {reason}")]
    DeviceFailed {
        /// What it was doing.
        doing: &'static str,
        /// What it said.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// `read`, `write`, `create` ...
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{} is damaged or not of this kind: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file was written by a newer Firebox.
    #[error("{} has format version {found}; this program reads versions up to {known}", path.display())]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// A bundle has no signature.
    #[error("{} is not signed", path.display())]
    Unsigned {
        /// The bundle.
        path: PathBuf,
    },
    /// A bundle has the signature of another key than the one that was asked for.
    #[error("{} is by the key {found}, and not by {expected}", path.display())]
    SignedByOther {
        /// The file with the signature.
        path: PathBuf,
        /// The public key in it, in base 64.
        found: String,
        /// The public key that was asked for, in base 64.
        expected: String,
    },
    /// What was signed is not what is there.
    #[error("{} is not what {} was made for: one of them was changed since", manifest.display(), signature.display())]
    ChangedSinceSigned {
        /// The file that was signed.
        manifest: PathBuf,
        /// The file with the signature.
        signature: PathBuf,
    },
    /// A file is not the key that is needed.
    #[error("{} is not the key that is needed: {reason}", path.display())]
    WrongKey {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// Weights do not belong to the network.
    #[error("{} does not fit the network: {reason}", path.display())]
    WrongWeights {
        /// The file.
        path: PathBuf,
        /// The missing, unused and misshapen names.
        reason: String,
    },
    /// Weights that others trained do not suit the network.
    #[error("the weights in {} do not suit the network: {reason}", path.display())]
    Misfit {
        /// The file.
        path: PathBuf,
        /// The missing, unused and misshapen names.
        reason: String,
    },
    /// The data stage failed.
    #[error(transparent)]
    Data(#[from] data_loader::Error),
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownDevice(_) => {
                "devices are: auto, cpu, wgpu, wgpu:N, vulkan, vulkan:N, ndarray; `firebox devices` shows which exist here".into()
            }
            Self::DeviceNotBuilt { feature, .. } => format!("build with `cargo build --release --features {feature}`"),
            Self::DeviceMissing { .. } => {
                "`firebox devices` lists what was found; `--device cpu` always works".into()
            }
            Self::DeviceFailed { .. } => {
                "a device that failed once stays unusable until the program restarts; `firebox resume RUN` goes on from the last checkpoint".into()
            }
            Self::TooLarge => "make the layers in [model] smaller".into(),
            Self::Unfit { .. } | Self::MissingInput { .. } => "`firebox list architectures` says what each is for".into(),
            Self::NewerVersion { .. } => "update Firebox, or write the file again with this version".into(),
            Self::WrongWeights { .. } => "the architecture and its settings must be those the weights were trained with".into(),
            Self::Misfit { .. } => {
                "names can be changed by `rename` in [pretrained], what the file lacks can begin anew by `allow_missing`, and what it has too much stay unused by `allow_unused`; `firebox list architectures` says after whom parameters are named".into()
            }
            Self::Damaged { .. } => "restore the file; of a run an earlier checkpoint can be chosen with RUN@step-N".into(),
            Self::Unsigned { .. } => "ask its maker for one that is signed, or sign it if that is you".into(),
            Self::SignedByOther { .. } => {
                "use it only if you know whose key that is, and have the key from its owner".into()
            }
            Self::ChangedSinceSigned { .. } => "get the bundle from its maker again; what you changed yourself, sign again".into(),
            Self::WrongKey { .. } => {
                "`firebox keygen FILE` makes a pair of keys; `openssl pkey -in SECRET -out FILE` unlocks one, and with `-pubout` it tells its public key".into()
            }
            Self::Io { source, .. } if is_wrong_path(source) => "check the path, or restore the file".into(),
            Self::NotRecorded(_) => "a graph holds operations on tensors alone: `forward` may not look at their numbers; weights can be exported without a graph (`--to safetensors`)".into(),
            Self::CannotGenerate => "choose one that was trained for the task `generate`, such as with [model.gpt]".into(),
            Self::Data(error) => return error.hint(),
            _ => return None,
        })
    }

    /// Whether the user's words or files are the cause, rather than the machine.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Io { source, .. } => is_wrong_path(source),
            Self::DeviceFailed { .. } => false,
            Self::Data(error) => error.is_usage(),
            _ => true,
        }
    }
}

impl From<data_loader::atomic::Failed> for Error {
    fn from(failed: data_loader::atomic::Failed) -> Self {
        let data_loader::atomic::Failed { doing, path, source } = failed;
        Self::Io { doing, path, source }
    }
}

/// Whether a path leads to nothing, or to something of another kind: the user's mistake, not the machine's.
pub fn is_wrong_path(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{AlreadyExists, InvalidData, InvalidFilename, IsADirectory, NotADirectory, NotFound};
    matches!(error.kind(), AlreadyExists | InvalidData | InvalidFilename | IsADirectory | NotADirectory | NotFound)
}
