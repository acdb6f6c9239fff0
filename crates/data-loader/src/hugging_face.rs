//! What do Hugging Face data sets say by their names and metadata? The parts of their files, and the names of their classes.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

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
