//! Does any bit depend on the number of threads?

use crate::attention::{self, Attention};
use crate::batch_norm::{self, Planes, Rectified};
use crate::conv2d::{self, Conv2d};
use crate::linear::{self, Linear, Lying};
use crate::samples::{PLAIN, numbers};
use crate::{activation, cross_entropy, dropout, layer_norm};

/// What every kernel gives for one set of numbers, as bits.
fn everything() -> Vec<Vec<u32>> {
    let mut found: Vec<Vec<f32>> = Vec::new();
    // The last one falls into several blocks of rows.
    for (batch, channels, filters, size) in [(13, 5, 9, [11, 6]), (13, 20, 17, [11, 6]), (2, 16, 30, [40, 41])] {
        let conv = Conv2d { batch, channels, size, filters, ..PLAIN };
        let (x, weight) = (numbers(conv.input_count(), 1), numbers(conv.weight_count(), 2));
        let gradient = numbers(conv.output_count(), 3);
        found.push(conv2d::forward(&x, &weight, None, false, &conv));
        found.push(conv2d::data_gradient(&gradient, &weight, &conv));
        found.push(conv2d::weight_gradient(&x, &gradient, &conv));
        found.push(conv2d::bias_gradient(&gradient, &conv));
    }

    let map = Linear { rows: 700, inputs: 130, outputs: 90, lying: Lying::OutputMajor };
    let (x, weight, gradient) = (numbers(700 * 130, 4), numbers(90 * 130, 5), numbers(700 * 90, 6));
    found.push(linear::forward(&x, &weight, None, true, map));
    found.push(linear::input_gradient(&gradient, &weight, map));
    found.push(linear::weight_gradient(&x, &gradient, map));
    found.push(linear::bias_gradient(&gradient, 90));

    let planes = Planes { batch: 9, channels: 7, area: 50 };
    let (x, scale) = (numbers(planes.count(), 7), numbers(7, 8));
    let normalized = batch_norm::forward(&x, &scale, &scale, None, 1e-5, true, planes);
    let statistics = (&normalized.mean[..], &normalized.variance[..], 1e-5);
    let back = batch_norm::backward(&x, Rectified::Result(&normalized.y), &x, &scale, statistics, true, planes);
    found.extend([back.x, back.weight, back.bias, back.sum.unwrap(), normalized.y.clone()]);

    let (x, scale) = (numbers(1000 * 40, 9), numbers(40, 10));
    let (y, statistics) = layer_norm::forward(&x, &scale, &scale, 1e-5);
    let (to_x, to_weight, to_bias) = layer_norm::backward(&x, &y, &scale, &statistics);
    found.extend([to_x, to_weight, to_bias, y]);

    let attention = Attention { batch: 3, length: 70, heads: 2, features: 8, causal: true };
    let projection = numbers(3 * 70 * 3 * 16, 11);
    let (y, totals) = attention::forward(&projection, attention);
    found.push(attention::backward(&projection, &y, &totals, &y, attention));
    found.push(y);

    let scores = numbers(5000 * 10, 12);
    let targets: Vec<i64> = (0..5000).map(|k| k % 10).collect();
    let (losses, totals) = cross_entropy::forward(&scores, &targets, 10, 0.1);
    found.push(cross_entropy::backward(&scores, &targets, &totals, &losses, 10, 0.1));
    found.push(activation::gelu(&scores));
    found.push(dropout::dropout(&scores, 0.3, [1, 2]));
    found.into_iter().map(|values| values.into_iter().map(f32::to_bits).collect()).collect()
}

#[test]
fn threads_change_no_bit() {
    let with =
        |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(everything);
    let one = with(1);
    for threads in [2, 5] {
        assert_eq!(with(threads), one, "{threads} threads");
    }
}
