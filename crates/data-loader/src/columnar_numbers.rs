//! How are the numbers of many rows taken from columns without a record for each row? Column by column within each block.

use super::Columnar;

impl Columnar {
    /// Puts the numbers in these columns at each of `rows` one after the other, row by row; false if they must be read one by one.
    pub(super) fn numbers_at(&self, rows: &[u32], names: &[&str], numbers: &mut Vec<f64>) -> bool {
        numbers.resize(rows.len() * names.len(), f64::NAN);
        let mut done = 0;
        while let Some(&row) = rows.get(done) {
            let (place, first) = self.locate(row as usize);
            let starts = self.files[place].blocks.starts();
            let block = starts.partition_point(|&start| start <= first) - 1;
            // The rows that follow in the same block, by their places in it.
            let inside = self.starts[place] + starts[block]..self.starts[place] + starts[block + 1];
            let same = rows[done..].iter().take_while(|&&row| inside.contains(&(row as usize)));
            let places: Vec<usize> = same.map(|&row| row as usize - inside.start).collect();
            let numbers = &mut numbers[done * names.len()..(done + places.len()) * names.len()];
            if self.numbers_of(place, first, &places, names, numbers).is_none() {
                return false;
            }
            done += places.len();
        }
        true
    }

    /// Puts the numbers in these columns at `places` of the block around `row` into `numbers`, row by row.
    fn numbers_of(
        &self,
        place: usize,
        row: usize,
        places: &[usize],
        names: &[&str],
        numbers: &mut [f64],
    ) -> Option<()> {
        let file = &self.files[place];
        let (first, _) = self.block(place, row, 0).ok()?;
        let (second, _) = self.block(place, row, 1).ok()?;
        let (mut from, width) = (0, names.len());
        for (number, name) in names.iter().enumerate() {
            let column = *file.places.get(*name)?;
            let of_group = |group: usize| file.groups[group].iter().position(|&found| found == column);
            // Columns come in the order in which they lie, so that each is mostly found at once.
            let (decoded, at) = match file.groups[1].get(from) {
                Some(&next) if next == column => (&second, from),
                _ => match of_group(1) {
                    Some(at) => (&second, at),
                    None => (&first, of_group(0)?),
                },
            };
            from = at + 1;
            let targets = numbers[number..].iter_mut().step_by(width);
            if !decoded.cells[at].numbers(places, &file.meanings[column], targets) {
                return None;
            }
        }
        Some(())
    }
}
