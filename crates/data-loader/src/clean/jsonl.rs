//! How is a JSONL file written anew? Kept lines byte for byte, and of a changed line every byte but the changed value.

use std::ops::Range;

use serde_json::Value as Json;

use super::edits::{Cell, Edits};
use super::rewrite::{Content, NewFile, Rewrite, Written, put};
use crate::atomic::NewFolder;
use crate::card::SourceFile;
use crate::error::Error;

/// One file.
struct File {
    source: SourceFile,
    content: Content,
    /// Each line with its end; the lines of rows have `true`.
    lines: Vec<(Range<usize>, bool)>,
}

/// The files of a card.
pub(super) struct Lines {
    files: Vec<File>,
}

impl Lines {
    pub(super) fn read(files: &[SourceFile]) -> Result<Self, Error> {
        let mut all = Vec::with_capacity(files.len());
        for file in files {
            let content = Content::read(&file.path)?;
            // A byte order mark is no part of the first object.
            let mut start = if content.bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            let mut lines = vec![(0..start, false)];
            for line in content.bytes[start..].split_inclusive(|&byte| byte == b'\n') {
                lines.push((start..start + line.len(), !line.trim_ascii().is_empty()));
                start += line.len();
            }
            all.push(File { source: file.clone(), content, lines });
        }
        Ok(Self { files: all })
    }
}

impl Rewrite for Lines {
    fn places(&self) -> Vec<String> {
        let of = |file: &File| {
            let rows = file.lines.iter().filter(|(_, is_row)| *is_row).count();
            (0..rows).map(|row| format!("{}#{row}", file.source.name)).collect::<Vec<_>>()
        };
        self.files.iter().flat_map(of).collect()
    }

    fn write(&self, edits: &Edits, folder: &NewFolder) -> Result<Written, Error> {
        let mut written = Written::default();
        let mut number = 0;
        for file in &self.files {
            let (mut bytes, mut kept) = (Vec::with_capacity(file.content.bytes.len()), 0);
            for (range, is_row) in &file.lines {
                let line = &file.content.bytes[range.clone()];
                if !is_row {
                    bytes.extend(line);
                    continue;
                }
                let row = number;
                number += 1;
                if edits.dropped.contains_key(&row) {
                    continue;
                }
                if kept > 0 && !bytes.ends_with(b"\n") {
                    bytes.push(b'\n');
                }
                let refused = |message: String| Error::Malformed { path: file.source.path.clone(), message };
                let mut line = line.to_vec();
                for (column, cell) in edits.cells.get(&row).into_iter().flatten() {
                    let members = members(&line).ok_or_else(|| refused(format!("row {row} is no JSON object")))?;
                    // Of a key that stands twice the last one counts.
                    let member = members.iter().rev().find(|member| member.key == *column);
                    let member = member.ok_or_else(|| refused(format!("row {row} has no `{column}`")))?;
                    let value = encoded(cell, &line[member.value.clone()]);
                    line.splice(member.value.clone(), value);
                }
                for column in edits.columns.keys() {
                    without(&mut line, column);
                }
                bytes.extend(line);
                written.places.push((row, format!("{}#{kept}", file.source.name)));
                kept += 1;
            }
            put(folder, &file.source, &file.content, bytes)?;
            written.files.push(NewFile::like(&file.source));
        }
        Ok(written)
    }
}

/// A value as JSON. A class that was written as a number or a truth value stays one, so that all of a column look alike.
fn encoded(cell: &Cell, before: &[u8]) -> Vec<u8> {
    if let Json::String(text) = &cell.value
        && matches!(serde_json::from_slice(before), Ok(Json::Number(_) | Json::Bool(_)))
        && let Ok(Json::Number(_) | Json::Bool(_)) = serde_json::from_str(text)
    {
        return text.clone().into_bytes();
    }
    cell.value.to_string().into_bytes()
}

/// One member of an object: its key, and where key and value lie in the line.
struct Member {
    key: String,
    begin: usize,
    value: Range<usize>,
}

/// Removes every member called `column`, with one of the commas beside it.
fn without(line: &mut Vec<u8>, column: &str) {
    while let Some(members) = members(line) {
        let Some(place) = members.iter().position(|member| member.key == column) else { return };
        let range = match (members.get(place + 1), place.checked_sub(1)) {
            (Some(next), _) => members[place].begin..next.begin,
            (None, Some(before)) => members[before].value.end..members[place].value.end,
            (None, None) => members[place].begin..members[place].value.end,
        };
        line.drain(range);
    }
}

/// The members of the object on a line, in order; none if it is no object.
fn members(line: &[u8]) -> Option<Vec<Member>> {
    serde_json::from_slice::<serde_json::Map<String, Json>>(line).ok()?;
    // The line is sound JSON, so it is enough to know where strings end and how deep a bracket is.
    let mut place = line.iter().position(|&byte| byte == b'{')? + 1;
    let mut found = Vec::new();
    loop {
        place += line.get(place..)?.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b','))?;
        if line[place] == b'}' {
            return Some(found);
        }
        let begin = place;
        let end = string_end(line, begin)?;
        let key: String = serde_json::from_slice(&line[begin..end]).ok()?;
        place = end + line[end..].iter().position(|&byte| byte == b':')? + 1;
        place += line.get(place..)?.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let start = place;
        let mut depth = 0_usize;
        loop {
            match *line.get(place)? {
                b'"' => place = string_end(line, place)?,
                b'{' | b'[' => {
                    depth += 1;
                    place += 1;
                }
                b',' | b'}' if depth == 0 => break,
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    place += 1;
                }
                _ => place += 1,
            }
        }
        let value = start..start + line[start..place].trim_ascii_end().len();
        found.push(Member { key, begin, value });
    }
}

/// Behind the closing quote of the string that opens at `place`.
fn string_end(line: &[u8], place: usize) -> Option<usize> {
    let mut at = place + 1;
    loop {
        match *line.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clean::decisions::Action;

    #[test]
    fn values_are_found_whatever_stands_around_them() {
        let line = br#" { "a" : 1.50e0 ,"b":"x\"},\\", "c": {"a": [1, "]"]},"\u0061b": null } "#;
        let found: Vec<(String, &str)> = members(line)
            .unwrap()
            .into_iter()
            .map(|member| (member.key, std::str::from_utf8(&line[member.value]).unwrap()))
            .collect();
        let expected = [("a", "1.50e0"), ("b", r#""x\"},\\""#), ("c", r#"{"a": [1, "]"]}"#), ("ab", "null")];
        assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value)));
        assert!(members(b"[1]").is_none() && members(b"{\"a\": }").is_none() && members(b"").is_none());
        assert!(members(b"{}").unwrap().is_empty());
    }

    #[test]
    fn a_member_goes_with_one_comma() {
        for (column, left) in [
            ("a", r#"{"b": 2, "c": 3}"#),
            ("b", r#"{"a": 1, "c": 3}"#),
            ("c", r#"{"a": 1, "b": 2}"#),
            ("d", r#"{"a": 1, "b": 2, "c": 3}"#),
        ] {
            let mut line = br#"{"a": 1, "b": 2, "c": 3}"#.to_vec();
            without(&mut line, column);
            assert_eq!(std::str::from_utf8(&line).unwrap(), left);
        }
    }

    #[test]
    fn a_class_that_was_a_number_stays_one() {
        let cell = |value: Json| Cell { line: 1, value, action: Action::Relabel };
        let encoded = |value, before: &str| String::from_utf8(encoded(&cell(value), before.as_bytes())).unwrap();
        assert_eq!(encoded("7".into(), "3"), "7");
        assert_eq!(encoded("7".into(), "\"3\""), "\"7\"");
        assert_eq!(encoded("07".into(), "3"), "\"07\"");
        assert_eq!(encoded("true".into(), "false"), "true");
        assert_eq!(encoded(Json::from(1.5), "null"), "1.5");
    }
}
