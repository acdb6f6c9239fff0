//! How are rows taken from decoded columns? Many of them together, column by column within each block.

use super::Columnar;
use crate::error::Error;
use crate::example::{Record, Value};
use crate::formats::Records;
use crate::tables::cells::{Cells, is_taken};

/// Of some rows of a block their places in it, and among all rows that were asked for.
type Places = Vec<(usize, usize)>;

impl Columnar {
    /// Puts a row into `record`, whose memory is used again.
    pub(super) fn fill(&self, row: usize, record: &mut Record) -> Result<(), Error> {
        let (place, row) = self.locate(row);
        let file = &self.files[place];
        record.id.key = self.key_in(place, row)?;
        let (decoded, at) = self.block(place, row, 1)?;
        let mut count = file.groups[1].len();
        for (number, (&column, cells)) in file.groups[1].iter().zip(&decoded.cells).enumerate() {
            record.set(number, &file.names[column], self.cell(place, row, column, cells, at)?);
        }
        if let Some(column) = file.target
            && let Some(cells) = file.groups[0].iter().position(|&found| found == column)
        {
            let (decoded, at) = self.block(place, row, 0)?;
            record.set(count, &file.names[column], self.cell(place, row, column, &decoded.cells[cells], at)?);
            count += 1;
        }
        record.fields.truncate(count);
        Ok(())
    }

    /// Cuts `rows` into those of one block each, ascending: the file, a row in the block, and of each row its place in the block
    /// and among `rows`.
    fn by_block(&self, rows: &[u32]) -> Vec<(usize, usize, Places)> {
        let mut order: Vec<(usize, usize)> =
            rows.iter().enumerate().map(|(place, &row)| (row as usize, place)).collect();
        order.sort_unstable();
        let (mut blocks, mut rest) = (Vec::new(), &order[..]);
        while let Some(&(row, _)) = rest.first() {
            let (file, first) = self.locate(row);
            let starts = self.files[file].blocks.starts();
            let block = starts.partition_point(|&start| start <= first) - 1;
            let (begin, end) = (self.starts[file] + starts[block], self.starts[file] + starts[block + 1]);
            let (inside, behind) = rest.split_at(rest.partition_point(|&(row, _)| row < end));
            blocks.push((file, first, inside.iter().map(|&(row, place)| (row - begin, place)).collect()));
            rest = behind;
        }
        blocks
    }

    /// Puts the numbers in these columns at each of `rows` one after the other, row by row; false if they must be read one by
    /// one.
    pub(super) fn numbers_at(&self, rows: &[u32], names: &[&str], numbers: &mut Vec<f64>) -> bool {
        // What stands in it is written over, so that it need not be filled first.
        numbers.resize(rows.len() * names.len(), f64::NAN);
        let blocks = self.by_block(rows);
        // Rows that lie in one or two blocks are probably read in the order in which they lie.
        let ahead = blocks.len() <= 2;
        blocks.iter().all(|(file, row, places)| self.numbers_of(*file, *row, ahead, places, names, numbers).is_some())
    }

    /// Puts the numbers of the block around `row` into `numbers`, row by row.
    fn numbers_of(
        &self,
        place: usize,
        row: usize,
        ahead: bool,
        places: &[(usize, usize)],
        names: &[&str],
        numbers: &mut [f64],
    ) -> Option<()> {
        let file = &self.files[place];
        // Of each column its group, and its place in that.
        let mut columns: Vec<(usize, usize)> = Vec::with_capacity(names.len());
        for name in names {
            let column = *file.places.get(*name)?;
            if !file.meanings[column].is_plain() {
                return None;
            }
            // Features come in the order in which they lie, so that each is mostly found at once.
            let next = columns.last().map_or(0, |(_, at)| at + 1);
            columns.push(match file.groups[1].get(next) {
                Some(&found) if found == column => (1, next),
                _ => (0..2).find_map(|group| {
                    let at = file.groups[group].iter().position(|&found| found == column)?;
                    Some((group, at))
                })?,
            });
        }
        let needs = |group: usize| columns.iter().any(|(of, _)| *of == group);
        if ahead && needs(1) {
            self.help_ahead(place, row);
        }
        let mut decoded = [None, None];
        for group in (0..2).filter(|&group| needs(group)) {
            decoded[group] = Some(self.block(place, row, group).ok()?.0);
        }
        let mut rest = columns.into_iter().enumerate().peekable();
        while let Some((number, (group, at))) = rest.next() {
            let cells = &decoded[group].as_ref()?.cells;
            let numbers = &mut numbers[number..];
            let Cells::Interleaved(first) = &cells[at] else {
                if !cells[at].numbers(places, numbers, names.len()) {
                    return None;
                }
                continue;
            };
            // Those that lie behind it are taken with it.
            let mut more = 0;
            while let Some((_, (of, at))) = rest.peek()
                && *of == group
                && let Cells::Interleaved(next) = &cells[*at]
                && first.continues(more, next)
            {
                more += 1;
                rest.next();
            }
            let mut all = true;
            for &(cell, target) in places {
                let target = &mut numbers[target * names.len()..][..=more];
                target.copy_from_slice(first.row(cell, more));
                all &= target.iter().fold(true, |all, &number| all & is_taken(number));
            }
            if !all {
                return None;
            }
        }
        Some(())
    }

    /// Where another thread is decoding the block around `row`, the next one is decoded while it does.
    fn help_ahead(&self, place: usize, row: usize) {
        let starts = self.files[place].blocks.starts();
        let next = starts.partition_point(|&start| start <= row);
        if next + 1 < starts.len() && self.cache.is_under_way((place, next - 1, 1)) {
            // What is wrong with it is said when it is needed.
            drop(self.block(place, starts[next], 1));
        }
    }

    /// The values of one column at `rows`.
    pub(super) fn fields_at(&self, rows: &[u32], name: &str) -> Vec<Result<Value, Error>> {
        let mut values: Vec<Option<Result<Value, Error>>> = rows.iter().map(|_| None).collect();
        for (place, row, places) in self.by_block(rows) {
            let file = &self.files[place];
            let Some(&column) = file.places.get(name) else { continue };
            let (group, at) = match file.groups[0].iter().position(|&found| found == column) {
                Some(at) => (0, at),
                None => (file.groups.len() + column, 0),
            };
            let Ok((decoded, inside)) = self.block(place, row, group) else { continue };
            for (cell, target) in places {
                let value = self.cell(place, row + cell - inside, column, &decoded.cells[at], cell);
                values[target] = Some(value);
            }
        }
        // What could not be had together is asked for alone, and says why.
        let alone = |(value, &row): (Option<_>, &u32)| value.unwrap_or_else(|| self.field(row as usize, name));
        values.into_iter().zip(rows).map(alone).collect()
    }
}
