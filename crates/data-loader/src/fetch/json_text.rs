//! Where in a JSON text do the items of a list stand? They are passed on as they are written, since reading and writing them
//! again would cost digits.

use serde_json::Value;

/// The value at a path such as `data.items`; the whole for an empty path.
pub(crate) fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    keys(path).try_fold(value, |value, key| value.get(key))
}

fn keys(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').filter(|key| !key.is_empty())
}

/// The texts of the objects in the list at `path`; `value` is what `text` says.
pub(crate) fn items<'t>(text: &'t str, value: &Value, path: &str) -> Result<Vec<&'t str>, String> {
    let shown = if path.is_empty() { "the answer".to_owned() } else { format!("`{path}`") };
    let Some(found) = at(value, path) else { return Err(format!("there is no {shown} in the answer")) };
    let Some(list) = found.as_array() else { return Err(format!("{shown} is no list")) };
    if let Some(place) = list.iter().position(|item| !item.is_object()) {
        return Err(format!("item {place} of {shown} is no object with names and values"));
    }
    let mut rest = Scanner { text, place: 0 };
    for key in keys(path) {
        rest.enter(key).ok_or_else(|| format!("{shown} stands twice in the answer"))?;
    }
    let found = rest.items();
    // Of a name that stands twice in an object, one reader takes the first and another the last.
    if found.len() == list.len() { Ok(found) } else { Err(format!("{shown} stands twice in the answer")) }
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

    /// Steps to the value of `key` in the object at hand.
    fn enter(&mut self, key: &str) -> Option<()> {
        self.skip_spaces();
        if self.peek()? != b'{' {
            return None;
        }
        loop {
            // The opening brace, or the comma behind a value.
            self.place += 1;
            let name: String = serde_json::from_str(self.value()).ok()?;
            self.skip_spaces();
            self.place += 1;
            if name == key {
                return Some(());
            }
            self.value();
            self.skip_spaces();
            if self.peek()? != b',' {
                return None;
            }
        }
    }

    /// The texts of the items of the list at hand.
    fn items(&mut self) -> Vec<&'t str> {
        self.skip_spaces();
        let mut found = Vec::new();
        if self.peek() != Some(b'[') {
            return found;
        }
        loop {
            self.place += 1;
            self.skip_spaces();
            if matches!(self.peek(), None | Some(b']')) {
                return found;
            }
            found.push(self.value());
            self.skip_spaces();
            if self.peek() != Some(b',') {
                return found;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found<'t>(text: &'t str, path: &str) -> Result<Vec<&'t str>, String> {
        items(text, &serde_json::from_str(text).unwrap(), path)
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
        ] {
            assert!(found(text, path).unwrap_err().contains(words), "{text}");
        }
    }

    proptest! {
        /// Whatever the records are, they are found as they were written.
        #[test]
        fn any_records_are_found(
            records in proptest::collection::vec(proptest::collection::btree_map(".*", ".*", 0..4), 0..6), pretty: bool,
        ) {
            let value = serde_json::json!({ "z]}": ["[{\"", { "data": 1 }], "data": { "items": records } });
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let items = items(&text, &value, "data.items").unwrap();
            prop_assert_eq!(items.len(), records.len());
            for (item, record) in items.iter().zip(&records) {
                let line = on_one_line(item);
                prop_assert!(!line.contains('\n'));
                prop_assert_eq!(&line, &serde_json::to_string(record).unwrap());
            }
        }
    }
}
