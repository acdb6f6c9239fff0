//! Rows of a table, looked up by number.

use crate::fresh::written;

/// The row of `table` for each of `indices`, `features` floats a row.
///
/// # Panics
/// If an index is no row.
pub fn forward(table: &[f32], indices: &[i64], features: usize) -> Vec<f32> {
    let rows = table.len() / features.max(1);
    assert!(
        indices.iter().all(|&index| usize::try_from(index).is_ok_and(|index| index < rows)),
        "an index is no row of {rows}"
    );
    // SAFETY: each row of the result is copied from the table, and together they are all.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        written(indices.len() * features, |result| {
            for (place, &index) in indices.iter().enumerate() {
                let row = &table[index as usize * features..][..features];
                let to = result.at(place * features, features);
                std::ptr::copy_nonoverlapping(row.as_ptr(), to, features);
            }
        })
    }
}

/// The gradient with respect to a table of `rows` rows: each row gets the sum of the gradients of the places that looked it up, in their order.
///
/// # Panics
/// If an index is no row, or there is not a row of the gradient for each.
pub fn backward(gradient: &[f32], indices: &[i64], rows: usize, features: usize) -> Vec<f32> {
    assert_eq!(gradient.len(), indices.len() * features, "{} rows of {features}", indices.len());
    let mut sums = vec![0.0_f32; rows * features];
    for (gradient, &index) in gradient.chunks_exact(features.max(1)).zip(indices) {
        let sum = &mut sums[index as usize * features..][..features];
        sum.iter_mut().zip(gradient).for_each(|(sum, gradient)| *sum += gradient);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_looked_up_and_their_gradients_added() {
        let table: Vec<f32> = (0..12).map(|k| k as f32).collect();
        assert_eq!(forward(&table, &[2, 0, 2], 3), [6.0, 7.0, 8.0, 0.0, 1.0, 2.0, 6.0, 7.0, 8.0]);
        let gradient: Vec<f32> = (1..=9).map(|k| k as f32).collect();
        assert_eq!(
            backward(&gradient, &[2, 0, 2], 4, 3),
            [4.0, 5.0, 6.0, 0.0, 0.0, 0.0, 8.0, 10.0, 12.0, 0.0, 0.0, 0.0]
        );
        assert_eq!(backward(&[], &[], 1, 2), [0.0, 0.0]);
    }
}
