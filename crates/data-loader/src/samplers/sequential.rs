//! In which order do examples lie in their files? For data whose order is part of its meaning, and for looking closely.

use crate::registry::Entry;

/// This sampler in the list of samplers.
pub const ENTRY: Entry = Entry { name: "sequential", summary: "as the examples lie in the files" };

/// The rows as they are.
pub fn order(rows: &[u32]) -> Vec<u32> {
    rows.to_vec()
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_moves() {
        assert_eq!(super::order(&[3, 1, 2]), [3, 1, 2]);
    }
}
