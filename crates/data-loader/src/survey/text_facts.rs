//! What is kept of a text? Its length, and a signature by which texts that share most of their pieces are found.
//!
//! The pieces are its shingles: every run of five characters, white space being one space and letters in lower case. A
//! signature holds for each of 128 hash functions the smallest hash of a shingle; two texts agree in a slot with the
//! probability of their Jaccard index (A. Broder, "On the Resemblance and Containment of Documents", 1997).

/// How many hash functions a signature has.
pub(crate) const SLOTS: usize = 128;
/// How many characters a shingle has.
const SHINGLE: usize = 5;

/// What is kept of a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TextFacts {
    /// In characters.
    pub(crate) length: u32,
    /// The smallest hash in each slot.
    pub(crate) signature: [u32; SLOTS],
}

impl TextFacts {
    pub(crate) fn of(text: &str) -> Self {
        let mut signature = [u32::MAX; SLOTS];
        for shingle in shingles(text) {
            for (slot, smallest) in signature.iter_mut().enumerate() {
                // An odd factor and a shift, which make of one hash a family that is good enough to compare minima.
                let hash = mix(shingle ^ (slot as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                *smallest = (*smallest).min((hash >> 32) as u32);
            }
        }
        Self { length: text.chars().count() as u32, signature }
    }
}

/// The hashes of the shingles of a text, ascending, each once. A text shorter than a shingle is one; an empty one has none.
pub(crate) fn shingles(text: &str) -> Vec<u64> {
    let words = text.split_whitespace().flat_map(|word| word.chars().chain([' ']));
    let mut letters: Vec<char> = words.flat_map(char::to_lowercase).collect();
    letters.pop();
    let hash = |piece: &[char]| {
        piece.iter().fold(piece.len() as u64, |hash, &letter| mix(hash.rotate_left(21) ^ u64::from(u32::from(letter))))
    };
    let mut found: Vec<u64> = match letters.len() {
        0 => Vec::new(),
        1..=SHINGLE => vec![hash(&letters)],
        _ => letters.windows(SHINGLE).map(hash).collect(),
    };
    found.sort_unstable();
    found.dedup();
    found
}

/// A permutation of 64 bits in which every bit of the result depends on every bit of `x` (the finaliser of `SplitMix64`).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shingles_are_the_runs_of_five_characters() {
        assert_eq!(shingles("abcdefg").len(), 3);
        assert_eq!(shingles("aaaaaaaaaa").len(), 1, "each once");
        assert_eq!(shingles("  A  b\n C "), shingles("a b c"));
        assert_eq!((shingles("").len(), shingles("   ").len(), shingles("é").len()), (0, 0, 1));
        assert_ne!(shingles("abcd"), shingles("abce"));
    }

    proptest! {
        #[test]
        fn slots_agree_as_often_as_the_jaccard_index_says(shared in 20_usize..200, own in 0_usize..100, seed: u64) {
            // Texts of words that nobody else has, so that the index is known closely.
            let word = |number: u64| format!("{:016x}", mix(number ^ seed));
            let text = |from: u64| -> String {
                let words = (0..shared as u64).chain(from..from + own as u64).map(word);
                words.collect::<Vec<_>>().join(" ")
            };
            let (a, b) = (text(1 << 20), text(1 << 30));
            let (first, second) = (shingles(&a), shingles(&b));
            let both = first.iter().filter(|hash| second.binary_search(hash).is_ok()).count();
            let index = both as f64 / (first.len() + second.len() - both) as f64;
            let (one, other) = (TextFacts::of(&a), TextFacts::of(&b));
            let agree = one.signature.iter().zip(&other.signature).filter(|(a, b)| a == b).count();
            // Six standard deviations of a binomial share of 128.
            let error = 6.0 * (index * (1.0 - index) / SLOTS as f64).sqrt() + 1e-9;
            prop_assert!((agree as f64 / SLOTS as f64 - index).abs() <= error, "{agree} of {SLOTS} for {index}");
        }
    }
}
