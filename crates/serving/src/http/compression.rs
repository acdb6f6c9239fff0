//! Are bodies compressed on their way? Those of requests as their senders like, those of answers where whoever asks takes it.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, VARY};

use super::requests::aside;
use super::responses::{Answer, Content};
use crate::wire::{Refusal, shown};

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    /// zlib's format, which HTTP calls `deflate`.
    Deflate,
}

/// What is smaller fits into a packet or two as it is.
const LEAST: usize = 2 << 10;

impl Coding {
    fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            _ => None,
        }
    }

    /// How the body of a request is compressed.
    ///
    /// # Errors
    /// 415 if it is so in another way, or in several.
    pub(super) fn of_request(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let all = headers.get_all(CONTENT_ENCODING).iter().map(|value| value.to_str().unwrap_or("something else"));
        let mut said =
            all.flat_map(|value| value.split(',')).filter(|name| !name.trim().eq_ignore_ascii_case("identity"));
        let Some(name) = said.next() else { return Ok(None) };
        match (Self::named(name), said.next()) {
            (Some(coding), None) => Ok(Some(coding)),
            _ => Err(Refusal::new(415, format!("the body is compressed by {}", shown(name.trim())))
                .with_hint("send it as it is, or by gzip or deflate")),
        }
    }

    /// How an answer may be compressed: what is liked best by whoever asks, and of two that are liked alike gzip. Whoever says nothing gets
    /// answers as they are.
    fn for_answer(headers: &HeaderMap) -> Option<Self> {
        let mut best = None;
        let said = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        for part in said.flat_map(|value| value.split(',')) {
            let mut words = part.split(';');
            let Some(coding) = words.next().and_then(Self::named) else { continue };
            let weight = words
                .find_map(|word| word.trim().to_ascii_lowercase().strip_prefix("q=").map(str::to_owned))
                .map_or(Some(1.0), |text| text.parse().ok());
            let weight: f32 = weight.unwrap_or(0.0);
            let is_better = best.is_none_or(|(least, _)| weight > least || weight == least && coding == Self::Gzip);
            if weight > 0.0 && is_better {
                best = Some((weight, coding));
            }
        }
        best.map(|(_, coding)| coding)
    }

    fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        })
    }

    /// What was compressed; nothing if it is more than `most` bytes.
    ///
    /// # Errors
    /// 400 if it is none.
    pub(super) fn unpacked(self, bytes: &[u8], most: usize) -> Result<Option<Vec<u8>>, Refusal> {
        let mut whole = Vec::new();
        let most_read = most as u64 + 1;
        let read = match self {
            Self::Gzip => MultiGzDecoder::new(bytes).take(most_read).read_to_end(&mut whole),
            Self::Deflate => ZlibDecoder::new(bytes).take(most_read).read_to_end(&mut whole),
        };
        match read {
            Ok(_) => Ok((whole.len() <= most).then_some(whole)),
            Err(error) => Err(Refusal::bad(format!("the body cannot be decompressed: {error}"))),
        }
    }

    fn packed(self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        // The network is faster than what would save a little more.
        let (room, level) = (Vec::with_capacity(bytes.len() / 2), Compression::fast());
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(room, level);
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(room, level);
                encoder.write_all(bytes)?;
                encoder.finish()
            }
        }
    }
}

/// The same answer, compressed if whoever asks takes that and it is worth it.
pub(super) async fn compressed(mut answer: Answer, asked: &HeaderMap) -> Answer {
    // Of what comes piece by piece each piece is to be read at once; calls have ways of their own.
    let Content::Whole(Some(bytes)) = answer.body() else { return answer };
    let bytes = Bytes::clone(bytes);
    if bytes.len() < LEAST || answer.headers().get(CONTENT_TYPE).is_none() {
        return answer;
    }
    answer.headers_mut().append(VARY, HeaderValue::from_static("accept-encoding"));
    let Some(coding) = Coding::for_answer(asked) else { return answer };
    let length = bytes.len();
    if let Ok(Ok(packed)) = aside(length, move || coding.packed(&bytes)).await
        && packed.len() < length
    {
        answer.headers_mut().insert(CONTENT_ENCODING, coding.name());
        *answer.body_mut() = Content::Whole(Some(packed.into()));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(value: &str) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap());
        Coding::for_answer(&headers)
    }

    #[test]
    fn what_is_liked_best_is_taken() {
        assert_eq!(Coding::for_answer(&HeaderMap::new()), None);
        for (value, wanted) in [
            ("gzip, deflate, br", Some(Coding::Gzip)),
            ("deflate, gzip", Some(Coding::Gzip)),
            ("gzip;q=0.5, deflate", Some(Coding::Deflate)),
            ("GZIP ; q=0", None),
            ("br, identity", None),
            ("gzip;q=x", None),
            ("", None),
        ] {
            assert_eq!(asked(value), wanted, "{value}");
        }
    }

    #[test]
    fn what_was_packed_comes_back_up_to_a_limit() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|k| (k * k % 251) as u8).collect();
        for coding in [Coding::Gzip, Coding::Deflate] {
            let packed = coding.packed(&bytes).unwrap();
            assert!(packed.len() < bytes.len());
            assert_eq!(coding.unpacked(&packed, bytes.len()).unwrap().as_ref(), Some(&bytes));
            assert_eq!(coding.unpacked(&packed, bytes.len() - 1).unwrap(), None);
            assert!(coding.unpacked(&packed[..packed.len() / 2], bytes.len()).is_err());
            assert!(coding.unpacked(b"nothing of the kind", 100).is_err());
        }
        // One behind the other are one whole, as RFC 1952 says.
        let [first, second] = [b"one, ", b"two. "].map(|part| Coding::Gzip.packed(part).unwrap());
        let both = [first, second].concat();
        assert_eq!(Coding::Gzip.unpacked(&both, 100).unwrap().as_deref(), Some(b"one, two. ".as_slice()));
    }
}
