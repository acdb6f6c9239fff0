//! Which files are not what the endings of their names say, so that they are read wrongly or passed over?
//!
//! What a file is, its first bytes tell; a file whose bytes are those of no known kind is not judged.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Found, counted};
use crate::error::Error;
use crate::formats::image_folder::is_image;
use crate::registry::Entry;
use crate::survey::report::{Finding, SHOWN, Sample, Shown};
use crate::survey::{Gates, Survey};

/// This check in the list of checks.
pub const ENTRY: Entry =
    Entry { name: "wrong_extension", summary: "files whose first bytes are not what their endings say" };

/// A kind of file: its name, its first bytes at a place, and the endings that it may have.
type Kind = (&'static str, usize, &'static [u8], &'static [&'static str]);

/// The kinds that are told apart. Endings that any file may have, such as `.bin`, are not judged.
const KINDS: &[Kind] = &[
    ("a PNG image", 0, b"\x89PNG\r\n\x1a\n", &["png"]),
    ("a JPEG image", 0, b"\xff\xd8\xff", &["jpg", "jpeg", "jpe", "jfif"]),
    ("a GIF image", 0, b"GIF8", &["gif"]),
    ("a BMP image", 0, b"BM", &["bmp", "dib"]),
    ("a WebP image", 8, b"WEBP", &["webp"]),
    ("a TIFF image", 0, b"II*\0", &["tif", "tiff"]),
    ("a TIFF image", 0, b"MM\0*", &["tif", "tiff"]),
    ("a PDF document", 0, b"%PDF-", &["pdf"]),
    ("a gzip file", 0, b"\x1f\x8b", &["gz", "tgz", "gzip"]),
    ("a zstd file", 0, b"\x28\xb5\x2f\xfd", &["zst", "zstd"]),
    ("a zip archive", 0, b"PK\x03\x04", &["zip", "npz"]),
    ("a Parquet file", 0, b"PAR1", &["parquet", "pq"]),
    ("an Arrow file", 0, b"ARROW1", &["arrow", "feather", "ipc"]),
    ("a SQLite database", 0, b"SQLite format 3\0", &["sqlite", "sqlite3", "db"]),
];
/// Endings of text, which none of the kinds is.
const TEXTS: &[&str] = &["csv", "tsv", "txt", "json", "jsonl", "ndjson"];
/// BMP has but two letters to know it by, with which a text may begin too.
const SHORT: &str = "a BMP image";

/// A file that is not what it is called.
struct Wrong {
    path: PathBuf,
    is: &'static str,
    ending: String,
    /// Whether it is in a folder of images and its ending lets it be passed over.
    passed_over: bool,
}

pub(super) fn run(survey: &Survey<'_>, gates: &Gates, found: &mut Found<'_>) -> Result<(), Error> {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in &survey.dataset.card().files {
        let mut open = vec![file.path.clone()];
        while let Some(path) = open.pop() {
            if path.is_dir() && (!path.is_symlink() || path == file.path) {
                // A folder that cannot be opened has stopped the data set from being opened before.
                let entries = std::fs::read_dir(&path).into_iter().flatten();
                open.extend(entries.filter_map(Result::ok).map(|entry| entry.path()));
            } else if path.is_file() {
                wrong.extend(judge(&path, path != file.path));
                seen += 1;
                if seen % 1000 == 0 {
                    (found.progress)("endings", seen, seen + open.len());
                }
            }
        }
    }
    if let [first, others @ ..] = survey.records.passed_over() {
        let more =
            if others.is_empty() { String::new() } else { format!(" and {}", counted(others.len(), "other file")) };
        let first = survey.within(&first.display().to_string());
        found.remark(format!("{first}{more} passed over, because by its name it is no example."));
    }
    wrong.sort_by(|a, b| a.path.cmp(&b.path));
    let (over, read): (Vec<Wrong>, Vec<Wrong>) = wrong.into_iter().partition(|file| file.passed_over);
    for (files, what) in [(read, ""), (over, " by its bytes, and its ending lets it be passed over")] {
        let Some(first) = files.first() else { continue };
        let verb = if files.len() == 1 { "is not what its name says" } else { "are not what their names say" };
        let name = |path: &Path| survey.within(&path.display().to_string());
        let text = format!("{} {verb}: {} is {}{what}.", counted(files.len(), "file"), name(&first.path), first.is);
        let examples = files.iter().take(SHOWN).map(|file| Sample {
            id: name(&file.path),
            part: None,
            target: None,
            why: format!("`.{}`, and {}", file.ending, file.is),
            shown: Shown::Nothing,
        });
        let finding = Finding::new(ENTRY.name, gates.wrong_extension.severity(), files.len(), text);
        found.add(Finding { examples: examples.collect(), ..finding.gated("wrong_extension") });
    }
    Ok(())
}

/// What is wrong with the name of a file, if anything is; one that cannot be opened is a matter of the check `unreadable`.
fn judge(path: &Path, in_folder: bool) -> Option<Wrong> {
    let ending = path.extension()?.to_string_lossy().to_lowercase();
    let mut start = Vec::new();
    std::fs::File::open(path).ok()?.take(16).read_to_end(&mut start).ok()?;
    let kind = KINDS.iter().find(|(_, at, magic, _)| start.get(*at..).is_some_and(|rest| rest.starts_with(magic)));
    let image = |endings: &[&str]| endings.iter().any(|ending| ["png", "jpg"].contains(ending));
    let readable = ["png", "jpg", "jpeg"].contains(&ending.as_str());
    match kind {
        Some((name, _, _, endings)) if !endings.contains(&ending.as_str()) => {
            let judged =
                KINDS.iter().any(|(.., known)| known.contains(&ending.as_str())) || TEXTS.contains(&ending.as_str());
            // Files are unpacked whatever they are called, which is no reason to alarm anybody, unless it is an image.
            let packed = matches!(*name, "a gzip file" | "a zstd file") && !readable;
            let passed_over = in_folder && image(endings) && !is_image(path);
            let counts = (judged && !packed && *name != SHORT) || passed_over;
            counts.then(|| Wrong { path: path.to_owned(), is: name, ending, passed_over })
        }
        // An ending of images over something else entirely.
        None if readable && !start.is_empty() => {
            Some(Wrong { path: path.to_owned(), is: "no image of a known kind", ending, passed_over: false })
        }
        _ => None,
    }
}
