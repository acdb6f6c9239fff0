//! How much do the answers of a shadow differ from those that were sent?

use crate::Prediction;
use crate::predictor::Numbers;

/// By how much two numbers may differ and still be called the same, beside the larger of both and beside 1.
const TOLERANCE: f64 = 1e-4;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Compared {
    /// Whether all classes are the same, or where there are none all numbers.
    pub same: bool,
    /// The largest difference of two numbers; infinite if there are more of one.
    pub difference: f64,
}

fn compare(numbers: impl Iterator<Item = (f64, f64)>, classes: Option<bool>) -> Compared {
    let (mut same, mut largest) = (true, 0.0_f64);
    for (one, other) in numbers {
        let difference = (one - other).abs();
        same &= difference <= TOLERANCE * one.abs().max(other.abs()).max(1.0);
        largest = largest.max(difference);
    }
    Compared { same: classes.unwrap_or(same), difference: largest }
}

const UNLIKE: Compared = Compared { same: false, difference: f64::INFINITY };

/// Compares what two networks answered to the same batch.
pub(crate) fn compare_numbers(told: &Numbers, other: &Numbers) -> Compared {
    if told.shape != other.shape {
        return UNLIKE;
    }
    let wide = |numbers: &[f32]| numbers.iter().copied().map(f64::from).collect::<Vec<_>>();
    let (one, two, classes) = match (&told.classes, &other.classes) {
        (Some(one), Some(two)) => {
            (wide(&one.probabilities), wide(&two.probabilities), Some(one.answered == two.answered))
        }
        _ => (wide(&told.values), wide(&other.values), None),
    };
    compare(one.into_iter().zip(two), classes)
}

/// Compares what was told of the same records.
pub(crate) fn compare_predictions(told: &[Prediction], other: &[Prediction]) -> Compared {
    let names = |one: &Prediction| one.scores.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let alike = told.len() == other.len() && told.iter().zip(other).all(|(one, other)| names(one) == names(other));
    if !alike {
        return UNLIKE;
    }
    let classes = told.iter().all(|one| one.label.is_some());
    let same = told.iter().zip(other).all(|(one, other)| one.label == other.label);
    let scores =
        |all: &[Prediction]| all.iter().flat_map(|one| one.scores.iter().map(|(_, score)| *score)).collect::<Vec<_>>();
    compare(scores(told).into_iter().zip(scores(other)), classes.then_some(same))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictor::Classes;

    #[test]
    fn classes_decide_where_there_are_some_and_numbers_elsewhere() {
        let numbers = |values: &[f32], answered: Option<usize>| Numbers {
            shape: vec![1, values.len()],
            values: values.to_vec(),
            classes: answered.map(|place| Classes { probabilities: values.to_vec(), answered: vec![place] }),
        };
        let compared = compare_numbers(&numbers(&[0.6, 0.4], Some(0)), &numbers(&[0.7, 0.3], Some(0)));
        assert!(compared.same && (compared.difference - 0.1).abs() < 1e-6);
        assert!(!compare_numbers(&numbers(&[0.6, 0.4], Some(0)), &numbers(&[0.4, 0.6], Some(1))).same);
        assert!(compare_numbers(&numbers(&[1000.0], None), &numbers(&[1000.05], None)).same);
        assert!(!compare_numbers(&numbers(&[1.0], None), &numbers(&[1.05], None)).same);
        assert_eq!(compare_numbers(&numbers(&[1.0], None), &numbers(&[1.0, 2.0], None)), UNLIKE);
        let told = |label: &str, score| {
            let scores = vec![("a".to_owned(), score)];
            vec![Prediction { id: "x".into(), label: Some(label.into()), scores, unusual: Vec::new() }]
        };
        assert!(compare_predictions(&told("a", 0.9), &told("a", 0.8)).same);
        assert!(!compare_predictions(&told("a", 0.9), &told("b", 0.9)).same);
        assert_eq!(compare_predictions(&told("a", 0.9), &[]), UNLIKE);
    }
}
