//! What happened in a run, for `TensorBoard`?
//!
//! Numbers go to event files: records framed as in `TFRecord` (length, checksum of the length, data, checksum of the data;
//! masked CRC-32C), each an `Event` protocol buffer. A resumed run writes a new file that begins with a session log, by
//! which `TensorBoard` hides the points that came after the step it goes on from.
//!
//! Formats: `tensorflow/core/lib/io/record_writer.h`, `tensorboard/compat/proto/{event,summary}.proto`.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use super::{Event, Recorder};
use crate::Error;

const PREFIX: &str = "events.out.tfevents.";

/// One record of an event file; a subset of `tensorboard.Event`.
#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Scalar>,
}

#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(oneof = "Number", tags = "2")]
    value: Option<Number>,
}

/// In a `oneof`, because a plain field of value 0 would not be written.
#[derive(Clone, PartialEq, prost::Oneof)]
enum Number {
    #[prost(float, tag = "2")]
    Simple(f32),
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    /// 1 is START.
    #[prost(int32, tag = "1")]
    status: i32,
}

/// Writes the numbers of a run to an event file.
#[derive(Debug)]
pub struct TensorBoard {
    path: PathBuf,
    file: File,
}

/// Begins an event file in a folder, which is made if it is not there. With `resume_at`, points of later steps in earlier
/// files are hidden.
///
/// # Errors
/// If the folder or the file cannot be made.
pub fn open(folder: &Path, resume_at: Option<u64>) -> Result<TensorBoard, Error> {
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let (path, file) = create(folder)?;
    let mut recorder = TensorBoard { path, file };
    recorder.write(0, What::FileVersion("brain.Event:2".into()))?;
    if let Some(step) = resume_at {
        // Everything at the step of the log and later is hidden; the point at `resume_at` itself stays.
        recorder.write(step + 1, What::SessionLog(SessionLog { status: 1 }))?;
    }
    Ok(recorder)
}

/// Makes a file whose name sorts after all others in the folder: `TensorBoard` reads them in the order of their names.
fn create(folder: &Path) -> Result<(PathBuf, File), Error> {
    let mut second = now() as u64;
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let name = entry.map_err(Error::io("read", folder))?.file_name();
        let earlier = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('.').next()?.parse::<u64>().ok());
        second = second.max(earlier.filter(|second| *second < 9_999_999_999).map_or(0, |earlier| earlier + 1));
    }
    loop {
        let path = folder.join(format!("{PREFIX}{second:010}.firebox"));
        match OpenOptions::new().append(true).create_new(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => second += 1,
            file => return Ok((path.clone(), file.map_err(Error::io("create", &path))?)),
        }
    }
}

impl TensorBoard {
    fn write(&mut self, step: u64, what: What) -> Result<(), Error> {
        let record = Record { wall_time: now(), step: i64::try_from(step).unwrap_or(i64::MAX), what: Some(what) };
        self.file.write_all(&framed(&record.encode_to_vec())).map_err(Error::io("write", &self.path))
    }

    fn scalars(&mut self, step: u64, scalars: Vec<(String, f64)>) -> Result<(), Error> {
        let scalar = |(tag, value): (String, f64)| Scalar { tag, value: Some(Number::Simple(value as f32)) };
        self.write(step, What::Summary(Summary { values: scalars.into_iter().map(scalar).collect() }))
    }
}

impl Recorder for TensorBoard {
    fn record(&mut self, event: &Event) -> Result<(), Error> {
        match event {
            Event::Progress(progress) => {
                let mut scalars = vec![
                    ("train/loss".to_owned(), progress.loss),
                    ("learning_rate".to_owned(), progress.learning_rate),
                    ("examples_per_second".to_owned(), progress.examples_per_second),
                ];
                scalars.extend(progress.waiting.map(|share| ("waiting".to_owned(), share)));
                scalars.extend(progress.gradient_norm.map(|norm| ("train/gradient_norm".to_owned(), norm)));
                self.scalars(progress.step, scalars)
            }
            Event::Scores(scores) => {
                let tagged = scores.values.iter().map(|(name, value)| (format!("{}/{name}", scores.part), *value));
                self.scalars(scores.step, tagged.collect())
            }
            Event::Started(_) | Event::Saved { .. } | Event::Notice(_) | Event::Finished { .. } => Ok(()),
        }
    }
}

/// Data with its length and the checksums of both, little-endian.
pub(crate) fn framed(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut bytes = Vec::with_capacity(data.len() + 16);
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&masked_checksum(&length).to_le_bytes());
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(&masked_checksum(data).to_le_bytes());
    bytes
}

/// CRC-32C, rotated by 15 bits and shifted by a constant, so that the checksum of data with checksums in it is not weak.
fn masked_checksum(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use data_loader::Part;

    use super::super::{Progress, Scores};
    use super::*;

    fn progress(step: u64, loss: f64) -> Event {
        let (epoch, learning_rate, examples_per_second, seconds) = (step as f64, 0.01, 100.0, 1.0);
        let (gradient_norm, waiting) = (Some(0.0), None);
        Event::Progress(Progress {
            step,
            epoch,
            loss,
            learning_rate,
            gradient_norm,
            examples_per_second,
            waiting,
            seconds,
        })
    }

    fn scores(step: u64, value: f64) -> Event {
        let values = vec![("accuracy".to_owned(), value), ("f1/a b".to_owned(), 0.5)];
        Event::Scores(Scores { step, epoch: 1.0, part: Part::Validation, values, seconds: 1.0 })
    }

    /// Takes the frames of a file apart, checking both sums of each.
    fn records(bytes: &[u8]) -> Vec<Record> {
        let mut records = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            assert_eq!(masked_checksum(&rest[..8]).to_le_bytes(), rest[8..12]);
            let data = &rest[12..12 + length];
            assert_eq!(masked_checksum(data).to_le_bytes(), rest[12 + length..16 + length]);
            records.push(Record::decode(data).unwrap());
            rest = &rest[16 + length..];
        }
        records
    }

    /// A run of six steps, killed and resumed at step 4. `tests/peers/tensorboard_read.py` reads the same with `TensorBoard`:
    /// set `FIREBOX_TENSORBOARD_OUT` to keep the folder.
    #[test]
    fn a_run_and_its_resumption_are_framed_and_sorted() {
        let temporary = tempfile::tempdir().unwrap();
        let kept = std::env::var_os("FIREBOX_TENSORBOARD_OUT").map(PathBuf::from);
        let folder = kept.unwrap_or_else(|| temporary.path().join("tensorboard"));
        let mut recorder = open(&folder, None).unwrap();
        for step in 1..=6 {
            recorder.record(&progress(step, 1.0 / step as f64)).unwrap();
        }
        recorder.record(&scores(6, 0.75)).unwrap();
        let mut resumed = open(&folder, Some(4)).unwrap();
        resumed.record(&progress(5, 0.0)).unwrap();
        resumed.record(&scores(5, f64::NAN)).unwrap();

        let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert_eq!(files, [recorder.path, resumed.path]);
        let first = records(&std::fs::read(&files[0]).unwrap());
        assert_eq!(first.len(), 8);
        assert_eq!(first[0].what, Some(What::FileVersion("brain.Event:2".into())));
        let second = records(&std::fs::read(&files[1]).unwrap());
        assert_eq!((second[1].step, &second[1].what), (5, &Some(What::SessionLog(SessionLog { status: 1 }))));
        let Some(What::Summary(summary)) = &second[2].what else { panic!("no summary") };
        assert_eq!(summary.values[0].value, Some(Number::Simple(0.0)), "a zero is written");
    }

    /// RFC 3720, appendix B.4: 32 bytes of zeros.
    #[test]
    fn the_checksum_is_castagnolis() {
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
    }
}
