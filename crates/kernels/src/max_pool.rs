//! The largest value of each window of an image, and where it was.

use rayon::prelude::*;

use crate::fresh::{Shared, written};
use crate::lanes::{WIDTH, widest};
use crate::threads::least_of_floats;

/// The sizes of a pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool {
    /// Images times channels.
    pub planes: usize,
    /// Height and width of an image.
    pub size: [usize; 2],
    /// Height and width of a window.
    pub window: [usize; 2],
    /// Steps between windows.
    pub stride: [usize; 2],
    /// What lies so far outside of the image is smaller than everything.
    pub padding: [usize; 2],
}

impl MaxPool {
    /// Height and width of the result: `(size + 2 padding - window) / stride + 1`, rounded down; 0 where the window does not fit.
    pub fn outputs(&self) -> [usize; 2] {
        [0, 1].map(|axis| match (self.size[axis] + 2 * self.padding[axis]).checked_sub(self.window[axis]) {
            Some(room) => room / self.stride[axis] + 1,
            None => 0,
        })
    }

    /// # Panics
    /// If the sizes contradict each other, or images do not have so many floats.
    fn check(&self, floats: usize) {
        assert!(
            (0..2).all(|axis| self.padding[axis] < self.window[axis] && self.stride[axis] > 0),
            "a window would see nothing but padding: {self:?}"
        );
        assert_eq!(floats, self.planes * self.size[0] * self.size[1], "{self:?}");
    }

    /// The pixels of an axis that a window sees.
    fn seen(&self, axis: usize, place: usize) -> std::ops::Range<usize> {
        let start = place * self.stride[axis];
        let end = (start + self.window[axis]).saturating_sub(self.padding[axis]).min(self.size[axis]);
        start.saturating_sub(self.padding[axis])..end
    }
}

/// The result, `[planes, ...]`, and of each value the place in its image. The first of several equal ones counts; what is no number is
/// larger than every number.
///
/// # Panics
/// If `x` has another length.
pub fn forward(x: &[f32], pool: MaxPool) -> (Vec<f32>, Vec<u32>) {
    let [height, width] = pool.outputs();
    let (pixels, places) = (pool.size[0] * pool.size[1], height * width);
    pool.check(x.len());
    if places == 0 || pixels == 0 {
        return (vec![f32::NEG_INFINITY; pool.planes * places], vec![0; pool.planes * places]);
    }
    let (mut y, mut from) = (vec![0.0; pool.planes * places], vec![0; pool.planes * places]);
    let planes = x.par_chunks_exact(pixels).zip(y.par_chunks_exact_mut(places)).zip(from.par_chunks_exact_mut(places));
    planes.with_min_len(16).for_each(|((x, y), from)| {
        if pool.window == [2, 2] && pool.stride == [2, 2] && pool.padding == [0, 0] {
            pairs_widest(x, y, from, pool.size[1], width);
            return;
        }
        for row in 0..height {
            for column in 0..width {
                let (mut largest, mut place) = (f32::NEG_INFINITY, u32::MAX);
                for down in pool.seen(0, row) {
                    for across in pool.seen(1, column) {
                        let value = x[down * pool.size[1] + across];
                        if value > largest || (value.is_nan() && !largest.is_nan()) || place == u32::MAX {
                            (largest, place) = (value, (down * pool.size[1] + across) as u32);
                        }
                    }
                }
                y[row * width + column] = largest;
                from[row * width + column] = place;
            }
        }
    });
    (y, from)
}

widest!(fn pairs_widest(x: &[f32], y: &mut [f32], from: &mut [u32], run: usize, width: usize) = pairs);

/// Windows of two by two that do not overlap.
#[inline(always)]
fn pairs(x: &[f32], y: &mut [f32], from: &mut [u32], run: usize, width: usize) {
    let rows = y.chunks_exact_mut(width).zip(from.chunks_exact_mut(width)).zip(x.chunks_exact(2 * run)).enumerate();
    for (row, ((y, from), x)) in rows {
        let (upper, lower) = x.split_at(run);
        let first = (2 * row * run) as u32;
        let (upper, lower) = (upper.as_chunks::<2>().0, lower.as_chunks::<2>().0);
        for column in 0..width {
            let ([a, b], [c, d]) = (upper[column], lower[column]);
            let at = first + 2 * column as u32;
            // Chosen so that one that is no number, once chosen, stays.
            let larger = |one: (f32, u32), other: (f32, u32)| {
                if other.0 > one.0 || other.0.is_nan() && !one.0.is_nan() { other } else { one }
            };
            let upper = larger((a, at), (b, at + 1));
            let lower = larger((c, at + run as u32), (d, at + run as u32 + 1));
            let (value, place) = larger(upper, lower);
            y[column] = value;
            from[column] = place;
        }
    }
}

/// The result of [`forward`] alone.
///
/// # Panics
/// If `x` has another length.
pub fn largest(x: &[f32], pool: MaxPool) -> Vec<f32> {
    pool.check(x.len());
    let (pixels, places) = (pool.size[0] * pool.size[1], pool.outputs().iter().product::<usize>());
    if places == 0 || pixels == 0 {
        return vec![f32::NEG_INFINITY; pool.planes * places];
    }
    // SAFETY: each plane writes all of its places.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        written(pool.planes * places, |y| {
            let planes = x.par_chunks_exact(pixels).enumerate().with_min_len(least_of_floats(pixels));
            planes.for_each_init(
                || Lines::new(&pool),
                |lines, (plane, x)| plane_widest(x, y, plane * places, lines, &pool),
            );
        })
    }
}

/// The largest over the rows of each window, row by row of the result; beside what is there lies what is smaller than everything.
struct Lines {
    floats: Vec<f32>,
    pitch: usize,
}

impl Lines {
    fn new(pool: &MaxPool) -> Self {
        let [height, width] = pool.outputs();
        // A step that begins at the last place looks so far.
        let seen = pool.stride[1] * (width + WIDTH) + pool.window[1];
        let pitch = seen.max(pool.padding[1] + pool.size[1] + WIDTH);
        Self { floats: vec![f32::NEG_INFINITY; height * pitch], pitch }
    }
}

widest!(fn plane_widest(x: &[f32], y: Shared, first: usize, lines: &mut Lines, pool: &MaxPool) = plane);

/// One plane, whose result begins at `first`. What is written is not read again at once: a processor waits where reads and writes overlap.
#[inline(always)]
fn plane(x: &[f32], y: Shared, first: usize, lines: &mut Lines, pool: &MaxPool) {
    let columns = pool.size[1];
    for (row, line) in lines.floats.chunks_exact_mut(lines.pitch).enumerate() {
        let seen = pool.seen(0, row);
        let (x, line) = (&x[seen.start * columns..seen.end * columns], &mut line[pool.padding[1]..][..columns]);
        match columns {
            WIDTH.. => down::<WIDTH>(x, line),
            8.. => down::<8>(x, line),
            _ => down::<1>(x, line),
        }
    }
    let width = pool.outputs()[1];
    for (row, line) in lines.floats.chunks_exact(lines.pitch).enumerate() {
        let to = (y, first + row * width, width);
        match (pool.stride[1], width) {
            (1, WIDTH..) => across::<WIDTH>(|place, k| chunk(line, place + k), to, pool.window[1]),
            (2, WIDTH..) => across::<WIDTH>(|place, k| halves(line, 2 * place, k), to, pool.window[1]),
            (2, 8..) => across::<8>(|place, k| halves(line, 2 * place, k), to, pool.window[1]),
            (stride, _) => across::<1>(|place, k| [line[place * stride + k]], to, pool.window[1]),
        }
    }
}

/// The larger ones of two; one that is no number, once chosen, stays.
#[inline(always)]
fn larger<const STEP: usize>(one: [f32; STEP], other: [f32; STEP]) -> [f32; STEP] {
    std::array::from_fn(|k| if other[k] > one[k] || other[k].is_nan() { other[k] } else { one[k] })
}

#[inline(always)]
fn chunk<const STEP: usize>(floats: &[f32], first: usize) -> [f32; STEP] {
    *floats[first..].first_chunk().expect("there are so many")
}

/// Every other one of the floats from `first + k` on.
#[inline(always)]
fn halves<const STEP: usize>(floats: &[f32], first: usize, k: usize) -> [f32; STEP] {
    let pairs: &[[f32; 2]; STEP] =
        floats[first + k / 2 * 2..].as_chunks::<2>().0.first_chunk().expect("there are so many");
    if k.is_multiple_of(2) { pairs.map(|[even, _]| even) } else { pairs.map(|[_, odd]| odd) }
}

/// The places at which steps over `length` places begin: what is left behind the last whole one is done with some of what is done already.
#[inline(always)]
fn steps<const STEP: usize>(length: usize) -> impl Iterator<Item = usize> {
    (0..length).step_by(STEP).map(move |place| place.min(length - STEP))
}

/// The largest of each column.
#[inline(always)]
fn down<const STEP: usize>(x: &[f32], line: &mut [f32]) {
    let columns = line.len();
    for first in steps::<STEP>(columns) {
        let mut found = chunk::<STEP>(x, first);
        for row in x.chunks_exact(columns).skip(1) {
            found = larger(found, chunk(row, first));
        }
        *line[first..].first_chunk_mut().expect("there are so many") = found;
    }
}

/// The largest over the columns of each window, of which `seen` gives column `k`, for windows from a place on.
#[inline(always)]
fn across<const STEP: usize>(
    seen: impl Fn(usize, usize) -> [f32; STEP],
    (y, first, width): (Shared, usize, usize),
    window: usize,
) {
    for place in steps::<STEP>(width) {
        let mut found = seen(place, 0);
        for k in 1..window {
            found = larger(found, seen(place, k));
        }
        // SAFETY: there is room, which is this plane's own.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            y.at(first + place, STEP).cast::<[f32; STEP]>().write_unaligned(found);
        }
    }
}

/// The gradient with respect to the images, given that with respect to the result and the places that [`forward`] gave.
///
/// # Panics
/// If the slices are not those of [`forward`].
pub fn backward(gradient: &[f32], from: &[u32], pool: MaxPool) -> Vec<f32> {
    let (pixels, places) = (pool.size[0] * pool.size[1], pool.outputs().iter().product::<usize>());
    assert!(gradient.len() == pool.planes * places && from.len() == gradient.len(), "{pool:?}");
    let mut to_x = vec![0.0; pool.planes * pixels];
    if places == 0 || pixels == 0 {
        return to_x;
    }
    let planes =
        to_x.par_chunks_exact_mut(pixels).zip(gradient.par_chunks_exact(places)).zip(from.par_chunks_exact(places));
    planes.with_min_len(16).for_each(|((to_x, gradient), from)| {
        for (gradient, &place) in gradient.iter().zip(from) {
            to_x[place as usize] += gradient;
        }
    });
    to_x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::numbers;

    #[test]
    fn the_largest_is_found_and_gets_the_gradient() {
        for (size, window, stride, padding) in [
            ([6, 8], [2, 2], [2, 2], [0, 0]),
            ([7, 9], [2, 2], [2, 2], [0, 0]),
            ([7, 9], [3, 3], [2, 2], [1, 1]),
            ([5, 4], [3, 2], [1, 3], [0, 1]),
            ([2, 2], [2, 2], [2, 2], [0, 0]),
            ([1, 5], [2, 2], [2, 2], [0, 0]),
            ([40, 37], [3, 5], [3, 4], [2, 3]),
            ([9, 70], [2, 2], [1, 1], [1, 0]),
        ] {
            let pool = MaxPool { planes: 3, size, window, stride, padding };
            let x = numbers(3 * size[0] * size[1], 4);
            let (y, from) = forward(&x, pool);
            assert_eq!(largest(&x, pool), y, "{pool:?}");
            let [height, width] = pool.outputs();
            let gradient = numbers(y.len(), 9);
            let found = backward(&gradient, &from, pool);
            let mut wanted = vec![0.0; x.len()];
            for plane in 0..3 {
                for row in 0..height {
                    for column in 0..width {
                        let inside = |axis: usize, place: usize| {
                            let first = (place * stride[axis]) as isize - padding[axis] as isize;
                            (first..first + window[axis] as isize).filter(move |k| (0..size[axis] as isize).contains(k))
                        };
                        let places =
                            inside(0, row).flat_map(|down| inside(1, column).map(move |across| (down, across)));
                        let places =
                            places.map(|(down, across)| (plane * size[0] + down as usize) * size[1] + across as usize);
                        let best = places.max_by(|&a, &b| x[a].total_cmp(&x[b])).unwrap();
                        let k = (plane * height + row) * width + column;
                        assert_eq!(y[k], x[best], "{pool:?}");
                        wanted[best] += gradient[k];
                    }
                }
            }
            assert_eq!(found, wanted, "{pool:?}");
        }
    }

    #[test]
    fn of_equal_ones_the_first_counts_and_what_is_no_number_is_found() {
        let pool = MaxPool { planes: 1, size: [2, 4], window: [2, 2], stride: [2, 2], padding: [0, 0] };
        let x = [1.0, 1.0, 0.0, f32::NAN, 1.0, 1.0, 2.0, 1.0];
        let (y, from) = forward(&x, pool);
        assert_eq!((y[0], from[0], from[1]), (1.0, 0, 3));
        let alone = largest(&x, pool);
        assert!(y[1].is_nan() && alone[1].is_nan() && alone[0] == y[0]);
    }
}
