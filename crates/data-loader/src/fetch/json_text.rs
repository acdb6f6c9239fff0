//! Where in a JSON text do the items of a list stand? They are passed on as they are written, since reading and writing them
//! again would cost digits.

use serde::de::IgnoredAny;

use crate::error::listed;

/// Whether a text is JSON. Nothing of it is built: its values may take fifty times the room of their text.
pub(crate) fn check(text: &str) -> Result<(), serde_json::Error> {
    serde_json::from_str::<IgnoredAny>(text).map(drop)
}

/// The text of the value at a path such as `data.items`, and the whole for an empty path. Where `null` stands on the way, it is
/// the value. `text` is known to be JSON.
pub(crate) fn at<'t>(text: &'t str, path: &str) -> Result<Option<&'t str>, String> {
    let mut value = text.trim();
    for key in path.split('.').filter(|key| !key.is_empty()) {
        if value == "null" {
            return Ok(Some(value));
        }
        let mut found = None;
        for (name, inner) in members(value) {
            // Of a name that stands twice in an object, one reader takes the first and another the last.
            if name == key && found.replace(inner).is_some() {
                return Err(format!("`{key}` of `{path}` stands twice in the answer"));
            }
        }
        let Some(found) = found else { return Ok(None) };
        value = found;
    }
    Ok(Some(value))
}

/// The names in an object and the texts of their values; of another value there are none.
pub(crate) fn members(text: &str) -> impl Iterator<Item = (String, &str)> {
    let mut rest = Scanner { text, place: 0 };
    let mut open = rest.peek() == Some(b'{');
    std::iter::from_fn(move || {
        // The opening brace, or the comma behind a value.
        rest.place += usize::from(open);
        rest.skip_spaces();
        open &= rest.peek() != Some(b'}');
        if !open {
            return None;
        }
        let name = serde_json::from_str(rest.value()).ok()?;
        rest.skip_spaces();
        rest.place += 1;
        let value = rest.value();
        rest.skip_spaces();
        open = rest.peek() == Some(b',');
        Some((name, value))
    })
}

/// The names in an answer, and those in the objects directly in it as `data.items`; some hundreds at most.
pub(crate) fn names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (name, value) in members(text.trim()) {
        names.push(name.clone());
        names.extend(members(value).map(|(inner, _)| format!("{name}.{inner}")).take(100));
        if names.len() >= 200 {
            break;
        }
    }
    names
}

/// The texts of the objects in the list at `path`, one after the other; what is none is an error in its place.
pub(crate) fn items<'t>(text: &'t str, path: &str) -> Result<impl Iterator<Item = Result<&'t str, String>>, String> {
    let shown = if path.is_empty() { "the answer".to_owned() } else { format!("`{path}`") };
    let Some(found) = at(text, path)? else {
        return Err(format!("there is no {shown} in the answer, in which there is {}", listed(&names(text))));
    };
    if !found.starts_with('[') {
        return Err(format!("{shown} is no list"));
    }
    let mut rest = Scanner { text: found, place: 0 };
    let mut number = 0_u64;
    Ok(std::iter::from_fn(move || {
        // The opening bracket, or the comma behind an item.
        let more = matches!(rest.peek(), Some(b'[' | b','));
        rest.place += 1;
        rest.skip_spaces();
        if !more || rest.peek() == Some(b']') {
            rest.place = found.len();
            return None;
        }
        let item = rest.value();
        rest.skip_spaces();
        number += 1;
        let is_object = item.starts_with('{');
        Some(if is_object {
            Ok(item)
        } else {
            Err(format!("item {} of {shown} is no object with names and values", number - 1))
        })
    }))
}

/// The text without spaces and line ends between its words.
pub(crate) fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let (mut inside, mut escaped) = (false, false);
    for c in text.chars() {
        if inside {
            inside = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c == '"' {
            inside = true;
        } else if c.is_ascii_whitespace() {
            continue;
        }
        line.push(c);
    }
    line
}

/// Walks over a text that is known to be JSON.
struct Scanner<'t> {
    text: &'t str,
    place: usize,
}

impl<'t> Scanner<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.place).copied()
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.place += 1;
        }
    }

    /// Walks over one value and gives its text.
    fn value(&mut self) -> &'t str {
        self.skip_spaces();
        let (start, mut depth, mut inside, mut escaped) = (self.place, 0_usize, false, false);
        while let Some(byte) = self.peek() {
            if inside {
                inside = escaped || byte != b'"';
                escaped = !escaped && byte == b'\\';
                self.place += 1;
                if !inside && depth == 0 {
                    break;
                }
                continue;
            }
            match byte {
                b'"' => inside = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth > 0 => {
                    depth -= 1;
                    if depth == 0 {
                        self.place += 1;
                        break;
                    }
                }
                b',' | b'}' | b']' | b':' if depth == 0 => break,
                _ => {}
            }
            self.place += 1;
        }
        self.text[start..self.place].trim_end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found<'t>(text: &'t str, path: &str) -> Result<Vec<&'t str>, String> {
        check(text).unwrap();
        items(text, path)?.collect()
    }

    #[test]
    fn items_are_passed_on_as_they_are_written() {
        let text = r#" { "x" : [ {"items":[{"no":1}]} , "]}" ], "a\"b": "q", "data": { "n":2, "items" : [
            {"id": 123456789012345678901234567890, "x": 0.10000000000000000000001, "t": " a \" ] , {"} , {"y":[1, [2]]},{}
        ] } } "#;
        let items = found(text, "data.items").unwrap();
        assert_eq!(items.len(), 3);
        let line = on_one_line(items[0]);
        assert_eq!(line, r#"{"id":123456789012345678901234567890,"x":0.10000000000000000000001,"t":" a \" ] , {"}"#);
        assert_eq!((on_one_line(items[1]).as_str(), items[2]), (r#"{"y":[1,[2]]}"#, "{}"));
        assert_eq!(found("[{\"a\":1}]", "").unwrap(), ["{\"a\":1}"]);
        assert!(found("[ ]", "").unwrap().is_empty());
        for (text, path, words) in [
            ("{}", "data", "no `data`"),
            ("{\"data\":{}}", "data", "no list"),
            ("[1]", "", "item 0 of the answer is no object"),
            ("{\"a\":[{}],\"a\":[{},{}]}", "a", "twice"),
            ("{\"a\":[{}],\"\\u0061\":[{}]}", "a", "twice"),
            ("{\"a\":{\"b\":1,\"c\":{}},\"d\":[]}", "a.d", "`a`, `a.b`, `a.c`, `d`"),
            ("{\"a\":null}", "a.b", "no list"),
        ] {
            assert!(found(text, path).unwrap_err().contains(words), "{text}");
        }
    }

    #[test]
    fn what_is_at_a_path_is_found() {
        let text = r#" {"a" : {}, "b": {"c" : "x, }" , "d":null}, "e": [ {"c": 1} ]} "#;
        check(text).unwrap();
        for (path, value) in [
            ("a", Some("{}")),
            ("b.c", Some("\"x, }\"")),
            ("b.d", Some("null")),
            ("b.d.e.f", Some("null")),
            ("b.e", None),
            ("a.c", None),
            ("e.c", None),
            ("f", None),
            ("", Some(text.trim())),
        ] {
            assert_eq!(at(text, path).unwrap(), value, "{path}");
        }
        assert!(check("[{}").is_err() && check("[] x").is_err() && check("").is_err());
        assert_eq!((members("[1]").count(), members("{}").count(), members("{ }").count()), (0, 0, 0));
    }

    proptest! {
        /// Whatever the records are, they are found as they were written.
        #[test]
        fn any_records_are_found(
            records in proptest::collection::vec(proptest::collection::btree_map(".*", ".*", 0..4), 0..6), pretty: bool,
        ) {
            let value = serde_json::json!({ "z]}": ["[{\"", { "data": 1 }], "data": { "items": records } });
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let items = found(&text, "data.items").unwrap();
            prop_assert_eq!(items.len(), records.len());
            for (item, record) in items.iter().zip(&records) {
                let line = on_one_line(item);
                prop_assert!(!line.contains('\n'));
                prop_assert_eq!(&line, &serde_json::to_string(record).unwrap());
            }
        }
    }
}
