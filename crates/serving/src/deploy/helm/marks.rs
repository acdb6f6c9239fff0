//! How does an expression of Helm come into an object that is written as YAML? As a word that stands for it until it is
//! written.

use serde_json::{Value, json};

/// Expressions, and the words that stand for them.
#[derive(Default)]
pub struct Marks(Vec<Mark>);

struct Mark {
    /// Under which key it stands, if that comes and goes with it.
    key: Option<String>,
    /// What opens the condition under which it is there.
    condition: String,
    expression: String,
}

/// YAML leaves it bare, and no name or address of ours looks like it.
fn word(number: usize) -> String {
    format!("FIREBOX-MARK-{number:03}")
}

impl Marks {
    /// A value that an expression gives; it is written as JSON, which is YAML for any text, number or table.
    pub fn value(&mut self, expression: &str) -> Value {
        self.mark(None, "", expression)
    }

    /// A value that is there, with its key, only under a condition such as `if X` or `with X`.
    pub fn optional(&mut self, key: &str, condition: &str, expression: &str) -> Value {
        self.mark(Some(key.to_owned()), condition, expression)
    }

    fn mark(&mut self, key: Option<String>, condition: &str, expression: &str) -> Value {
        self.0.push(Mark { key, condition: condition.to_owned(), expression: expression.to_owned() });
        json!(word(self.0.len() - 1))
    }

    /// Writes every expression in the place of its word.
    pub fn resolve(&self, text: &str) -> String {
        let mut lines: Vec<String> = Vec::new();
        for line in text.lines() {
            let found = self.0.iter().enumerate().find(|(number, _)| line.ends_with(&word(*number)));
            match found {
                Some((_, Mark { key: Some(key), condition, expression })) => {
                    let indent = &line[..line.len() - line.trim_start().len()];
                    lines.push(format!("{indent}{{{{- {condition} }}}}"));
                    lines.push(format!("{indent}{key}: {{{{ {expression} | toJson }}}}"));
                    lines.push(format!("{indent}{{{{- end }}}}"));
                }
                Some((number, Mark { expression, .. })) => {
                    lines.push(line.replace(&word(number), &format!("{{{{ {expression} | toJson }}}}")));
                }
                None => lines.push(line.to_owned()),
            }
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// The expression for which a word stands, and the key with which it comes and goes.
    #[cfg(test)]
    pub fn meant(&self, text: &str) -> Option<(&str, Option<&str>)> {
        let number: usize = text.strip_prefix("FIREBOX-MARK-")?.parse().ok()?;
        self.0.get(number).map(|mark| (mark.expression.as_str(), mark.key.as_deref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_take_the_places_of_words() {
        let mut marks = Marks::default();
        let text = format!(
            "a: {}\nb:\n  - c: {}\n    d: {}\ne: f\n",
            marks.value(".X").as_str().unwrap(),
            marks.value(".Y | toString").as_str().unwrap(),
            marks.optional("d", "with .Z", ".").as_str().unwrap(),
        );
        let expected = "a: {{ .X | toJson }}\nb:\n  - c: {{ .Y | toString | toJson }}\n    {{- with .Z }}\n    \
            d: {{ . | toJson }}\n    {{- end }}\ne: f\n";
        assert_eq!(marks.resolve(&text), expected);
    }
}
