//! `x W^T + b`, perhaps followed by a rectifier, and its gradients.
//!
//! The result is dealt out among tasks; behind each product of matrices bias and rectifier follow while its part of the result is near.

use rayon::prelude::*;

use crate::dots::FewRows;
use crate::fresh::{Shared, written};
use crate::lanes::{WIDTH, widest};
use crate::product::{Matrix, multiply_all};

/// How the weights lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lying {
    /// `[outputs, inputs]`, as PyTorch's.
    OutputMajor,
    /// `[inputs, outputs]`, as GPT-2's.
    InputMajor,
}

/// The sizes of a linear map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linear {
    /// Rows of the input.
    pub rows: usize,
    /// Columns of the input.
    pub inputs: usize,
    /// Columns of the result.
    pub outputs: usize,
    /// How the weights lie.
    pub lying: Lying,
}

impl Linear {
    fn weight<'a>(&self, weight: &'a [f32]) -> Matrix<'a> {
        match self.lying {
            Lying::OutputMajor => Matrix::new(weight, self.outputs, self.inputs),
            Lying::InputMajor => Matrix::new(weight, self.inputs, self.outputs).transposed(),
        }
    }

    fn check(&self, x: usize, weight: usize, y: usize) {
        let wanted = (self.rows * self.inputs, self.outputs * self.inputs, self.rows * self.outputs);
        assert_eq!((x, weight, y), wanted, "{self:?}");
    }
}

/// The result, `[rows, outputs]`; negative numbers are 0 if `relu` says so.
///
/// # Panics
/// If the slices have other lengths.
pub fn forward(x: &[f32], weight: &[f32], bias: Option<&[f32]>, relu: bool, linear: Linear) -> Vec<f32> {
    let Linear { rows, inputs, outputs, .. } = linear;
    linear.check(x.len(), weight.len(), rows * outputs);
    assert!(bias.is_none_or(|bias| bias.len() == outputs), "{linear:?}");
    if linear.lying == Lying::OutputMajor && (rows < FEW || rows < SEVERAL && inputs >= LONG) {
        return few_rows(FewRows { x, weight, bias, relu, sizes: [rows, inputs, outputs] });
    }
    let (x, weight) = (Matrix::new(x, rows, inputs), linear.weight(weight).transposed());
    product(x, weight, |y, down, across| {
        if bias.is_none() && !relu {
            return;
        }
        let bias = bias.map(|bias| &bias[across.clone()]);
        for row in down {
            let first = y.at(row * outputs + across.start, across.len());
            // SAFETY: these places were written by the task that now finishes them, and are nobody else's.
            #[expect(unsafe_code, reason = "see above")]
            let row = unsafe { std::slice::from_raw_parts_mut(first, across.len()) };
            finish_widest(row, bias, relu);
        }
    })
}

/// With fewer rows than these more time goes into laying out the weights than is won.
const FEW: usize = 8;
/// And with fewer than these, where adding up the floats of a vector takes no time beside the sums.
const SEVERAL: usize = 14;
const LONG: usize = 512;
/// A task reads about so many weights.
const TASK: usize = 1 << 16;

fn few_rows(map: FewRows<'_>) -> Vec<f32> {
    let [rows, inputs, outputs] = map.sizes;
    let each = (TASK / inputs.max(1)).clamp(1, outputs.max(1)).next_multiple_of(4);
    // SAFETY: the tasks write every output of every row.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        written(rows * outputs, |y| {
            let tasks = (0..outputs.div_ceil(each)).into_par_iter();
            tasks.for_each(|task| map.write(task * each..((task + 1) * each).min(outputs), y));
        })
    }
}

widest!(fn finish_widest(row: &mut [f32], bias: Option<&[f32]>, relu: bool) = finish);

#[inline(always)]
fn finish(row: &mut [f32], bias: Option<&[f32]>, relu: bool) {
    if let Some(bias) = bias {
        row.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
    }
    if relu {
        for y in row.iter_mut() {
            *y = if *y < 0.0 { 0.0 } else { *y };
        }
    }
}

/// A product, each part of which is finished by the task that has computed it.
fn product(
    a: Matrix<'_>,
    b: Matrix<'_>,
    finish: impl Fn(Shared, std::ops::Range<usize>, std::ops::Range<usize>) + Send + Sync,
) -> Vec<f32> {
    // SAFETY: the product writes every place of the result.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        written(a.size[0] * b.size[1], |result| {
            multiply_all(a, b, result, |down, across| finish(result, down, across));
        })
    }
}

/// The gradient with respect to the input, `[rows, inputs]`.
///
/// # Panics
/// If the slices have other lengths.
pub fn input_gradient(gradient: &[f32], weight: &[f32], linear: Linear) -> Vec<f32> {
    let Linear { rows, inputs, outputs, .. } = linear;
    linear.check(rows * inputs, weight.len(), gradient.len());
    let (gradient, weight) = (Matrix::new(gradient, rows, outputs), linear.weight(weight));
    product(gradient, weight, |_, _, _| ())
}

/// The gradient with respect to the weights, which lie as the weights do.
///
/// # Panics
/// If the slices have other lengths.
pub fn weight_gradient(x: &[f32], gradient: &[f32], linear: Linear) -> Vec<f32> {
    let Linear { rows, inputs, outputs, lying } = linear;
    linear.check(x.len(), outputs * inputs, gradient.len());
    let (x, gradient) = (Matrix::new(x, rows, inputs), Matrix::new(gradient, rows, outputs));
    let (left, right) = match lying {
        Lying::OutputMajor => (gradient, x),
        Lying::InputMajor => (x, gradient),
    };
    product(left.transposed(), right, |_, _, _| ())
}

/// The gradient with respect to the bias: the sum of every column of `gradient`, which has `outputs` columns.
///
/// # Panics
/// If the slice has no whole number of rows.
pub fn bias_gradient(gradient: &[f32], outputs: usize) -> Vec<f32> {
    assert!(gradient.len().is_multiple_of(outputs.max(1)), "{} floats in rows of {outputs}", gradient.len());
    column_sums_widest(gradient, outputs)
}

widest!(fn column_sums_widest(gradient: &[f32], outputs: usize) -> Vec<f32> = column_sums);

#[inline(always)]
fn column_sums(gradient: &[f32], outputs: usize) -> Vec<f32> {
    /// So many rows are summed up in 32 bits before they go into the sum in 64.
    const ROWS: usize = 64;
    let mut totals = vec![0.0_f64; outputs];
    let mut sums = vec![0.0_f32; outputs];
    for rows in gradient.chunks(ROWS * outputs.max(1)) {
        sums.fill(0.0);
        for row in rows.chunks_exact(outputs.max(1)) {
            let (row_chunks, row_rest) = row.as_chunks::<WIDTH>();
            let (sum_chunks, sum_rest) = sums.as_chunks_mut::<WIDTH>();
            for (sum, row) in sum_chunks.iter_mut().zip(row_chunks) {
                (0..WIDTH).for_each(|lane| sum[lane] += row[lane]);
            }
            sum_rest.iter_mut().zip(row_rest).for_each(|(sum, value)| *sum += value);
        }
        totals.iter_mut().zip(&sums).for_each(|(total, sum)| *total += f64::from(*sum));
    }
    totals.into_iter().map(|total| total as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{near, numbers, wide};

    #[test]
    fn results_and_gradients_are_those_of_the_definition() {
        for (case, (rows, inputs, outputs)) in [
            (1, 1, 1),
            (5, 7, 3),
            (1, 70, 33),
            (2, 16, 5),
            (3, 15, 8),
            (4, 600, 130),
            (7, 33, 9),
            (33, 17, 40),
            (128, 100, 65),
            (0, 3, 2),
            (3, 0, 2),
            (700, 33, 90),
        ]
        .into_iter()
        .enumerate()
        {
            for lying in [Lying::OutputMajor, Lying::InputMajor] {
                let linear = Linear { rows, inputs, outputs, lying };
                let seed = case as u64 * 10;
                let (x, weight) = (numbers(rows * inputs, seed + 1), numbers(inputs * outputs, seed + 2));
                let (bias, gradient) = (numbers(outputs, seed + 3), numbers(rows * outputs, seed + 4));
                let (wx, ww, wg) = (wide(&x), wide(&weight), wide(&gradient));
                let place = |input: usize, output: usize| match lying {
                    Lying::OutputMajor => output * inputs + input,
                    Lying::InputMajor => input * outputs + output,
                };
                let mut y = vec![0.0; rows * outputs];
                let (mut to_x, mut to_weight) = (vec![0.0; wx.len()], vec![0.0; ww.len()]);
                for row in 0..rows {
                    for output in 0..outputs {
                        for input in 0..inputs {
                            let (i, w, o) = (row * inputs + input, place(input, output), row * outputs + output);
                            y[o] += wx[i] * ww[w];
                            to_x[i] += wg[o] * ww[w];
                            to_weight[w] += wg[o] * wx[i];
                        }
                    }
                }
                near(&forward(&x, &weight, None, false, linear), &y, "y");
                let with_bias: Vec<f64> =
                    y.iter().enumerate().map(|(k, y)| y + f64::from(bias[k % outputs.max(1)])).collect();
                near(&forward(&x, &weight, Some(&bias), false, linear), &with_bias, "y with bias");
                let rectified: Vec<f64> = with_bias.iter().map(|y| y.max(0.0)).collect();
                near(&forward(&x, &weight, Some(&bias), true, linear), &rectified, "y with bias, rectified");
                near(&input_gradient(&gradient, &weight, linear), &to_x, "to x");
                near(&weight_gradient(&x, &gradient, linear), &to_weight, "to weight");
                let sums: Vec<f64> = (0..outputs).map(|output| wg.iter().skip(output).step_by(outputs).sum()).collect();
                near(&bias_gradient(&gradient, outputs), &sums, "to bias");
            }
        }
    }
}
