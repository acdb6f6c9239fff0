//! Is it the sum that it is meant to be, and are the gradients those of that sum? In 64 bits, by the definition.

use super::*;
use crate::samples::{PLAIN, numbers};

/// Calls `visit` with the places of image, filter and result of every product.
fn products(conv: &Conv2d, mut visit: impl FnMut(usize, usize, usize)) {
    let [height, width] = conv.outputs();
    let (channels, filters) = (conv.channels / conv.groups, conv.filters / conv.groups);
    for n in 0..conv.batch {
        for f in 0..conv.filters {
            for y in 0..height {
                for x in 0..width {
                    for c in 0..channels {
                        for ky in 0..conv.kernel[0] {
                            for kx in 0..conv.kernel[1] {
                                let row = (y * conv.stride[0] + ky * conv.dilation[0]).checked_sub(conv.padding[0]);
                                let column = (x * conv.stride[1] + kx * conv.dilation[1]).checked_sub(conv.padding[1]);
                                let (Some(row), Some(column)) = (row, column) else { continue };
                                if row >= conv.size[0] || column >= conv.size[1] {
                                    continue;
                                }
                                let channel = f / filters * channels + c;
                                visit(
                                    ((n * conv.channels + channel) * conv.size[0] + row) * conv.size[1] + column,
                                    ((f * channels + c) * conv.kernel[0] + ky) * conv.kernel[1] + kx,
                                    ((n * conv.filters + f) * height + y) * width + x,
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

fn near(found: &[f32], wanted: &[f64], what: &str, conv: &Conv2d) {
    assert_eq!(found.len(), wanted.len(), "{what} {conv:?}");
    let largest = wanted.iter().fold(1.0_f64, |largest, value| largest.max(value.abs()));
    for (k, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert!((f64::from(*found) - wanted).abs() <= 1e-5 * largest, "{what}[{k}]: {found}, not {wanted}, {conv:?}");
    }
}

fn check(conv: &Conv2d, seed: u64) {
    let x = numbers(conv.input_count(), seed + 1);
    let weight = numbers(conv.weight_count(), seed + 2);
    let bias = numbers(conv.filters, seed + 3);
    let gradient = numbers(conv.output_count(), seed + 4);
    let area: usize = conv.outputs().iter().product();
    let mut result: Vec<f64> = (0..conv.output_count()).map(|k| f64::from(bias[k / area % conv.filters])).collect();
    let (mut to_x, mut to_weight) = (vec![0.0; x.len()], vec![0.0; weight.len()]);
    products(conv, |i, w, y| {
        result[y] += f64::from(x[i]) * f64::from(weight[w]);
        to_x[i] += f64::from(gradient[y]) * f64::from(weight[w]);
        to_weight[w] += f64::from(gradient[y]) * f64::from(x[i]);
    });
    let mut to_bias = vec![0.0; conv.filters];
    gradient.iter().enumerate().for_each(|(k, gradient)| to_bias[k / area % conv.filters] += f64::from(*gradient));
    near(&forward(&x, &weight, Some(&bias), false, conv), &result, "result", conv);
    let rectified: Vec<f64> = result.iter().map(|y| y.max(0.0)).collect();
    near(&forward(&x, &weight, Some(&bias), true, conv), &rectified, "rectified", conv);
    near(&data_gradient(&gradient, &weight, conv), &to_x, "to images", conv);
    near(&weight_gradient(&x, &gradient, conv), &to_weight, "to filters", conv);
    near(&bias_gradient(&gradient, conv), &to_bias, "to biases", conv);
}

#[test]
fn sums_and_gradients_are_those_of_the_definition() {
    for (k, conv) in [
        PLAIN,
        Conv2d { stride: [2, 2], ..PLAIN },
        Conv2d { stride: [2, 3], padding: [0, 2], ..PLAIN },
        Conv2d { stride: [3, 2], kernel: [2, 4], ..PLAIN },
        Conv2d { kernel: [1, 1], padding: [0, 0], ..PLAIN },
        Conv2d { kernel: [1, 1], padding: [0, 0], stride: [2, 2], ..PLAIN },
        Conv2d { kernel: [5, 3], padding: [3, 4], ..PLAIN },
        Conv2d { dilation: [2, 3], padding: [2, 3], ..PLAIN },
        Conv2d { dilation: [2, 2], stride: [2, 2], padding: [2, 1], ..PLAIN },
        Conv2d { channels: 6, filters: 6, groups: 6, ..PLAIN },
        Conv2d { channels: 6, filters: 6, groups: 6, stride: [2, 2], ..PLAIN },
        Conv2d { channels: 4, filters: 8, groups: 2, ..PLAIN },
        Conv2d { channels: 6, filters: 12, groups: 6, ..PLAIN },
        Conv2d { kernel: [7, 7], stride: [4, 4], padding: [3, 3], size: [17, 12], ..PLAIN },
        Conv2d { kernel: [4, 4], stride: [4, 4], padding: [0, 0], size: [8, 12], ..PLAIN },
        Conv2d { batch: 1, channels: 1, filters: 1, size: [1, 1], ..PLAIN },
        Conv2d { batch: 19, channels: 17, filters: 33, size: [8, 8], ..PLAIN },
        Conv2d { batch: 3, channels: 16, filters: 16, size: [32, 32], ..PLAIN },
        Conv2d { batch: 3, channels: 12, filters: 20, size: [9, 7], padding: [2, 0], ..PLAIN },
        Conv2d { batch: 9, channels: 50, filters: 13, size: [4, 5], ..PLAIN },
        Conv2d { batch: 9, channels: 30, filters: 15, size: [5, 6], padding: [0, 1], ..PLAIN },
        Conv2d { batch: 1, channels: 16, filters: 32, size: [70, 41], ..PLAIN },
        Conv2d { padding: [5, 5], ..PLAIN },
        Conv2d { size: [1, 70], kernel: [3, 7], stride: [4, 1], padding: [2, 1], dilation: [1, 11], ..PLAIN },
        Conv2d { stride: [5, 5], kernel: [2, 2], padding: [0, 0], ..PLAIN },
        Conv2d { filters: 0, ..PLAIN },
        Conv2d { channels: 0, ..PLAIN },
    ]
    .iter()
    .enumerate()
    {
        check(conv, k as u64 * 10);
    }
}

/// Whatever is not finite makes those results not finite that see it, and no others; likewise backwards.
#[test]
fn what_is_not_finite_reaches_what_sees_it() {
    for conv in [PLAIN, Conv2d { batch: 3, channels: 13, filters: 12, size: [9, 7], ..PLAIN }] {
        for (value, place) in [(f32::NAN, 0.3), (f32::INFINITY, 0.5), (f32::NEG_INFINITY, 0.99)] {
            let weight = numbers(conv.weight_count(), 1);
            let (mut x, mut gradient) = (numbers(conv.input_count(), 2), numbers(conv.output_count(), 3));
            let at = [&x, &gradient].map(|values| (values.len() as f64 * place) as usize);
            (x[at[0]], gradient[at[1]]) = (value, value);
            let (mut seeing, mut seen) = (vec![false; gradient.len()], vec![false; x.len()]);
            products(&conv, |i, _, y| {
                seeing[y] |= i == at[0];
                seen[i] |= y == at[1];
            });
            let odd = |values: Vec<f32>| values.iter().map(|value| !value.is_finite()).collect::<Vec<_>>();
            assert_eq!(odd(forward(&x, &weight, None, false, &conv)), seeing, "{value} {conv:?}");
            assert_eq!(odd(data_gradient(&gradient, &weight, &conv)), seen, "{value} {conv:?}");
        }
        // By positive filters infinity stays infinity, and what is nearly too large for a float does not become so.
        let weight = vec![1e-3; conv.weight_count()];
        let mut x = vec![1e38; conv.input_count()];
        assert!(forward(&x, &weight, None, false, &conv).iter().all(|value| value.is_finite()), "{conv:?}");
        x[7] = f32::INFINITY;
        let found = forward(&x, &weight, None, true, &conv);
        assert!(found.contains(&f32::INFINITY) && !found.iter().any(|value| value.is_nan()), "{conv:?}");
    }
}

/// Patches so large that a single place sees more than a block of the sheets.
#[test]
fn large_patches_are_seen() {
    check(
        &Conv2d {
            batch: 1,
            channels: 1,
            size: [224; 2],
            filters: 2,
            kernel: [224; 2],
            stride: [224; 2],
            padding: [0; 2],
            ..PLAIN
        },
        5,
    );
}

#[test]
fn nothing_in_gives_nothing_out() {
    for conv in [
        Conv2d { batch: 0, ..PLAIN },
        Conv2d { size: [1, 9], kernel: [5, 3], ..PLAIN },
        Conv2d { size: [1, 9], kernel: [4, 3], stride: [5, 1], ..PLAIN },
    ] {
        let weight = numbers(conv.weight_count(), 1);
        let x = numbers(conv.input_count(), 2);
        assert_eq!(forward(&x, &weight, None, false, &conv), Vec::<f32>::new());
        assert_eq!(data_gradient(&[], &weight, &conv), vec![0.0; conv.input_count()]);
        assert_eq!(weight_gradient(&x, &[], &conv), vec![0.0; conv.weight_count()]);
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(150))]

    #[test]
    fn any_sizes(
        (batch, groups) in (1..4_usize, 1..4_usize),
        (channels, filters) in (1..6_usize, 1..12_usize),
        size in [1..14_usize, 1..14],
        kernel in [1..5_usize, 1..5],
        stride in [1..4_usize, 1..4],
        padding in [0..4_usize, 0..4],
        dilation in [1..4_usize, 1..4],
        seed in 0..1000_u64,
    ) {
        let conv = Conv2d { batch, channels: channels * groups, size, filters: filters * groups, kernel, stride, padding, dilation, groups };
        check(&conv, seed);
    }
}
