//! Do transforms keep their order, and follow from a schema where nobody names them?

use super::*;
use crate::example::Value;
use crate::formats::Records;
use crate::task::Task;

/// Records held in memory, every field known.
#[derive(Debug)]
pub(crate) struct Memory(pub(crate) Vec<Record>);

impl Memory {
    /// One row for each list of values, in the order of the schema.
    pub(crate) fn new(schema: &Schema, rows: &[&[Value]]) -> Self {
        let names: Vec<&String> =
            schema.features.0.iter().map(|(name, _)| name).chain(schema.target.iter().map(|t| &t.name)).collect();
        let record = |(i, row): (usize, &&[Value])| {
            let fields = names.iter().zip(*row).map(|(name, value)| ((*name).clone(), value.clone())).collect();
            Record::new(format!("#{i}"), fields, None)
        };
        Self(rows.iter().enumerate().map(record).collect())
    }
}

impl Records for Memory {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn read(&self, row: usize) -> Result<Record, Error> {
        Ok(self.0[row].clone())
    }
    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        Ok(self.0[row].field(name).cloned().unwrap_or(Value::Missing))
    }
    fn key(&self, row: usize) -> Result<String, Error> {
        Ok(self.0[row].id.key.clone())
    }
    fn part(&self, _: usize) -> Option<crate::split::Part> {
        None
    }
}

/// Fits `config` (the inside of `[data.transforms]`) on all rows.
pub(crate) fn fit(config: &str, schema: &str, rows: &[&[Value]]) -> Result<(Vec<FittedTransform>, Memory), Error> {
    let schema: Schema = toml::from_str(schema).unwrap();
    let transforms: Transforms = toml::from_str(config).unwrap();
    let memory = Memory::new(&schema, rows);
    let all: Vec<u32> = (0..rows.len() as u32).collect();
    let training =
        Training { task: Task::Classify, schema: &schema, records: &memory, rows: &all, before: &[], skip_bad: false };
    let fitted = transforms.fit(&training)?;
    let again: Vec<FittedTransform> = serde_json::from_str(&serde_json::to_string(&fitted).unwrap()).unwrap();
    assert_eq!(again, fitted, "a fitted transform does not survive JSON");
    Ok((fitted, memory))
}

/// The fields of each row after the transforms.
pub(crate) fn applied(config: &str, schema: &str, rows: &[&[Value]]) -> Vec<Vec<Value>> {
    let (fitted, memory) = fit(config, schema, rows).unwrap();
    let mut records = memory.0;
    for record in &mut records {
        for transform in &fitted {
            transform.apply(record, None).unwrap();
        }
    }
    records.into_iter().map(|record| record.fields.into_iter().map(|(_, value)| value).collect()).collect()
}

#[test]
fn transforms_keep_the_order_in_which_they_are_written() {
    let text = "[normalize]\nnumbers = \"minmax\"\n\n[impute]\nnumbers = \"mean\"\n";
    let transforms: Transforms = toml::from_str(text).unwrap();
    assert!(matches!(transforms.0[..], [TransformConfig::Normalize(_), TransformConfig::Impute(_)]));
    let written = toml::to_string(&transforms).unwrap();
    assert!(written.find("normalize") < written.find("impute"));
    assert_eq!(toml::from_str::<Transforms>(&written).unwrap(), transforms);
    let error = crate::config::parse_toml::<Transforms>("[imput]", std::path::Path::new("c")).unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("Did you mean `impute`?"));
}

#[test]
fn defaults_follow_from_the_schema() {
    let names = |schema: &str| {
        let json = serde_json::to_value(Transforms::default_for(&toml::from_str(schema).unwrap())).unwrap();
        json.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("[features]\na = \"number\"\nb = \"category\""), "impute normalize encode");
    assert_eq!(names("[features]\na = \"image\""), "normalize");
    assert_eq!(names("[features]\na = \"text\""), "tokenize");
    assert_eq!(names("[features]\na = \"date\""), "dates impute normalize");
    assert_eq!(names("target = { name = \"y\", kind = \"number\" }\n[features]\na = \"category\""), "normalize encode");
}

#[test]
fn a_transform_is_fitted_on_what_the_one_before_leaves() {
    let schema = "[features]\nx = \"number\"";
    let rows: &[&[Value]] = &[&[Value::Number(1.0)], &[Value::Missing], &[Value::Number(3.0)]];
    // The mean 2 fills the gap, so that the values are 1, 2, 3 with a standard deviation of sqrt(2/3).
    let found = applied("[impute]\nnumbers = \"mean\"\n[normalize]\n", schema, rows);
    let Value::Number(first) = found[0][0] else { panic!("no number") };
    assert!((first + 1.5_f64.sqrt()).abs() < 1e-12);
    assert_eq!(found[1], [Value::Number(0.0)]);
}
