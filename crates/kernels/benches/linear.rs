//! How many multiplications and additions a second do linear maps do, beside the products of the `gemm` crate?
//!
//!     cargo bench --bench linear

#![allow(clippy::unwrap_used)]

use divan::counter::ItemsCount;
use kernels::linear::{Linear, Lying, forward, input_gradient, weight_gradient};

fn main() {
    divan::main();
}

/// Those of the benches `mlp`, `gpt` and `cnn`: rows, inputs, outputs.
const ALL: [[usize; 3]; 9] = [
    [128, 784, 512],
    [128, 512, 512],
    [2048, 128, 384],
    [2048, 128, 512],
    [2048, 512, 128],
    [64, 12544, 128],
    [1, 784, 512],
    [1, 12544, 128],
    [7, 784, 512],
];

fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|k| (k * 7919 % 1009) as f32 / 500.0 - 1.0).collect()
}

fn map([rows, inputs, outputs]: [usize; 3]) -> Linear {
    Linear { rows, inputs, outputs, lying: Lying::OutputMajor }
}

fn operations([rows, inputs, outputs]: [usize; 3]) -> ItemsCount {
    ItemsCount::new(2 * rows * inputs * outputs)
}

const NAMES: [&str; 9] = [
    "128 784-512",
    "128 512-512",
    "2048 128-384",
    "2048 128-512",
    "2048 512-128",
    "64 12544-128",
    "1 784-512",
    "1 12544-128",
    "7 784-512",
];

fn sizes(name: &str) -> [usize; 3] {
    ALL[NAMES.iter().position(|known| *known == name).unwrap()]
}

#[divan::bench(args = NAMES)]
fn result(bencher: divan::Bencher, name: &str) {
    let [rows, inputs, outputs] = sizes(name);
    let (x, weight, bias) = (numbers(rows * inputs), numbers(inputs * outputs), numbers(outputs));
    let run = || forward(&x, &weight, Some(&bias), true, map([rows, inputs, outputs]));
    bencher.counter(operations([rows, inputs, outputs])).bench(run);
}

#[divan::bench(args = NAMES)]
fn to_input(bencher: divan::Bencher, name: &str) {
    let [rows, inputs, outputs] = sizes(name);
    let (gradient, weight) = (numbers(rows * outputs), numbers(inputs * outputs));
    bencher
        .counter(operations([rows, inputs, outputs]))
        .bench(|| input_gradient(&gradient, &weight, map([rows, inputs, outputs])));
}

#[divan::bench(args = NAMES)]
fn to_weight(bencher: divan::Bencher, name: &str) {
    let [rows, inputs, outputs] = sizes(name);
    let (x, gradient) = (numbers(rows * inputs), numbers(rows * outputs));
    bencher
        .counter(operations([rows, inputs, outputs]))
        .bench(|| weight_gradient(&x, &gradient, map([rows, inputs, outputs])));
}

/// The result by the `gemm` crate with all threads.
#[divan::bench(args = NAMES)]
fn result_by_gemm(bencher: divan::Bencher, name: &str) {
    let [rows, inputs, outputs] = sizes(name);
    let (x, weight) = (numbers(rows * inputs), numbers(inputs * outputs));
    let mut y = vec![0.0_f32; rows * outputs];
    bencher.counter(operations([rows, inputs, outputs])).bench_local(|| {
        // SAFETY: the matrices have the sizes that are said.
        #[expect(unsafe_code, reason = "the crate takes pointers")]
        unsafe {
            gemm::gemm(
                rows,
                outputs,
                inputs,
                y.as_mut_ptr(),
                1,
                outputs as isize,
                false,
                x.as_ptr(),
                1,
                inputs as isize,
                weight.as_ptr(),
                inputs as isize,
                1,
                0.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::Rayon(0),
            );
        }
    });
}
