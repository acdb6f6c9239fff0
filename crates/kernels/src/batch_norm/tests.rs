//! Are results and gradients those of the definition?

use super::*;
use crate::samples::{differences, near, numbers, wide};

const EPSILON: f64 = 1e-3;

/// By the definition, in 64 bits.
fn exact(x: &[f64], weight: &[f64], bias: &[f64], residual: Option<&[f64]>, relu: bool, planes: Planes) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    for channel in 0..planes.channels {
        let places: Vec<usize> = planes.of(channel).flatten().collect();
        let n = places.len() as f64;
        let mean = places.iter().map(|&k| x[k]).sum::<f64>() / n;
        let variance = places.iter().map(|&k| (x[k] - mean).powi(2)).sum::<f64>() / n;
        for k in places {
            let sum = weight[channel] * (x[k] - mean) / (variance + EPSILON).sqrt() + bias[channel];
            let sum = sum + residual.map_or(0.0, |residual| residual[k]);
            y[k] = if relu { sum.max(0.0) } else { sum };
        }
    }
    y
}

#[test]
fn results_and_gradients_are_those_of_the_definition() {
    for (case, planes) in [(5, 3, 7), (2, 4, 33), (6, 5, 1), (1, 2, 16), (4, 1, 4)].into_iter().enumerate() {
        let (batch, channels, area) = planes;
        let planes = Planes { batch, channels, area };
        for (relu, with_residual) in [(false, false), (true, false), (true, true), (false, true)] {
            let seed = case as u64 * 100;
            let x: Vec<f32> = numbers(planes.count(), seed + 1).iter().map(|x| 2.0 * x + 3.0).collect();
            let (weight, bias) = (numbers(channels, seed + 2), numbers(channels, seed + 3));
            let residual = with_residual.then(|| numbers(planes.count(), seed + 4));
            let gradient = numbers(planes.count(), seed + 5);
            let (wx, ww, wb) = (wide(&x), wide(&weight), wide(&bias));
            let wr = residual.as_deref().map(wide);
            let found = forward(&x, &weight, &bias, residual.as_deref(), EPSILON, relu, planes);
            near(&found.y, &exact(&wx, &ww, &wb, wr.as_deref(), relu, planes), "y");
            let back = backward(
                &x,
                match (relu, with_residual) {
                    (false, _) => Rectified::Not,
                    (true, true) => Rectified::Result(&found.y),
                    (true, false) => Rectified::Affine(&found.affine),
                },
                &gradient,
                &weight,
                (&found.mean, &found.variance, EPSILON),
                with_residual,
                planes,
            );
            let to = |of: &[f64], f: &dyn Fn(&[f64]) -> Vec<f64>| differences(of, &gradient, f);
            near(&back.x, &to(&wx, &|x| exact(x, &ww, &wb, wr.as_deref(), relu, planes)), "to x");
            near(&back.weight, &to(&ww, &|w| exact(&wx, w, &wb, wr.as_deref(), relu, planes)), "to weight");
            near(&back.bias, &to(&wb, &|b| exact(&wx, &ww, b, wr.as_deref(), relu, planes)), "to bias");
            assert_eq!(back.sum.is_some(), relu && with_residual);
            if let (Some(sum), Some(wr)) = (&back.sum, &wr) {
                near(sum, &to(wr, &|r| exact(&wx, &ww, &wb, Some(r), relu, planes)), "to residual");
            }
        }
    }
}

#[test]
fn what_was_rectified_is_found_out_either_way() {
    for planes in [Planes { batch: 3, channels: 4, area: 35 }, Planes { batch: 9, channels: 2, area: 3 }] {
        let (x, gradient) = (numbers(planes.count(), 1), numbers(planes.count(), 2));
        let (weight, bias) = (numbers(planes.channels, 3), numbers(planes.channels, 4));
        let found = forward(&x, &weight, &bias, None, EPSILON, true, planes);
        let statistics = (&found.mean[..], &found.variance[..], EPSILON);
        let back = |rectified| backward(&x, rectified, &gradient, &weight, statistics, false, planes);
        let (one, other) = (back(Rectified::Result(&found.y)), back(Rectified::Affine(&found.affine)));
        assert_eq!((one.x, one.weight, one.bias), (other.x, other.weight, other.bias));
    }
}

#[test]
fn statistics_of_before_give_what_those_of_the_batch_gave() {
    let planes = Planes { batch: 3, channels: 4, area: 21 };
    let (x, weight, bias) = (numbers(planes.count(), 1), numbers(4, 2), numbers(4, 3));
    let residual = numbers(planes.count(), 4);
    let found = forward(&x, &weight, &bias, Some(&residual), EPSILON, true, planes);
    let of_channels = [&weight[..], &bias, &found.mean, &found.variance];
    near(&apply(&x, of_channels, Some(&residual), EPSILON, true, planes), &wide(&found.y), "y");
}

/// A mean a thousand times the spread costs no digits but those that the floats themselves lack.
#[test]
fn a_far_mean_costs_no_digits() {
    let planes = Planes { batch: 8, channels: 1, area: 500 };
    let x: Vec<f32> = numbers(planes.count(), 1).iter().map(|x| x + 1000.0).collect();
    let found = forward(&x, &[1.0], &[0.0], None, 0.0, false, planes);
    let n = x.len() as f64;
    let mean = wide(&x).iter().sum::<f64>() / n;
    let variance = wide(&x).iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    assert!((f64::from(found.mean[0]) - mean).abs() < 1e-4);
    assert!((f64::from(found.variance[0]) / variance - 1.0).abs() < 1e-5, "{} {variance}", found.variance[0]);
}

#[test]
fn nothing_in_gives_nothing_out() {
    let planes = Planes { batch: 0, channels: 2, area: 3 };
    let found = forward(&[], &[1.0; 2], &[0.0; 2], None, EPSILON, true, planes);
    assert_eq!((found.y.len(), found.mean), (0, vec![0.0; 2]));
}
