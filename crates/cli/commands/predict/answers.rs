//! Where do answers to many records go? Line by line into a file beside the one that is wanted, which is made of it once all are there:
//! whoever interrupts the work goes on with the same command, and nobody meets half a file.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use data_loader::written::{self, Cell, Column, Form};
use serde_json::Value;
use serving::Prediction;

use crate::failure::Failure;

/// Put behind the name that is wanted.
const UNFINISHED: &str = ".unfinished";

/// The first key of the first line, by which such a file is known.
pub const ANSWERS_TO: &str = "answers_to";
const BEGINNING: &[u8] = b"{\"answers_to\"";

/// Answers on their way into a file.
pub struct Answers {
    path: PathBuf,
    unfinished: PathBuf,
    form: Form,
    lines: BufWriter<File>,
    /// How many records were answered before.
    pub begun_with: usize,
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Failure + '_ {
    |source| data_loader::Error::write(path, source).into()
}

impl Answers {
    /// Goes on with what lies beside `path`, if it was begun with the same words, or begins.
    ///
    /// # Errors
    /// If there is such a file already, its name asks for no form, or it cannot be written.
    pub fn open(path: &Path, begun: &Value) -> Result<Self, Failure> {
        let form = Form::of(path)?;
        // A database may hold other tables.
        if path.exists() && form != Form::Sqlite {
            let message = format!("{} is there already", path.display());
            return Err(Failure::usage(message, "Choose another name, or remove it."));
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(UNFINISHED);
        let unfinished = path.with_file_name(name);
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        let mut file = options.open(&unfinished).map_err(failed(&unfinished))?;
        if file.try_lock().is_err() {
            let message = format!("{} is being written by another process", unfinished.display());
            return Err(Failure::usage(message, "Wait until it is through, or choose another name."));
        }
        let (begun_with, end) = whole(&file, begun).map_err(failed(&unfinished))?.ok_or_else(|| {
            let message = format!("{} is no file of unfinished answers", unfinished.display());
            Failure::usage(message, "Choose another name, or remove it.")
        })?;
        // What an interruption cut off is written again.
        file.set_len(end).and_then(|()| file.seek(SeekFrom::End(0))).map_err(failed(&unfinished))?;
        if end == 0 {
            writeln!(file, "{begun}").map_err(failed(&unfinished))?;
        }
        let lines = BufWriter::new(file);
        Ok(Self { path: path.to_owned(), unfinished, form, lines, begun_with })
    }

    /// Keeps some more.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn push(&mut self, predictions: &[Prediction]) -> Result<(), Failure> {
        for prediction in predictions {
            let line = serde_json::to_string(prediction).map_err(std::io::Error::other);
            line.and_then(|line| writeln!(self.lines, "{line}")).map_err(failed(&self.unfinished))?;
        }
        self.lines.flush().map_err(failed(&self.unfinished))
    }

    /// Makes the file that is wanted.
    ///
    /// # Errors
    /// If it cannot be written; what was answered stays beside it.
    pub fn finish(mut self, records: usize) -> Result<(), Failure> {
        self.lines.flush().map_err(failed(&self.unfinished))?;
        let mut lines = BufReader::new(File::open(&self.unfinished).map_err(failed(&self.unfinished))?).lines();
        let broken = |error: std::io::Error| data_loader::Error::write(&self.unfinished, error);
        lines.next();
        let mut next = || -> Result<Option<Prediction>, data_loader::Error> {
            let Some(line) = lines.next() else { return Ok(None) };
            let read = line.and_then(|line| serde_json::from_str(&line).map_err(std::io::Error::other));
            read.map(Some).map_err(broken)
        };
        let mut first = next()?;
        let columns = first.as_ref().map(columns).unwrap_or_default();
        let mut count = 0;
        let mut rows = || {
            let prediction = match first.take() {
                Some(first) => Some(first),
                None => next()?,
            };
            count += usize::from(prediction.is_some());
            Ok(prediction.map(|prediction| cells(prediction, columns.len())))
        };
        written::write(&self.path, self.form, &columns, &mut rows)?;
        if count != records {
            return Err(Failure::broken(format!(
                "{count} answers stand in {}, and {records} records were asked",
                self.path.display()
            )));
        }
        std::fs::remove_file(&self.unfinished).map_err(failed(&self.unfinished))
    }

    /// Where they are meanwhile.
    pub fn unfinished(&self) -> &Path {
        &self.unfinished
    }
}

/// How many whole answers a file holds that was begun with these words, and where the last of them ends; none if it was begun with
/// others. Nothing if it holds something else.
fn whole(file: &File, begun: &Value) -> std::io::Result<Option<(usize, u64)>> {
    let mut lines = BufReader::new(file);
    let mut line = Vec::new();
    lines.read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(Some((0, 0)));
    }
    let is_whole = line.pop() == Some(b'\n');
    let first = serde_json::from_slice::<Value>(&line).ok();
    // One that was cut off in its first line begins as all do.
    let ours = first.as_ref().map_or(line.starts_with(BEGINNING), |first| first.get(ANSWERS_TO).is_some());
    if !ours {
        return Ok(None);
    }
    if !is_whole || first.as_ref() != Some(begun) {
        return Ok(Some((0, 0)));
    }
    let (mut count, mut end) = (0, line.len() as u64 + 1);
    loop {
        line.clear();
        let length = lines.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') || serde_json::from_slice::<Prediction>(&line).is_err() {
            return Ok(Some((count, end)));
        }
        count += 1;
        end += length as u64;
    }
}

/// The columns of a table of predictions such as this one: probabilities of classes are called `p_CLASS`.
fn columns(prediction: &Prediction) -> Vec<Column> {
    let text = |name: &str| Column { name: name.to_owned(), is_number: false };
    let mut columns = vec![text("id")];
    columns.extend(prediction.label.as_ref().map(|_| text("label")));
    let of_classes =
        prediction.label.is_some() && prediction.scores.iter().any(|(name, _)| Some(name) == prediction.label.as_ref());
    for (name, _) in &prediction.scores {
        let mut name = if of_classes { format!("p_{name}") } else { name.clone() };
        // Databases do not tell capital letters from small ones.
        while columns.iter().any(|other: &Column| other.name.eq_ignore_ascii_case(&name)) {
            name.push('_');
        }
        columns.push(Column { name, is_number: true });
    }
    columns.extend((!prediction.unusual.is_empty()).then(|| text("unusual")));
    columns
}

fn cells(prediction: Prediction, width: usize) -> Vec<Cell> {
    let mut cells = vec![Cell::Text(prediction.id)];
    cells.extend(prediction.label.map(Cell::Text));
    cells.extend(prediction.scores.into_iter().map(|(_, score)| Cell::Number(score)));
    if !prediction.unusual.is_empty() {
        let names: Vec<String> = prediction.unusual.into_iter().map(|(name, _)| name).collect();
        cells.push(Cell::Text(names.join(", ")));
    }
    cells.resize(width, Cell::Missing);
    cells
}
