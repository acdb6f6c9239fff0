//! What does the user see? The only module that prints; progress is shown by the [`console`](crate::console).
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::{IsTerminal, Write};

use crate::failure::Failure;

/// Prints a result, a line.
pub fn line(text: impl AsRef<str>) {
    // A closed pipe (`firebox list | head`) is the reader's wish, not a failure.
    let _ = writeln!(std::io::stdout(), "{}", text.as_ref());
}

/// Prints a part of a result without ending the line, at once; false once nobody reads it any more.
pub fn part(text: &str) -> bool {
    let mut out = std::io::stdout();
    write!(out, "{text}").and_then(|()| out.flush()).is_ok()
}

/// Prints a result as JSON.
pub fn json(value: &serde_json::Value) {
    line(serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Prints something the user should know besides the result.
pub fn note(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
}

/// Prints why a command failed, with the hint under it.
pub fn failure(failure: &Failure, as_json: bool) {
    if as_json {
        json(&serde_json::json!({ "error": failure.message, "hint": failure.hint }));
        return;
    }
    let (red, bold, plain) = if std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        ("\u{1b}[1;31m", "\u{1b}[1m", "\u{1b}[0m")
    } else {
        ("", "", "")
    };
    note(format!("{red}error:{plain} {}", sentence(&failure.message)));
    if let Some(hint) = &failure.hint {
        note(format!("{bold}hint:{plain} {}", sentence(hint)));
    }
}

/// With a full stop, unless it ends in one or in something to be typed.
fn sentence(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '!', '?', ':', '`']) { text.to_owned() } else { format!("{text}.") }
}

/// Prints rows under a heading, every column as wide as its widest cell; numbers stand to the right.
pub fn table(heading: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).chain([heading[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let numeric: Vec<bool> = (0..heading.len())
        .map(|column| {
            !rows.is_empty()
                && rows.iter().all(|row| row[column].trim_end_matches('%').replace(',', "").parse::<f64>().is_ok())
        })
        .collect();
    let print = |cells: &[String]| {
        let cells: Vec<String> = cells
            .iter()
            .enumerate()
            .map(|(column, cell)| {
                let padding = " ".repeat(widths[column] - cell.chars().count());
                if numeric[column] { padding + cell } else { format!("{cell}{padding}") }
            })
            .collect();
        line(cells.join("  ").trim_end());
    };
    print(&heading.iter().map(|&cell| cell.to_owned()).collect::<Vec<_>>());
    for row in rows {
        print(row);
    }
}

/// A whole number with commas, as in 60,000.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A span of time, as in `3 min 12 s`.
pub fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        _ if seconds < 9.95 => format!("{seconds:.1} s"),
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_spans_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(span(0.04), "0.0 s");
        assert_eq!(span(59.4), "59 s");
        assert_eq!(span(192.0), "3 min 12 s");
        assert_eq!(span(7_260.0), "2 h 1 min");
        assert_eq!(sentence("use `x`"), "use `x`");
        assert_eq!(sentence("it broke"), "it broke.");
    }
}
