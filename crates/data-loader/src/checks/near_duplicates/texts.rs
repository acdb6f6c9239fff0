//! Which texts share most of their pieces?

use std::collections::HashMap;

use crate::example::Value;
use crate::schema::FeatureKind;
use crate::survey::banding::candidates;
use crate::survey::{Progress, SLOTS, Survey, shingles};

/// The Jaccard index of their shingles from which on two texts are nearly equal.
pub const JACCARD: f64 = 0.8;
/// Slots in a band: texts with an index of 0.8 agree in one of the 32 bands at least with probability 1 - 5e-8.
const BAND: usize = 4;
/// An index that the signatures estimate below this is not computed: it lies four standard errors under the limit.
const ESTIMATE: usize = 84;
/// How many texts are remembered while candidates are compared.
const REMEMBERED: usize = 10_000;

/// Adds pairs of places whose texts are alike, and says what was left out.
pub(super) fn compare(
    survey: &Survey<'_>,
    progress: Progress<'_>,
    pairs: &mut Vec<(u32, u32, f32)>,
    remarks: &mut Vec<String>,
) {
    let texts = &survey.texts;
    let mut likely = Vec::new();
    let key = |band: usize, place: usize| {
        let slots = &texts[place].signature[band * BAND..(band + 1) * BAND];
        // A text without shingles is like nothing.
        (slots[0] != u32::MAX || texts[place].length > 0).then(|| {
            slots.iter().fold(0xcbf2_9ce4_8422_2325_u64, |key, &slot| {
                (key ^ u64::from(slot)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
            })
        })
    };
    let large = candidates(texts.len(), SLOTS / BAND, key, |a, b| {
        let (first, second) = (&texts[a as usize], &texts[b as usize]);
        let agree = first.signature.iter().zip(&second.signature).filter(|(a, b)| a == b).count();
        if agree >= ESTIMATE {
            likely.push((a, b));
        }
    });
    if large {
        remarks
            .push("In large groups of texts that may be alike each was compared with some of the others only.".into());
    }
    likely.sort_unstable();
    let name = survey.dataset.card().schema().names(FeatureKind::Text).first().map_or("", |name| *name).to_owned();
    let read = |at: u32| {
        let row = survey.rows[survey.closely[at as usize] as usize];
        match survey.records.field(row as usize, &name) {
            Ok(Value::Text(text)) => shingles(&text),
            _ => Vec::new(),
        }
    };
    let mut remembered: HashMap<u32, Vec<u64>> = HashMap::new();
    let all = likely.len();
    for (done, (a, b)) in likely.into_iter().enumerate() {
        if remembered.len() > REMEMBERED {
            remembered.clear();
        }
        for at in [a, b] {
            remembered.entry(at).or_insert_with(|| read(at));
        }
        let index = jaccard(&remembered[&a], &remembered[&b]);
        if index >= JACCARD {
            pairs.push((a, b, index as f32));
        }
        if done % 256 == 0 {
            progress("comparing texts", done, all);
        }
    }
}

/// The share of the shingles of both that both have; 0 of nothing.
fn jaccard(a: &[u64], b: &[u64]) -> f64 {
    let both = a.iter().filter(|hash| b.binary_search(hash).is_ok()).count();
    let all = a.len() + b.len() - both;
    if all == 0 { 0.0 } else { both as f64 / all as f64 }
}
