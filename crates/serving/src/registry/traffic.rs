//! Which version answers a request, and which one only watches?
//!
//! Beside the version that answers, a model may have a canary, which answers a share of the requests, and a shadow, which is asked what
//! the others are asked and whose answers are compared and never sent. Shares are kept exactly and not by chance, however few requests
//! there are; with a header that tells one user from another, each of them always meets the same version, on every server alike.

use std::sync::atomic::{AtomicU64, Ordering};

use hyper::header::HeaderMap;
use serde::Deserialize;

use crate::wire::{Refusal, shown};

/// With this header whoever asks chooses: `always` the canary, or `never`.
const CHOICE: &str = "x-canary";
/// 2^64 divided by the golden ratio: multiples of it are spread evenly, wherever one stops (Knuth, "The Art of Computer Programming",
/// volume 3, section 6.4).
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// For what a bundle is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Role {
    /// It answers.
    #[default]
    Answers,
    /// It answers a share of the requests.
    Canary(Share),
    /// It is asked a share of what others are asked, and never heard.
    Shadow(Share),
}

/// A part of all requests.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// How many of a hundred.
    pub percent: f64,
    /// The header that tells one user from another, each of whom always gets the same; without it each request counts for itself.
    pub sticky: Option<String>,
}

impl Share {
    /// Whether it can be meant.
    ///
    /// # Errors
    /// What is wrong, half a sentence.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(0.0..=100.0).contains(&self.percent) {
            return Err(format!("`percent` is {}, and must lie between 0 and 100", self.percent));
        }
        match &self.sticky {
            Some(name) if hyper::header::HeaderName::try_from(name.as_str()).is_err() => {
                Err(format!("`sticky` is `{}`, which is no name of a header", shown(name)))
            }
            _ => Ok(()),
        }
    }

    /// Whether a request of `model` falls into the share; `counted` tells how many came before it.
    pub(super) fn takes(&self, model: &str, headers: &HeaderMap, counted: &AtomicU64) -> bool {
        let user = self.sticky.as_ref().and_then(|name| headers.get(name.as_str()));
        let place = match user {
            Some(user) => hash(&[model.as_bytes(), b"\0", user.as_bytes()]),
            None => counted.fetch_add(1, Ordering::Relaxed).wrapping_mul(SPREAD),
        };
        // 2^64, so that 100 percent takes everything.
        (place as f64) < self.percent / 100.0 * 18_446_744_073_709_551_616.0
    }
}

/// The same on every machine and in every version of this program: FNV-1a of 64 bits, mixed once more, since its upper bits alone
/// say little of the last bytes.
fn hash(parts: &[&[u8]]) -> u64 {
    let one = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
    let mixed = parts.iter().copied().flatten().fold(0xCBF2_9CE4_8422_2325, one);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    mixed ^ (mixed >> 33)
}

/// What whoever asks says of the canary, if anything.
///
/// # Errors
/// If it is neither of both.
pub(super) fn chosen(headers: &HeaderMap) -> Result<Option<bool>, Refusal> {
    match headers.get(CHOICE).map(|value| value.to_str().unwrap_or_default()) {
        None => Ok(None),
        Some("always") => Ok(Some(true)),
        Some("never") => Ok(Some(false)),
        Some(other) => {
            Err(Refusal::bad(format!("the header `{CHOICE}` is `{}`", shown(other)))
                .with_hint("it is `always` or `never`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn share(percent: f64, sticky: Option<&str>) -> Share {
        Share { percent, sticky: sticky.map(str::to_owned) }
    }

    #[test]
    fn a_share_is_kept_at_every_moment() {
        for percent in [0.0, 1.0, 10.0, 33.0, 50.0, 100.0] {
            let (share, counted, headers) = (share(percent, None), AtomicU64::new(0), HeaderMap::new());
            let mut taken = 0_u32;
            for asked in 1..=2000_u32 {
                taken += u32::from(share.takes("m", &headers, &counted));
                let wanted = percent / 100.0 * f64::from(asked);
                assert!((f64::from(taken) - wanted).abs() < 3.0, "{taken} of {asked} at {percent}");
            }
        }
    }

    #[test]
    fn a_user_always_meets_the_same_and_models_divide_users_otherwise() {
        let (share, counted) = (share(30.0, Some("X-User")), AtomicU64::new(0));
        let takes = |model: &str, user: usize| {
            let mut headers = HeaderMap::new();
            headers.insert("x-user", HeaderValue::from_str(&format!("user {user}")).unwrap());
            share.takes(model, &headers, &counted)
        };
        let of = |model: &str| (0..4000).map(|user| takes(model, user)).collect::<Vec<_>>();
        let (one, again, other) = (of("one"), of("one"), of("other"));
        assert_eq!(one, again);
        let both = one.iter().zip(&other).filter(|(one, other)| **one && **other).count();
        let count = one.iter().filter(|taken| **taken).count();
        // Three standard deviations of 4,000 draws at 0.3 and at 0.09.
        assert!((1113..=1287).contains(&count) && (305..=415).contains(&both), "{count}, {both}");
        // On every machine alike.
        assert_eq!(hash(&[b"model", b"\0", b"user"]), hash(&[b"model\0user"]));
        // Nobody who is told apart: counted.
        assert!(share.takes("one", &HeaderMap::new(), &AtomicU64::new(0)));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        share(100.0, Some("x-user")).check().unwrap();
        for (percent, sticky) in [(-1.0, None), (101.0, None), (f64::NAN, None), (5.0, Some("x user"))] {
            share(percent, sticky).check().unwrap_err();
        }
        let headers = |text| {
            let mut headers = HeaderMap::new();
            headers.insert("x-canary", HeaderValue::from_static(text));
            headers
        };
        assert_eq!(chosen(&HeaderMap::new()).unwrap(), None);
        assert_eq!(chosen(&headers("always")).unwrap(), Some(true));
        assert_eq!(chosen(&headers("perhaps")).unwrap_err().status, 400);
    }
}
