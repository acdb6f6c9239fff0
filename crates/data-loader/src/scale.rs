//! How do numbers of one column come to a scale? The arithmetic that the scaling transforms share, and how they name columns.

use serde::{Deserialize, Serialize};

use crate::config::OrderedMap;
use crate::error::{Error, closest, listed};
use crate::example::{Record, Value};
use crate::schema::{FeatureKind, Schema};
use crate::statistics::quantile;
use crate::summary::Summary;
use crate::transforms::Training;

/// How one column is scaled: `(value - centre) / spread`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// What is subtracted.
    pub centre: f64,
    /// By what the rest is divided; never 0.
    pub spread: f64,
}

impl Scale {
    /// Mean 0 and population standard deviation 1.
    pub fn standard(column: &Summary) -> Self {
        let (centre, spread) = column.mean_and_std();
        Self { centre, spread: usable(spread, ends(column)) }
    }

    /// The least value becomes `low` and the greatest `high`.
    pub fn min_max(column: &Summary, low: f64, high: f64) -> Self {
        let [least, greatest] = ends(column);
        let spread = usable(greatest - least, [least, greatest]) / (high - low);
        Self { centre: least - low * spread, spread }
    }

    /// The median becomes 0, and the distance between the quantiles `low` and `high` becomes 1.
    pub fn robust(mut column: Summary, low: f64, high: f64) -> Self {
        column.values.sort_by(f64::total_cmp);
        let at = |q| quantile(&column.values, q);
        // Against these two and not all values: an outlier of 1e30 must not make the rest look constant.
        Self { centre: at(0.5), spread: usable(at(high) - at(low), [at(low), at(high)]) }
    }

    /// The scaled value.
    pub fn apply(self, value: f64) -> f64 {
        (value - self.centre) / self.spread
    }
}

/// The least and the greatest value; 0 of nothing.
fn ends(column: &Summary) -> [f64; 2] {
    if column.count == 0 { [0.0; 2] } else { [column.min, column.max] }
}

/// `spread`, or 1 where it cannot divide. A column that is constant, up to rounding, carries nothing: it becomes 0 rather
/// than magnified rounding errors.
fn usable(spread: f64, [least, greatest]: [f64; 2]) -> f64 {
    let smallest = f64::EPSILON * least.abs().max(greatest.abs());
    if spread.is_finite() && spread > smallest * 8.0 && spread > f64::MIN_POSITIVE { spread } else { 1.0 }
}

/// The columns that a transform works on: those that its setting `columns` asks for, in the order of the data, or without
/// it all of the first of `kinds`. `transform` is its name, for errors.
pub(crate) fn columns(
    asked: Option<&[String]>,
    kinds: &[FeatureKind],
    training: &Training<'_>,
    transform: &str,
) -> Result<Vec<String>, Error> {
    let features = &training.schema.features;
    let Some(asked) = asked else {
        let of_kind = features.0.iter().filter(|(_, kind)| Some(kind) == kinds.first());
        return Ok(of_kind.map(|(name, _)| name.clone()).collect());
    };
    for name in asked {
        let key = format!("data.transforms.{transform}.columns");
        match features.get(name) {
            Some(kind) if kinds.contains(kind) => {}
            Some(kind) => {
                let message = format!("names `{name}`, which is a {} where the transform stands", kind.name());
                let wanted: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
                let hint = format!("This transform works on columns of the kind {}.", wanted.join(" or "));
                return Err(Error::Setting { key, message, hint });
            }
            None => {
                let known: Vec<&str> = features.0.iter().map(|(name, _)| name.as_str()).collect();
                let hint = match closest(name, known.iter().copied()) {
                    Some(near) => format!("Did you mean `{near}`?"),
                    None => format!("The features there are {}.", listed(&known)),
                };
                return Err(Error::Setting { key, message: format!("names `{name}`, which is no feature"), hint });
            }
        }
    }
    let chosen = features.0.iter().filter(|(name, _)| asked.contains(name));
    Ok(chosen.map(|(name, _)| name.clone()).collect())
}

/// What `learn` makes of what is typical of each of the columns that `asked` names, or of all of them.
pub(crate) fn learn<T>(
    asked: Option<&[String]>,
    training: &Training<'_>,
    transform: &str,
    mut learn: impl FnMut(Summary) -> T,
) -> Result<OrderedMap<T>, Error> {
    let names = columns(asked, &[FeatureKind::Number], training, transform)?;
    let summaries = training.summaries(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(OrderedMap(names.into_iter().zip(summaries.columns).map(|(name, column)| (name, learn(column))).collect()))
}

/// Changes the numbers of `record` by what was learnt of their columns. A missing number stays missing.
pub(crate) fn each_number<T>(record: &mut Record, learnt: &OrderedMap<T>, mut change: impl FnMut(&T, f64) -> f64) {
    let mut next = 0;
    for (name, of_column) in &learnt.0 {
        let Some(place) = record.place(name, next) else { continue };
        next = place + 1;
        if let Value::Number(number) = &mut record.fields[place].1 {
            *number = change(of_column, *number);
        }
    }
}

/// Checks that `column`, which a transform makes of `from`, is not there already; it is if `taken`.
pub(crate) fn new_column(column: &str, from: &str, schema: &Schema, taken: bool, transform: &str) -> Result<(), Error> {
    if !taken && !schema.knows(column) {
        return Ok(());
    }
    Err(Error::Mismatch {
        message: format!(
            "`{transform}` would make the column `{column}` of `{from}`, and there is such a column already"
        ),
        hint: "Rename the column, or leave it out of the transform's `columns`.".into(),
    })
}

/// Puts number columns in the place of the feature `name`.
pub(crate) fn replace(features: &mut OrderedMap<FeatureKind>, name: &str, columns: Vec<String>) {
    if let Some(place) = features.0.iter().position(|(feature, _)| feature == name) {
        features.0.splice(place..=place, columns.into_iter().map(|column| (column, FeatureKind::Number)));
    }
}
