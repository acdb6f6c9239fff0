//! Which number does a text stand for? That of the standard library, found faster where the text is short and plain.

/// The powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The number that `text` stands for, rounded as `str::parse` rounds it.
///
/// Digits with a point among them are a whole number through a power of ten. Where a double holds both exactly, their
/// quotient is rounded once, as William Clinger showed in "How to Read Floating Point Numbers Accurately" (1990). All other
/// texts are left to the standard library.
#[inline]
pub(crate) fn parse(text: &str) -> Result<f64, std::num::ParseFloatError> {
    plain(text.as_bytes()).map_or_else(|| text.parse(), Ok)
}

/// The number that `text` stands for, if it is short and plain.
#[inline]
pub(crate) fn plain(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    // 18 digits cannot overflow 64 bits; one more place is for the point.
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut whole = 0_u64;
    let mut point = None;
    for (place, &byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            whole = whole.wrapping_mul(10).wrapping_add(u64::from(digit));
        } else if byte == b'.' && point.is_none() {
            point = Some(place);
        } else {
            return None;
        }
    }
    let behind = point.map_or(0, |point| digits.len() - point - 1);
    let count = digits.len() - usize::from(point.is_some());
    if count == 0 || whole > 1 << 53 || count > 18 {
        return None;
    }
    let number = whole as f64 / POWERS[behind];
    Some(if negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(text: &str) {
        match (parse(text), text.parse::<f64>()) {
            (Ok(found), Ok(wanted)) => assert_eq!(found.to_bits(), wanted.to_bits(), "{text}"),
            (found, wanted) => assert_eq!(found.is_ok(), wanted.is_ok(), "{text}"),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]
        #[test]
        fn every_text_is_the_number_of_the_standard_library(
            number: f64, digits in "-?[0-9]{0,20}\\.?[0-9]{0,20}", text in "[-+.0-9eE]{0,8}", places in 0_usize..12,
        ) {
            same(&format!("{number}"));
            same(&format!("{number:e}"));
            same(&format!("{:.places$}", number % 1e6));
            same(&digits);
            same(&text);
        }
    }

    #[test]
    fn edges() {
        for text in ["", "-", ".", "-.", "0", "-0", "1.", ".5", "-.5", "9007199254740992", "9007199254740993", "1..2"] {
            same(text);
        }
        assert!(plain(b"-0.123456789").is_some(), "a plain number takes the slow way");
    }
}
