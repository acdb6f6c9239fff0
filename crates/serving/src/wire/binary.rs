//! How do tensors travel as bytes behind the JSON? As Triton's extension of the protocol has it: the lowest byte first, row-major.

use super::Refusal;
use super::arrays::{Element, Place};

/// With this header the JSON has so many bytes, and tensors stand behind it.
pub(crate) const HEADER: &str = "inference-header-content-length";

/// A number of a fixed width.
pub(super) trait Packed: Element {
    /// How many bytes it has.
    const BYTES: usize;
    /// The number, if it can be one of this type.
    fn unpack(bytes: &[u8]) -> Option<Self>;
}

impl Packed for u8 {
    const BYTES: usize = 1;
    fn unpack(bytes: &[u8]) -> Option<Self> {
        bytes.first().copied()
    }
}

impl Packed for i64 {
    const BYTES: usize = 8;
    fn unpack(bytes: &[u8]) -> Option<Self> {
        Some(Self::from_le_bytes(bytes.try_into().ok()?))
    }
}

impl Packed for f32 {
    const BYTES: usize = 4;
    fn unpack(bytes: &[u8]) -> Option<Self> {
        Some(Self::from_le_bytes(bytes.try_into().ok()?)).filter(|number| number.is_finite())
    }
}

/// The places of a mask, one byte or one number of 32 bits each.
pub(super) fn places(bytes: &[u8], count: usize, wide: bool) -> Result<Vec<Place>, String> {
    match wide {
        true => Ok(unpacked::<f32>(bytes, count)?.into_iter().map(|number| Place(number != 0.0)).collect()),
        false => Ok(unpacked::<u8>(bytes, count)?.into_iter().map(|byte| Place(byte != 0)).collect()),
    }
}

/// So many numbers out of as many bytes as they have.
///
/// # Errors
/// What is wrong, half a sentence.
pub(super) fn unpacked<T: Packed>(bytes: &[u8], count: usize) -> Result<Vec<T>, String> {
    if count.checked_mul(T::BYTES) != Some(bytes.len()) {
        return Err(format!("{} bytes are not {count} numbers of {} bytes", bytes.len(), T::BYTES));
    }
    let numbers = bytes.chunks_exact(T::BYTES).map(T::unpack).collect::<Option<Vec<T>>>();
    numbers.ok_or_else(|| format!("one of them is not {}", T::WHAT))
}

/// The JSON of a body, and what stands behind it.
///
/// # Errors
/// If the body has fewer bytes than the JSON.
pub(super) fn parts(body: &[u8], json: Option<usize>) -> Result<(&[u8], &[u8]), Refusal> {
    let length = json.unwrap_or(body.len());
    body.split_at_checked(length).ok_or_else(|| {
        Refusal::bad(format!("the body has {} bytes, and its JSON alone should have {length}", body.len()))
            .with_hint("the header Inference-Header-Content-Length tells the bytes of the JSON")
    })
}

/// Texts as bytes: before each its length in four.
pub(super) fn texts(texts: &[&str]) -> Vec<u8> {
    let one = |text: &&str| [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    texts.iter().flat_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_others_are_refused() {
        assert_eq!(unpacked::<f32>(&[0, 0, 128, 63, 0, 0, 0, 192], 2), Ok(vec![1.0, -2.0]));
        assert_eq!(unpacked::<i64>(&(-3_i64).to_le_bytes(), 1), Ok(vec![-3]));
        assert_eq!(unpacked::<u8>(&[7, 255], 2), Ok(vec![7, 255]));
        assert!(unpacked::<f32>(&f32::NAN.to_le_bytes(), 1).unwrap_err().contains("finite"));
        for (bytes, count) in [(3, 1), (8, 1), (0, 1), (4, usize::MAX)] {
            assert!(unpacked::<f32>(&vec![0; bytes], count).unwrap_err().contains("are not"));
        }
        let masks = |bytes: &[u8], wide| places(bytes, 2, wide).map(|all| all.iter().map(|Place(it)| *it).collect());
        assert_eq!(masks(&[0, 0, 128, 63, 0, 0, 0, 0], true), Ok(vec![true, false]));
        assert_eq!(masks(&[0, 1], false), Ok(vec![false, true]));
        assert_eq!(texts(&["ab", ""]), [2, 0, 0, 0, b'a', b'b', 0, 0, 0, 0]);
        assert_eq!(parts(b"{}xy", Some(2)).unwrap(), (&b"{}"[..], &b"xy"[..]));
        assert_eq!((parts(b"{}", None).unwrap().1.len(), parts(b"{}", Some(3)).unwrap_err().status), (0, 400));
    }
}
