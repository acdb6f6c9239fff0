//! How is a CSV file written anew? Kept rows byte for byte, and of a changed row every field but the changed one.

use std::collections::BTreeMap;
use std::ops::Range;

use super::edits::{Cell, Edits};
use super::rewrite::{Content, NewFile, Rewrite, Written, put};
use crate::atomic::NewFolder;
use crate::card::SourceFile;
use crate::error::Error;

/// One file.
struct Table {
    file: SourceFile,
    content: Content,
    columns: Vec<String>,
    /// The header line, with what stands before the first row.
    header: Range<usize>,
    /// Each row, with the end of its line and empty lines after it.
    rows: Vec<Range<usize>>,
}

/// The files of a card.
pub(super) struct Tables {
    tables: Vec<Table>,
    delimiter: u8,
}

impl Tables {
    pub(super) fn read(files: &[SourceFile], delimiter: u8) -> Result<Self, Error> {
        let tables = files.iter().map(|file| Table::read(file, delimiter)).collect::<Result<_, _>>()?;
        Ok(Self { tables, delimiter })
    }
}

impl Table {
    fn read(file: &SourceFile, delimiter: u8) -> Result<Self, Error> {
        let content = Content::read(&file.path)?;
        let bytes = &content.bytes[..];
        let mark = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let malformed = |error: csv::Error| Error::Malformed { path: file.path.clone(), message: error.to_string() };
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(&bytes[mark..]);
        let header = reader.byte_headers().map_err(malformed)?;
        let columns = header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        let mut starts = Vec::new();
        let mut record = csv::ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(malformed)? {
            // The reader may begin a row at the second half of a line end, or at empty lines.
            let start = mark + record.position().map_or(0, |position| position.byte() as usize);
            let rest = bytes.get(start..).unwrap_or_default();
            starts.push(start + rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count());
        }
        let header = 0..starts.first().copied().unwrap_or(bytes.len());
        starts.push(bytes.len());
        let rows = starts.windows(2).map(|pair| pair[0]..pair[1]).collect();
        Ok(Self { file: file.clone(), columns, header, rows, content })
    }

    fn line(&self, range: &Range<usize>) -> &[u8] {
        &self.content.bytes[range.clone()]
    }

    /// The places of the columns that are left out, the last first.
    fn left_out(&self, edits: &Edits) -> Vec<usize> {
        (0..self.columns.len()).rev().filter(|&column| edits.columns.contains_key(&self.columns[column])).collect()
    }

    /// A line without the columns that are left out.
    fn without(&self, line: &[u8], left_out: &[usize], delimiter: u8) -> Result<Vec<u8>, Error> {
        let mut line = line.to_vec();
        if left_out.is_empty() {
            return Ok(line);
        }
        let found = fields(&line, delimiter).len();
        if found != self.columns.len() {
            return Err(self.malformed(&line, format!("it has {found} fields and the header {}", self.columns.len())));
        }
        for &column in left_out {
            let fields = fields(&line, delimiter);
            // One delimiter goes with the field: the one behind it, or of the last field the one before.
            let range = match (fields.get(column + 1), column.checked_sub(1)) {
                (Some(next), _) => fields[column].start..next.start,
                (None, Some(before)) => fields[before].end..fields[column].end,
                (None, None) => fields[column].clone(),
            };
            line.drain(range);
        }
        Ok(line)
    }

    /// A line with new values.
    fn changed(&self, line: &[u8], cells: &BTreeMap<String, Cell>, delimiter: u8) -> Result<Vec<u8>, Error> {
        let ranges = fields(line, delimiter);
        let mut changed = line.to_vec();
        // From the last field to the first, so that places in front stay what they are.
        for (column, name) in self.columns.iter().enumerate().rev() {
            let Some(cell) = cells.get(name) else { continue };
            let Some(range) = ranges.get(column) else {
                return Err(self.malformed(line, format!("it has no field for the column `{name}`")));
            };
            let quoted = line.get(range.start) == Some(&b'"');
            changed.splice(range.clone(), encoded(&cell.text(), delimiter, quoted));
        }
        Ok(changed)
    }

    fn malformed(&self, line: &[u8], message: String) -> Error {
        let start: String = String::from_utf8_lossy(line).trim_end().chars().take(60).collect();
        Error::Malformed { path: self.file.path.clone(), message: format!("of the row {start:?} {message}") }
    }
}

impl Rewrite for Tables {
    fn places(&self) -> Vec<String> {
        let of =
            |table: &Table| (0..table.rows.len()).map(|row| format!("{}#{row}", table.file.name)).collect::<Vec<_>>();
        self.tables.iter().flat_map(of).collect()
    }

    fn write(&self, edits: &Edits, folder: &NewFolder) -> Result<Written, Error> {
        let mut written = Written::default();
        let mut number = 0;
        for table in &self.tables {
            let left_out = table.left_out(edits);
            let mut bytes = table.without(table.line(&table.header), &left_out, self.delimiter)?;
            let mut kept = 0;
            for range in &table.rows {
                let row = number;
                number += 1;
                if edits.dropped.contains_key(&row) {
                    continue;
                }
                let line = table.line(range);
                let line = match edits.cells.get(&row) {
                    Some(cells) => table.changed(line, cells, self.delimiter)?,
                    None => line.to_vec(),
                };
                // Only the last row of a file may lack the end of its line, and another one may come behind it now.
                if kept > 0 && !bytes.ends_with(b"\n") && !bytes.ends_with(b"\r") {
                    bytes.push(b'\n');
                }
                bytes.extend(table.without(&line, &left_out, self.delimiter)?);
                written.places.push((row, format!("{}#{kept}", table.file.name)));
                kept += 1;
            }
            put(folder, &table.file, &table.content, bytes)?;
            written.files.push(NewFile::like(&table.file));
        }
        Ok(written)
    }
}

/// Where the fields of a line lie in it, with their quotes. As RFC 4180 has it, a quote opens a field only where the field
/// begins, and two quotes in a row stand for one.
fn fields(line: &[u8], delimiter: u8) -> Vec<Range<usize>> {
    let mark = if line.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let (mut start, mut place, mut quoted) = (mark, mark, false);
    let mut found = Vec::new();
    while let Some(&byte) = line.get(place) {
        match byte {
            b'"' if quoted && line.get(place + 1) == Some(&b'"') => place += 1,
            b'"' if quoted || place == start => quoted = !quoted,
            _ if quoted => {}
            b'\r' | b'\n' => break,
            _ if byte == delimiter => {
                found.push(start..place);
                start = place + 1;
            }
            _ => {}
        }
        place += 1;
    }
    found.push(start..place);
    found
}

/// A value as a field, in quotes where it was in quotes before or needs them.
fn encoded(text: &str, delimiter: u8, quoted: bool) -> Vec<u8> {
    let needs = text.bytes().any(|byte| byte == delimiter || matches!(byte, b'"' | b'\r' | b'\n'));
    if quoted || needs { format!("\"{}\"", text.replace('"', "\"\"")).into_bytes() } else { text.as_bytes().to_vec() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(line: &str) -> Vec<String> {
        fields(line.as_bytes(), b',').into_iter().map(|range| line[range].to_owned()).collect()
    }

    #[test]
    fn fields_are_cut_where_the_reader_cuts_them() {
        assert_eq!(split("a,b,,c\r\n"), ["a", "b", "", "c"]);
        assert_eq!(split("\"a,\"\"x\"\"\nb\",\"\",c\"d\n"), ["\"a,\"\"x\"\"\nb\"", "\"\"", "c\"d"]);
        assert_eq!(split(""), [""]);
    }

    proptest! {
        #[test]
        fn a_field_is_changed_and_the_others_stay(
            values in proptest::collection::vec("[ab,\"\n\r ]{0,6}", 2..6), new in "[xy,\"\n]{1,5}", place in 0_usize..6,
        ) {
            let place = place % values.len();
            let line: Vec<Vec<u8>> = values.iter().map(|value| encoded(value, b',', value.contains('a'))).collect();
            let line = [line.join(&b','), b"\n".to_vec()].concat();
            let ranges = fields(&line, b',');
            prop_assert_eq!(ranges.len(), values.len());
            let mut changed = line.clone();
            changed.splice(ranges[place].clone(), encoded(&new, b',', false));
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&changed[..]);
            let read = reader.records().next().unwrap().unwrap();
            let mut expected = values;
            expected[place] = new;
            prop_assert_eq!(read.iter().collect::<Vec<_>>(), expected);
        }
    }
}
