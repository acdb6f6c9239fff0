//! The largest value of each window of an image, and where it was.

use rayon::prelude::*;

use crate::lanes::widest;

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
    assert!(
        (0..2).all(|axis| pool.padding[axis] < pool.window[axis]),
        "a window would see nothing but padding: {pool:?}"
    );
    assert_eq!(x.len(), pool.planes * pixels, "{pool:?}");
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
        ] {
            let pool = MaxPool { planes: 3, size, window, stride, padding };
            let x = numbers(3 * size[0] * size[1], 4);
            let (y, from) = forward(&x, pool);
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
        let (y, from) = forward(&[1.0, 1.0, 0.0, f32::NAN, 1.0, 1.0, 2.0, 1.0], pool);
        assert_eq!((y[0], from[0], from[1]), (1.0, 0, 3));
        assert!(y[1].is_nan());
    }
}
