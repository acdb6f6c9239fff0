//! How do decoded columns of real numbers become rows? All of a block once, so that a batch copies pieces of memory.
//!
//! Columns lie apart in memory: a batch of rows in a shuffled order would wait for a cache line at every number of every row.

use std::sync::Arc;

use arrow_array::{Array, Float64Array};

use crate::tables::cells::Cells;

/// So many columns are gone through together, one cache line of numbers from a row.
const COLUMNS: usize = 8;
/// So many rows at a time, which is a page of memory of each column.
const ROWS: usize = 512;

/// A column among others whose numbers lie row by row.
#[derive(Clone, Debug)]
pub(crate) struct Interleaved {
    /// The numbers of all columns, row by row.
    numbers: Arc<[f64]>,
    /// The number of columns.
    width: usize,
    /// The place of this one among them.
    column: usize,
}

impl Interleaved {
    /// The number of rows.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len() / self.width
    }

    /// The number in the column at `row`.
    pub(crate) fn value(&self, row: usize) -> f64 {
        self.numbers[row * self.width + self.column]
    }

    /// About how many bytes of memory are the column's.
    pub(crate) fn bytes(&self) -> usize {
        self.len() * size_of::<f64>()
    }

    /// The numbers at `row` of this column and the `more` behind it.
    pub(crate) fn row(&self, row: usize, more: usize) -> &[f64] {
        let start = row * self.width + self.column;
        &self.numbers[start..=start + more]
    }

    /// Whether `next` is the column behind this one and `more` others.
    pub(crate) fn continues(&self, more: usize, next: &Self) -> bool {
        Arc::ptr_eq(&self.numbers, &next.numbers) && next.column == self.column + more + 1
    }
}

/// Lays those of `cells` together that are real numbers of which none is missing, if there are at least two.
pub(crate) fn interleave(cells: &mut [Cells]) {
    let whole = |cells: &Cells| matches!(cells, Cells::Double(array) if array.null_count() == 0);
    let rows = cells.first().map_or(0, Cells::len);
    let columns: Vec<&Float64Array> = cells
        .iter()
        .filter(|cells| whole(cells))
        .filter_map(|cells| if let Cells::Double(array) = cells { Some(array) } else { None })
        .collect();
    if columns.len() < 2 || rows == 0 || columns.iter().any(|array| array.len() != rows) {
        return;
    }
    let width = columns.len();
    let mut numbers = vec![0.0; rows * width];
    for (part, target) in numbers.chunks_mut(ROWS * width).enumerate() {
        let (first, count) = (part * ROWS, target.len() / width);
        for (group, columns) in columns.chunks(COLUMNS).enumerate() {
            let columns: Vec<&[f64]> = columns.iter().map(|array| &array.values()[first..first + count]).collect();
            for (row, target) in target.chunks_exact_mut(width).enumerate() {
                for (number, column) in target[group * COLUMNS..].iter_mut().zip(&columns) {
                    *number = column[row];
                }
            }
        }
    }
    let numbers: Arc<[f64]> = numbers.into();
    for (column, cells) in cells.iter_mut().filter(|cells| whole(cells)).enumerate() {
        *cells = Cells::Interleaved(Interleaved { numbers: Arc::clone(&numbers), width, column });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_where_they_stood() {
        let number = |row: usize, column: usize| (row * 100 + column) as f64;
        for (rows, width) in [(1, 2), (511, 7), (512, 8), (1300, 19)] {
            let whole = |column| Cells::Double((0..rows).map(|row| Some(number(row, column))).collect());
            let mut cells: Vec<Cells> = (0..width).map(whole).collect();
            // Others stay as they are, and are stepped over.
            cells.insert(1, Cells::Double(vec![None; rows].into()));
            cells.insert(0, Cells::Missing(rows));
            interleave(&mut cells);
            assert!(matches!((&cells[0], &cells[2]), (Cells::Missing(_), Cells::Double(_))));
            let found: Vec<&Interleaved> = cells
                .iter()
                .filter_map(|cells| if let Cells::Interleaved(column) = cells { Some(column) } else { None })
                .collect();
            assert_eq!(found.len(), width);
            for (column, cells) in found.iter().enumerate() {
                assert_eq!(cells.len(), rows);
                assert!((0..rows).all(|row| cells.value(row) == number(row, column)), "{rows} {width} {column}");
            }
            assert!(
                found[0].continues(width - 2, found[width - 1]) && !found[0].continues(width - 1, found[width - 1])
            );
            assert_eq!(found[0].row(rows - 1, 1), [number(rows - 1, 0), number(rows - 1, 1)]);
        }
    }

    #[test]
    fn what_is_alone_stays_apart() {
        let mut cells = vec![Cells::Double(vec![1.0].into()), Cells::Missing(1)];
        interleave(&mut cells);
        assert!(matches!(cells[0], Cells::Double(_)));
        interleave(&mut []);
    }
}
