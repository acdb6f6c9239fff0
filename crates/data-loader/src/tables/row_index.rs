//! Where does each row of a large file begin? Two bytes a row answer it, and where rows are long four or eight.
//!
//! Of every 64th row the index holds the place and the line, and of the rows behind it their distance from there.

use std::borrow::Cow;
use std::ops::Range;

use crate::formats::VisitKey;

/// How many rows lie in a group.
const GROUP: usize = 64;

/// The first row of a group.
#[derive(Clone, Copy, Debug)]
struct Group {
    /// Where it begins.
    start: u64,
    /// The line on which it begins, counted from 1.
    line: u64,
    /// Where the distances of the group's rows lie.
    place: u64,
    /// In how many bytes each of these is written.
    width: u8,
}

/// The places of the rows of one file.
#[derive(Debug, Default)]
pub(crate) struct RowIndex {
    groups: Vec<Group>,
    distances: Vec<u8>,
    /// The rows of the last group, until it is full.
    open: Vec<u64>,
    /// The line of the first of these.
    line: u64,
    len: usize,
    /// Where the last row ends.
    end: u64,
}

impl RowIndex {
    /// Adds a row that begins at `start`, behind all others, on `line`.
    pub(crate) fn push(&mut self, start: u64, line: u64) {
        if self.open.len() == GROUP {
            self.close();
        }
        if self.open.is_empty() {
            self.line = line;
        }
        self.open.push(start);
        self.len += 1;
    }

    /// Makes room for as many rows as there will be if all are as long as those so far, which took `read` of `whole` bytes:
    /// a list that grows is held twice while it moves.
    pub(crate) fn expect(&mut self, read: u64, whole: u64) {
        let rows = u128::from(whole) * self.len as u128 / u128::from(read.max(1));
        let rows = usize::try_from(rows.min(u128::from(u32::MAX))).unwrap_or(0);
        let rows = rows + rows / 32;
        self.groups.reserve_exact((rows / GROUP).saturating_sub(self.groups.len()));
        self.distances.reserve_exact((rows * 2).saturating_sub(self.distances.len()));
    }

    /// Says where the last row ends.
    pub(crate) fn finish(&mut self, end: u64) {
        self.close();
        self.end = end;
        self.groups.shrink_to_fit();
        self.distances.shrink_to_fit();
    }

    fn close(&mut self) {
        let (Some(&start), Some(&last)) = (self.open.first(), self.open.last()) else { return };
        let width: u8 = match last - start {
            0..0x1_0000 => 2,
            0x1_0000..0x1_0000_0000 => 4,
            _ => 8,
        };
        self.groups.push(Group { start, line: self.line, place: self.distances.len() as u64, width });
        for row in self.open.drain(..) {
            self.distances.extend(&(row - start).to_le_bytes()[..usize::from(width)]);
        }
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Where `row` begins; behind the last row, where that ends.
    pub(crate) fn start(&self, row: usize) -> u64 {
        if row >= self.len {
            return self.end;
        }
        let group = self.groups[row / GROUP];
        let width = usize::from(group.width);
        let place = group.place as usize + row % GROUP * width;
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(&self.distances[place..place + width]);
        group.start + u64::from_le_bytes(bytes)
    }

    /// Where `row` lies, with whatever stands between it and the next one.
    pub(crate) fn range(&self, row: usize) -> Range<u64> {
        self.start(row)..self.start(row + 1)
    }

    /// A place at or before `row` whose line is known, and that line.
    pub(crate) fn landmark(&self, row: usize) -> (u64, u64) {
        self.groups.get(row / GROUP).map_or((0, 1), |group| (group.start, group.line))
    }

    /// The first rows of blocks of about `bytes` each.
    pub(crate) fn blocks(&self, bytes: u64) -> Vec<usize> {
        let mut firsts: Vec<usize> = Vec::new();
        let mut next = 0;
        for (number, group) in self.groups.iter().enumerate() {
            if firsts.is_empty() || group.start >= next {
                firsts.push(number * GROUP);
                next = group.start + bytes;
            }
        }
        firsts
    }
}

/// Cuts `rows` into runs that are read with one read each: the next row of a run begins behind the one before, and no more
/// than `gap` bytes lie between them; a run of several rows has `most` bytes at most. `range` says where a row lies.
pub(crate) fn runs<'a>(
    rows: &'a [u32],
    gap: u64,
    most: u64,
    range: impl Fn(u32) -> Range<u64> + 'a,
) -> impl Iterator<Item = (&'a [u32], Range<u64>)> + 'a {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let mut whole = range(*rest.first()?);
        let mut count = 1;
        while let Some(&row) = rest.get(count) {
            let next = range(row);
            if next.start < whole.end || next.start - whole.end > gap || next.end - whole.start > most {
                break;
            }
            whole.end = next.end;
            count += 1;
        }
        let (run, behind) = rest.split_at(count);
        rest = behind;
        Some((run, whole))
    })
}

/// Cuts `rows` where the file changes: `starts` holds the number of rows before each file, and at the end that of all rows.
/// Each piece comes with the number of its file.
pub(crate) fn by_file<'a>(rows: &'a [u32], starts: &'a [usize]) -> impl Iterator<Item = (usize, &'a [u32])> + 'a {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let file = file_of(*rest.first()? as usize, starts);
        let inside = starts[file]..starts.get(file + 1).copied().unwrap_or(usize::MAX);
        let count = rest.iter().take_while(|&&row| inside.contains(&(row as usize))).count().max(1);
        let (piece, behind) = rest.split_at(count);
        rest = behind;
        Some((file, piece))
    })
}

/// Calls `visit` with the id of each of `rows` where files have no key column: the name of the file, and the row within it.
/// The files begin at `starts`.
pub(crate) fn visit_counted<'a>(rows: &[u32], starts: &[usize], name: impl Fn(usize) -> &'a str, visit: VisitKey<'_>) {
    let (mut id, mut digits) = (String::new(), itoa::Buffer::new());
    for &row in rows {
        let file = file_of(row as usize, starts);
        id.clear();
        id.push_str(name(file));
        id.push('#');
        id.push_str(digits.format(row as usize - starts[file]));
        visit(Ok(Cow::Borrowed(&id)));
    }
}

/// The number of the file that holds `row`.
pub(crate) fn file_of(row: usize, starts: &[usize]) -> usize {
    starts.partition_point(|&start| start <= row).saturating_sub(1).min(starts.len().saturating_sub(2))
}

/// The first rows of blocks that are cheap to read together, of files that begin with the rows `starts`. `within` gives those of
/// one file that is not held in memory. What is in memory is cheap to read in any order: all of it is one block.
pub(crate) fn blocks_of(starts: &[usize], within: impl Fn(usize) -> Option<Vec<usize>>) -> Vec<usize> {
    let mut firsts = vec![0];
    let mut any = false;
    for (file, ends) in starts.windows(2).enumerate() {
        let inside = within(file);
        any |= inside.is_some();
        firsts.extend(
            inside.unwrap_or_else(|| vec![0]).into_iter().map(|row| row + ends[0]).filter(|&row| row < ends[1]),
        );
    }
    firsts.dedup();
    if any { firsts } else { vec![0] }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_row_is_found_where_it_was_put(
            lengths in proptest::collection::vec(prop_oneof![1_u64..300, 1_u64..70_000, Just(1 << 27)], 0..400),
        ) {
            let mut index = RowIndex::default();
            let mut starts = vec![5];
            for (row, length) in lengths.iter().enumerate() {
                index.push(starts[row], row as u64 + 2);
                starts.push(starts[row] + length);
            }
            index.expect(1, 2);
            index.finish(starts[lengths.len()]);
            prop_assert_eq!(index.len(), lengths.len());
            for row in 0..lengths.len() {
                prop_assert_eq!(index.range(row), starts[row]..starts[row + 1]);
                let (place, line) = index.landmark(row);
                let first = line as usize - 2;
                prop_assert!(starts[first] == place && first <= row && row - first < GROUP);
            }
            let blocks = index.blocks(1000);
            prop_assert_eq!(blocks.first(), (!lengths.is_empty()).then_some(&0));
            prop_assert!(blocks.windows(2).all(|two| two[0] < two[1] && starts[two[1]] - starts[two[0]] >= 1000));
        }

        #[test]
        fn runs_are_all_rows_in_their_order(rows in proptest::collection::vec(0_u32..60, 0..40)) {
            let range = |row: u32| u64::from(row) * 10..u64::from(row) * 10 + 9;
            let mut all: Vec<u32> = Vec::new();
            for (run, whole) in runs(&rows, 25, 100, range) {
                prop_assert!(run.len() == 1 || whole.end - whole.start <= 100);
                prop_assert!(run.windows(2).all(|two| two[0] < two[1] && two[1] - two[0] <= 3));
                prop_assert_eq!((whole.start, whole.end), (range(run[0]).start, range(run[run.len() - 1]).end));
                all.extend(run);
            }
            prop_assert_eq!(all, rows);
        }
    }

    #[test]
    fn rows_next_to_each_other_are_one_run() {
        let range = |row: u32| u64::from(row) * 10..u64::from(row) * 10 + 10;
        let count = |rows: &[u32]| runs(rows, 0, 1000, range).count();
        assert_eq!((count(&[3, 4, 5]), count(&[3, 5, 4]), count(&[3, 3])), (1, 3, 2));
        assert_eq!(runs(&(0..250).collect::<Vec<_>>(), 0, 1000, range).count(), 3);
    }

    #[test]
    fn rows_are_cut_where_the_file_changes() {
        // The second file has no rows.
        let starts = [0, 3, 3, 8];
        let rows = [0, 2, 1, 3, 7, 4, 2, 7];
        let pieces: Vec<(usize, &[u32])> = by_file(&rows, &starts).collect();
        assert_eq!(pieces, [(0, &rows[..3]), (2, &rows[3..6]), (0, &rows[6..7]), (2, &rows[7..])]);
        assert_eq!(blocks_of(&starts, |_| None), [0]);
        assert_eq!(blocks_of(&starts, |file| (file == 2).then(|| vec![0, 2])), [0, 3, 5]);
    }

    #[test]
    fn a_row_costs_two_bytes_and_a_half() {
        let mut index = RowIndex::default();
        (0..64_000).for_each(|row| index.push(row * 400, row));
        index.finish(64_000 * 400);
        let bytes = index.distances.capacity() + index.groups.capacity() * size_of::<Group>();
        assert!(bytes <= 64_000 * 5 / 2, "{bytes} bytes");
    }
}
