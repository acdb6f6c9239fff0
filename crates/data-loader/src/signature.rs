//! What goes into a network and what must come out: names, shapes, types, and the sizes that only the data knows.
//!
//! A signature is made by fitting the transforms on the training split. Networks are built from it, bundles carry it, and
//! no config ever writes one of its numbers.

use serde::{Deserialize, Serialize};

use crate::task::Task;

/// The number type of an input as it travels in a [`Batch`](crate::batch::Batch).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dtype {
    /// Bytes.
    U8,
    /// 32-bit floating point.
    F32,
    /// 64-bit integers.
    I64,
}

/// What an input means to a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// Pixels `[channels, height, width]`. They travel as bytes and become `(pixel / 255 - mean) / std` on the device.
    Image {
        /// Mean of each channel, in units of 0 to 1.
        mean: Vec<f32>,
        /// Standard deviation of each channel, in units of 0 to 1; never 0.
        std: Vec<f32>,
    },
    /// Real features `[features]`, already imputed and normalised.
    Numbers {
        /// The name of each feature.
        names: Vec<String>,
    },
    /// Category codes `[features]`; code 0 is the unknown category.
    Categories {
        /// The name of each feature.
        names: Vec<String>,
        /// How many codes each feature has, the unknown one included.
        sizes: Vec<usize>,
    },
    /// Token ids `[length]`, padded to the longest of the batch with 0, which may also be the id of a token: the mask says what is padding.
    Tokens {
        /// How many ids there are, padding and unknown included.
        vocabulary: usize,
        /// The longest sequence that a batch may hold.
        max_length: usize,
    },
    /// Measurements over time, `[time, channels]`.
    Series {
        /// The name of each channel.
        names: Vec<String>,
    },
}

/// One input of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputSpec {
    /// `image`, `numbers`, `categories`, `tokens` or `series`.
    pub name: String,
    /// The type in which it travels.
    pub dtype: Dtype,
    /// The shape without the batch axis; `None` where the length varies.
    pub shape: Vec<Option<usize>>,
    /// What it means.
    pub kind: InputKind,
}

impl InputSpec {
    fn check(&self) -> Result<(), String> {
        let name = &self.name;
        let of_kind = match self.kind {
            InputKind::Image { .. } => "image",
            InputKind::Numbers { .. } => "numbers",
            InputKind::Categories { .. } => "categories",
            InputKind::Tokens { .. } => "tokens",
            InputKind::Series { .. } => "series",
        };
        if name != of_kind {
            return Err(format!("the input `{name}` is of the kind `{of_kind}`"));
        }
        let fits = match (&self.kind, self.shape.as_slice(), self.dtype) {
            (InputKind::Image { mean, std }, [Some(channels), _, _], Dtype::U8) => {
                same_length(&format!("the input `{name}`"), *channels, mean, std)?;
                self.shape.iter().flatten().try_fold(1_usize, |product, &size| product.checked_mul(size)).is_some()
            }
            (InputKind::Numbers { names }, [Some(features)], Dtype::F32) => names.len() == *features,
            (InputKind::Categories { names, sizes }, [Some(features)], Dtype::I64) => {
                names.len() == *features && sizes.len() == *features && !sizes.contains(&0)
            }
            (InputKind::Tokens { vocabulary, .. }, [None], Dtype::I64) => *vocabulary > 0,
            (InputKind::Series { names }, [_, Some(channels)], Dtype::F32) => names.len() == *channels,
            _ => false,
        };
        let empty = self.shape.contains(&Some(0));
        if fits && !empty {
            Ok(())
        } else {
            Err(format!("shape, type and kind of the input `{name}` contradict each other"))
        }
    }
}

/// Whether there are `count` means and as many positive standard deviations.
fn same_length<N: Into<f64> + Copy>(what: &str, count: usize, mean: &[N], std: &[N]) -> Result<(), String> {
    let finite = |number: &N| (*number).into().is_finite();
    let sound = mean.iter().all(finite) && std.iter().all(|s| finite(s) && (*s).into() > 0.0);
    if count > 0 && mean.len() == count && std.len() == count && sound {
        Ok(())
    } else {
        Err(format!("{what} has {count} numbers, {} means and {} standard deviations", mean.len(), std.len()))
    }
}

/// Whether they ascend between 0 and 1.
pub(crate) fn check_quantiles(quantiles: &[f64]) -> Result<(), String> {
    let inside = quantiles.iter().all(|quantile| *quantile > 0.0 && *quantile < 1.0);
    match inside && quantiles.is_sorted_by(|a, b| a < b) {
        true => Ok(()),
        false => Err(format!("the quantiles are {quantiles:?}; they must ascend, each above 0 and below 1")),
    }
}

/// What a network must answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputSpec {
    /// One score for each class.
    Classes {
        /// The name of each class, in the order of the scores.
        labels: Vec<String>,
    },
    /// Real numbers, in the units of the network: `value = mean + std * output` gives the user's units.
    Values {
        /// The name of each number.
        names: Vec<String>,
        /// What was subtracted from each target, in 64 bits: between two neighbouring `f32` at 1.7e9 lie 128.
        mean: Vec<f64>,
        /// By what each target was divided; never 0.
        std: Vec<f64>,
    },
    /// The coming values of a series, in the units of the network as [`Values`](Self::Values) says: for each step one number, or
    /// one for each quantile.
    Horizon {
        /// The name of each step.
        names: Vec<String>,
        /// What was subtracted from each step's target.
        mean: Vec<f64>,
        /// By what each step's target was divided; never 0.
        std: Vec<f64>,
        /// Which quantiles are told, ascending, each between 0 and 1; empty where one number is told that is none.
        quantiles: Vec<f64>,
        /// How many steps a season has; 1 where there is none.
        season: usize,
        /// Whether the last channel of the series is what is to be told, in the same units.
        history: bool,
    },
    /// One score for each class at each pixel.
    Mask {
        /// The name of each class.
        labels: Vec<String>,
    },
    /// One score for each token at each place.
    Tokens {
        /// How many token ids there are.
        vocabulary: usize,
    },
    /// The inputs themselves, as a row of numbers; see [`reconstruction`](crate::reconstruction).
    Inputs,
    /// A direction for each view, so that those of one image are alike; see [`views`](crate::views).
    Embedding {
        /// How many numbers it has.
        size: usize,
    },
}

/// The contract between data and network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    /// What the model is for.
    pub task: Task,
    /// What goes in, in order.
    pub inputs: Vec<InputSpec>,
    /// What comes out.
    pub output: OutputSpec,
}

impl Signature {
    /// Whether it agrees with itself. One that was fitted always does; one that was read from a file may have been tampered with.
    ///
    /// # Errors
    /// A sentence that says what contradicts what.
    pub fn check(&self) -> Result<(), String> {
        self.inputs.iter().try_for_each(InputSpec::check)?;
        let once = |name: &str| self.inputs.iter().filter(|input| input.name == name).count() == 1;
        if self.inputs.is_empty() || !self.inputs.iter().all(|input| once(&input.name)) {
            return Err("there are no inputs, or two of one name".to_owned());
        }
        let suits = matches!(
            (self.task, &self.output),
            (Task::Classify, OutputSpec::Classes { .. })
                | (Task::Regress, OutputSpec::Values { .. })
                | (Task::Forecast, OutputSpec::Horizon { .. })
                | (Task::Segment, OutputSpec::Mask { .. })
                | (Task::Generate, OutputSpec::Tokens { .. })
                | (Task::Reconstruct, OutputSpec::Inputs)
                | (Task::Contrast, OutputSpec::Embedding { .. })
        );
        if !suits {
            return Err(format!("the output is not one of the task `{}`", self.task));
        }
        match &self.output {
            OutputSpec::Classes { labels } | OutputSpec::Mask { labels } if labels.is_empty() => {
                Err("the output has no classes".to_owned())
            }
            OutputSpec::Values { names, mean, std } => same_length("the output", names.len(), mean, std),
            OutputSpec::Horizon { names, mean, std, quantiles, .. } => {
                same_length("the output", names.len(), mean, std)?;
                check_quantiles(quantiles)
            }
            OutputSpec::Embedding { size: 0 } => Err("the output has no numbers".to_owned()),
            OutputSpec::Tokens { vocabulary: 0 } => Err("the output has no tokens".to_owned()),
            _ => Ok(()),
        }
    }

    /// The input called `name`.
    pub fn input(&self, name: &str) -> Option<&InputSpec> {
        self.inputs.iter().find(|input| input.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(shape: [usize; 3], mean: Vec<f32>, std: Vec<f32>) -> Signature {
        let shape = shape.map(Some).to_vec();
        let spec = InputSpec { name: "image".into(), dtype: Dtype::U8, shape, kind: InputKind::Image { mean, std } };
        Signature {
            task: Task::Classify,
            inputs: vec![spec],
            output: OutputSpec::Classes { labels: vec!["a".into(), "b".into()] },
        }
    }

    #[test]
    fn a_signature_that_contradicts_itself_is_found_out() {
        assert_eq!(image([1, 2, 2], vec![0.5], vec![0.5]).check(), Ok(()));
        for wrong in [
            image([3, 2, 2], vec![0.5], vec![0.5]),
            image([1, 2, 2], vec![0.5], vec![0.0]),
            image([1, 2, 2], vec![f32::NAN], vec![1.0]),
            image([1, 0, 2], vec![0.5], vec![0.5]),
            image([1, usize::MAX, 2], vec![0.5], vec![0.5]),
            Signature { task: Task::Regress, ..image([1, 2, 2], vec![0.5], vec![0.5]) },
            Signature { inputs: vec![], ..image([1, 2, 2], vec![0.5], vec![0.5]) },
            Signature { output: OutputSpec::Classes { labels: vec![] }, ..image([1, 2, 2], vec![0.5], vec![0.5]) },
            Signature {
                output: OutputSpec::Values { names: vec!["y".into()], mean: vec![], std: vec![] },
                ..image([1, 2, 2], vec![0.5], vec![0.5])
            },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
