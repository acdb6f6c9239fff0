//! What happened in a run, for every tool that reads lines?
//!
//! `metrics.jsonl` holds one JSON object a line, written at once, so that a kill tears the last line at most. Each has a
//! `kind` (started, progress, scores, saved, notice, finished), the `step` it belongs to and the `time` in seconds since
//! 1970. JSON knows neither infinity nor "not a number": both are `null`, and are read back as "not a number".
//!
//! A resumed run forgets what came after the step it goes on from, and the verdict: those lines will be written again.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use data_loader::Part;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Event, Progress, Recorder, Scores};
use crate::Error;

/// Appends the events of a run to its file.
#[derive(Debug)]
pub struct Jsonl {
    path: PathBuf,
    file: File,
    /// How long the file is up to its last whole line.
    length: u64,
    /// The step of the last event that named one.
    step: u64,
}

/// Opens the file of a run: a new one, or with `resume_at` the one that is there, without the lines of later steps and
/// without a torn last line. It is replaced in one piece, so a kill leaves the old one or the new one.
///
/// # Errors
/// If the file of a new run exists already, or the file cannot be read or written.
pub fn open(path: &Path, resume_at: Option<u64>) -> Result<Jsonl, Error> {
    if let Some(step) = resume_at {
        forget_after(path, step)?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true).create_new(resume_at.is_none());
    let file = options.open(path).map_err(Error::io("create", path))?;
    let length = file.metadata().map_err(Error::io("read", path))?.len();
    Ok(Jsonl { path: path.to_owned(), file, length, step: resume_at.unwrap_or(0) })
}

impl Recorder for Jsonl {
    fn record(&mut self, event: &Event) -> Result<(), Error> {
        let mut line = self.line(event).to_string();
        line.push('\n');
        if let Err(source) = self.file.write_all(line.as_bytes()) {
            let _ = self.file.set_len(self.length); // Half a line must not be glued to the next one.
            return Err(Error::Io { doing: "write", path: self.path.clone(), source });
        }
        self.length += line.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.file.sync_data().map_err(Error::io("flush", &self.path))
    }
}

impl Jsonl {
    /// The event as one JSON object.
    fn line(&mut self, event: &Event) -> Value {
        let (kind, step, fields) = match event {
            Event::Started(started) => (
                "started",
                started.first_step,
                json!({
                    "run": started.run.to_string_lossy(),
                    "total_steps": started.total_steps,
                    "steps_per_epoch": started.steps_per_epoch,
                    "parameters": started.parameters,
                    "device": started.device,
                }),
            ),
            Event::Progress(progress) => ("progress", progress.step, json!(progress)),
            Event::Scores(scores) => {
                let values: Map<String, Value> =
                    scores.values.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
                let (epoch, seconds) = (scores.epoch, scores.seconds);
                let fields = json!({ "epoch": epoch, "part": scores.part, "values": values, "seconds": seconds });
                ("scores", scores.step, fields)
            }
            Event::Saved { step, path } => ("saved", *step, json!({ "path": path.to_string_lossy() })),
            Event::Notice(text) => ("notice", self.step, json!({ "text": text })),
            Event::Finished { step, reason } => ("finished", *step, json!({ "reason": reason })),
        };
        self.step = step;
        let mut line = Map::new();
        line.insert("kind".into(), kind.into());
        line.insert("step".into(), step.into());
        line.extend(fields.as_object().cloned().unwrap_or_default().into_iter().filter(|(key, _)| key != "step"));
        line.insert("time".into(), now().into());
        Value::Object(line)
    }
}

/// Seconds since 1970, to the millisecond.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as f64 / 1000.0
}

/// Calls `visit` with each whole line, its bytes with the line feed first; `None` in place of what is not a JSON object.
fn each_line(
    path: &Path,
    mut visit: impl FnMut(&[u8], Option<Map<String, Value>>) -> Result<(), Error>,
) -> Result<(), Error> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        file => file.map_err(Error::io("read", path))?,
    };
    let mut reader = BufReader::new(file);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).map_err(Error::io("read", path))? > 0 {
        // A last line without its line feed may be a whole object that lost its rest, such as a number cut short.
        let whole = bytes.ends_with(b"\n");
        visit(&bytes, serde_json::from_slice(&bytes).ok().filter(|_| whole))?;
        bytes.clear();
    }
    Ok(())
}

/// Rewrites the file without what came after `step`, without the verdict, and without what is not whole.
fn forget_after(path: &Path, step: u64) -> Result<(), Error> {
    let keeper = || {
        let mut over = false; // Scores after the end of the loop are the verdict on the chosen weights, of whatever step.
        move |line: Option<&Map<String, Value>>| {
            let kind = line.and_then(|line| line.get("kind")?.as_str());
            over = kind == Some("finished") || (over && kind != Some("started"));
            let later =
                |line: &Map<String, Value>| line.get("step").and_then(Value::as_u64).is_some_and(|of| of > step);
            line.is_some_and(|line| !(later(line) || over && kind == Some("scores")))
        }
    };
    let (mut clean, mut keeps) = (true, keeper());
    each_line(path, |_, line| {
        clean &= keeps(line.as_ref());
        Ok(())
    })?;
    if clean {
        return Ok(());
    }
    let part = path.with_extension("jsonl.tmp");
    let file = File::create(&part).map_err(Error::io("create", &part))?;
    let (mut writer, mut keeps) = (BufWriter::new(file), keeper());
    each_line(path, |bytes, line| {
        if !keeps(line.as_ref()) {
            return Ok(());
        }
        writer.write_all(bytes).map_err(Error::io("write", &part))
    })?;
    let file = writer.into_inner().map_err(|error| Error::io("write", &part)(error.into_error()))?;
    file.sync_all().map_err(Error::io("write", &part))?;
    std::fs::rename(&part, path).map_err(Error::io("replace", path))?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
        && let Ok(folder) = File::open(folder)
    {
        let _ = folder.sync_all(); // Not every file system can; the rename itself is done.
    }
    Ok(())
}

/// What a file of a run tells, in the order in which it happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Each beginning and resumption.
    pub started: Vec<Begun>,
    /// The steps of training.
    pub progress: Vec<Progress>,
    /// The evaluations.
    pub scores: Vec<Scores>,
    /// Each checkpoint: the step, and where it was written.
    pub saved: Vec<(u64, PathBuf)>,
    /// Each notice: the step, and the sentence.
    pub notices: Vec<(u64, String)>,
    /// Each end of the loop: the step, the reason, and the time in seconds since 1970.
    pub finished: Vec<(u64, String, f64)>,
    /// Lines that could not be understood; a kill leaves one.
    pub unreadable: usize,
}

/// A beginning or a resumption.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Begun {
    /// The step from which it goes on.
    pub step: u64,
    /// The step at which it is to end.
    pub total_steps: u64,
    /// How many steps make one pass over the training split.
    pub steps_per_epoch: u64,
    /// How many numbers are learnt.
    pub parameters: usize,
    /// On what it is computed.
    pub device: String,
    /// When, in seconds since 1970.
    pub time: f64,
}

/// Reads the file of a run, also while it is being written. A file that is not there is an empty history.
///
/// # Errors
/// If the file cannot be read. A line that cannot be understood is counted, not an error.
pub fn read(path: &Path) -> Result<History, Error> {
    let mut history = History::default();
    each_line(path, |_, line| {
        if line.and_then(|line| history.take(line)).is_none() {
            history.unreadable += 1;
        }
        Ok(())
    })?;
    Ok(history)
}

impl History {
    /// Takes note of a line; `None` if it lacks something. Kinds that are not known are passed over.
    fn take(&mut self, line: Map<String, Value>) -> Option<()> {
        let step = line.get("step")?.as_u64()?;
        let text = |key: &str| Some(line.get(key)?.as_str()?.to_owned());
        let number = |key: &str| number(line.get(key)?);
        match line.get("kind")?.as_str()? {
            "started" => self.started.push(serde_json::from_value(Value::Object(line)).ok()?),
            "progress" => self.progress.push(Progress {
                step,
                epoch: number("epoch")?,
                loss: number("loss")?,
                learning_rate: number("learning_rate")?,
                gradient_norm: number("gradient_norm"),
                examples_per_second: number("examples_per_second")?,
                waiting: number("waiting"),
                seconds: number("seconds")?,
            }),
            "scores" => self.scores.push(Scores {
                step,
                epoch: number("epoch")?,
                part: Part::deserialize(line.get("part")?).ok()?,
                values: values(line.get("values")?.as_object()?)?,
                seconds: number("seconds")?,
            }),
            "saved" => self.saved.push((step, text("path")?.into())),
            "notice" => self.notices.push((step, text("text")?)),
            "finished" => self.finished.push((step, text("reason")?, number("time")?)),
            _ => {}
        }
        Some(())
    }
}

/// A number, `null` being one that is not a number; `None` for anything else.
fn number(value: &Value) -> Option<f64> {
    if value.is_null() { Some(f64::NAN) } else { value.as_f64() }
}

fn values(values: &Map<String, Value>) -> Option<Vec<(String, f64)>> {
    values.iter().map(|(name, value)| Some((name.clone(), number(value)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Started;
    use super::*;

    fn progress(step: u64, loss: f64) -> Event {
        Event::Progress(Progress {
            step,
            epoch: step as f64 / 7.0,
            loss,
            learning_rate: 0.1 + 0.2,
            gradient_norm: (step > 1).then_some(1.0 / 3.0),
            examples_per_second: 1e4 / 3.0,
            waiting: Some(0.125),
            seconds: step as f64 * 0.1,
        })
    }

    fn scores(step: u64, value: f64) -> Event {
        let values = vec![("accuracy".to_owned(), value), ("f1/a \"b\"\n".to_owned(), 0.5)];
        Event::Scores(Scores { step, epoch: 0.5, part: Part::Validation, values, seconds: 1.5 })
    }

    fn started(first_step: u64) -> Event {
        let device = "cpu".to_owned();
        Event::Started(Started {
            run: "runs/a".into(),
            first_step,
            total_steps: 9,
            steps_per_epoch: 3,
            parameters: 5,
            device,
        })
    }

    fn write(path: &Path, events: &[Event]) {
        let mut recorder = open(path, None).unwrap();
        for event in events {
            recorder.record(event).unwrap();
        }
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        (folder, path)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (_folder, path) = folder();
        let saved = Event::Saved { step: 2, path: "checkpoints/2".into() };
        let notice = Event::Notice("é\n\"quoted\"".into());
        let finished = Event::Finished { step: 2, reason: "done".into() };
        write(
            &path,
            &[started(0), progress(1, 0.5), progress(2, f64::NAN), scores(2, f64::INFINITY), saved, notice, finished],
        );
        let history = read(&path).unwrap();
        assert_eq!(history.started[0].total_steps, 9);
        assert_eq!(Event::Progress(history.progress[0]).loss_bits(), progress(1, 0.5).loss_bits());
        assert!(history.progress[1].loss.is_nan() && history.scores[0].values[0].1.is_nan());
        assert_eq!(history.scores[0].values[1], ("f1/a \"b\"\n".to_owned(), 0.5));
        assert_eq!(history.saved, [(2, PathBuf::from("checkpoints/2"))]);
        assert_eq!(history.notices, [(2, "é\n\"quoted\"".to_owned())]);
        assert_eq!((history.finished[0].0, history.unreadable), (2, 0));
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 7);
    }

    impl Event {
        fn loss_bits(&self) -> [u64; 6] {
            let Event::Progress(p) = self else { return [0; 6] };
            [p.loss, p.learning_rate, p.epoch, p.examples_per_second, p.waiting.unwrap(), p.seconds].map(f64::to_bits)
        }
    }

    #[test]
    fn a_resumed_run_forgets_what_came_later_and_what_is_torn_at_any_byte() {
        let (_folder, path) = folder();
        write(&path, &[started(0), progress(1, 0.5), scores(1, 0.7), progress(2, 0.25), progress(3, 0.125)]);
        let bytes = std::fs::read(&path).unwrap();
        let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        for end in last..=bytes.len() {
            std::fs::write(&path, &bytes[..end]).unwrap();
            let history = read(&path).unwrap();
            let (whole, torn) = (usize::from(end == bytes.len()), usize::from(end > last && end < bytes.len()));
            assert_eq!((history.progress.len(), history.unreadable), (2 + whole, torn), "cut at {end}");
            let mut recorder = open(&path, Some(2)).unwrap();
            recorder.record(&Event::Notice("resumed".into())).unwrap();
            recorder.record(&progress(3, 0.1)).unwrap();
            let history = read(&path).unwrap();
            let losses: Vec<f64> = history.progress.iter().map(|progress| progress.loss).collect();
            assert_eq!((losses, history.unreadable), (vec![0.5, 0.25, 0.1], 0));
            assert_eq!(history.notices, [(2, "resumed".to_owned())]);
        }
        assert!(open(&path, None).is_err(), "a new run must not write into an old one's file");
        drop(open(&path, Some(0)).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1, "only the beginning is left");
    }

    #[test]
    fn a_file_that_is_not_there_or_not_ours_is_no_error() {
        let (_folder, path) = folder();
        assert_eq!(read(&path).unwrap(), History::default());
        drop(open(&path, Some(5)).unwrap());
        std::fs::write(&path, b"\n[]\n{}\n\xff\n{\"kind\":\"new\",\"step\":1}\n{\"kind\":\"progress\",\"step\":-1}\n")
            .unwrap();
        assert_eq!(read(&path).unwrap().unreadable, 5);
        drop(open(&path, Some(5)).unwrap());
    }
}
