//! How are numbers of different units brought to one scale, so that a network learns from all of them alike?
//!
//! Numbers and the targets of a regression are scaled here. Pixels are only measured: they travel as bytes, and the device
//! scales them with the mean and standard deviation of their channel.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FittedTransform, Training, Transform};
use crate::config::OrderedMap;
use crate::error::Error;
use crate::example::{Record, Value};
use crate::number_plan::Steps;
use crate::random::Random;
use crate::registry::Entry;
use crate::scale::Scale;
use crate::schema::{FeatureKind, TargetKind};
use crate::summary::Summary;

/// This transform in the list of transforms.
pub const ENTRY: Entry = Entry { name: "normalize", summary: "bring numbers, targets and pixels to one scale" };

/// How the numbers of a column are scaled: `(value - centre) / spread`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Not at all, for those who scale column by column with other transforms.
    None,
    /// Centre: the mean. Spread: the population standard deviation.
    #[default]
    Standard,
    /// Centre: the least value. Spread: the greatest minus the least.
    Minmax,
    /// Centre: the median. Spread: the third quartile minus the first.
    Robust,
}

/// `[data.transforms.normalize]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How number features are scaled: "standard", "minmax", "robust" or "none".
    pub numbers: Method,
    /// Whether pixels are scaled by the mean and standard deviation of their channel in the training part.
    pub images: bool,
    /// Whether a target that is a number is scaled by its mean and standard deviation.
    pub targets: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { numbers: Method::default(), images: true, targets: true }
    }
}

/// The mean and standard deviation of each channel, in units of 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Channels {
    /// Of each channel.
    pub mean: Vec<f32>,
    /// Of each channel; never 0.
    pub std: Vec<f32>,
}

/// The scale of everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalize {
    /// By column.
    pub numbers: OrderedMap<Scale>,
    /// The name and scale of the target, if it is a number.
    pub target: Option<(String, Scale)>,
    /// The channels of the images, if there are any.
    pub images: Option<Channels>,
}

impl Transform for Normalize {
    type Config = Config;

    /// Measures the training part.
    fn fit(config: &Config, training: &Training<'_>) -> Result<Self, Error> {
        let schema = training.schema;
        let names = match config.numbers {
            Method::None => Vec::new(),
            _ => schema.names(FeatureKind::Number),
        };
        let target = schema.target.as_ref().filter(|target| config.targets && target.kind == TargetKind::Number);
        let mut columns = names.clone();
        columns.extend(target.map(|target| target.name.as_str()));
        let mut measured = training.summaries(&columns)?.columns;
        let target = match (target, target.and_then(|_| measured.pop())) {
            (Some(target), Some(values)) => Some((target.name.clone(), Scale::standard(&values))),
            _ => None,
        };
        let scale = |column: Summary| match config.numbers {
            Method::Minmax => Scale::min_max(&column, 0.0, 1.0),
            Method::Robust => Scale::robust(column, 0.25, 0.75),
            Method::Standard | Method::None => Scale::standard(&column),
        };
        let numbers = names.iter().zip(measured).map(|(name, column)| ((*name).to_owned(), scale(column))).collect();
        let images = match schema.names(FeatureKind::Image).first() {
            Some(name) if config.images => Some(measure_pixels(name, training)?),
            _ => None,
        };
        Ok(Self { numbers: OrderedMap(numbers), target, images })
    }

    fn steps(&self, steps: &mut Steps) -> bool {
        for (name, scale) in self.numbers.0.iter().chain(&self.target) {
            steps.scale(name, *scale);
        }
        true
    }

    /// Scales the numbers of `record`.
    fn apply(&self, record: &mut Record, _random: Option<&mut Random>) -> Result<(), Error> {
        let target = self.target.as_ref().map(|(name, scale)| (name, scale));
        let mut next = 0;
        for (name, scale) in self.numbers.0.iter().map(|(name, scale)| (name, scale)).chain(target) {
            let Some(place) = record.place(name, next) else { continue };
            next = place + 1;
            if let Value::Number(number) = &mut record.fields[place].1 {
                *number = scale.apply(*number);
            }
        }
        Ok(())
    }
}

/// How the target was scaled: its mean and standard deviation, 0 and 1 if it was not.
pub(crate) fn target_scale(fitted: &[FittedTransform]) -> (f64, f64) {
    let scale = fitted.iter().find_map(|transform| match transform {
        FittedTransform::Normalize(normalize) => normalize.target.as_ref().map(|(_, scale)| *scale),
        _ => None,
    });
    scale.map_or((0.0, 1.0), |scale| (scale.centre, scale.spread))
}

/// Counts how often each byte occurs in each channel, from which mean and deviation follow without rounding errors.
fn measure_pixels(name: &str, training: &Training<'_>) -> Result<Channels, Error> {
    let mut histograms: Vec<[u64; 256]> = Vec::new();
    training.each(|record| {
        if let Some(Value::Image(image)) = record.field(name) {
            histograms.resize(histograms.len().max(image.channels), [0; 256]);
            match &mut histograms[..] {
                [grey] => count_bytes(&image.pixels, grey),
                histograms if image.channels > 0 => {
                    // Neighbours of one channel lie apart, so no count waits for the one before it.
                    for pixel in image.pixels.chunks_exact(image.channels) {
                        for (histogram, &byte) in histograms.iter_mut().zip(pixel) {
                            histogram[usize::from(byte)] += 1;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    })?;
    let moments = |histogram: &[u64; 256]| {
        let moment = |power: u32| {
            (0_u64..).zip(histogram).map(|(byte, &count)| u128::from(byte.pow(power)) * u128::from(count)).sum::<u128>()
                as f64
        };
        let n = moment(0).max(1.0);
        let mean = moment(1) / n;
        (mean / 255.0, (moment(2) / n - mean * mean).max(0.0).sqrt() / 255.0)
    };
    let (mean, std): (Vec<f32>, Vec<f32>) = histograms
        .iter()
        .map(moments)
        .map(|(mean, std)| (mean as f32, if std > 1e-6 { std as f32 } else { 1.0 }))
        .unzip();
    Ok(Channels { mean, std })
}

/// Adds the bytes of `pixels` to `histogram`. Four tables take turns, because counting the same byte twice in a row (a
/// background) would otherwise wait for the first count to reach memory.
fn count_bytes(pixels: &[u8], histogram: &mut [u64; 256]) {
    let mut tables = [[0_u32; 256]; 4];
    // A table of 32 bits cannot overflow within 2^30 pixels.
    for block in pixels.chunks(1 << 30) {
        let (fours, rest) = block.as_chunks::<4>();
        for four in fours {
            for (table, &byte) in tables.iter_mut().zip(four) {
                table[usize::from(byte)] += 1;
            }
        }
        for &byte in rest {
            tables[0][usize::from(byte)] += 1;
        }
        for (byte, total) in histogram.iter_mut().enumerate() {
            *total += tables.iter().map(|table| u64::from(table[byte])).sum::<u64>();
        }
        tables = [[0; 256]; 4];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::example::Image;
    use crate::statistics::{mean_and_std, quantile};
    use crate::transforms::tests::{applied, fit};

    fn normalized(config: &str, values: &[f64]) -> Vec<f64> {
        let rows: Vec<[Value; 1]> = values.iter().map(|&value| [Value::Number(value)]).collect();
        let rows: Vec<&[Value]> = rows.iter().map(|row| &row[..]).collect();
        let number = |row: &Vec<Value>| match row[0] {
            Value::Number(number) => number,
            _ => panic!("no number"),
        };
        applied(config, "[features]\nx = \"number\"", &rows).iter().map(number).collect()
    }

    proptest! {
        #[test]
        fn methods_agree_with_their_definitions(values in proptest::collection::vec(-1e4..1e4_f64, 5..60)) {
            let n = values.len() as f64;
            let spread = values.iter().fold(f64::MIN, |a, &b| a.max(b)) - values.iter().fold(f64::MAX, |a, &b| a.min(b));
            prop_assume!(spread > 1.0);
            let standard = normalized("[normalize]", &values);
            prop_assert!((standard.iter().sum::<f64>() / n).abs() < 1e-6);
            prop_assert!((standard.iter().map(|v| v * v).sum::<f64>() / n - 1.0).abs() < 1e-6);
            let minmax = normalized("[normalize]\nnumbers = \"minmax\"", &values);
            prop_assert!(minmax.iter().all(|v| (-1e-9..=1.0 + 1e-9).contains(v)));
            prop_assert!(minmax.iter().any(|v| v.abs() < 1e-9) && minmax.iter().any(|v| (v - 1.0).abs() < 1e-9));
            let mut robust = normalized("[normalize]\nnumbers = \"robust\"", &values);
            robust.sort_by(f64::total_cmp);
            prop_assert!(quantile(&robust, 0.5).abs() < 1e-6);
        }

        #[test]
        fn pixels_are_measured_channel_by_channel(pixels in proptest::collection::vec(any::<u8>(), 12)) {
            let image = Image::from_planar(3, 2, 2, &pixels);
            let row = [Value::Image(image)];
            let (fitted, _) = fit("[normalize]", "[features]\nx = \"image\"", &[&row, &row]).unwrap();
            let [FittedTransform::Normalize(Normalize { images: Some(channels), .. })] = &fitted[..] else { panic!("no channels") };
            for (channel, plane) in pixels.chunks(4).enumerate() {
                let values: Vec<f64> = plane.iter().map(|&p| f64::from(p) / 255.0).collect();
                let (mean, std) = mean_and_std(&values);
                prop_assert!((f64::from(channels.mean[channel]) - mean).abs() < 1e-6);
                let std = if std > 1e-6 { std } else { 1.0 };
                prop_assert!((f64::from(channels.std[channel]) - std).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn a_constant_column_becomes_zero() {
        for method in ["standard", "minmax", "robust"] {
            assert_eq!(normalized(&format!("[normalize]\nnumbers = \"{method}\""), &[7.0; 4]), [0.0; 4]);
        }
        assert!(normalized("[normalize]", &[0.1 + 0.2, 0.3, 0.3]).iter().all(|v| v.abs() < 1e-9));
    }

    #[test]
    fn targets_that_are_numbers_are_scaled_unless_refused() {
        let schema = "target = { name = \"y\", kind = \"number\" }\n[features]\nx = \"number\"";
        let rows: &[&[Value]] =
            &[&[Value::Number(1.0), Value::Number(10.0)], &[Value::Number(3.0), Value::Number(30.0)]];
        assert_eq!(applied("[normalize]", schema, rows)[1], [Value::Number(1.0), Value::Number(1.0)]);
        assert_eq!(applied("[normalize]\ntargets = false", schema, rows)[1], [Value::Number(1.0), Value::Number(30.0)]);
        let none = "[normalize]\nnumbers = \"none\"";
        assert_eq!(applied(none, schema, rows)[1], [Value::Number(3.0), Value::Number(1.0)]);
    }
}
