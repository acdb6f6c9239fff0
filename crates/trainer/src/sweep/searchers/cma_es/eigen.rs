//! Along which directions does a symmetric matrix only stretch, and by how much? By Jacobi's rotations ("Über ein leichtes Verfahren, die in der
//! Theorie der Säcularstörungen vorkommenden Gleichungen numerisch aufzulösen", 1846), which are exact enough and short.

/// A square matrix by its rows.
pub(super) type Matrix = Vec<Vec<f64>>;

/// So often all pairs are gone through at most; a handful is enough.
const SWEEPS: usize = 50;

pub(super) fn identity(n: usize) -> Matrix {
    (0..n).map(|row| (0..n).map(|column| f64::from(row == column)).collect()).collect()
}

/// The eigenvalues of a symmetric matrix, and in the columns its eigenvectors.
pub(super) fn eigen(matrix: &Matrix) -> (Vec<f64>, Matrix) {
    let n = matrix.len();
    let (mut a, mut vectors) = (matrix.clone(), identity(n));
    for _ in 0..SWEEPS {
        let outside: f64 = (0..n).flat_map(|p| (0..p).map(move |q| (p, q))).map(|(p, q)| a[p][q].powi(2)).sum();
        let inside: f64 = (0..n).map(|p| a[p][p].powi(2)).sum();
        // Not either where something is no number.
        let goes_on = outside > 1e-30 * inside;
        if !goes_on {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q] != 0.0 {
                    rotate(&mut a, &mut vectors, p, q);
                }
            }
        }
    }
    ((0..n).map(|k| a[k][k]).collect(), vectors)
}

/// Turns the plane of `p` and `q` so that they do not depend on each other.
fn rotate(a: &mut Matrix, vectors: &mut Matrix, p: usize, q: usize) {
    let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
    let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    let turn = |x: f64, y: f64| (cosine * x - sine * y, sine * x + cosine * y);
    for row in a.iter_mut().chain(vectors.iter_mut()) {
        (row[p], row[q]) = turn(row[p], row[q]);
    }
    // The rows are turned as the columns were; `q` comes behind `p`.
    let (before, behind) = a.split_at_mut(q);
    for (x, y) in before[p].iter_mut().zip(&mut behind[0]) {
        (*x, *y) = turn(*x, *y);
    }
}

#[cfg(test)]
mod tests {
    use data_loader::random::Random;

    use super::*;

    #[test]
    fn the_matrix_comes_back_from_its_eigenvectors() {
        let mut random = Random::derive(&[2]);
        for n in [0, 1, 2, 3, 8, 20] {
            let half: Matrix = (0..n).map(|_| (0..n).map(|_| random.unit() - 0.5).collect()).collect();
            let matrix: Matrix =
                (0..n).map(|i| (0..n).map(|j| (0..n).map(|k| half[i][k] * half[j][k]).sum()).collect()).collect();
            let (values, vectors) = eigen(&matrix);
            for i in 0..n {
                for j in 0..n {
                    let back: f64 = (0..n).map(|k| vectors[i][k] * values[k] * vectors[j][k]).sum();
                    let right: f64 = (0..n).map(|k| vectors[k][i] * vectors[k][j]).sum();
                    assert!((back - matrix[i][j]).abs() < 1e-12 && (right - f64::from(i == j)).abs() < 1e-12, "{n}");
                }
            }
            assert!(values.iter().all(|value| *value > -1e-12));
        }
        // 2 and 4, whatever their order.
        let (mut values, _) = eigen(&vec![vec![3.0, 1.0], vec![1.0, 3.0]]);
        values.sort_by(f64::total_cmp);
        assert!((values[0] - 2.0).abs() < 1e-14 && (values[1] - 4.0).abs() < 1e-14);
    }
}
