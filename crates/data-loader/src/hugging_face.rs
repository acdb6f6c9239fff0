//! What do Hugging Face data sets say by their names and metadata? The parts of their files, whether all of their shards are
//! there, and the names of their classes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::error::Error;
use crate::split::Part;

/// The part that the path of a file names, such as `data/train-00000-of-00003.parquet` or `plain_text/test/0000.parquet`: the
/// innermost folder or file whose name has one of the known words in it.
pub(crate) fn part_of(path: &str) -> Option<Part> {
    path.rsplit('/').find_map(|name| {
        name.split(|c: char| !c.is_alphanumeric()).find_map(|word| match &*word.to_lowercase() {
            "train" | "training" => Some(Part::Train),
            "validation" | "valid" | "val" | "dev" => Some(Part::Validation),
            "test" | "testing" => Some(Part::Test),
            _ => None,
        })
    })
}

/// The shards of one name: what stands before their numbers, and how many there are as it is written.
type Shards<'a> = (&'a Path, &'a str, &'a str);

/// What the name of a file says of the shards that it is one of, such as `train-00001-of-00003.parquet`: what stands before its
/// number, the number, and how many there are.
fn shard(name: &str) -> Option<(&str, u64, &str)> {
    let (before, behind) = name.rsplit_once("-of-")?;
    let (prefix, number) = before.rsplit_once('-')?;
    let digits = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
    let number = Some(number).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some((prefix, number.parse().ok()?, behind.get(..digits).filter(|count| !count.is_empty())?))
}

/// Refuses shards among `files` of which others are not there: they would be left out in silence. `place` is where they lie.
pub(crate) fn all_shards(place: &Path, files: &[PathBuf]) -> Result<(), Error> {
    let mut all: BTreeMap<Shards<'_>, BTreeSet<u64>> = BTreeMap::new();
    for file in files {
        let (folder, name) = (file.parent().unwrap_or(place), file.file_name().and_then(|name| name.to_str()));
        if let Some((prefix, number, count)) = name.and_then(shard) {
            all.entry((folder, prefix, count)).or_default().insert(number);
        }
    }
    for ((folder, prefix, written), numbers) in all {
        let Ok(count) = written.parse::<u64>() else { continue };
        // Most count from 0, some from 1.
        let first = u64::from(!numbers.contains(&0));
        if numbers.len() as u64 == count && numbers.iter().zip(first..).all(|(found, number)| *found == number) {
            continue;
        }
        let missing = numbers.iter().zip(first..).find(|(found, number)| *found != number);
        let missing = missing.map_or(numbers.len() as u64 + first, |(_, number)| number);
        let width = written.len();
        return Err(Error::Mismatch {
            message: format!(
                "{} has {} shards {prefix}-*-of-{written}, among which {prefix}-{missing:0width$}-of-{written} is not",
                folder.display(),
                numbers.len(),
            ),
            hint:
                "Fetch the others too; to use but a part of them, name each of these in a [[files]] table of its own."
                    .into(),
        });
    }
    Ok(())
}

/// The key in the metadata of a schema under which Hugging Face describes its columns.
pub(crate) const METADATA: &str = "huggingface";

/// The names of the classes of every column that `metadata`, what a schema says under [`METADATA`], calls a `ClassLabel`.
pub(crate) fn class_names(metadata: Option<&str>) -> HashMap<String, Arc<[String]>> {
    let read = || -> Option<HashMap<String, Arc<[String]>>> {
        let json: Json = serde_json::from_str(metadata?).ok()?;
        let features = json.get("info")?.get("features")?.as_object()?;
        let names = |feature: &Json| -> Option<Arc<[String]>> {
            (feature.get("_type")?.as_str()? == "ClassLabel").then_some(())?;
            let names = feature.get("names")?.as_array()?.iter();
            names.map(|name| name.as_str().map(str::to_owned)).collect()
        };
        Some(features.iter().filter_map(|(name, feature)| Some((name.clone(), names(feature)?))).collect())
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_from_names() {
        for (path, part) in [
            ("data/train-00000-of-00003.parquet", Some(Part::Train)),
            ("data/validation-00000-of-00001-abc.parquet", Some(Part::Validation)),
            ("plain_text/test/0000.parquet", Some(Part::Test)),
            ("test/train.parquet", Some(Part::Train)),
            ("my_dev.parquet", Some(Part::Validation)),
            ("Val.parquet", Some(Part::Validation)),
            ("unsupervised-00000-of-00001.parquet", None),
            ("latest/trainees.parquet", None),
        ] {
            assert_eq!(part_of(path), part, "{path}");
        }
    }

    #[test]
    fn shards_that_are_not_all_there_are_refused() {
        let all = |names: &[&str]| {
            let files: Vec<PathBuf> = names.iter().map(|name| Path::new("/d").join(name)).collect();
            all_shards(Path::new("/d"), &files)
        };
        for whole in [
            &["train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "test-00000-of-00001.parquet"][..],
            &["a-1-of-2.tar", "a-2-of-2.tar", "notes.txt", "one-of-us.tar", "x-3-of-.tar"],
            &["train-00000-of-00002-ab.parquet", "train-00001-of-00002-cd.parquet"],
            &["train-0.parquet", "train-2.parquet"],
        ] {
            all(whole).unwrap();
        }
        for (names, word) in [
            (&["train-00000-of-00003.parquet", "train-00002-of-00003.parquet"][..], "train-00001-of-00003 is not"),
            (&["train-00000-of-00002.parquet"], "train-00001-of-00002 is not"),
            (&["a/t-00000-of-00002.parquet", "b/t-00001-of-00002.parquet"], "/d/a has 1 shards"),
            (&["t-00000-of-99999999999999999999.tar", "t-7-of-4.tar"], "t-1-of-4 is not"),
        ] {
            let error = all(names).unwrap_err();
            assert!(error.to_string().contains(word) && error.is_usage(), "{names:?}: {error}");
            assert!(error.hint().unwrap().contains("[[files]]"));
        }
    }

    #[test]
    fn class_names_are_found_and_nonsense_is_not_believed() {
        let read = |text: &str| class_names(Some(text));
        let found = read(
            r#"{"info": {"features": {"y": {"names": ["neg", "pos"], "_type": "ClassLabel"}, "x": {"_type": "Value"}}}}"#,
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found["y"][..], ["neg", "pos"]);
        for nonsense in
            ["", "[]", "{\"info\": 3}", r#"{"info": {"features": {"y": {"names": [1], "_type": "ClassLabel"}}}}"#]
        {
            assert!(read(nonsense).is_empty(), "{nonsense}");
        }
        assert!(class_names(None).is_empty());
    }
}
