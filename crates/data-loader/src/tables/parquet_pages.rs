//! Do the pages of a Parquet file hold what its footer promises?
//!
//! A decoder reserves memory for as many values as a page header claims. So the headers are read here first: they are small,
//! one stands before each page, and what they claim is compared with the bytes that are there. They are written in the
//! compact protocol of Apache Thrift; the numbers of the fields are those of `parquet.thrift`, `struct PageHeader`.

use std::io::Read;

use parquet::file::metadata::ColumnChunkMetaData;

use crate::tables::parquet_chunks::Chunks;

/// The longest header that is read; page statistics may stand in it.
const MAX_HEADER: u64 = 1 << 20;
/// The most bytes to which a page may unpack.
const MAX_PAGE: u64 = 1 << 30;
/// How deep structures may lie within each other.
const MAX_DEPTH: usize = 8;

/// Walks over the page headers of `chunk` in a file. `rows` is how many rows its row group promises. The
/// number of bytes that its pages unpack to is given back, or what is wrong.
pub(crate) fn check_chunk(file: &Chunks, chunk: &ColumnChunkMetaData, rows: u64) -> Result<u64, String> {
    let offset = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
    let place = (u64::try_from(offset), u64::try_from(chunk.compressed_size()), u64::try_from(chunk.num_values()));
    let (Ok(start), Ok(length), Ok(values)) = place else { return Err("lies before the beginning of the file".into()) };
    let end = start.checked_add(length).filter(|&end| end <= file.size()).ok_or("lies behind the end of the file")?;
    let mut place = start;
    let (mut found, mut unpacked) = (0_u64, 0_u64);
    while place < end {
        let mut header = Header::default();
        let header_bytes = file.from(place).take(MAX_HEADER.min(end - place));
        let mut compact = Compact { bytes: std::io::BufReader::with_capacity(512, header_bytes), read: 0 };
        compact.page(&mut header).ok_or("has a page header that cannot be read")?;
        place += compact.read;
        if header.packed < 0 || header.packed as u64 > end - place || header.unpacked < 0 {
            return Err("has a page that reaches beyond it".into());
        }
        let bytes = header.unpacked as u64;
        if bytes > MAX_PAGE {
            return Err(format!("has a page that unpacks to {bytes} bytes, and {MAX_PAGE} are allowed"));
        }
        if header.dictionary {
            // A value in a dictionary takes at least a byte.
            if u64::try_from(header.values).is_err() || header.values as u64 > bytes {
                return Err(format!("has a dictionary of {} values in {bytes} bytes", header.values));
            }
        } else if header.data {
            found += u64::try_from(header.values).map_err(|_| "has a page of fewer values than none".to_owned())?;
        }
        unpacked += bytes;
        place += header.packed as u64;
    }
    if found != values {
        return Err(format!("promises {values} values, and its pages hold {found}"));
    }
    // A value of a list may be one of several in a row.
    if values != rows && chunk.column_descr().max_rep_level() == 0 {
        return Err(format!("has {values} values for {rows} rows"));
    }
    Ok(unpacked)
}

/// What is asked of a page header.
#[derive(Default)]
struct Header {
    unpacked: i64,
    packed: i64,
    dictionary: bool,
    data: bool,
    values: i64,
}

/// A reader of the compact protocol. None is given back where the bytes end too early or are none.
struct Compact<R> {
    bytes: R,
    read: u64,
}

impl<R: Read> Compact<R> {
    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.bytes.read_exact(&mut byte).ok()?;
        self.read += 1;
        Some(byte[0])
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The number and type of the next field of a structure; type 0 ends it.
    fn field(&mut self, last: &mut i64) -> Option<(i64, u8)> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some((0, 0));
        }
        *last = match byte >> 4 {
            0 => self.signed()?,
            step => last.checked_add(i64::from(step))?,
        };
        Some((*last, byte & 0x0f))
    }

    fn page(&mut self, header: &mut Header) -> Option<()> {
        let mut last = 0;
        loop {
            match self.field(&mut last)? {
                (_, 0) => return Some(()),
                (2, 5) => header.unpacked = self.signed()?,
                (3, 5) => header.packed = self.signed()?,
                (number @ (5 | 7 | 8), 12) => {
                    header.dictionary |= number == 7;
                    header.data |= number != 7;
                    header.values = self.first_number()?;
                }
                (_, kind) => self.skip(kind, 0)?,
            }
        }
    }

    /// The number in the first field of a structure, which in every kind of page is that of its values.
    fn first_number(&mut self) -> Option<i64> {
        let (mut last, mut found) = (0, None);
        loop {
            match self.field(&mut last)? {
                (_, 0) => return found,
                (1, 5) => found = Some(self.signed()?),
                (_, kind) => self.skip(kind, 0)?,
            }
        }
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match kind {
            1 | 2 => {}
            3 => drop(self.byte()?),
            4..=6 => drop(self.unsigned()?),
            7 => (0..8).try_for_each(|_| self.byte().map(drop))?,
            8 => {
                let length = self.unsigned()?;
                (0..length).try_for_each(|_| self.byte().map(drop))?;
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.unsigned()? } else { u64::from(head >> 4) };
                for _ in 0..count {
                    match head & 0x0f {
                        // Truth values in a list take a byte each.
                        1 | 2 => drop(self.byte()?),
                        inner => self.skip(inner, depth + 1)?,
                    }
                }
            }
            12 => {
                let mut last = 0;
                loop {
                    match self.field(&mut last)? {
                        (_, 0) => break,
                        (_, inner) => self.skip(inner, depth + 1)?,
                    }
                }
            }
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of these bytes, with how many of them belong to the header.
    fn page(bytes: &[u8]) -> Option<(Header, u64)> {
        let (mut header, mut compact) = (Header::default(), Compact { bytes, read: 0 });
        compact.page(&mut header)?;
        Some((header, compact.read))
    }

    #[test]
    fn page_headers_are_read_and_what_does_not_matter_is_stepped_over() {
        // Type 0, unpacked 300, packed 200, field 5 with 7 values, a list, a text, a truth value and a real number within.
        let mut bytes = vec![0x15, 0, 0x15, 0xd8, 4, 0x15, 0x90, 3];
        bytes.extend([
            0x2c, 0x15, 14, 0x19, 0x25, 2, 4, 0x18, 3, b'a', b'b', b'c', 0x11, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ]);
        bytes.extend([0, 99]);
        let (header, read) = page(&bytes).unwrap();
        assert_eq!((header.unpacked, header.packed, header.values), (300, 200, 7));
        assert!(header.data && !header.dictionary);
        assert_eq!(read as usize, bytes.len() - 1);
        for cut in 0..bytes.len() - 1 {
            assert!(page(&bytes[..cut]).is_none(), "{cut}");
        }
        let (header, _) = page(&[0x15, 4, 0x15, 8, 0x15, 8, 0x4c, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0]).unwrap();
        assert_eq!((header.dictionary, header.values), (true, i64::from(i32::MAX)));
    }

    #[test]
    fn headers_that_never_end_are_none() {
        // Structures within structures, a list of 2^63 truth values, a number of eleven bytes.
        for bytes in [
            [0x9c; 64].to_vec(),
            [&[0x99, 0xf1][..], &[0xff; 9], &[0x7f]].concat(),
            [&[0x15][..], &[0xff; 12]].concat(),
            vec![0x9e],
        ] {
            assert!(page(&bytes).is_none(), "{bytes:?}");
        }
    }
}
