//! How well are near duplicates found that were planted? `tests/peers/near_duplicates.py` plants them and counts.
//!
//! Not run by itself: it needs the folders that the script makes.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use data_loader::checks::near_duplicates;
use data_loader::{DataConfig, Dataset};

#[test]
#[ignore = "measures on data that tests/peers/near_duplicates.py makes; the folder stands in FIREBOX_PLANTED"]
fn pairs_of_a_planted_data_set() {
    let folder = std::env::var("FIREBOX_PLANTED").expect("FIREBOX_PLANTED names the folder");
    let folder = Path::new(&folder);
    let dataset = Dataset::open_for_checks(&DataConfig::new(folder), folder, None, 0).unwrap();
    let begun = Instant::now();
    let pairs = near_duplicates::pairs(&dataset, 0, &mut |_, _, _| {}).unwrap();
    let seconds = begun.elapsed().as_secs_f64();
    let mut text = format!("first,second,likeness\n# {seconds:.1} s\n");
    for (first, second, likeness) in &pairs {
        let key = |row: u32| dataset.record(row).unwrap().id.key;
        writeln!(text, "{},{},{likeness}", key(*first), key(*second)).unwrap();
    }
    std::fs::write(folder.join("found.csv"), text).unwrap();
    assert!(!pairs.is_empty(), "nothing was found");
}
