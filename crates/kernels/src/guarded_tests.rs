//! Does a kernel look beyond what it was given? Behind and before its slices lies memory that may not be touched.

use std::ops::Deref;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

use crate::attention::{self, Attention};
use crate::batch_norm::{self, Planes, Rectified};
use crate::conv2d::{self, Conv2d};
use crate::linear::{self, Linear, Lying};
use crate::max_pool::{self, MaxPool};
use crate::samples::{PLAIN, numbers};
use crate::{activation, cross_entropy, embedding, layer_norm};

const PAGE: usize = 1 << 16;

/// Floats between two pages of which every touch ends the program; they end where the second begins, or begin where the first ends.
struct Guarded {
    room: *mut std::ffi::c_void,
    bytes: usize,
    first: *const f32,
    count: usize,
}

impl Guarded {
    fn of(values: &[f32], at_end: bool) -> Self {
        let inside = size_of_val(values).next_multiple_of(PAGE).max(PAGE);
        let bytes = inside + 2 * PAGE;
        // SAFETY: new memory, of which the first and the last page are closed, and `values` fits between them.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            let open = ProtFlags::READ | ProtFlags::WRITE;
            let room = mmap_anonymous(std::ptr::null_mut(), bytes, open, MapFlags::PRIVATE).unwrap();
            mprotect(room, PAGE, MprotectFlags::empty()).unwrap();
            mprotect(room.byte_add(PAGE + inside), PAGE, MprotectFlags::empty()).unwrap();
            let place = if at_end { PAGE + inside - size_of_val(values) } else { PAGE };
            let first = room.byte_add(place).cast::<f32>();
            std::ptr::copy_nonoverlapping(values.as_ptr(), first, values.len());
            Self { room, bytes, first, count: values.len() }
        }
    }
}

impl Deref for Guarded {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: so many floats were copied there, and the memory stays as long as this does.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            std::slice::from_raw_parts(self.first, self.count)
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the memory that was mapped, and nobody looks at it any more.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            munmap(self.room, self.bytes).unwrap();
        }
    }
}

#[test]
fn nothing_beyond_a_slice_is_touched() {
    for at_end in [true, false] {
        let of = |count: usize, seed: u64| Guarded::of(&numbers(count, seed), at_end);
        convolutions(of);
        maps(of);
        norms(of);
        texts(of);
    }
}

fn convolutions(of: impl Fn(usize, u64) -> Guarded) {
    for conv in [
        PLAIN,
        Conv2d { stride: [2, 3], padding: [0, 2], ..PLAIN },
        Conv2d { kernel: [1, 1], padding: [0, 0], ..PLAIN },
        Conv2d { dilation: [2, 2], padding: [2, 1], ..PLAIN },
        Conv2d { channels: 6, filters: 6, groups: 6, ..PLAIN },
        Conv2d { batch: 3, filters: 33, size: [8, 8], channels: 17, ..PLAIN },
        Conv2d { batch: 4, filters: 14, size: [9, 7], channels: 15, padding: [0, 2], ..PLAIN },
        Conv2d { size: [1, 1], batch: 1, ..PLAIN },
        Conv2d { kernel: [4, 4], stride: [4, 4], padding: [0, 0], size: [8, 12], ..PLAIN },
    ] {
        let (x, weight, bias) = (of(conv.input_count(), 1), of(conv.weight_count(), 2), of(conv.filters, 3));
        let gradient = of(conv.output_count(), 4);
        conv2d::forward(&x, &weight, Some(&bias), true, &conv);
        conv2d::data_gradient(&gradient, &weight, &conv);
        conv2d::weight_gradient(&x, &gradient, &conv);
        conv2d::bias_gradient(&gradient, &conv);
    }
    for (size, window) in [([7, 9], [2, 2]), ([5, 4], [3, 2])] {
        let pool = MaxPool { planes: 3, size, window, stride: window, padding: [0, 0] };
        let (y, from) = max_pool::forward(&of(3 * size[0] * size[1], 5), pool);
        max_pool::backward(&of(y.len(), 6), &from, pool);
    }
}

fn maps(of: impl Fn(usize, u64) -> Guarded) {
    for (rows, inputs, outputs) in [(1, 1, 1), (7, 5, 3), (9, 33, 49), (130, 17, 50), (3, 600, 16)] {
        for lying in [Lying::OutputMajor, Lying::InputMajor] {
            let map = Linear { rows, inputs, outputs, lying };
            let (x, weight, bias) = (of(rows * inputs, 1), of(inputs * outputs, 2), of(outputs, 3));
            let gradient = of(rows * outputs, 4);
            linear::forward(&x, &weight, Some(&bias), true, map);
            linear::input_gradient(&gradient, &weight, map);
            linear::weight_gradient(&x, &gradient, map);
            linear::bias_gradient(&gradient, outputs);
        }
    }
}

fn norms(of: impl Fn(usize, u64) -> Guarded) {
    for area in [1, 7, 16, 33] {
        let planes = Planes { batch: 3, channels: 5, area };
        let (x, scale, residual) = (of(planes.count(), 1), of(5, 2), of(planes.count(), 3));
        let found = batch_norm::forward(&x, &scale, &scale, Some(&residual), 1e-5, true, planes);
        let y = Guarded::of(&found.y, true);
        let rectified = Rectified::Result(&y);
        batch_norm::backward(&x, rectified, &residual, &scale, (&found.mean, &found.variance, 1e-5), true, planes);
        let rectified = Rectified::Affine(&found.affine);
        batch_norm::backward(&x, rectified, &residual, &scale, (&found.mean, &found.variance, 1e-5), false, planes);
        let (x, scale) = (of(3 * area, 4), of(area, 5));
        let (y, statistics) = layer_norm::forward(&x, &scale, &scale, 1e-5);
        layer_norm::backward(&x, &y, &scale, &statistics);
    }
    for count in [1, 15, 17, 100] {
        let (x, gradient) = (of(count, 6), of(count, 7));
        activation::gelu(&x);
        activation::gelu_tanh_gradient(&x, &gradient);
        activation::relu_gradient(&x, &gradient);
    }
}

fn texts(of: impl Fn(usize, u64) -> Guarded) {
    for (length, heads, features) in [(1, 1, 1), (5, 2, 3), (70, 1, 9)] {
        for causal in [false, true] {
            let attention = Attention { batch: 2, length, heads, features, causal };
            let projection = of(2 * length * 3 * heads * features, 1);
            let (y, totals) = attention::forward(&projection, attention);
            let y = Guarded::of(&y, true);
            attention::backward(&projection, &y, &totals, &of(y.len(), 2), attention);
        }
    }
    for classes in [1, 10, 33] {
        let (scores, targets) = (of(7 * classes, 3), [0_i64, -1, 0, 0, 0, 0, 0]);
        let (losses, totals) = cross_entropy::forward(&scores, &targets, classes, 0.1);
        cross_entropy::backward(&scores, &targets, &totals, &losses, classes, 0.1);
        let table = of(4 * classes, 4);
        let y = embedding::forward(&table, &[3, 0, 3], classes);
        embedding::backward(&Guarded::of(&y, true), &[3, 0, 3], 4, classes);
    }
}
