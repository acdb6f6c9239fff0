//! How long does it take from a table on the disk to batches of numbers, beside pandas and polars?
//!
//! `tests/peers/table_loader.py` makes the table, and does the same with the other programs:
//!
//! ```sh
//! TABLE=/tmp/table/csv cargo test --release -p data-loader --test table_loader -- --ignored --nocapture
//! ```

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use data_loader::samplers::Sampler;
use data_loader::{
    ArrayData, Card, DataConfig, Dataset, Loader, LoaderConfig, Part, SplitConfig, Target, Transforms, formats, split,
};

/// A line of `/proc/self/status`, in MB.
fn memory(line: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|found| found.starts_with(line));
    let number = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|number| number.parse::<f64>().ok());
    number.unwrap_or(0.0) * 1024.0 / 1e6
}

/// The sum, in eight lanes as `numpy` adds: one number after the other would cost more than to read them.
fn total(numbers: &[f32]) -> f64 {
    let (whole, rest) = numbers.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for chunk in whole {
        lanes.iter_mut().zip(chunk).for_each(|(lane, &number)| *lane += f64::from(number));
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|&number| f64::from(number)).sum::<f64>()
}

#[test]
#[ignore = "measures; needs TABLE, the folder of a table that tests/peers/table_loader.py made"]
fn from_a_table_to_batches() {
    let folder = PathBuf::from(std::env::var("TABLE").expect("TABLE names a folder"));
    let start = Instant::now();
    let card = Card::open(&folder).unwrap();
    println!("card with its checksum: {:.3} s", start.elapsed().as_secs_f64());
    for order in ["sequential", "shuffled"] {
        let start = Instant::now();
        let records = formats::open(&card).unwrap();
        let indexed = start.elapsed().as_secs_f64();
        let config = DataConfig {
            split: Some(SplitConfig::Random(split::random::Config::default())),
            transforms: Some(Transforms::default()),
            sampler: serde_json::from_value::<Sampler>(order.into()).unwrap(),
            loader: LoaderConfig { threads: 2, prefetch: 8, ..LoaderConfig::default() },
            ..DataConfig::new(folder.clone())
        };
        let data = Arc::new(Dataset::from_records(&config, card.clone(), records, None, None, 0).unwrap());
        let opened = start.elapsed().as_secs_f64();
        let (rows, mut sum, mut batches) = (data.part(Part::Train).len(), 0.0, 0);
        let mut loader = Loader::train(Arc::clone(&data), 1024, 0, 2, 0).unwrap();
        for _ in 0..loader.batches_per_epoch() {
            let batch = loader.next().unwrap().unwrap();
            let ArrayData::F32(numbers) = &batch.inputs[0].array.data else { panic!("no numbers") };
            let Target::Values { values, .. } = &batch.target else { panic!("no target") };
            sum += total(numbers) + total(values);
            batches += 1;
        }
        println!(
            "{order}: {:.3} s from the file to {batches} batches of {rows} rows, of which {indexed:.3} s index, {opened:.3} s \
             opened; sum {sum:.3}; resident {:.0} MB, most {:.0} MB",
            start.elapsed().as_secs_f64(),
            memory("VmRSS"),
            memory("VmHWM"),
        );
    }
}
