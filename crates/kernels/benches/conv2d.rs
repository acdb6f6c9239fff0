//! How many multiplications and additions a second do convolutions do?
//!
//!     cargo bench --bench conv2d
//!
//! Counts both as one operation each, of forward and of either gradient.

#![allow(clippy::unwrap_used)]

use divan::counter::ItemsCount;
use kernels::conv2d::{Conv2d, data_gradient, forward, weight_gradient};

fn main() {
    divan::main();
}

const fn conv(channels: usize, filters: usize, side: usize, kernel: usize, stride: usize) -> Conv2d {
    Conv2d {
        batch: 64,
        channels,
        size: [side; 2],
        filters,
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [kernel / 2; 2],
        dilation: [1; 2],
        groups: 1,
    }
}

/// Those of ResNet-20, of the network of the bench `cnn`, and of others.
const ALL: [(&str, Conv2d); 14] = [
    ("3-16 3x3 on 32", conv(3, 16, 32, 3, 1)),
    ("16-16 3x3 on 32", conv(16, 16, 32, 3, 1)),
    ("16-32 3x3/2 on 32", conv(16, 32, 32, 3, 2)),
    ("16-32 1x1/2 on 32", conv(16, 32, 32, 1, 2)),
    ("32-32 3x3 on 16", conv(32, 32, 16, 3, 1)),
    ("32-64 3x3/2 on 16", conv(32, 64, 16, 3, 2)),
    ("64-64 3x3 on 8", conv(64, 64, 8, 3, 1)),
    ("1-32 3x3 on 28", conv(1, 32, 28, 3, 1)),
    ("32-64 3x3 on 28", conv(32, 64, 28, 3, 1)),
    // Few images of many channels, as where answers are given.
    ("1 of 64-64 3x3 on 8", Conv2d { batch: 1, ..conv(64, 64, 8, 3, 1) }),
    ("1 of 256-256 3x3 on 14", Conv2d { batch: 1, ..conv(256, 256, 14, 3, 1) }),
    ("1 of 512-512 3x3 on 7", Conv2d { batch: 1, ..conv(512, 512, 7, 3, 1) }),
    ("4 of 512-512 3x3 on 7", Conv2d { batch: 4, ..conv(512, 512, 7, 3, 1) }),
    ("64-64 depthwise on 28", Conv2d { groups: 64, ..conv(64, 64, 28, 3, 1) }),
];

fn operations(conv: &Conv2d) -> ItemsCount {
    ItemsCount::new(2 * conv.output_count() * conv.weight_count() / conv.filters)
}

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|k| (k * 7919 % 1009) as f32 / 500.0 - 1.0).collect()
}

fn named(name: &str) -> Conv2d {
    ALL.iter().find(|(known, _)| *known == name).unwrap().1
}

#[divan::bench(args = ALL.map(|(name, _)| name))]
fn result(bencher: divan::Bencher, name: &str) {
    let conv = named(name);
    let (x, weight) = (numbers(conv.input_count()), numbers(conv.weight_count()));
    bencher.counter(operations(&conv)).bench(|| forward(&x, &weight, None, false, &conv));
}

#[divan::bench(args = ALL.map(|(name, _)| name))]
fn to_images(bencher: divan::Bencher, name: &str) {
    let conv = named(name);
    let (gradient, weight) = (numbers(conv.output_count()), numbers(conv.weight_count()));
    bencher.counter(operations(&conv)).bench(|| data_gradient(&gradient, &weight, &conv));
}

#[divan::bench(args = ALL.map(|(name, _)| name))]
fn to_filters(bencher: divan::Bencher, name: &str) {
    let conv = named(name);
    let (x, gradient) = (numbers(conv.input_count()), numbers(conv.output_count()));
    bencher.counter(operations(&conv)).bench(|| weight_gradient(&x, &gradient, &conv));
}
