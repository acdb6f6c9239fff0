//! Where do the rows of a CSV file begin, and where the fields of a row? As RFC 4180 has it, and the `csv` crate.
//!
//! A quote opens a field only where the field begins, and two quotes in a row inside of it stand for one. `\n`, `\r\n` and a
//! lone `\r` end a line; outside of quotes they end a row. Empty lines are no rows.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr3, memrchr, memrchr_iter};

/// Where a [`Scanner`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between two rows.
    Between,
    /// In a row, outside of quotes.
    Row,
    /// Inside of quotes.
    Quoted,
    /// Behind a quote inside of quotes: the end of them, or the first of two that stand for one.
    Quote,
}

/// Finds rows in bytes that come piece by piece.
#[derive(Debug)]
pub(crate) struct Scanner {
    delimiter: u8,
    state: State,
    /// The byte before the next one.
    before: u8,
    /// The line of the next byte, counted from 1.
    line: u64,
    /// The place of the next byte.
    place: u64,
}

impl Scanner {
    /// Begins at `place`, where a line does.
    pub(crate) fn new(delimiter: u8, place: u64) -> Self {
        Self { delimiter, state: State::Between, before: b'\n', line: 1, place }
    }

    /// Goes over the next bytes; `row` is called with place and line of every row that begins in them.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut row: impl FnMut(u64, u64)) {
        let mut at = 0;
        while at < bytes.len() {
            match self.state {
                State::Between if matches!(bytes[at], b'\n' | b'\r') => {
                    self.count(bytes[at]);
                    at += 1;
                }
                State::Between => {
                    row(self.place + at as u64, self.line);
                    self.state = State::Row;
                    self.before = b'\n';
                }
                State::Row => {
                    let Some(found) = memchr3(b'\n', b'\r', b'"', &bytes[at..]) else {
                        self.before = bytes[bytes.len() - 1];
                        break;
                    };
                    if found > 0 {
                        self.before = bytes[at + found - 1];
                    }
                    let byte = bytes[at + found];
                    at += found + 1;
                    if byte == b'"' {
                        if self.before == self.delimiter || matches!(self.before, b'\n' | b'\r') {
                            self.state = State::Quoted;
                        }
                        self.before = byte;
                    } else {
                        self.before = 0;
                        self.count(byte);
                        self.state = State::Between;
                    }
                }
                State::Quoted => {
                    let rest = &bytes[at..];
                    let found = memchr(b'"', rest);
                    rest[..found.unwrap_or(rest.len())].iter().for_each(|&byte| self.count(byte));
                    let Some(found) = found else { break };
                    at += found + 1;
                    self.state = State::Quote;
                }
                State::Quote => {
                    if bytes[at] == b'"' {
                        at += 1;
                        self.state = State::Quoted;
                    } else {
                        self.state = State::Row;
                    }
                    self.before = b'"';
                }
            }
        }
        self.place += bytes.len() as u64;
    }

    /// Counts lines: `\n` ends one unless the `\r` before it did already.
    fn count(&mut self, byte: u8) {
        self.line += u64::from(byte == b'\r' || byte == b'\n' && self.before != b'\r');
        self.before = byte;
    }

    /// Whether the bytes so far end inside of quotes.
    pub(crate) fn is_quoted(&self) -> bool {
        self.state == State::Quoted
    }
}

/// How many lines end in `bytes`; `before` is the byte before them, and then their last.
pub(crate) fn lines_in(bytes: &[u8], before: &mut u8) -> u64 {
    let ends = |&byte: &u8| {
        let ends = byte == b'\r' || byte == b'\n' && *before != b'\r';
        *before = byte;
        u64::from(ends)
    };
    bytes.iter().map(ends).sum()
}

/// The field in `column` of a row without quotes that has `columns` fields, found without cutting out the others.
fn one_field(row: &str, delimiter: u8, column: usize, columns: usize) -> Option<&str> {
    let row = row.trim_end_matches(['\r', '\n']);
    let bytes = row.as_bytes();
    if column >= columns || memchr(b'"', bytes).is_some() || memchr_iter(delimiter, bytes).count() + 1 != columns {
        return None;
    }
    // From whichever end it is nearer.
    let behind = columns - 1 - column;
    if column < behind {
        let start =
            column.checked_sub(1).map_or(Some(0), |before| Some(memchr_iter(delimiter, bytes).nth(before)? + 1));
        let rest = &row[start?..];
        return Some(&rest[..memchr(delimiter, rest.as_bytes()).unwrap_or(rest.len())]);
    }
    let end = behind.checked_sub(1).map_or(Some(row.len()), |after| memrchr_iter(delimiter, bytes).nth(after));
    let rest = &row[..end?];
    Some(&rest[memrchr(delimiter, rest.as_bytes()).map_or(0, |before| before + 1)..])
}

/// What is wrong with a row of which [`Fields::cut`] says that it cannot be meant.
pub(crate) const AFTER_QUOTE: &str = "text follows the quote that closes a value, as where a quote was never closed; within quotes a quote is written twice";

/// The fields of one row; the memory is used again for the next.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    ranges: Vec<(u32, u32)>,
    /// What the fields are, where quotes had to be taken away.
    unquoted: String,
    is_unquoted: bool,
    /// The column of the first of them.
    first: usize,
}

impl Fields {
    /// Cuts `row`, which may have the end of its line behind it, into fields. False if text follows the closing quote of one:
    /// readers differ in what that means, and mostly a quote before it was never closed.
    pub(crate) fn cut(&mut self, row: &str, delimiter: u8) -> bool {
        let row = row.trim_end_matches(['\r', '\n']);
        self.ranges.clear();
        self.first = 0;
        self.is_unquoted = memchr(b'"', row.as_bytes()).is_some();
        if self.is_unquoted {
            return self.cut_quoted(row, delimiter);
        }
        let mut start = 0;
        for end in memchr_iter(delimiter, row.as_bytes()) {
            self.ranges.push((start, end as u32));
            start = end as u32 + 1;
        }
        self.ranges.push((start, row.len() as u32));
        true
    }

    fn cut_quoted(&mut self, row: &str, delimiter: u8) -> bool {
        self.unquoted.clear();
        let mut start = 0;
        let (mut rest, mut is_clean) = (row, true);
        loop {
            let mut quoted = rest.strip_prefix('"');
            let is_quoted = quoted.is_some();
            while let Some(inside) = quoted {
                let end = memchr(b'"', inside.as_bytes()).unwrap_or(inside.len());
                self.unquoted += &inside[..end];
                rest = inside.get(end + 1..).unwrap_or_default();
                quoted = rest.strip_prefix('"');
                if quoted.is_some() {
                    self.unquoted.push('"');
                }
            }
            let end = memchr(delimiter, rest.as_bytes());
            is_clean &= !is_quoted || end.unwrap_or(rest.len()) == 0;
            self.unquoted += &rest[..end.unwrap_or(rest.len())];
            self.ranges.push((start, self.unquoted.len() as u32));
            start = self.unquoted.len() as u32;
            match end {
                Some(end) => rest = &rest[end + 1..],
                None => return is_clean,
            }
        }
    }

    /// Cuts the field in `column` alone out of `row`, which has `columns` fields; false if it must be cut as a whole.
    pub(crate) fn cut_one(&mut self, row: &str, delimiter: u8, column: usize, columns: usize) -> bool {
        let Some(field) = one_field(row, delimiter, column, columns) else { return false };
        let start = (field.as_ptr() as usize - row.as_ptr() as usize) as u32;
        self.ranges.clear();
        self.ranges.push((start, start + field.len() as u32));
        (self.first, self.is_unquoted) = (column, false);
        true
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// The field in `column` of `row`, which was cut last; empty if it was not cut out.
    pub(crate) fn get<'a>(&'a self, row: &'a str, column: usize) -> &'a str {
        let Some(&(start, end)) = self.ranges.get(column.wrapping_sub(self.first)) else { return "" };
        let range: Range<usize> = start as usize..end as usize;
        if self.is_unquoted { &self.unquoted[range] } else { &row[range] }
    }
}

/// A row that was cut into fields.
#[derive(Clone, Copy)]
pub(crate) struct Cut<'a> {
    /// As it stands in the file.
    pub(crate) text: &'a str,
    /// Where the fields lie in it.
    pub(crate) fields: &'a Fields,
}

impl<'a> Cut<'a> {
    /// The field in `column`.
    pub(crate) fn get(self, column: usize) -> &'a str {
        self.fields.get(self.text, column)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Place and line of every row, and whether a quote is open at the end; read in pieces of `piece` bytes.
    fn scan(text: &str, piece: usize) -> (Vec<(u64, u64)>, bool) {
        let mut scanner = Scanner::new(b',', 0);
        let mut rows = Vec::new();
        for piece in text.as_bytes().chunks(piece) {
            scanner.feed(piece, |place, line| rows.push((place, line)));
        }
        (rows, scanner.is_quoted())
    }

    fn rows(text: &str, piece: usize) -> Vec<Vec<String>> {
        let (places, _) = scan(text, piece);
        let ends = places.iter().skip(1).map(|(place, _)| *place).chain([text.len() as u64]);
        let mut fields = Fields::default();
        let cut = |((start, _), end): (&(u64, u64), u64)| {
            let row = &text[*start as usize..end as usize];
            fields.cut(row, b',');
            let all: Vec<String> = (0..fields.len()).map(|column| fields.get(row, column).to_owned()).collect();
            for (column, field) in all.iter().enumerate() {
                assert_eq!(fields.cut_one(row, b',', column, all.len()), !row.contains('"'));
                assert!(row.contains('"') || fields.get(row, column) == field, "{row:?}, {column}");
                assert!(!fields.cut_one(row, b',', column, all.len() + 1));
            }
            all
        };
        places.iter().zip(ends).map(cut).collect()
    }

    fn peer(text: &str) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(text.as_bytes());
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn rows_and_fields_are_those_of_the_csv_crate(text in "[\",\n\rab é]{0,60}", piece in 1_usize..9) {
            let (places, open) = scan(&text, piece);
            // What follows a quote that never closes belongs to it, the end of the last line too.
            if !open {
                prop_assert_eq!(rows(&text, piece), peer(&text));
            }
            for (place, line) in places {
                prop_assert_eq!(line, lines_in(&text.as_bytes()[..place as usize], &mut 0) + 1);
            }
        }
    }

    #[test]
    fn quotes_open_where_a_field_begins() {
        for open in ["red,1,\"cat", "red,1,\"", "red,1,\"cat\"\"", "red,1,\"a,b\n"] {
            assert!(scan(open, 3).1, "{open}");
        }
        for closed in ["\"red\",1,\"cat\"", "\"r\"\"ed\",1,\"\"", "5\" pipe,1,cat", "\"a\nb\",1,\"c\"\r\n"] {
            assert!(!scan(closed, 3).1, "{closed}");
        }
        assert_eq!(rows("\"a\"b\"c,\"d,\"\"\n\"", 1), [["ab\"c", "d,\"\n"]]);
    }
}
