//! How does a column that spans many powers of ten become one that a network can learn from? By its logarithm.
//!
//! What has no logarithm is an error with its example and column, in training and in new data alike: a value that was moved
//! to the edge in silence would be answered as if it were another one. `bad_examples = "skip"` leaves such rows out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Training, Transform};
use crate::error::Error;
use crate::example::{Record, Value};
use crate::random::Random;
use crate::registry::Entry;
use crate::scale::columns;
use crate::schema::FeatureKind;

/// This transform in the list of transforms.
pub const ENTRY: Entry = Entry { name: "log", summary: "take the logarithm of columns that span many powers of ten" };

/// Which logarithm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// `ln(1 + x)`, for `x` above -1; 0 stays 0.
    #[default]
    Log1p,
    /// `sign(x) ln(1 + |x|)`, for any `x`.
    Signed,
}

/// `[data.transforms.log]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which columns; without it all numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Which logarithm: "log1p" for numbers above -1, or "signed" for any.
    pub method: Method,
}

/// The columns whose logarithm is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// In the order of the data.
    pub columns: Vec<String>,
    /// Which logarithm.
    pub method: Method,
}

impl Transform for Log {
    type Config = Config;

    /// Checks that every number of the training part has a logarithm.
    fn fit(config: &Config, training: &Training<'_>) -> Result<Self, Error> {
        let columns = columns(config.columns.as_deref(), &[FeatureKind::Number], training, ENTRY.name)?;
        let fitted = Self { columns, method: config.method };
        if fitted.method == Method::Log1p && !fitted.columns.is_empty() {
            training.each(|record| fitted.apply(&mut record.clone(), None))?;
        }
        Ok(fitted)
    }

    /// Puts logarithms in the place of the numbers of `record`.
    fn apply(&self, record: &mut Record, _random: Option<&mut Random>) -> Result<(), Error> {
        let mut next = 0;
        for name in &self.columns {
            let Some(place) = record.place(name, next) else { continue };
            next = place + 1;
            let Value::Number(number) = &mut record.fields[place].1 else { continue };
            *number = match self.method {
                Method::Signed => number.abs().ln_1p().copysign(*number),
                Method::Log1p if *number > -1.0 => number.ln_1p(),
                Method::Log1p => {
                    return Err(Error::Field {
                        id: record.id.key.clone(),
                        kind: "number",
                        column: name.clone(),
                        found: format!("{number}, and ln(1 + x) needs a number above -1"),
                        hint: "Set `method = \"signed\"` in [data.transforms.log], or leave the column out of its `columns`.".into(),
                    });
                }
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transforms::tests::{applied, fit};

    const SCHEMA: &str = "[features]\nx = \"number\"\nz = \"number\"";

    proptest! {
        #[test]
        fn logarithms_have_their_closed_forms(x in -0.999..1e12_f64, z in -1e12..1e12_f64) {
            let row = [Value::Number(x), Value::Number(z)];
            let found = applied("[log]\ncolumns = [\"x\"]", SCHEMA, &[&row]);
            prop_assert_eq!(&found[0], &[Value::Number(x.ln_1p()), Value::Number(z)]);
            let found = applied("[log]\nmethod = \"signed\"", SCHEMA, &[&row]);
            let Value::Number(found) = found[0][1] else { panic!("no number") };
            // Undone, it is the number again.
            prop_assert!((found.signum() * found.abs().exp_m1() - z).abs() <= 1e-9 * z.abs().max(1.0));
        }
    }

    #[test]
    fn what_has_no_logarithm_is_refused_with_its_row() {
        let rows: &[&[Value]] = &[&[Value::Number(0.0), Value::Number(0.0)], &[Value::Number(-1.0), Value::Missing]];
        let error = fit("[log]", SCHEMA, rows).err().unwrap();
        assert_eq!(error.to_string(), "Example #1: the number `x` is -1, and ln(1 + x) needs a number above -1.");
        assert!(error.hint().unwrap().contains("signed") && error.is_bad_example());
        assert_eq!(applied("[log]\ncolumns = [\"z\"]", SCHEMA, rows)[1], [Value::Number(-1.0), Value::Missing]);
        let (fitted, _) = fit("[log]", SCHEMA, &rows[..1]).unwrap();
        let mut new = Record::new("new".into(), vec![("x".into(), Value::Number(-2.0))], None);
        assert!(fitted[0].apply(&mut new, None).unwrap_err().to_string().contains("Example new"));
    }

    #[test]
    fn columns_that_cannot_be_meant_are_refused() {
        let schema = "[features]\nlength = \"number\"\nc = \"category\"";
        let error = fit("[log]\ncolumns = [\"lenght\"]", schema, &[]).err().unwrap();
        assert_eq!(error.hint().as_deref(), Some("Did you mean `length`?"), "{error}");
        let error = fit("[log]\ncolumns = [\"c\"]", schema, &[]).err().unwrap();
        assert!(error.to_string().contains("is a category"), "{error}");
    }
}
