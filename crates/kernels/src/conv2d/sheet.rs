//! An image with zeros around it, dealt out by the remainders of row and column.

/// Behind the end of a sheet lie so many zeros: a tile may look so far beyond the last place.
pub(super) const MARGIN: usize = 64;

/// Where the images of one axis lie in a sheet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    /// How many pixels there are.
    pub(super) pixels: usize,
    /// How many zeros stand before them.
    pub(super) before: usize,
    /// Every so many rows or columns belong to one sheet.
    pub(super) stride: usize,
    /// How many rows or columns a sheet has.
    pub(super) length: usize,
}

impl Axis {
    /// The pixels that lie in a sheet, as places in the sheet, and the first of them as a place in the image.
    fn inside(&self, remainder: usize) -> (std::ops::Range<usize>, usize) {
        // Place q of the sheet is place `stride q + remainder` of the padded image, and `before` less in the image.
        let first = self.before.saturating_sub(remainder).div_ceil(self.stride);
        let end = (self.pixels + self.before).saturating_sub(remainder).div_ceil(self.stride).min(self.length);
        (first..end.max(first), (self.stride * first + remainder).saturating_sub(self.before))
    }
}

/// How an image is laid out: one sheet for each pair of remainders that is used.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) rows: Axis,
    pub(super) columns: Axis,
    /// The pairs of remainders, in the order of their sheets.
    pub(super) remainders: Vec<[usize; 2]>,
    /// How many floats lie from one channel to the next.
    pub(super) channel: usize,
}

impl Layout {
    /// How many floats one sheet has.
    pub(super) fn sheet(&self) -> usize {
        self.rows.length * self.columns.length
    }

    /// Sheets of every channel without a gap. Where they are not dealt out, the zeros behind a row are those before the next one, as far as
    /// there are some; behind the last row there are some more.
    pub(super) fn new(rows: Axis, columns: Axis, remainders: Vec<[usize; 2]>) -> Self {
        let behind = columns.length.saturating_sub(columns.before + columns.pixels);
        let shared = if columns.stride == 1 { behind.min(columns.before) } else { 0 };
        let columns = Axis { length: columns.length - shared, ..columns };
        Self { channel: remainders.len() * rows.length * columns.length + shared, rows, columns, remainders }
    }

    /// The same with channels that begin at a multiple of `count` floats.
    pub(super) fn aligned(self, count: usize) -> Self {
        Self { channel: self.channel.next_multiple_of(count), ..self }
    }

    /// Lays out the channels that follow each other in `image`. What stands around the pixels stays as it is: zeros, if it was zeros when
    /// the first image was laid there.
    pub(super) fn lay(&self, image: &[f32], sheets: &mut [f32]) {
        let pixels = self.rows.pixels * self.columns.pixels;
        for (channel, sheets) in image.chunks_exact(pixels.max(1)).zip(sheets.chunks_exact_mut(self.channel.max(1))) {
            for (&[row, column], sheet) in self.remainders.iter().zip(sheets.chunks_exact_mut(self.sheet().max(1))) {
                let ((rows, first_row), (columns, first_column)) = (self.rows.inside(row), self.columns.inside(column));
                if columns.is_empty() || rows.is_empty() {
                    continue;
                }
                let width = self.columns.length;
                for (k, line) in sheet[rows.start * width..rows.end * width].chunks_exact_mut(width).enumerate() {
                    let from = (first_row + k * self.rows.stride) * self.columns.pixels + first_column;
                    let line = &mut line[columns.clone()];
                    let pixels = &channel[from..];
                    match self.columns.stride {
                        1 => copy_row(pixels, line),
                        2 => copy_every_other(pixels, line),
                        stride => line
                            .iter_mut()
                            .zip(pixels.iter().step_by(stride))
                            .for_each(|(place, pixel)| *place = *pixel),
                    }
                }
            }
        }
    }
}

/// Copies as many floats as `to` has. Rows of images are short, so that the call of a function for each would take longer.
#[inline(always)]
fn copy_row(from: &[f32], to: &mut [f32]) {
    const STEP: usize = 8;
    let length = to.len();
    let from = &from[..length];
    if length < STEP {
        return to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    }
    let mut place = 0;
    while place + STEP <= length {
        copy_step::<STEP>(from, to, place);
        place += STEP;
    }
    // What is left is copied with some of what is there already.
    copy_step::<STEP>(from, to, length - STEP);
}

#[inline(always)]
fn copy_step<const STEP: usize>(from: &[f32], to: &mut [f32], place: usize) {
    let step: [f32; STEP] = *from[place..].first_chunk().expect("there are so many");
    *to[place..].first_chunk_mut().expect("there are so many") = step;
}

/// Copies every other float.
#[inline(always)]
fn copy_every_other(from: &[f32], to: &mut [f32]) {
    const STEP: usize = 8;
    let mut place = 0;
    while let Some(to) = to[place..].first_chunk_mut::<STEP>()
        && let Some(pairs) = from[2 * place..].as_chunks::<2>().0.first_chunk::<STEP>()
    {
        *to = pairs.map(|[first, _]| first);
        place += STEP;
    }
    to[place..].iter_mut().zip(from[2 * place..].iter().step_by(2)).for_each(|(to, from)| *to = *from);
}
