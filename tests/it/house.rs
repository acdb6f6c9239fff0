//! Are the house rules of `ARCHITECTURE.md` kept?
//!
//! A rule is a function from the texts of the house to complaints. Each test asks it twice: the house as it is gives none,
//! and every house that was broken on purpose gives the complaint that belongs to it, so no rule passes because it stopped
//! looking.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

mod cards;
mod documents;
mod files;
mod rooms;

/// A function from the texts of the house to complaints.
type Rule = fn(&House) -> Vec<String>;

/// Every file by its path from the root of the repository, with `/` between folders.
#[derive(Clone)]
struct House {
    /// Texts; of a file that is no text, nothing.
    files: BTreeMap<String, String>,
}

impl House {
    /// The house as it is, without what is built or trained in it.
    fn read() -> Self {
        let mut house = Self { files: BTreeMap::new() };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        house.walk(root, "");
        house.forget_strangers(root);
        house
    }

    /// What git does not know beside crates and tests is the user's own, such as a config or a table of new data, and keeps
    /// its own rules. Where there is no git, there are no strangers.
    fn forget_strangers(&mut self, root: &Path) {
        let list =
            Command::new("git").args(["ls-files", "--others", "-z", "--exclude-standard"]).current_dir(root).output();
        let Some(list) = list.ok().filter(|list| list.status.success()) else { return };
        for path in String::from_utf8_lossy(&list.stdout).split('\0') {
            if !["crates/", "tests/"].iter().any(|room| path.starts_with(room)) {
                self.files.remove(path);
            }
        }
    }

    fn walk(&mut self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let hidden = name.starts_with('.') && name != ".ci";
            if hidden || (prefix.is_empty() && ["target", "runs"].contains(&&*name)) || name == "__pycache__" {
                continue;
            }
            let path = format!("{prefix}{name}");
            if entry.file_type().unwrap().is_dir() {
                self.walk(&entry.path(), &format!("{path}/"));
            } else {
                self.files.insert(path, fs::read_to_string(entry.path()).unwrap_or_default());
            }
        }
    }

    /// The same house with one file replaced or added.
    fn with(&self, path: &str, text: &str) -> Self {
        let mut house = self.clone();
        house.files.insert(path.to_owned(), text.to_owned());
        house
    }

    /// The same house without one file.
    fn without(&self, path: &str) -> Self {
        let mut house = self.clone();
        assert!(house.files.remove(path).is_some(), "{path} is not there");
        house
    }

    /// The same house with `from`, which must stand in the file, replaced by `to`.
    fn edited(&self, path: &str, from: &str, to: &str) -> Self {
        assert!(self.text(path).contains(from), "`{from}` does not stand in {path}");
        self.with(path, &self.text(path).replace(from, to))
    }

    /// The text of a file that must be there.
    fn text(&self, path: &str) -> &str {
        self.files.get(path).unwrap_or_else(|| panic!("{path} is not there"))
    }

    /// Every file below `prefix` whose name ends in `ending`.
    fn below<'a>(&'a self, prefix: &'a str, ending: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let files = self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        files.filter(move |(path, _)| path.starts_with(prefix) && path.ends_with(ending))
    }

    /// The names directly below `folder`, folders ending in `/`.
    fn entries(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = self
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(folder))
            .map(|rest| rest.split_inclusive('/').next().unwrap_or(rest).to_owned())
            .collect();
        names.dedup();
        names
    }
}

/// Asks `rule` about the house as it is, and about houses broken on purpose, each with words of the complaint it must cause.
fn check(rule: Rule, broken: impl FnOnce(&House) -> Vec<(House, &'static str)>) {
    let house = House::read();
    let complaints = rule(&house);
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
    let broken = broken(&house);
    assert!(!broken.is_empty(), "a rule that was never seen to complain proves nothing");
    for (house, words) in broken {
        let complaints = rule(&house);
        let found = complaints.iter().any(|complaint| complaint.contains(words));
        assert!(found, "nothing was said of `{words}`, only:\n{}", complaints.join("\n"));
    }
}

/// The code of a Rust file, line by line: without comments, without what stands in texts, and without the unit tests at its
/// end.
fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text);
    while let Some(first) = rest.chars().next() {
        let (skipped, kept) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), "")
        } else if let Some(comment) = rest.strip_prefix("/*") {
            (comment.find("*/").map_or(rest.len(), |end| end + 4), "")
        } else if rest.starts_with("r\"") || rest.starts_with("r#") && !code.ends_with(|c: char| c.is_alphanumeric()) {
            let hashes = rest[1..].chars().take_while(|&c| c == '#').count();
            let end = format!("\"{}", "#".repeat(hashes));
            let body = (2 + hashes).min(rest.len());
            (rest[body..].find(&end).map_or(rest.len(), |place| body + place + end.len()), "\"\"")
        } else if first == '"' {
            (closing_quote(rest), "\"\"")
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            (rest[1..].find('\'').map_or(rest.len(), |end| end + 2), "' '")
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        // Line numbers stay what they are.
        code.push_str(kept);
        code.extend(rest[..skipped].chars().filter(|&c| c == '\n'));
        rest = &rest[skipped..];
    }
    code
}

/// How long the text is that begins with the quote at the start of `rest`.
fn closing_quote(rest: &str) -> usize {
    let mut escaped = false;
    for (place, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return place + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The numbers, from 1, of the lines of `code` in which `word` stands by itself; a `*` at its end stands for any ending.
fn lines_with(code: &str, word: &str) -> Vec<usize> {
    let (stem, open) = word.strip_suffix('*').map_or((word, false), |stem| (stem, true));
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let stands_in = |line: &str| {
        line.match_indices(stem).any(|(place, _)| {
            let before = line[..place].ends_with(part_of_name);
            let after = line[place + stem.len()..].starts_with(part_of_name);
            !before && (open || !after)
        })
    };
    code.lines().enumerate().filter(|(_, line)| stands_in(line)).map(|(number, _)| number + 1).collect()
}

#[test]
fn what_counts_as_code() {
    let text = "a /* b */ \"c \\\" d\" // e\n'\"' f r#\"g \" \n\"# 'h'\nlet r = i;\n#[cfg(test)]\nmod tests { j }";
    assert_eq!(code(text), "a  \"\" \n' ' f \"\"\n 'h'\nlet r = i;");
    assert_eq!(lines_with("print!(x)\nmy_print!()\nprintln!()", "print!"), [1]);
    assert_eq!(lines_with("unsafe {\nunsafe_code\n(unsafe)", "unsafe"), [1, 3]);
    assert_eq!(lines_with("gradients\nthe_gradient\nx", "gradient*"), [1]);
}
