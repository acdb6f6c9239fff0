//! Floats by example and channel.

use crate::lanes::WIDTH;

/// How floats lie: `[batch, channels, area]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planes {
    /// Examples.
    pub batch: usize,
    /// Channels of each.
    pub channels: usize,
    /// Floats of each channel.
    pub area: usize,
}

impl Planes {
    /// How many floats there are.
    pub fn count(&self) -> usize {
        self.batch * self.channels * self.area
    }

    /// Whether the planes are so short that going through them one by one would take longer than copying them behind each other.
    pub(crate) fn is_scattered(&self) -> bool {
        self.area < WIDTH && self.batch > 1
    }

    /// The planes of a channel, one behind the other.
    pub(crate) fn gathered(self, values: &[f32], channel: usize) -> Vec<f32> {
        let mut column = Vec::with_capacity(self.batch * self.area);
        for range in self.of(channel) {
            column.extend_from_slice(&values[range]);
        }
        column
    }

    /// The places of each example's plane of a channel.
    pub(crate) fn of(self, channel: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        (0..self.batch).map(move |n| {
            let start = (n * self.channels + channel) * self.area;
            start..start + self.area
        })
    }
}
