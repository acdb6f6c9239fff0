//! What can go wrong between a file and a batch, and what can the user do about it?

use std::path::{Path, PathBuf};

/// Why data could not be read, split, transformed or batched. Every variant is a full sentence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A path names nothing.
    #[error("There is no {what} at {}.", path.display())]
    NotFound {
        /// What was looked for: `card`, `data file`, `folder`.
        what: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{} could not be read: {source}.", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The operating system refused to write.
    #[error("{} could not be written: {source}.", path.display())]
    Write {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// A file of a card is not there, and its card says where to fetch it.
    #[error("{} is not there yet; its card says where it can be fetched.", path.display())]
    NotFetched {
        /// Which file.
        path: PathBuf,
        /// The card, or its folder.
        card: PathBuf,
    },
    /// A source does not give what a card expects of it.
    #[error("{address} could not be fetched: {message}.")]
    Fetch {
        /// Where it was looked for, without anything secret.
        address: String,
        /// What went wrong.
        message: String,
        /// What to do.
        hint: String,
        /// Whether the card must be changed, rather than the network.
        usage: bool,
    },
    /// Fetching was told to stop.
    #[error("Fetching was interrupted; what has come so far is kept.")]
    Interrupted,
    /// A pattern of a card matches no file.
    #[error("The setting `files.path` is {}, and no file in {} matches it.", pattern.display(), place.display())]
    NoMatch {
        /// The pattern.
        pattern: PathBuf,
        /// Where files were looked for.
        place: PathBuf,
    },
    /// A card or config is not what its reader expects.
    #[error("{}{place}: {message}.", path.display())]
    Config {
        /// Which file.
        path: PathBuf,
        /// Line and table, such as `, line 3, in [data.loader]`; empty if unknown.
        place: String,
        /// What is wrong, naming the key.
        message: String,
        /// The known word closest to the unknown one.
        closest: Option<String>,
    },
    /// A setting can be read but cannot be meant.
    #[error("The setting `{key}` {message}.")]
    Setting {
        /// The address of the setting.
        key: String,
        /// What is wrong with its value.
        message: String,
        /// What to do.
        hint: String,
    },
    /// A file differs from the one that its card describes.
    #[error("{} has the SHA-256 {found}, but its card states {expected}.", path.display())]
    Checksum {
        /// Which file.
        path: PathBuf,
        /// What the card states.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// The bytes of a file are not what its format promises.
    #[error("{} cannot be used: {message}.", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with sizes.
        message: String,
    },
    /// One row of a file is not what its format promises.
    #[error("{}, row {row} (line {line}): {message}.", path.display())]
    Row {
        /// Which file.
        path: PathBuf,
        /// Counted from 0, without the header.
        row: usize,
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        message: String,
    },
    /// A file claims or needs more room than is allowed.
    #[error("{} is refused: {what} is {size}, and the limit is {limit}.", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// What is too large, with its unit.
        what: &'static str,
        /// How large it is, or claims to be.
        size: u64,
        /// How large it may be.
        limit: u64,
    },
    /// A column that the schema names is not in the data.
    #[error("{place} has no column `{column}`; it has {}.", listed(found))]
    ColumnMissing {
        /// The file or example.
        place: String,
        /// The column that was looked for.
        column: String,
        /// The columns that are there.
        found: Vec<String>,
    },
    /// A field cannot be turned into what the schema says it is.
    #[error("Example {id}: the {kind} `{column}` is {found}.")]
    Field {
        /// The example's id.
        id: String,
        /// The kind of the column: `number`, `image`, ...
        kind: &'static str,
        /// The name of the column.
        column: String,
        /// What was found there.
        found: String,
        /// What to do.
        hint: String,
    },
    /// A number is NaN or infinite.
    #[error("Example {id}: `{column}` is {value}, which is not a finite number.")]
    NotFinite {
        /// The example's id.
        id: String,
        /// The name of the column.
        column: String,
        /// The value as it was written.
        value: String,
    },
    /// An example is labelled with a class that the training part does not have.
    #[error(
        "Example {id} has the class `{class}`, which was never seen in training; the known classes are {}.",
        listed(known)
    )]
    UnknownClass {
        /// The example's id.
        id: String,
        /// Its class.
        class: String,
        /// The classes of the training part.
        known: Vec<String>,
    },
    /// An example that is to be learnt from or judged has no target.
    #[error("Example {id} has no value for the target `{column}`.")]
    TargetMissing {
        /// The example's id.
        id: String,
        /// The name of the target column.
        column: String,
    },
    /// There is nothing to work on.
    #[error("There are no examples {place}.")]
    NoExamples {
        /// Where they were looked for.
        place: String,
        /// What to do.
        hint: &'static str,
    },
    /// There is nothing to tell apart.
    #[error("Every training example has the class `{class}`, so there is nothing to learn.")]
    OneClass {
        /// The only class.
        class: String,
    },
    /// A batch cannot be filled.
    #[error("The batch size {batch_size} is larger than the {examples} training examples.")]
    BatchTooLarge {
        /// The batch size asked for.
        batch_size: usize,
        /// How many training examples there are.
        examples: usize,
    },
    /// Two examples cannot lie in one array.
    #[error(
        "The input `{input}` has the shape {first_shape:?} in example {first} and {second_shape:?} in example {second}."
    )]
    Shape {
        /// The name of the input.
        input: String,
        /// The id of one example.
        first: String,
        /// Its shape.
        first_shape: Vec<usize>,
        /// The id of another.
        second: String,
        /// Its shape.
        second_shape: Vec<usize>,
    },
    /// Schema, task and transforms do not fit together.
    #[error("{message}.")]
    Mismatch {
        /// What does not fit what.
        message: String,
        /// What to do.
        hint: String,
    },
    /// A thread that prepares batches panicked: a bug here, or in a record reader that a library user brought.
    #[error("A loader thread failed while preparing batch {batch}: {message}.")]
    WorkerFailed {
        /// The position of the batch.
        batch: u64,
        /// What the panic said.
        message: String,
    },
    /// A loader was asked for more after it had reported an error.
    #[error("The loader stopped at batch {batch} because of an earlier error.")]
    Stopped {
        /// The position at which it stopped.
        batch: u64,
    },
}

impl Error {
    /// The error for a file that could not be opened or read.
    pub fn io(what: &'static str, path: &Path, source: std::io::Error) -> Self {
        if source.kind() == std::io::ErrorKind::NotFound {
            return Self::NotFound { what, path: path.to_path_buf() };
        }
        Self::Io { path: path.to_path_buf(), source }
    }

    /// The error for a file that could not be written.
    pub fn write(path: &Path, source: std::io::Error) -> Self {
        Self::Write {
            path: path.to_path_buf(),
            source,
            hint: "Check whether you may write there, and whether there is room.",
        }
    }

    /// What the user can do, as one or two sentences, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotFound { what: "card", .. } => {
                "Give the folder of a data set, or the card.toml in it.".into()
            }
            Self::NotFound { .. } => "Check the path; paths in a card are relative to the card's folder.".into(),
            Self::Config { closest: Some(closest), .. } => format!("Did you mean `{closest}`?"),
            Self::Config { message, .. } => config_hint(message).into(),
            Self::NotFetched { card, .. } => format!("Fetch it with `firebox data fetch {}`", typed(card)),
            Self::NoMatch { .. } => "`*` stays within a folder and passes over hidden files; `**` stands for any folders.".into(),
            Self::Fetch { hint, .. } | Self::Setting { hint, .. } | Self::Field { hint, .. } | Self::Mismatch { hint, .. } => hint.clone(),
            Self::Checksum { .. } => {
                "Fetch the file again from the card's source; if the change is meant, write the new SHA-256 in the card.".into()
            }
            Self::Malformed { .. } => "The file may be incomplete, or of another format than its card says.".into(),
            Self::Row { .. } => "Mend the row, or set `bad_examples = \"skip\"` in [data.loader] to leave such rows out and count them.".into(),
            Self::TooLarge { .. } => "If the file is right, make it smaller or cut it in several; the limit guards against files that lie about their size.".into(),
            Self::ColumnMissing { column, found, .. } => match closest(column, found.iter().map(String::as_str)) {
                Some(near) => format!("Did you mean `{near}`? Columns are compared letter by letter."),
                None => "The data must have every column that the card names; where a model answers, and is not trained, the target may be left out.".into(),
            },
            Self::NotFinite { value, .. } => format!(
                "If `{value}` stands for a missing value, add it to the list `missing` in [schema] of the card."
            ),
            Self::UnknownClass { .. } => "Check the label for a misspelling; a rare class needs a stratified split, so that training has some of it.".into(),
            Self::TargetMissing { .. } => "Label the example or remove it; `bad_examples = \"skip\"` in [data.loader] leaves such examples out and counts them.".into(),
            Self::NoExamples { hint, .. } | Self::Write { hint, .. } => (*hint).into(),
            Self::OneClass { .. } => "Check the target column, or use a stratified split.".into(),
            Self::BatchTooLarge { examples, .. } => format!("Use a batch size of at most {examples}."),
            Self::Shape { .. } => "For images, set `size = [height, width]` in the card's [format.image_folder].".into(),
            Self::Io { source, .. } if is_wrong_path(source) => "Check the path, and whether you may read what is there.".into(),
            Self::Interrupted => "The same command goes on from there.".into(),
            Self::Io { .. } | Self::WorkerFailed { .. } | Self::Stopped { .. } => return None,
        })
    }

    /// Whether the config or the data must be changed (exit code 2), rather than the machine or this program (exit code 1).
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Io { source, .. } => is_wrong_path(source),
            Self::Fetch { usage, .. } => *usage,
            _ => !matches!(
                self,
                Self::Write { .. } | Self::Interrupted | Self::WorkerFailed { .. } | Self::Stopped { .. }
            ),
        }
    }

    /// Whether one example is to blame, so that `bad_examples = "skip"` may leave it out and go on.
    pub fn is_bad_example(&self) -> bool {
        matches!(
            self,
            Self::Malformed { .. }
                | Self::Row { .. }
                | Self::TooLarge { .. }
                | Self::ColumnMissing { .. }
                | Self::Field { .. }
                | Self::NotFinite { .. }
                | Self::UnknownClass { .. }
                | Self::TargetMissing { .. }
        )
    }
}

/// A path as it is typed in a shell.
fn typed(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%=".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Whether the path is to blame, and not the disk: it names nothing, or nothing that may be read in this way.
fn is_wrong_path(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound, PermissionDenied};
    let kinds = [InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound, PermissionDenied];
    kinds.contains(&error.kind())
}

/// What to do about a file whose mistake is not a misspelling.
fn config_hint(message: &str) -> &'static str {
    if message.starts_with("invalid type") || message.starts_with("invalid value") {
        "Texts stand in quotes, numbers do not, and lists stand in brackets."
    } else if message.starts_with("missing field") {
        "Add the key; it has no default."
    } else if message.starts_with("unknown") {
        "Only the words that are named there are known."
    } else {
        "The file must be TOML: lines of `key = value` under headers such as `[train]`."
    }
}

/// The words in back quotes, separated by commas; at most twenty of them.
pub(crate) fn listed<S: AsRef<str>>(words: &[S]) -> String {
    const MOST: usize = 20;
    if words.is_empty() {
        return "none".into();
    }
    let mut text = words.iter().take(MOST).map(|word| format!("`{}`", word.as_ref())).collect::<Vec<_>>().join(", ");
    if words.len() > MOST {
        text = format!("{text} and {} more", words.len() - MOST);
    }
    text
}

/// At most the first 60 characters of `text`, in quotes, for messages about data that may be of any length.
pub(crate) fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return format!("{text:?}");
    }
    format!("{:?} ...", text.chars().take(MOST).collect::<String>())
}

/// The known word that is most like `word`, if any is like it at all.
pub fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let word = word.to_lowercase();
    let likeness = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        // One slip of the finger counts as likeness even in a short word, of which it leaves little.
        let slip = word.len() >= 3 && strsim::damerau_levenshtein(&word, &candidate) == 1;
        strsim::jaro_winkler(&word, &candidate).max(if slip { 0.9 } else { 0.0 })
    };
    known
        .map(|candidate| (likeness(candidate), candidate))
        // Below 0.75 the nearest word is noise: `x` and `learning_rate` share letters too.
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
