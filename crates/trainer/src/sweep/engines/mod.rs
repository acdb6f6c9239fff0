//! Who runs workers on many machines? Engines that are there already: they get jobs of `firebox sweep worker`, which share a
//! study in a database, or a space that they search themselves.

pub mod katib;
pub mod kubeflow;
pub mod kubernetes;
pub mod manifest;
pub mod ray;

/// The environment variable in which a worker finds the study that it is to work on: addresses may hold a password, and the
/// words of a command can be seen by everybody on a machine.
pub const STUDY: &str = "FIREBOX_STUDY";

/// How a study stands, for whoever looks after its workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is more to do.
    Open,
    /// Its workers were asked to end.
    Stopped,
    /// Its budget is used up.
    Over,
}

/// A word as it can be typed into a shell, whatever stands in it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A name as DNS and Kubernetes know it: at most `most` lower-case letters, digits and hyphens, a letter first.
pub fn label(name: &str, most: usize) -> String {
    let mut label = String::new();
    for c in name.chars() {
        let c = c.to_ascii_lowercase();
        match c {
            'a'..='z' => label.push(c),
            '0'..='9' if !label.is_empty() => label.push(c),
            _ if label.is_empty() || label.ends_with('-') => {}
            _ => label.push('-'),
        }
        if label.len() >= most {
            break;
        }
    }
    let label = label.trim_end_matches('-');
    if label.is_empty() { "sweep".into() } else { label.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{label, quoted};

    #[test]
    fn names_are_those_of_dns() {
        for (name, expected) in [
            ("sweep-penguins_mlp", "sweep-penguins-mlp"),
            ("2nd Try!", "nd-try"),
            ("äöü", "sweep"),
            ("", "sweep"),
            ("a--b__c", "a-b-c"),
            ("abcdefghi-jk", "abcdefghi"),
        ] {
            assert_eq!(label(name, 10), expected[..expected.len().min(10)].trim_end_matches('-'), "{name}");
        }
        assert_eq!(label("sweep-penguins_mlp", 63), "sweep-penguins-mlp");
    }

    #[test]
    fn words_reach_the_shell_as_they_are() {
        for word in ["a", "", "it's", "$(date)", "a b", "`x`;\"y\"", "train.epochs=3", "\n"] {
            let said =
                std::process::Command::new("sh").arg("-c").arg(format!("printf %s {}", quoted(word))).output().unwrap();
            assert_eq!(String::from_utf8(said.stdout).unwrap(), word);
        }
    }
}

#[cfg(test)]
mod written_tests;
