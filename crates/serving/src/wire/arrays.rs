//! How does an array in JSON become numbers? Flat or nested as its shape says, and never more of them than the shape
//! has room for.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A number as it stands in JSON.
#[derive(Clone, Copy)]
pub(super) enum Digits {
    Bool(bool),
    Whole(i64),
    Large(u64),
    Real(f64),
}

/// A type that tensors have.
pub(super) trait Element: Sized {
    /// What is expected.
    const WHAT: &'static str;
    /// The number, if it can be one of this type.
    fn of(digits: Digits) -> Option<Self>;
}

impl Element for u8 {
    const WHAT: &'static str = "a whole number from 0 to 255";
    fn of(digits: Digits) -> Option<Self> {
        match digits {
            Digits::Whole(number) => number.try_into().ok(),
            _ => None,
        }
    }
}

impl Element for i64 {
    const WHAT: &'static str = "a whole number of 64 bits";
    fn of(digits: Digits) -> Option<Self> {
        match digits {
            Digits::Whole(number) => Some(number),
            _ => None,
        }
    }
}

impl Element for f32 {
    const WHAT: &'static str = "a finite number of 32 bits";
    fn of(digits: Digits) -> Option<Self> {
        let number = match digits {
            Digits::Whole(number) => number as f32,
            Digits::Large(number) => number as f32,
            Digits::Real(number) => number as f32,
            Digits::Bool(_) => return None,
        };
        number.is_finite().then_some(number)
    }
}

/// A place of a mask: content or padding.
pub(super) struct Place(pub bool);

impl Element for Place {
    const WHAT: &'static str = "0, 1, false or true";
    fn of(digits: Digits) -> Option<Self> {
        match digits {
            Digits::Bool(content) => Some(Self(content)),
            Digits::Whole(number @ (0 | 1)) => Some(Self(number == 1)),
            Digits::Real(number) if number == 0.0 || number == 1.0 => Some(Self(number == 1.0)),
            _ => None,
        }
    }
}

/// The numbers in `json`, row-major: one array of all, or arrays within each other as `shape` says.
///
/// # Errors
/// A sentence about what does not suit the shape or the type.
pub(super) fn numbers<T: Element>(json: &RawValue, shape: &[usize]) -> Result<Vec<T>, String> {
    let room = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    let room = room.ok_or("its shape has more places than there can be")?;
    if let Some(numbers) = flat(json.get().as_bytes(), room) {
        return Ok(numbers);
    }
    let mut read = Read { shape, depth: 0, room, numbers: Vec::new(), nested: None };
    let mut text = serde_json::Deserializer::from_str(json.get());
    Inside(&mut read).deserialize(&mut text).map_err(|error| {
        // Behind what is wrong serde says where, counted from the beginning of this array.
        let text = error.to_string();
        text.split(" at line ").next().unwrap_or(&text).to_owned()
    })?;
    match read.numbers.len() == room {
        true => Ok(read.numbers),
        false => Err(format!("it has {} numbers, and the shape {shape:?} has room for {room}", read.numbers.len())),
    }
}

/// Up to so many digits a number is exact, and so is a power of ten: of both one quotient is the nearest number to what is written
/// (Clinger, "How to Read Floating Point Numbers Accurately", 1990).
const EXACT: usize = 15;
const POWERS: [f64; EXACT + 1] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// One array of `room` numbers of few digits, as most are, read at one go; of anything else nothing, for it to be read with care.
/// `json` is JSON, as was found out before.
fn flat<T: Element>(json: &[u8], room: usize) -> Option<Vec<T>> {
    let mut rest = json.trim_ascii().strip_prefix(b"[")?.strip_suffix(b"]")?;
    // Each number takes two bytes, but for the last.
    let mut numbers = Vec::with_capacity(room.min(rest.len() / 2 + 1));
    loop {
        rest = rest.trim_ascii_start();
        let is_negative = rest.first() == Some(&b'-');
        rest = &rest[usize::from(is_negative)..];
        let whole = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let fraction = match rest.get(whole) {
            Some(b'.') => rest[whole + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count(),
            _ => 0,
        };
        let length = whole + if fraction > 0 { 1 + fraction } else { 0 };
        if whole == 0 || whole + fraction > EXACT || numbers.len() == room {
            return None;
        }
        let digits = rest[..length].iter().filter(|byte| **byte != b'.');
        let digits = digits.fold(0_i64, |number, digit| 10 * number + i64::from(digit - b'0'));
        let signed = if is_negative { -digits } else { digits };
        numbers.push(match (digits, fraction) {
            // Zero has a sign, which a whole number has not.
            (0, _) if is_negative => return None,
            (_, 0) => T::of(Digits::Whole(signed))?,
            _ => T::of(Digits::Real(signed as f64 / POWERS[fraction]))?,
        });
        rest = rest[length..].trim_ascii_start();
        match rest.split_first() {
            None => break,
            Some((b',', others)) => rest = others,
            // An exponent, another array, something else.
            Some(_) => return None,
        }
    }
    (numbers.len() == room).then_some(numbers)
}

/// What was read so far.
struct Read<'a, T> {
    shape: &'a [usize],
    /// Within how many arrays.
    depth: usize,
    room: usize,
    numbers: Vec<T>,
    /// Whether the outermost array holds arrays, once that is known.
    nested: Option<bool>,
}

impl<T: Element> Read<'_, T> {
    fn push<E: serde::de::Error>(&mut self, digits: Digits) -> Result<(), E> {
        let flat = self.depth == 1 && self.nested != Some(true);
        if !(flat || self.depth == self.shape.len()) {
            return Err(E::custom(format!("it is neither flat nor nested as the shape {:?} says", self.shape)));
        }
        if self.depth == 1 {
            self.nested = Some(false);
        }
        if self.numbers.len() == self.room {
            return Err(E::custom(format!("it has more numbers than the shape {:?} has room for", self.shape)));
        }
        let number =
            T::of(digits).ok_or_else(|| E::custom(format!("number {} is not {}", self.numbers.len(), T::WHAT)))?;
        self.numbers.push(number);
        Ok(())
    }
}

/// A number or an array, at the place where reading is.
struct Inside<'a, 'b, T>(&'a mut Read<'b, T>);

impl<'de, T: Element> DeserializeSeed<'de> for Inside<'_, '_, T> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Element> Visitor<'de> for Inside<'_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array with {} at each place", T::WHAT)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.0.push(Digits::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.0.push(Digits::Whole(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.0.push(i64::try_from(value).map_or(Digits::Large(value), Digits::Whole))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.0.push(Digits::Real(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let read = self.0;
        let depth = read.depth;
        let misfit =
            |shape: &[usize]| A::Error::custom(format!("it is neither flat nor nested as the shape {shape:?} says"));
        if depth == read.shape.len().max(1) || depth == 1 && read.nested == Some(false) {
            return Err(misfit(read.shape));
        }
        if depth == 1 {
            read.nested = Some(true);
        }
        read.depth += 1;
        let mut count = 0;
        while items.next_element_seed(Inside(&mut *read))?.is_some() {
            count += 1;
        }
        read.depth = depth;
        // Of a flat array the numbers are counted, of all others what each one holds.
        let counts = depth > 0 || read.nested == Some(true);
        if counts && count != read.shape[depth] {
            return Err(misfit(read.shape));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Element>(json: &str, shape: &[usize]) -> Result<Vec<T>, String> {
        numbers(serde_json::from_str(json).unwrap(), shape)
    }

    #[test]
    fn flat_and_nested_arrays_are_the_same() {
        let numbers = Ok(vec![1, 2, 3, 4, 5, 6]);
        for json in ["[1,2,3,4,5,6]", "[[1,2,3],[4,5,6]]", " [ [1, 2,3] ,[4,5,6]] "] {
            assert_eq!(read::<i64>(json, &[2, 3]), numbers, "{json}");
        }
        assert_eq!(read::<u8>("[[[1,2,3]],[[4,5,6]]]", &[2, 1, 3]).unwrap().len(), 6);
        assert_eq!(read::<f32>("[1, -2.5, 1e-3]", &[3]), Ok(vec![1.0, -2.5, 0.001]));
        assert_eq!(read::<f32>("[[7]]", &[1, 1]), read("[7]", &[1, 1]));
        let places: Vec<bool> =
            read::<Place>("[1, 0.0, true, false]", &[4]).unwrap().into_iter().map(|p| p.0).collect();
        assert_eq!(places, [true, false, true, false]);
    }

    /// What is read fast is what is read with care, to the last bit.
    #[test]
    fn few_digits_are_read_as_many_are() {
        let mut random = data_loader::random::Random::derive(&[7]);
        let mut fast = 0;
        for case in 0..20_000 {
            let mut number = match case % 4 {
                0 => format!("{}", random.below(300)),
                1 => format!("-{}.{:03}", random.below(5), random.below(1000)),
                2 => format!("{}.{}", random.below(1 << 20), random.below(1 << 50)),
                _ => format!("{}", f64::from_bits(random.next_u64())),
            };
            if !number.bytes().all(|byte| byte.is_ascii_digit() || b"-.e".contains(&byte)) {
                number = "-0".into();
            }
            let json = format!("[ {number},{number} , 1]");
            let careful = |json: &str| serde_json::from_str::<Vec<f64>>(json).unwrap();
            if let Some(read) = flat::<f32>(json.as_bytes(), 3) {
                fast += 1;
                let wanted = careful(&json);
                let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&read), bits(&wanted.iter().map(|value| *value as f32).collect::<Vec<_>>()), "{json}");
            }
        }
        assert!(fast > 9000, "{fast}");
        for json in
            ["[]", "[1,2]", "[1,2,3,4]", "[1,2,[3]]", "[1,2,3e1]", "[1,2,-0]", "[1,2,true]", "{}", "[1,2,0.]", "[1,,2]"]
        {
            assert!(flat::<f32>(json.as_bytes(), 3).is_none(), "{json}");
        }
        assert_eq!(flat::<u8>(b" [1, 2\n,255] ", 3), Some(vec![1, 2, 255]));
        assert_eq!(flat::<u8>(b"[1,2,256]", 3), None);
    }

    #[test]
    fn what_does_not_suit_shape_or_type_is_refused() {
        for json in [
            "[]",
            "[1,2,3]",
            "[1,2,3,4,5,6,7]",
            "[[1,2],[3,4],[5,6]]",
            "[[1,2,3],[4,5]]",
            "[[1,2,3],4,5,6]",
            "[1,[2,3,4],5,6]",
            "[[1,2,3]]",
            "[[[1,2,3]],[[4,5,6]]]",
            "[1,2,3,4,5,null]",
            "[1,2,3,4,5,\"6\"]",
            "{}",
            "1",
            "null",
            "[[1,2,3],[4,5,6],[]]",
        ] {
            read::<i64>(json, &[2, 3]).unwrap_err();
        }
        for (wrong, words) in [
            (read::<u8>("[256]", &[1]).err(), "0 to 255"),
            (read::<u8>("[-1]", &[1]).err(), "0 to 255"),
            (read::<u8>("[1.0]", &[1]).err(), "0 to 255"),
            (read::<f32>("[1e39]", &[1]).err(), "finite"),
            (read::<f32>("[true]", &[1]).err(), "finite"),
            (read::<f32>("[\"NaN\"]", &[1]).err(), "finite"),
            (read::<i64>("[9223372036854775808]", &[1]).err(), "64 bits"),
            (read::<i64>("[0.5]", &[1]).err(), "64 bits"),
            (read::<i64>("[1]", &[usize::MAX, 2]).err(), "more places"),
        ] {
            let wrong = wrong.unwrap();
            assert!(wrong.contains(words), "{wrong}");
        }
        assert!(read::<Place>("[2]", &[1]).is_err());
    }
}
