//! How does a date become numbers? By the parts of the calendar that it lies in, and by the days that passed.
//!
//! What comes round again is a point on a circle, a sine and a cosine, so that December lies beside January. All moments are
//! brought to UTC first; one without a zone counts as UTC. A missing date gives missing numbers, for `impute` to fill in.

use std::f64::consts::TAU;

use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Training, Transform};
use crate::clock::{is_format, moment, seconds, written};
use crate::config::OrderedMap;
use crate::error::{Error, quoted};
use crate::example::{Record, Value};
use crate::random::Random;
use crate::registry::Entry;
use crate::scale::{columns, new_column, replace};
use crate::schema::FeatureKind;

/// This transform in the list of transforms.
pub const ENTRY: Entry = Entry { name: "dates", summary: "turn dates into parts of the calendar and days that passed" };

/// What a date can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// `<column>_year`: the year.
    Year,
    /// `<column>_month_sin` and `_cos`: the month, from January.
    Month,
    /// `<column>_day_sin` and `_cos`: the day in its month.
    Day,
    /// `<column>_weekday_sin` and `_cos`: the day of the week, from Monday.
    Weekday,
    /// `<column>_hour_sin` and `_cos`: the time of day.
    Hour,
    /// `<column>_day_of_year_sin` and `_cos`: the day in its year.
    DayOfYear,
    /// `<column>_days`: the days since the earliest date of the training part, with fractions.
    Days,
}

impl Feature {
    const ALL: [Self; 7] = [Self::Year, Self::Month, Self::Day, Self::Weekday, Self::Hour, Self::DayOfYear, Self::Days];

    /// The ends of the names of its columns.
    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Year => &["year"],
            Self::Month => &["month_sin", "month_cos"],
            Self::Day => &["day_sin", "day_cos"],
            Self::Weekday => &["weekday_sin", "weekday_cos"],
            Self::Hour => &["hour_sin", "hour_cos"],
            Self::DayOfYear => &["day_of_year_sin", "day_of_year_cos"],
            Self::Days => &["days"],
        }
    }

    /// Its numbers for a moment, one for each ending.
    fn numbers(self, of: NaiveDateTime, earliest: NaiveDateTime) -> Vec<f64> {
        let time = f64::from(of.num_seconds_from_midnight()) / 86_400.0;
        let turn = match self {
            Self::Year => return vec![f64::from(of.year())],
            Self::Days => return vec![(seconds(of) - seconds(earliest)) / 86_400.0],
            Self::Month => f64::from(of.month0()) / 12.0,
            Self::Day => f64::from(of.day0()) / f64::from(of.num_days_in_month()),
            Self::Weekday => f64::from(of.weekday().num_days_from_monday()) / 7.0,
            Self::Hour => time,
            Self::DayOfYear => {
                let leap = NaiveDate::from_ymd_opt(of.year(), 2, 29).is_some();
                f64::from(of.ordinal0()) / if leap { 366.0 } else { 365.0 }
            }
        };
        vec![(turn * TAU).sin(), (turn * TAU).cos()]
    }
}

/// `[data.transforms.dates]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which columns: dates, categories or texts; without it all dates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// How dates are written, as in `%d.%m.%Y %H:%M` (see chrono's strftime); without it as ISO 8601 says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// What a date gives: `year`, `month`, `day`, `weekday`, `hour`, `day_of_year` and `days`; without it all of them, `hour`
    /// only where some date of the training part has a time of day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<Feature>>,
}

/// What one column gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The earliest date of the training part, in UTC, from which days are counted.
    #[serde(with = "written")]
    pub earliest: NaiveDateTime,
    /// What a date gives.
    pub features: Vec<Feature>,
}

impl Column {
    /// The columns that come in the place of `column`.
    fn names(&self, column: &str) -> Vec<String> {
        let endings = self.features.iter().flat_map(|feature| feature.endings());
        endings.map(|ending| format!("{column}_{ending}")).collect()
    }
}

/// What every column of dates gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dates {
    /// How dates are written; none means ISO 8601.
    pub format: Option<String>,
    /// By column.
    pub columns: OrderedMap<Column>,
}

impl Dates {
    /// The moment in a field; none if it is missing.
    fn moment(format: Option<&str>, record: &Record, place: usize) -> Result<Option<NaiveDateTime>, Error> {
        let (column, value) = &record.fields[place];
        let found = match value {
            Value::Missing => return Ok(None),
            Value::Text(text) => match moment(text, format) {
                Some(moment) => return Ok(Some(moment)),
                None => quoted(text),
            },
            _ => "no text".into(),
        };
        Err(Error::Field {
            id: record.id.key.clone(),
            kind: "date",
            column: column.clone(),
            found: match format {
                Some(format) => format!("{found}, which is not of the form {format:?}"),
                None => format!("{found}, which is no ISO 8601 date"),
            },
            hint: "Say how dates are written with `format` in [data.transforms.dates], such as \"%d.%m.%Y\"; if the text stands for a missing value, add it to the list `missing` in [schema] of the card.".into(),
        })
    }
}

impl Transform for Dates {
    type Config = Config;

    /// Finds the earliest date of each column, and whether dates have a time of day.
    fn fit(config: &Config, training: &Training<'_>) -> Result<Self, Error> {
        let wrong = |key: &str, message: String, hint: &str| {
            Err(Error::Setting { key: format!("data.transforms.dates.{key}"), message, hint: hint.into() })
        };
        if let Some(format) = config.format.as_deref().filter(|format| !is_format(format)) {
            return wrong("format", format!("is {format:?}"), "Write it as in \"%Y-%m-%d %H:%M:%S\".");
        }
        if config.features.as_ref().is_some_and(|features| {
            features.is_empty() || (1..features.len()).any(|i| features[..i].contains(&features[i]))
        }) {
            return wrong("features", "is empty, or names one twice".into(), "Name each feature once.");
        }
        let kinds = [FeatureKind::Date, FeatureKind::Category, FeatureKind::Text];
        let names = columns(config.columns.as_deref(), &kinds, training, ENTRY.name)?;
        let mut found: Vec<Option<(NaiveDateTime, bool)>> = vec![None; names.len()];
        if !names.is_empty() {
            training.each(|record| {
                for (name, found) in names.iter().zip(&mut found) {
                    let Some(place) = record.place(name, 0) else { continue };
                    let Some(moment) = Self::moment(config.format.as_deref(), record, place)? else { continue };
                    let timed = moment.num_seconds_from_midnight() != 0;
                    *found =
                        Some(found.map_or((moment, timed), |(earliest, any)| (earliest.min(moment), any || timed)));
                }
                Ok(())
            })?;
        }
        let mut fitted = Self { format: config.format.clone(), columns: OrderedMap::default() };
        for (name, found) in names.into_iter().zip(found) {
            let Some((earliest, timed)) = found else {
                return Err(Error::Mismatch {
                    message: format!("The column `{name}` has no date at all in the training part"),
                    hint: format!("List `{name}` under `ignore` in the card."),
                });
            };
            let all = || Feature::ALL.into_iter().filter(|feature| timed || *feature != Feature::Hour).collect();
            let column = Column { earliest, features: config.features.clone().unwrap_or_else(all) };
            for made in column.names(&name) {
                new_column(&made, &name, training.schema, false, ENTRY.name)?;
            }
            fitted.columns.0.push((name, column));
        }
        Ok(fitted)
    }

    /// Puts numbers in the place of the dates of `record`.
    fn apply(&self, record: &mut Record, _random: Option<&mut Random>) -> Result<(), Error> {
        let mut next = 0;
        for (name, column) in &self.columns.0 {
            let Some(place) = record.place(name, next) else { continue };
            let moment = Self::moment(self.format.as_deref(), record, place)?;
            let numbers: Vec<Value> = column
                .features
                .iter()
                .flat_map(|feature| match moment {
                    Some(moment) => feature.numbers(moment, column.earliest).into_iter().map(Value::Number).collect(),
                    None => vec![Value::Missing; feature.endings().len()],
                })
                .collect();
            next = place + numbers.len();
            record.fields.splice(place..=place, column.names(name).into_iter().zip(numbers));
        }
        Ok(())
    }

    fn reshape(&self, features: &mut OrderedMap<FeatureKind>) {
        for (name, column) in &self.columns.0 {
            replace(features, name, column.names(name));
        }
    }
}

#[cfg(test)]
#[path = "dates_tests.rs"]
mod tests;
