//! How do objects become one file of YAML?

use serde_json::Value;

use crate::Error;

/// Documents in one file, under a comment that says what it is.
pub fn documents(comment: &str, documents: &[Value]) -> Result<String, Error> {
    let mut text: String = comment.lines().flat_map(|line| ["# ", line, "\n"]).collect();
    for (place, document) in documents.iter().enumerate() {
        if place > 0 {
            text.push_str("---\n");
        }
        let written = serde_saphyr::to_string(document);
        text += &written.map_err(|error| {
            Error::package("the manifest", format!("it cannot be written: {error}"), "please report this")
        })?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_stand_behind_each_other_under_a_comment() {
        let text = documents("Made by hand.\nTwice.", &[json!({ "a": 1 }), json!({ "b": true })]).unwrap();
        assert_eq!(text, "# Made by hand.\n# Twice.\na: 1\n---\nb: true\n");
    }

    /// A hash may look like a number, and a label is a text.
    #[test]
    fn versions_stay_texts() {
        for version in ["012345678901", "123456789012", "1234567890e1", "1e0000000000", "0b0000000001"] {
            let text = documents("", &[json!({ "version": version })]).unwrap();
            let quoted = ['"', '\''].map(|quote| format!("version: {quote}{version}{quote}\n"));
            assert!(quoted.contains(&text), "{text}");
        }
    }
}
