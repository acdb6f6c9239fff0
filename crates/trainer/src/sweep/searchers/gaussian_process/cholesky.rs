//! What are the roots of a covariance, and what is its inverse? Cholesky's factor L, with L Lᵀ the matrix, and the inverse of L.

/// A lower triangle by its rows, each as long as there are columns up to the diagonal.
#[derive(Clone, Debug)]
pub(super) struct Triangle {
    rows: Vec<Vec<f64>>,
}

/// The sum of the products, in several sums at once so that the processor can do them side by side.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a.zip(b) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// Adds `factor` times `b` to `a`.
fn add(a: &mut [f64], factor: f64, b: &[f64]) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += factor * b);
}

impl Triangle {
    /// Of a symmetric matrix given by its lower triangle; nothing if it is not positive.
    pub(super) fn factor(mut rows: Vec<Vec<f64>>) -> Option<Self> {
        for i in 0..rows.len() {
            let (done, open) = rows.split_at_mut(i);
            let row = &mut open[0];
            for (j, other) in done.iter().enumerate() {
                row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
            }
            let pivot = row[i] - dot(&row[..i], &row[..i]);
            // Also where it is no number.
            if !pivot.is_finite() || pivot <= 0.0 {
                return None;
            }
            row[i] = pivot.sqrt();
        }
        Some(Self { rows })
    }

    /// The logarithm of the product of what stands on the diagonal.
    pub(super) fn log_diagonal(&self) -> f64 {
        self.rows.iter().filter_map(|row| row.last()).map(|pivot| pivot.ln()).sum()
    }

    /// The inverse triangle.
    pub(super) fn inverse(&self) -> Self {
        let mut rows: Vec<Vec<f64>> = Vec::with_capacity(self.rows.len());
        for (i, row) in self.rows.iter().enumerate() {
            let mut inverse = vec![0.0; i + 1];
            for (j, done) in rows.iter().enumerate() {
                add(&mut inverse[..=j], -row[j], done);
            }
            inverse[i] = 1.0;
            for value in &mut inverse {
                *value /= row[i];
            }
            rows.push(inverse);
        }
        Self { rows }
    }

    /// This matrix times a vector.
    pub(super) fn times(&self, vector: &[f64]) -> Vec<f64> {
        self.rows.iter().map(|row| dot(row, &vector[..row.len()])).collect()
    }

    /// The transposed matrix times a vector.
    pub(super) fn transposed_times(&self, vector: &[f64]) -> Vec<f64> {
        let mut sum = vec![0.0; self.rows.len()];
        for (row, factor) in self.rows.iter().zip(vector) {
            add(&mut sum[..row.len()], *factor, row);
        }
        sum
    }

    /// The transposed matrix times this one, by its lower triangle.
    pub(super) fn square(&self) -> Vec<Vec<f64>> {
        let mut sum: Vec<Vec<f64>> = (0..self.rows.len()).map(|i| vec![0.0; i + 1]).collect();
        for row in &self.rows {
            for (i, factor) in row.iter().enumerate() {
                add(&mut sum[i], *factor, &row[..=i]);
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use data_loader::random::Random;

    use super::*;

    #[test]
    fn factors_and_inverses_give_the_matrix_back() {
        let mut random = Random::derive(&[6]);
        for n in [0, 1, 2, 7, 8, 9, 40] {
            let half: Vec<Vec<f64>> = (0..n).map(|_| (0..n).map(|_| random.unit() - 0.5).collect()).collect();
            let entry = |i: usize, j: usize| dot(&half[i], &half[j]) + f64::from(i == j);
            let matrix: Vec<Vec<f64>> = (0..n).map(|i| (0..=i).map(|j| entry(i, j)).collect()).collect();
            let factor = Triangle::factor(matrix.clone()).unwrap();
            let inverse = factor.inverse();
            let whole = inverse.square();
            let vector: Vec<f64> = (0..n).map(|_| random.unit()).collect();
            let solved = inverse.transposed_times(&inverse.times(&vector));
            for (i, wanted) in vector.iter().enumerate() {
                let row = |i: usize, k: usize, m: &[Vec<f64>]| if k <= i { m[i][k] } else { m[k][i] };
                let back: f64 = (0..n).map(|k| row(i, k, &matrix) * solved[k]).sum();
                assert!((back - wanted).abs() < 1e-10, "{n}");
                for j in 0..=i {
                    let one: f64 = (0..n).map(|k| row(i, k, &matrix) * row(j, k, &whole)).sum();
                    assert!((one - f64::from(i == j)).abs() < 1e-10, "{n}");
                }
            }
        }
        assert!(Triangle::factor(vec![vec![1.0], vec![2.0, 1.0]]).is_none());
        assert!(Triangle::factor(vec![vec![f64::NAN]]).is_none());
        // The determinant of ((4, 2), (2, 5)) is 16.
        let factor = Triangle::factor(vec![vec![4.0], vec![2.0, 5.0]]).unwrap();
        assert!((2.0 * factor.log_diagonal() - 16.0_f64.ln()).abs() < 1e-14);
    }
}
