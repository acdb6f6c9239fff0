//! What do the columns of a data set mean?

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use crate::config::OrderedMap;
use crate::error::{Error, listed};
use crate::tables::number;
use crate::task::Task;
use crate::windows;

/// What a feature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureKind {
    /// One of a few words; a word that training never saw gets the unknown code.
    Category,
    /// A day, or a moment.
    Date,
    /// Pixels.
    Image,
    /// A finite real number.
    Number,
    /// A sequence of characters.
    Text,
}

impl FeatureKind {
    /// The word used in cards.
    pub fn name(self) -> &'static str {
        match self {
            Self::Category => "category",
            Self::Date => "date",
            Self::Image => "image",
            Self::Number => "number",
            Self::Text => "text",
        }
    }
}

/// What the target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// The name of one class.
    Class,
    /// The class of every pixel of the image.
    Mask,
    /// A finite real number.
    Number,
}

impl TargetKind {
    /// The word used in cards.
    pub fn name(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Mask => "mask",
            Self::Number => "number",
        }
    }
}

/// The column that a model learns to answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSpec {
    /// The name of the column.
    pub name: String,
    /// What it holds.
    pub kind: TargetKind,
    /// Of a mask the names of the classes, in the order of the numbers that its pixels hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Of a mask the number of the pixels that do not count, such as 255 for borders that nobody could label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<u8>,
}

/// The size of the images that a network takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSize {
    /// 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// In pixels.
    pub height: usize,
    /// In pixels.
    pub width: usize,
}

/// The columns of a data set. It lies in the card, and travels with the model so that new data is read in the same way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// The column whose value names an example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The column to be learnt; none where there is nothing to answer but the inputs themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetSpec>,
    /// The features, in the order in which a network meets them. A series may do with the history of its target.
    #[serde(default)]
    pub features: OrderedMap<FeatureKind>,
    /// Columns that are known and not used. A column that is neither used nor listed here is an error, so that a feature
    /// which was added to a file is not left out in silence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// The texts that stand for a missing value; a list given here takes the place of the default. One that is a number stands,
    /// in columns of numbers, for every way to write it.
    #[serde(default = "default_missing")]
    pub missing: Vec<String>,
    /// Windows over the rows, where they are the steps of a series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<windows::Config>,
    /// The size of every image, found by fitting; a card need not state it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageSize>,
    /// Whether transforms bring images of any size to `image`, so that they are read as they are; found by fitting, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub images_of_any_size: bool,
    /// The `[height, width]` that images had before transforms brought them to `image`, where the format gave them one; found by
    /// fitting, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_before: Option<[usize; 2]>,
}

/// What usually stands for a missing value. `NaN` is not among them: it is as often the trace of a division by zero.
fn default_missing() -> Vec<String> {
    ["", "NA", "N/A", "null"].map(str::to_owned).to_vec()
}

impl Schema {
    /// The names of the features of one kind, in order.
    pub fn names(&self, kind: FeatureKind) -> Vec<&str> {
        self.features.0.iter().filter(|(_, found)| *found == kind).map(|(name, _)| name.as_str()).collect()
    }

    /// Whether `text` stands for a missing value. In a column of numbers so does every other way to write the number that a
    /// marker is, see [`is_missing_number`](Self::is_missing_number).
    pub fn is_missing(&self, text: &str) -> bool {
        self.missing.iter().any(|marker| marker == text)
    }

    /// The markers of missing values that are numbers.
    pub(crate) fn missing_numbers(&self) -> impl Iterator<Item = f64> + '_ {
        self.missing.iter().filter_map(|marker| number::parse(marker.trim()).ok())
    }

    /// Whether `number` is one of the markers of missing values, however it is written: `-9`, `-9.0` and `-9e0` are one.
    pub fn is_missing_number(&self, number: f64) -> bool {
        self.missing_numbers().any(|marker| marker == number || (marker.is_nan() && number.is_nan()))
    }

    /// Refuses a schema that reads other columns than this one, with which a model was trained.
    pub(crate) fn check_same_columns(&self, schema: &Schema) -> Result<(), Error> {
        let differs = self.features.0.iter().find(|(name, kind)| schema.features.get(name) != Some(kind));
        if let Some((name, kind)) = differs {
            return Err(Error::Mismatch {
                message: format!(
                    "The model was trained with the {} `{name}`, and the card has no such feature",
                    kind.name()
                ),
                hint: "Use the card with which the model was trained, or one whose schema has the same features."
                    .into(),
            });
        }
        if self.target != schema.target {
            return Err(Error::Mismatch {
                message: "The model was trained for another target than that of the card".into(),
                hint: "Use the card with which the model was trained, or one whose schema has the same target.".into(),
            });
        }
        if self.windows != schema.windows {
            return Err(Error::Mismatch {
                message: "The model was trained on other windows than those of the card or config".into(),
                hint: "Give [data.windows] the values with which the model was trained.".into(),
            });
        }
        let markers = |schema: &Schema| schema.missing.iter().cloned().collect::<BTreeSet<String>>();
        if markers(self) != markers(schema) {
            return Err(Error::Mismatch {
                message: format!(
                    "For the model the texts {} stood for a missing value, and in the card they are {}",
                    listed(&self.missing),
                    listed(&schema.missing)
                ),
                hint: "The same file would be read differently: give `missing` in [schema] of the card the texts of the model, or train anew.".into(),
            });
        }
        Ok(())
    }

    /// The task that follows from the target: classes are told apart, numbers estimated, and without a target the inputs
    /// are given back.
    pub fn default_task(&self) -> Task {
        if self.windows.is_some() {
            return Task::Forecast;
        }
        match self.target.as_ref().map(|target| target.kind) {
            Some(TargetKind::Class) => Task::Classify,
            Some(TargetKind::Mask) => Task::Segment,
            Some(TargetKind::Number) => Task::Regress,
            None => Task::Reconstruct,
        }
    }

    /// The `[height, width]` to which a model's new images are brought when they are read, so that its transforms meet what they
    /// met in training; none where they are read as they are.
    pub fn size_to_read(&self) -> Option<[usize; 2]> {
        let made = self.image.filter(|_| !self.images_of_any_size).map(|size| [size.height, size.width]);
        self.image_before.or(made)
    }

    /// The names of all columns that are a feature, the target, the key or ignored.
    pub(crate) fn known(&self) -> HashSet<&str> {
        let features = self.features.0.iter().map(|(name, _)| name);
        let target = self.target.as_ref().map(|target| &target.name);
        features.chain(target).chain(&self.key).chain(&self.ignore).map(String::as_str).collect()
    }

    /// Whether `name` is a feature, the target, the key or ignored.
    pub fn knows(&self, name: &str) -> bool {
        self.features.get(name).is_some()
            || self.key.as_deref() == Some(name)
            || self.target.as_ref().is_some_and(|target| target.name == name)
            || self.ignore.iter().any(|ignored| ignored == name)
    }

    /// Checks what must hold of any schema.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |key: &str, message: String, hint: &str| {
            Err(Error::Setting { key: format!("schema.{key}"), message, hint: hint.into() })
        };
        if let Some(windows) = &self.windows {
            windows.check(self)?;
        }
        if self.features.0.is_empty() && self.windows.as_ref().is_none_or(|windows| !windows.target_history) {
            return wrong("features", "is empty".into(), "List each feature with its kind: `height = \"number\"`.");
        }
        if let Some(target) = &self.target
            && self.features.get(&target.name).is_some()
        {
            let message = format!("has `{}`, which is the target", target.name);
            return wrong("features", message, "A feature that gives the answer away must not be learnt from.");
        }
        if let Some(target) = &self.target {
            let classes: HashSet<&String> = target.classes.iter().collect();
            let void = target.void.is_some_and(|void| usize::from(void) < target.classes.len());
            match target.kind {
                TargetKind::Mask
                    if !(2..=256).contains(&classes.len()) || classes.len() < target.classes.len() || void =>
                {
                    let message =
                        "must name between 2 and 256 different classes of the mask, none of them `void`".into();
                    return wrong(
                        "target.classes",
                        message,
                        "Name the class of pixel value 0 first, then that of 1, and so on.",
                    );
                }
                TargetKind::Class | TargetKind::Number if !classes.is_empty() || target.void.is_some() => {
                    let message = format!("and `void` are for masks, and the target is a {}", target.kind.name());
                    return wrong("target.classes", message, "Leave them out; other classes are found in the data.");
                }
                _ => {}
            }
        }
        for (kind, most) in [(FeatureKind::Image, 1), (FeatureKind::Text, 1)] {
            let names = self.names(kind);
            if names.len() > most {
                let message =
                    format!("has {} features of kind {}, and at most one is supported", names.len(), kind.name());
                return wrong("features", message, "Keep one and list the others in `ignore`.");
            }
        }
        if let Some(ImageSize { channels, height, width }) = self.image
            && (!matches!(channels, 1 | 3) || height == 0 || width == 0)
        {
            let message = format!("is {channels} x {height} x {width}");
            return wrong("image", message, "Images have 1 or 3 channels and at least one pixel.");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(text: &str) -> Schema {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_order_of_features_is_kept() {
        let schema = schema("[features]\nz = \"number\"\na = \"category\"\nm = \"number\"\n");
        assert_eq!(schema.names(FeatureKind::Number), ["z", "m"]);
        assert_eq!(schema.default_task(), Task::Reconstruct);
        assert!(schema.is_missing("NA") && !schema.is_missing("NaN"));
        assert!(!schema.is_missing_number(0.0) && !schema.is_missing_number(f64::NAN));
        let again: Schema = serde_json::from_str(&serde_json::to_string(&schema).unwrap()).unwrap();
        assert_eq!(again, schema);
    }

    #[test]
    fn schemas_that_cannot_be_meant_are_refused() {
        for (text, word) in [
            ("[features]\n", "empty"),
            ("target = { name = \"y\", kind = \"class\" }\n[features]\ny = \"number\"", "target"),
            ("[features]\na = \"text\"\nb = \"text\"", "at most one"),
            ("target = { name = \"y\", kind = \"mask\" }\n[features]\na = \"image\"", "between 2 and 256"),
            (
                "target = { name = \"y\", kind = \"mask\", classes = [\"a\", \"b\"], void = 1 }\n[features]\na = \"image\"",
                "none of them `void`",
            ),
            ("target = { name = \"y\", kind = \"class\", void = 1 }\n[features]\na = \"image\"", "are for masks"),
            ("image = { channels = 2, height = 1, width = 1 }\n[features]\na = \"image\"", "2 x 1 x 1"),
        ] {
            let error = schema(text).check().unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
            assert!(error.hint().is_some());
        }
    }
}
