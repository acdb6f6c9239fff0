//! How do numbers and texts of a run become safe, readable HTML?

/// Text that may stand anywhere in HTML or in a quoted attribute. Characters that no page may contain are replaced.
pub(in crate::reports) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(character),
            '\r' => {}
            c if is_forbidden(c) => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Control characters are not allowed, and marks that turn the direction of text could disguise it.
fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text for a script, which shows it as it is and never as HTML: without characters that no page may contain.
pub(in crate::reports) fn shown(text: &str) -> String {
    text.chars().map(|c| if is_forbidden(c) { '\u{fffd}' } else { c }).collect()
}

/// The name of a class as HTML; one that cannot be seen is called so.
pub(in crate::reports) fn label(text: &str) -> String {
    if text.trim().is_empty() { "(blank)".into() } else { escape(text) }
}

/// A label of at most `length` characters.
pub(in crate::reports) fn shortened(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    text.chars().take(length.saturating_sub(1)).chain(['…']).collect()
}

/// A number with as many digits as tell it from its like: `12,345`, `3.142`, `0.9831`, `1.2e-05`.
pub(in crate::reports) fn number(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        return "not a number".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞" } else { "−∞" }.into();
    }
    let text = match size {
        0.0 => "0".into(),
        _ if size >= 1e9 => exponent(value, 3),
        _ if size >= 999.95 => grouped(value),
        _ if size >= 1.0 => format!("{value:.*}", 3 - size.log10().floor() as usize),
        _ if size >= 0.001 => format!("{value:.4}"),
        _ => exponent(value, 2),
    };
    text.replace('-', "−").replace("e−", "e-")
}

/// A number as a person wrote it, without digits that say nothing: `0.99`, `5`.
pub(in crate::reports) fn plain(value: f64) -> String {
    let text = number(value);
    if text.contains(['e', ',']) { text } else { trimmed(&text).to_owned() }
}

/// The text with a capital first letter.
pub(in crate::reports) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A number on an axis, its form chosen by the distance to the next one, so that all numbers of an axis look alike.
pub(in crate::reports) fn tick(value: f64, step: f64) -> String {
    if value.abs() < step.abs() * 1e-6 {
        return "0".into();
    }
    let text = match step.abs() {
        step if step >= 1e9 => exponent(value, 2),
        step if step >= 1e6 => format!("{}M", trimmed(&format!("{:.2}", value / 1e6))),
        step if step >= 1e3 => format!("{}k", trimmed(&format!("{:.2}", value / 1e3))),
        step if step >= 1.0 => grouped(value),
        step if step < 1e-3 && value.abs() < 0.01 => exponent(value, 2),
        step => format!("{value:.*}", (-step.log10().floor()).clamp(0.0, 9.0) as usize),
    };
    text.replace('-', "−").replace("e−", "e-")
}

fn exponent(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => format!("{}e{exponent}", trimmed(mantissa)),
        None => text,
    }
}

fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// A whole number with commas between thousands.
pub(in crate::reports) fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = if value < 0.0 { "-".to_owned() } else { String::new() };
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size in bytes with its unit.
pub(super) fn bytes(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if size < 1000.0 {
            return if unit == "B" { format!("{size} B") } else { format!("{size:.1} {unit}") };
        }
        size /= 1000.0;
    }
    format!("{size:.1} TB")
}

/// Seconds as a person says them: `48 s`, `3 min 20 s`, `2 h 5 min`.
pub(in crate::reports) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_true() {
        let cases = [
            (0.98312, "0.9831"),
            (12345.6, "12,346"),
            (1.25, "1.250"),
            (999.96, "1,000"),
            (-0.5, "−0.5000"),
            (0.000_012, "1.2e-5"),
            (f64::NAN, "not a number"),
            (f64::NEG_INFINITY, "−∞"),
            (0.0, "0"),
            (1e300, "1e300"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        for (value, step, text) in [
            (0.25, 0.05, "0.25"),
            (20000.0, 5000.0, "20k"),
            (1.5e6, 5e5, "1500k"),
            (0.0, 1.0, "0"),
            (2e-4, 1e-4, "2e-4"),
        ] {
            assert_eq!(tick(value, step), text);
        }
        assert_eq!([plain(0.99), plain(5.0), plain(100.0), plain(2e-5)], ["0.99", "5", "100", "2e-5"]);
        assert_eq!([bytes(12), bytes(1_234_567)], ["12 B", "1.2 MB"]);
        assert_eq!([duration(2.04), duration(200.0), duration(7500.0)], ["2.0 s", "3 min 20 s", "2 h 5 min"]);
    }

    #[test]
    fn nothing_breaks_out_of_a_text() {
        assert_eq!(escape("<b a='\"'>&\u{0}\u{202e}"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;\u{fffd}\u{fffd}");
        assert_eq!(shortened("ééééé", 3), "éé…");
    }
}
