//! What parts of the sentences depend on.

pub(super) fn and_more(more: usize) -> String {
    match more {
        0 => String::new(),
        1 => " One more gate fails.".into(),
        more => format!(" {more} more gates fail."),
    }
}

/// How many differences a message names.
const DIFFERENCES: usize = 10;

pub(super) fn lines(differences: &[String]) -> String {
    let mut lines: Vec<String> = differences.iter().take(DIFFERENCES).cloned().collect();
    if differences.len() > DIFFERENCES {
        lines.push(format!("and {} more", differences.len() - DIFFERENCES));
    }
    lines.iter().flat_map(|line| ["\n  ", line]).collect()
}

/// How many example ids a message names.
const NAMED: usize = 8;

/// How to go on after what went wrong.
pub(super) fn begin_again(checkpoint: &str) -> &'static str {
    if checkpoint == "none" { "train a new run" } else { "`firebox resume RUN` goes on from the checkpoint" }
}

pub(super) fn some_of(examples: &[String]) -> String {
    let named = examples[..examples.len().min(NAMED)].join(", ");
    match examples.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
