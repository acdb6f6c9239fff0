//! What is a model called in addresses?

use std::path::Path;

use crate::Error;

/// What folders are called that are called after what lies in them, as the place where `KServe` puts models.
const NAMELESS: &[&str] = &["bundle", "model", "models"];
/// How a bundle ends that was packed.
const PACKED: &str = ".tar.zst";
/// What stands at this place in an address already: the statistics of all models.
const TAKEN: &str = "stats";
/// The longest name.
const LONGEST: usize = 128;

/// What a bundle is called by where it lies, unless its place is called as any would be.
pub(super) fn of_place(path: &Path) -> Option<String> {
    let whole = path.canonicalize().ok()?;
    let name = whole.file_name()?.to_str()?;
    let name = name.strip_suffix(PACKED).unwrap_or(name);
    (!NAMELESS.contains(&name)).then(|| name.to_owned())
}

/// Whether a name stands in an address as it is.
pub(super) fn check(name: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let reason = match name.bytes().find(|byte| !plain(*byte)) {
        _ if name.is_empty() => "the name is empty".to_owned(),
        _ if name.len() > LONGEST => format!("the name has more than {LONGEST} characters"),
        _ if name == TAKEN => format!("/v2/models/{TAKEN} is where the statistics of all models are"),
        _ if name.starts_with('.') => "the name begins with a dot".to_owned(),
        Some(_) => "the name has other characters than letters, digits, `-`, `_` and `.`".to_owned(),
        None => return Ok(()),
    };
    Err(Error::Name { name: name.to_owned(), reason })
}
