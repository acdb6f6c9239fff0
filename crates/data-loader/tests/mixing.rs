//! Do transforms that mix the examples of a batch change training alone, by seed, epoch and place, and refuse what cannot be mixed?

#![allow(clippy::unwrap_used)]

use data_loader::random::Random;
use data_loader::{Error, Image, Pipeline, Record, Records, Schema, Target, Task, Transforms, Value};

/// Members that mix the examples of a batch.
const MIXES: [&str; 2] = ["cutmix", "mixup"];

/// A word.
fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// Rows held in memory.
struct Memory {
    names: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Records for Memory {
    fn len(&self) -> usize {
        self.rows.len()
    }
    fn read(&self, row: usize) -> Result<Record, Error> {
        let fields = self.names.iter().cloned().zip(self.rows[row].iter().cloned()).collect();
        Ok(Record::new(self.key(row)?, fields, None))
    }
    fn field(&self, row: usize, name: &str) -> Result<Value, Error> {
        Ok(self.rows[row][self.names.iter().position(|known| known == name).unwrap()].clone())
    }
    fn key(&self, row: usize) -> Result<String, Error> {
        Ok(row.to_string())
    }
}

#[test]
fn every_transform_that_mixes_changes_batches_of_training_alone_by_seed_epoch_and_place() {
    let schema = "target = { name = \"y\", kind = \"class\" }\n[features]\ni = \"image\"";
    let schema: Schema = toml::from_str(schema).unwrap();
    for name in MIXES {
        let image = |number: usize| {
            let pixels = (0..108).map(|pixel| (number * 31 + pixel * 17) as u8).collect();
            Value::Image(Image { channels: 3, height: 6, width: 6, pixels })
        };
        let rows = (0..12).map(|number| vec![image(number), Value::Text((number % 3).to_string())]).collect();
        let memory = Memory { names: vec!["i".into(), "y".into()], rows };
        let settings = format!("[{name}]\n");
        let list: Transforms = toml::from_str(&settings).unwrap();
        let train: Vec<u32> = (0..12).collect();
        let pipeline = Pipeline::fit(&schema, Task::Classify, &list, &memory, &train, false).unwrap();
        let read = || (0..12).map(|row| memory.read(row).unwrap()).collect::<Vec<_>>();
        let plain = pipeline.batch(read()).unwrap();
        assert_eq!(plain.target, Target::Classes((0..12).map(|number| number % 3).collect()), "{name}");
        let mixed = |numbers: &[u64]| {
            let mut batch = plain.clone();
            pipeline.transforms()[0].mix(&mut batch, pipeline.signature(), &mut Random::derive(numbers)).unwrap();
            batch
        };
        let changed = (0..20).filter(|&place| mixed(&[place]).inputs != plain.inputs).count();
        assert!(changed > 5, "{name} changed {changed} of 20 batches");
        for place in 0..20 {
            let batch = mixed(&[place]);
            assert_eq!(batch, mixed(&[place]), "{name}");
            assert_eq!(batch.inputs[0].array.shape, plain.inputs[0].array.shape, "{name}");
            let Target::SoftLabels { classes: 3, values } = &batch.target else { panic!("{name}: {:?}", batch.target) };
            assert!(values.chunks(3).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-6), "{name}: {values:?}");
            assert!(values.chunks(3).all(|row| row.iter().all(|share| (0.0..=1.0).contains(share))), "{name}");
        }

        // There is nothing between two texts, or between two classes of a pixel.
        let fields = |target: &str, others: &str| {
            format!("target = {{ name = \"y\", {target} }}\n[features]\ni = \"image\"\n{others}")
        };
        let mask = Image { channels: 1, height: 6, width: 6, pixels: vec![0; 36] };
        for (schema, names, last, task) in [
            (fields("kind = \"class\"", "t = \"text\""), ["i", "t", "y"].as_slice(), text("0"), Task::Classify),
            (
                fields("kind = \"mask\", classes = [\"a\", \"b\"]", ""),
                ["i", "y"].as_slice(),
                Value::Mask(mask),
                Task::Segment,
            ),
        ] {
            let row = |number| {
                let texts = (2..names.len()).map(|_| text("t"));
                [image(number)].into_iter().chain(texts).chain([last.clone()]).collect()
            };
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            let memory = Memory { names, rows: (0..12).map(row).collect() };
            let schema: Schema = toml::from_str(&schema).unwrap();
            let error = Pipeline::fit(&schema, task, &list, &memory, &train, false).unwrap_err();
            assert!(matches!(&error, Error::Setting { .. }) && error.is_usage(), "{name}: {error}");
        }
    }
}
