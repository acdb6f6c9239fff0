//! From where on is a class answered, or an example unusual?

use model_zoo::Decision;
use model_zoo::bundle::Content;

use super::{ANOMALY, Scored};

/// A threshold that was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// This one: a probability, or the score of how unusual an example is.
    Number(f64),
    /// The score that so many percent of the examples do not exceed that were not learnt from.
    Percentile(f64),
    /// The probability with the best F1 of the class on the validation split.
    BestF1,
}

impl Threshold {
    /// Reads `NAME=0.3`, `NAME=99%` or `NAME=f1`; a name may hold `=` itself.
    ///
    /// # Errors
    /// What is wrong, a sentence.
    pub fn parse(text: &str) -> Result<(String, Self), String> {
        let Some((name, value)) = text.rsplit_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err("a threshold is written NAME=NUMBER, NAME=f1 or anomaly=PERCENT%".into());
        };
        let number = |text: &str| match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(format!("`{text}` is no number, no percentage and not `f1`")),
        };
        let threshold = match (value, value.strip_suffix('%')) {
            ("f1", _) => Self::BestF1,
            (_, Some(percent)) => match number(percent)? {
                percent if (0.0..=100.0).contains(&percent) => Self::Percentile(percent),
                _ => return Err(format!("`{value}` does not lie between 0% and 100%")),
            },
            _ => Self::Number(number(value)?),
        };
        Ok((name.to_owned(), threshold))
    }
}

/// A probability, and what it brings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Best {
    pub(super) threshold: f64,
    pub(super) f1: f64,
    /// F1 where the class is answered from one half on.
    pub(super) at_half: f64,
}

/// The probability from which on `name` is to be answered, one of two classes, for the best F1; it lies in the middle between two examples.
/// Of several that are as good the one nearest to one half.
///
/// # Errors
/// A sentence.
pub(super) fn best_f1(scored: &Scored, decision: &Decision, name: &str, labels: &[String]) -> Result<Best, String> {
    let class = match labels {
        [a, b] if a == name || b == name => usize::from(b == name),
        [_, _] => return Err(format!("`{name}` is none of the classes {} and {}", labels[0], labels[1])),
        _ => return Err(format!("`{name}=f1` is for one of two classes, and there are {}", labels.len())),
    };
    // The share of the class in both, by which a decision between two goes.
    let mut rows: Vec<(f64, bool, f64)> = scored
        .rows()
        .map(|(scores, expected, weight)| (share(scores, class, decision), expected == class, weight))
        .collect();
    let positive: f64 = rows.iter().filter(|(_, right, _)| *right).map(|(_, _, weight)| weight).sum();
    if positive == 0.0 {
        return Err(format!("the validation split holds no example of `{name}`"));
    }
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let f1 = |hit: f64, answered: f64| 2.0 * hit / (answered + positive);
    let (mut hit, mut answered, mut at_half) = (0.0, 0.0, 0.0);
    let mut best: Option<(f64, f64)> = None;
    for (at, (share, right, weight)) in rows.iter().enumerate() {
        answered += weight;
        hit += if *right { *weight } else { 0.0 };
        if *share > 0.5 {
            at_half = f1(hit, answered);
        }
        let next = rows.get(at + 1).map_or(0.0, |(next, _, _)| *next);
        let threshold = f64::midpoint(*share, next);
        // Between examples that are equal, and where nothing would ever be answered, there is no threshold.
        if next >= *share || threshold <= 0.0 || threshold >= 1.0 {
            continue;
        }
        let found = f1(hit, answered);
        let nearer = |known: f64| (threshold - 0.5).abs() < (known - 0.5).abs();
        if best.is_none_or(|(f1, known)| found > f1 || (found == f1 && nearer(known))) {
            best = Some((found, threshold));
        }
    }
    let (f1, threshold) = best.ok_or("all examples of the validation split have the same probability")?;
    Ok(Best { threshold, f1, at_half })
}

/// The probability of a class, divided by the sum of those of both.
fn share(scores: &[f32], class: usize, decision: &Decision) -> f64 {
    let temperature = decision.temperature.unwrap_or(1.0);
    let scores: Vec<f64> = scores.iter().map(|score| f64::from(*score) / temperature).collect();
    match decision.decoding {
        model_zoo::Decoding::Softmax => 1.0 / (1.0 + (scores[1 - class] - scores[class]).exp()),
        model_zoo::Decoding::Sigmoid => {
            let sigmoid = |score: f64| 1.0 / (1.0 + (-score).exp());
            let (own, other) = (sigmoid(scores[class]), sigmoid(scores[1 - class]));
            own / (own + other)
        }
    }
}

/// The score of how unusual an example is that `percent` of those do not exceed that were not learnt from, and of which part of the data
/// these were.
///
/// # Errors
/// A sentence.
pub(super) fn percentile(content: &Content, name: &str, percent: f64) -> Result<(f64, String), String> {
    match (&content.anomaly, name) {
        (Some(reference), ANOMALY) => {
            let last = reference.scores.len().saturating_sub(1);
            let place = (percent / 100.0 * last as f64).ceil() as usize;
            let score = reference.scores.get(place.min(last)).copied().ok_or("it knows no anomaly scores")?;
            Ok((score, reference.part.clone()))
        }
        (None, ANOMALY) => {
            Err("it knows no anomaly scores: its task is another, or its data had no validation split".into())
        }
        _ => Err(format!(
            "`{name}` is given in percent, and that is for `{ANOMALY}`; a class has a probability such as 0.3"
        )),
    }
}
