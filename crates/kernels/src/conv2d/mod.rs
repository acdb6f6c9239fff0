//! Cross-correlation of images with a bank of filters.
//!
//! No columns are laid out. An image is copied into a sheet with its zeros around it, so that what a filter's tap sees at every place of
//! the result is one run of floats, a fixed distance away from what any other tap sees:
//!
//! ```text
//! y[f][p] = sum over taps t of w[f][t] * sheet[p + distance[t]]
//! ```
//!
//! where `p` counts the places of the result row by row, in rows as long as the sheet's; the places behind the end of a row hold nothing of
//! use and are left out when the result is written. With a stride the sheet is dealt out into one sheet for each remainder of row and
//! column, so that the runs stay runs. A tile of several filters by several vectors of places is summed up in registers.
//!
//! Where filters have 3 x 3 taps and there are many channels, [`winograd`] needs fewer products.
//!
//! The gradient with respect to the images is the same sum over a sheet of the result's gradient, and that with respect to the filters sums
//! over the places instead of the taps.

mod ending;
mod filters;
mod images;
mod pieces;
mod sheet;
mod tile;
mod winograd;

pub use filters::{bias_gradient, weight_gradient};
pub use images::{data_gradient, forward};

/// The sizes of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// Images.
    pub batch: usize,
    /// Channels of an image.
    pub channels: usize,
    /// Height and width of an image.
    pub size: [usize; 2],
    /// Filters.
    pub filters: usize,
    /// Height and width of a filter.
    pub kernel: [usize; 2],
    /// Steps between the places at which a filter is laid.
    pub stride: [usize; 2],
    /// Zeros above and below, and on either side.
    pub padding: [usize; 2],
    /// Steps between the taps of a filter.
    pub dilation: [usize; 2],
    /// Parts into which channels and filters fall; each part of the filters sees its part of the channels alone.
    pub groups: usize,
}

impl Conv2d {
    /// Height and width of the result: `(size + 2 padding - dilation (kernel - 1) - 1) / stride + 1`, rounded down; 0 where the filter does
    /// not fit.
    pub fn outputs(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            let reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            match (self.size[axis] + 2 * self.padding[axis]).checked_sub(reach) {
                Some(room) => room / self.stride[axis] + 1,
                None => 0,
            }
        })
    }

    /// How many floats the images have, `[batch, channels, height, width]`.
    pub fn input_count(&self) -> usize {
        self.batch * self.channels * self.size[0] * self.size[1]
    }

    /// How many floats the result has, `[batch, filters, ...]`.
    pub fn output_count(&self) -> usize {
        self.batch * self.filters * self.outputs()[0] * self.outputs()[1]
    }

    /// How many floats the filters have, `[filters, channels / groups, kernel, kernel]`.
    pub fn weight_count(&self) -> usize {
        self.filters * self.taps()
    }

    /// How many numbers a filter has.
    fn taps(&self) -> usize {
        self.channels / self.groups * self.kernel[0] * self.kernel[1]
    }

    /// # Panics
    /// If the sizes contradict each other.
    fn check(&self) {
        assert!(
            self.groups > 0 && self.channels.is_multiple_of(self.groups) && self.filters.is_multiple_of(self.groups),
            "{self:?}"
        );
        let positive = [self.kernel, self.stride, self.dilation].into_iter().flatten().all(|size| size > 0);
        assert!(positive, "{self:?}");
    }
}

#[cfg(test)]
mod tests;
