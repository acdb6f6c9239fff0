//! Which pieces do words consist of? Byte-pair encoding: the most frequent pair of neighbours becomes one piece, again and again.
//!
//! Rico Sennrich, Barry Haddow, Alexandra Birch, "Neural Machine Translation of Rare Words with Subword Units" (2016). It is
//! written out here because the trainer of the crate `tokenizers` goes through hash maps that are seeded anew in every process,
//! so that two trainings number the pieces inside of words differently. Here equal counts go by the smaller pair of ids,
//! nothing is visited in the order of a hash, and one thread does it all.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What was learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pieces {
    /// The pieces; the id of a piece is its place.
    pub tokens: Vec<String>,
    /// The pairs that became one, in the order in which they did.
    pub merges: Vec<(String, String)>,
}

/// How pieces are learnt.
pub(crate) struct Plan<'a> {
    /// The tokens that come first and belong to no word.
    pub special: &'a [&'a str],
    /// Characters that are pieces whether they occur or not.
    pub alphabet: BTreeSet<char>,
    /// What stands before a piece that continues a word; empty if nothing does.
    pub prefix: &'a str,
    /// How many tokens there may be.
    pub vocabulary: usize,
    /// A pair that occurs less often than this stays apart.
    pub min_count: u64,
}

type Pair = (u32, u32);

/// The words as ids, and where each pair of neighbours stands.
#[derive(Default)]
struct State {
    words: Vec<(Vec<u32>, u64)>,
    /// How often each pair occurs, and in which words it was met.
    pairs: HashMap<Pair, (u64, BTreeSet<usize>)>,
    /// The pairs by how often they occur; the last one is next.
    queue: BTreeSet<(u64, Reverse<Pair>)>,
}

impl State {
    /// Counts the pairs of a word in, or out again.
    fn count(&mut self, word: usize, add: bool) {
        let (ids, times) = &self.words[word];
        for pair in ids.windows(2).map(|pair| (pair[0], pair[1])) {
            let (count, places) = self.pairs.entry(pair).or_default();
            self.queue.remove(&(*count, Reverse(pair)));
            *count = if add { count.saturating_add(*times) } else { count.saturating_sub(*times) };
            if add {
                places.insert(word);
            }
            if *count > 0 {
                self.queue.insert((*count, Reverse(pair)));
            }
        }
    }

    /// Makes one of each occurrence of `pair`.
    fn merge(&mut self, pair: Pair, new: u32) {
        let places = self.pairs.get_mut(&pair).map(|(_, places)| std::mem::take(places)).unwrap_or_default();
        for word in places {
            self.count(word, false);
            let (mut merged, mut rest) = (Vec::new(), &self.words[word].0[..]);
            while let [first, after @ ..] = rest {
                let joins = *first == pair.0 && after.first() == Some(&pair.1);
                merged.push(if joins { new } else { *first });
                rest = &after[usize::from(joins)..];
            }
            self.words[word].0 = merged;
            self.count(word, true);
        }
    }
}

/// Learns the pieces of `words`, which say how often each occurs.
pub(crate) fn learn(words: &BTreeMap<String, u64>, plan: &Plan<'_>) -> Pieces {
    let mut tokens: Vec<String> = plan.special.iter().map(|token| (*token).to_owned()).collect();
    let single = |place: usize, c: char| if place == 0 { c.to_string() } else { format!("{}{c}", plan.prefix) };
    let mut singles = BTreeMap::<String, u64>::new();
    for (word, times) in words {
        for (place, c) in word.chars().enumerate() {
            *singles.entry(single(place, c)).or_default() += times;
        }
    }
    singles.extend(plan.alphabet.iter().map(|c| (c.to_string(), u64::MAX)));
    // Where characters alone are more than there is room for, the rarest are left out.
    let mut kept: Vec<(&String, &u64)> = singles.iter().collect();
    kept.sort_by_key(|(_, times)| Reverse(**times));
    kept.truncate(plan.vocabulary.saturating_sub(tokens.len()));
    // First those that begin words, then those that continue them, each by the alphabet.
    kept.sort_by_key(|(token, _)| (!plan.prefix.is_empty() && token.starts_with(plan.prefix), *token));
    tokens.extend(kept.into_iter().map(|(token, _)| token.clone()));
    let mut ids: HashMap<String, u32> = tokens.iter().cloned().zip(0..).collect();

    let mut state = State::default();
    for (word, times) in words {
        // A character without an id parts what stands around it.
        let mut run = Vec::new();
        for id in word.chars().enumerate().map(|(place, c)| ids.get(&single(place, c))).chain([None]) {
            match id {
                Some(id) => run.push(*id),
                None => state.words.push((std::mem::take(&mut run), *times)),
            }
        }
    }
    (0..state.words.len()).for_each(|word| state.count(word, true));

    let mut merges = Vec::new();
    while tokens.len() < plan.vocabulary {
        let Some(&(count, Reverse(pair))) = state.queue.last() else { break };
        if count < plan.min_count {
            break;
        }
        let (left, right) = (tokens[pair.0 as usize].clone(), tokens[pair.1 as usize].clone());
        let joined = format!("{left}{}", right.strip_prefix(plan.prefix).unwrap_or(&right));
        let new = *ids.entry(joined.clone()).or_insert(tokens.len() as u32);
        if new as usize == tokens.len() {
            tokens.push(joined);
        }
        state.merge(pair, new);
        merges.push((left, right));
    }
    Pieces { tokens, merges }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokenizers::models::bpe::{BPE, BpeTrainer};

    use super::*;

    fn words(text: &str) -> BTreeMap<String, u64> {
        let mut words = BTreeMap::new();
        text.split_whitespace().for_each(|word| *words.entry(word.to_owned()).or_default() += 1);
        words
    }

    fn plan(prefix: &str, vocabulary: usize, min_count: u64) -> Plan<'_> {
        Plan { special: &["[PAD]", "[UNK]"], alphabet: BTreeSet::new(), prefix, vocabulary, min_count }
    }

    #[test]
    fn the_example_of_the_paper() {
        let mut words = BTreeMap::new();
        for (word, times) in [("low_", 5), ("lower_", 2), ("newest_", 6), ("widest_", 3)] {
            words.insert(word.to_owned(), times);
        }
        let found = learn(&words, &plan("", 1000, 1));
        // `e s` comes first in the paper too; of the pairs that then stand 9 times side by side, `t _` has the smaller ids.
        let merges: Vec<String> = found.merges.iter().take(4).map(|(a, b)| format!("{a} {b}")).collect();
        assert_eq!(merges, ["e s", "t _", "es t_", "l o"]);
        assert!(found.tokens.contains(&"newest_".to_owned()));
    }

    #[test]
    fn pieces_inside_of_words_have_their_prefix_and_the_rarest_characters_go_first() {
        let found = learn(&words("abab abab ba c"), &plan("##", 100, 2));
        assert_eq!(found.tokens[..7], ["[PAD]", "[UNK]", "a", "b", "c", "##a", "##b"]);
        assert!(found.tokens.contains(&"abab".to_owned()), "{found:?}");
        let few = learn(&words("aaa aaa bb c"), &plan("", 4, 1));
        assert_eq!((&few.tokens[2..], few.merges.len()), (&["a".to_owned(), "b".to_owned()][..], 0));
    }

    proptest! {
        #[test]
        fn merges_are_those_of_the_crate(list in proptest::collection::vec("[a-e]{1,7}", 1..60), vocabulary in 10..60_usize) {
            let words = words(&list.join(" "));
            let found = learn(&words, &plan("", vocabulary, 2));
            let trainer = BpeTrainer::builder().show_progress(false).min_frequency(2).vocab_size(vocabulary - 2).build();
            let mut model = BPE::default();
            let counts = words.iter().map(|(word, times)| (word.as_str().into(), *times)).collect();
            trainer.do_train(&counts, &mut model).unwrap();
            let json: serde_json::Value = serde_json::to_value(&model).unwrap();
            let merges = json["merges"].as_array().unwrap();
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let theirs: Vec<(String, String)> = merges.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
            // Theirs lists a pair that came up again where it came last; the pieces are the same.
            let vocabulary: BTreeSet<String> = json["vocab"].as_object().unwrap().keys().cloned().collect();
            prop_assert_eq!(found.tokens[2..].iter().cloned().collect::<BTreeSet<_>>(), vocabulary);
            prop_assert_eq!(found.merges, theirs);
        }
    }
}
