//! What does a program for Linux ask for before it can run? Its loader and its libraries, as its ELF headers name them.
//!
//! Files are not believed: every offset is looked up where there are bytes or refused, and what is read grows with what
//! is there. The layout is that of the System V ABI, for 64 bits and little ends.

/// Kinds of machines that images are made for, by their number in an ELF header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    X86_64,
    Aarch64,
}

impl Machine {
    /// As images call it.
    pub fn architecture(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// As Debian calls the folder of its libraries.
    pub fn triplet(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-linux-gnu",
            Self::Aarch64 => "aarch64-linux-gnu",
        }
    }
}

/// What a program or a library asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    pub machine: Machine,
    /// The path of its loader; a library and a program that is linked statically have none.
    pub loader: Option<String>,
    /// The names of the libraries that it names itself.
    pub libraries: Vec<String>,
}

const SEGMENT: usize = 56;
const ENTRY: usize = 16;
/// More are asked for by nobody who means well.
const MOST: usize = 1024;
const LOAD: u32 = 1;
const DYNAMIC: u32 = 2;
const INTERPRETER: u32 = 3;
const NEEDED: u64 = 1;
const NAMES: u64 = 5;
const NAMES_SIZE: u64 = 10;

struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

/// Reads the headers of a file.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub fn read(bytes: &[u8]) -> Result<Needs, String> {
    if bytes.get(..4) != Some(b"\x7fELF") {
        return Err("it is no program for Linux: it does not begin as ELF files do".into());
    }
    if bytes.get(4..6) != Some(&[2, 1]) {
        return Err("it is not for a machine with 64 bits and little ends".into());
    }
    let machine = match number(bytes, 18, 2)? {
        62 => Machine::X86_64,
        183 => Machine::Aarch64,
        other => {
            return Err(format!("it is for a machine of kind {other}, and images are made for x86-64 and AArch64"));
        }
    };
    if !matches!(number(bytes, 16, 2)?, 2 | 3) {
        return Err("it is neither a program nor a library".into());
    }
    let segments = segments(bytes)?;
    let one = |kind: u32| segments.iter().find(|segment| segment.kind == kind);
    let loader = match one(INTERPRETER) {
        Some(segment) => Some(loader(slice(bytes, segment.offset, segment.size)?)?),
        None => None,
    };
    let libraries = match one(DYNAMIC) {
        Some(segment) => libraries(bytes, &segments, slice(bytes, segment.offset, segment.size)?)?,
        None => Vec::new(),
    };
    Ok(Needs { machine, loader, libraries })
}

fn segments(bytes: &[u8]) -> Result<Vec<Segment>, String> {
    let (start, size, count) = (number(bytes, 32, 8)?, number(bytes, 54, 2)?, number(bytes, 56, 2)?);
    if size != SEGMENT as u64 || count as usize > MOST {
        return Err("its table of segments is none".into());
    }
    let table = slice(bytes, start, size * count)?;
    let segment = |row: &[u8]| {
        Ok(Segment {
            kind: number(row, 0, 4)? as u32,
            offset: number(row, 8, 8)?,
            address: number(row, 16, 8)?,
            size: number(row, 32, 8)?,
        })
    };
    table.chunks_exact(SEGMENT).map(segment).collect()
}

fn loader(bytes: &[u8]) -> Result<String, String> {
    let path = text(bytes, 0)?;
    let plain = |part: &str| is_plain(part) && part != "." && part != "..";
    match path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain)) {
        true => Ok(path.to_owned()),
        false => Err(format!("it names `{}` as its loader, which is no path", path.escape_debug())),
    }
}

fn libraries(bytes: &[u8], segments: &[Segment], table: &[u8]) -> Result<Vec<String>, String> {
    let entries: Vec<(u64, u64)> = table
        .chunks_exact(ENTRY)
        .map(|row| Ok((number(row, 0, 8)?, number(row, 8, 8)?)))
        .take_while(|entry| !matches!(entry, Ok((0, _))))
        .collect::<Result<_, String>>()?;
    let value = |tag: u64| entries.iter().find(|(found, _)| *found == tag).map(|(_, value)| *value);
    let needed: Vec<u64> = entries.iter().filter(|(tag, _)| *tag == NEEDED).map(|(_, value)| *value).collect();
    if needed.is_empty() {
        return Ok(Vec::new());
    }
    if needed.len() > MOST {
        return Err("it asks for more libraries than there are".into());
    }
    let (Some(address), Some(size)) = (value(NAMES), value(NAMES_SIZE)) else {
        return Err("it asks for libraries and has no names for them".into());
    };
    let names = slice(bytes, offset_of(segments, address)?, size)?;
    let name = |place: u64| {
        let name = text(names, place)?;
        match is_plain(name) {
            true => Ok(name.to_owned()),
            false => Err(format!("it asks for `{}`, which is no name of a library", name.escape_debug())),
        }
    };
    needed.into_iter().map(name).collect()
}

/// Where in the file lies what the program sees at an address.
fn offset_of(segments: &[Segment], address: u64) -> Result<u64, String> {
    let inside = |segment: &&Segment| {
        segment.kind == LOAD && address.checked_sub(segment.address).is_some_and(|within| within < segment.size)
    };
    let segment = segments.iter().find(inside).ok_or("an address in it leads nowhere")?;
    (address - segment.address).checked_add(segment.offset).ok_or_else(|| "an address in it leads nowhere".into())
}

fn slice(bytes: &[u8], start: u64, length: u64) -> Result<&[u8], String> {
    let end = start.checked_add(length).and_then(|end| usize::try_from(end).ok());
    let range = usize::try_from(start).ok().zip(end);
    range.and_then(|(start, end)| bytes.get(start..end)).ok_or_else(|| "it is cut off".into())
}

/// A number of up to eight bytes.
fn number(bytes: &[u8], start: u64, length: u64) -> Result<u64, String> {
    Ok(slice(bytes, start, length)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// The text from a place to the next zero.
fn text(bytes: &[u8], start: u64) -> Result<&str, String> {
    let rest = usize::try_from(start).ok().and_then(|start| bytes.get(start..)).ok_or("a name in it leads nowhere")?;
    let end = rest.iter().position(|byte| *byte == 0).ok_or("a name in it has no end")?;
    std::str::from_utf8(&rest[..end]).map_err(|_| "a name in it is no text".into())
}

fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
    !name.is_empty() && name.len() <= 255 && name.chars().all(plain) && name != "." && name != ".."
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A file that asks for these libraries by this loader, and holds nothing else.
    pub fn asking_for(machine: u16, loader: Option<&str>, libraries: &[&str]) -> Vec<u8> {
        let mut names = vec![0];
        let mut table: Vec<(u64, u64)> = Vec::new();
        for library in libraries {
            table.push((NEEDED, names.len() as u64));
            names.extend(library.bytes().chain([0]));
        }
        let count = 2 + usize::from(loader.is_some());
        let begin = 64 + SEGMENT * count;
        let loader_bytes: Vec<u8> = loader.map(|path| path.bytes().chain([0]).collect()).unwrap_or_default();
        let names_at = begin + loader_bytes.len();
        let table_at = names_at + names.len();
        // Addresses are offsets and a page.
        table.extend([(NAMES, names_at as u64 + 4096), (NAMES_SIZE, names.len() as u64), (0, 0)]);
        let whole = table_at + table.len() * ENTRY;
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        file.extend([3, 0]);
        file.extend(machine.to_le_bytes());
        file.resize(32, 0);
        file.extend(64_u64.to_le_bytes());
        file.resize(54, 0);
        file.extend((SEGMENT as u16).to_le_bytes());
        file.extend((count as u16).to_le_bytes());
        file.resize(64, 0);
        let mut segment = |kind: u32, offset: usize, size: usize| {
            let row: Vec<u8> = [kind.to_le_bytes(), [0; 4]].concat();
            file.extend(row);
            for field in [offset, offset + 4096, offset, size, size, 1] {
                file.extend((field as u64).to_le_bytes());
            }
        };
        segment(LOAD, 0, whole);
        segment(DYNAMIC, table_at, table.len() * ENTRY);
        if loader.is_some() {
            segment(INTERPRETER, begin, loader_bytes.len());
        }
        file.extend(loader_bytes);
        file.extend(names);
        file.extend(table.iter().flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()].concat()));
        file
    }

    #[test]
    fn loader_and_libraries_are_read() {
        let file = asking_for(183, Some("/lib/ld.so.1"), &["libc.so.6", "libstdc++.so.6"]);
        let needs = read(&file).unwrap();
        assert_eq!((needs.machine, needs.machine.architecture()), (Machine::Aarch64, "arm64"));
        assert_eq!(
            (needs.loader.as_deref(), needs.libraries),
            (Some("/lib/ld.so.1"), vec!["libc.so.6".into(), "libstdc++.so.6".into()])
        );
        let needs = read(&asking_for(62, None, &[])).unwrap();
        assert_eq!(needs, Needs { machine: Machine::X86_64, loader: None, libraries: Vec::new() });
    }

    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    #[test]
    fn a_real_program_is_read() {
        let needs = read(&std::fs::read(std::env::current_exe().unwrap()).unwrap()).unwrap();
        assert!(needs.machine.triplet().starts_with(std::env::consts::ARCH));
        if needs.loader.is_some() {
            assert!(needs.libraries.iter().any(|name| name.starts_with("libc.")), "{needs:?}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["", "../x", "/lib/x", "a b", "a\n", "..", "é"] {
            assert!(read(&asking_for(62, None, &[name])).is_err(), "{name:?}");
        }
        for loader in ["", "ld.so", "/", "/../ld.so", "/lib//ld.so", "/lib/./ld.so", "/a b", "/lib/"] {
            assert!(read(&asking_for(62, Some(loader), &["libc.so.6"])).is_err(), "{loader:?}");
        }
    }

    #[test]
    fn whatever_the_bytes_say_it_is_read_or_refused() {
        let good = asking_for(62, Some("/lib64/ld.so"), &["libc.so.6"]);
        for length in 0..good.len() {
            assert!(read(&good[..length]).is_err(), "cut off at {length}");
        }
        let mut refused = 0;
        for place in 0..good.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[place] = byte;
                refused += usize::from(read(&bad).is_err());
            }
        }
        assert!(refused > 100);
        for text in [b"".as_slice(), b"#!/bin/sh\n", b"MZ", b"\x7fELF", b"\x7fELF\x01\x01"] {
            assert!(!read(text).unwrap_err().is_empty());
        }
        assert!(read(&asking_for(8, None, &[])).unwrap_err().contains("kind 8"));
    }
}
