//! How often may one ask? Each has a bucket of requests that fills up again as time goes on.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::wire::Refusal;

/// So many who ask are remembered; of more, those whose bucket is full again are forgotten.
const REMEMBERED: usize = 16 << 10;

/// How often one may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many requests a minute.
    pub per_minute: u32,
    /// How many at once; as many as in a minute, if that is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
}

impl Rate {
    fn most(self) -> f64 {
        f64::from(self.burst.unwrap_or(self.per_minute).max(1))
    }

    fn per_second(self) -> f64 {
        f64::from(self.per_minute) / 60.0
    }
}

/// Requests that one may still make.
struct Bucket {
    left: f64,
    at: Instant,
    rate: Rate,
}

impl Bucket {
    fn left(&self, now: Instant) -> f64 {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * self.rate.per_second();
        (self.left + gained).min(self.rate.most())
    }
}

/// The buckets of all who ask.
#[derive(Default)]
pub(super) struct Rates(Mutex<HashMap<u64, Bucket>>);

impl Rates {
    /// Takes a request out of the bucket of a client.
    ///
    /// # Errors
    /// 429 if there is none left, with the seconds until there is.
    pub(super) fn take(&self, client: u64, rate: Option<Rate>) -> Result<(), Refusal> {
        rate.map_or(Ok(()), |rate| self.take_at(client, rate, Instant::now()))
    }

    fn take_at(&self, client: u64, rate: Rate, now: Instant) -> Result<(), Refusal> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= REMEMBERED && !buckets.contains_key(&client) {
            buckets.retain(|_, bucket| bucket.left(now) < bucket.rate.most());
            if buckets.len() >= REMEMBERED {
                return Err(Refusal { retry_after: Some(1), ..Refusal::new(429, "too many different clients ask") });
            }
        }
        let bucket = buckets.entry(client).or_insert(Bucket { left: rate.most(), at: now, rate });
        bucket.rate = rate;
        let left = bucket.left(now);
        (bucket.left, bucket.at) = (left, now);
        if left >= 1.0 {
            bucket.left = left - 1.0;
            return Ok(());
        }
        let seconds = ((1.0 - left) / rate.per_second()).ceil().clamp(1.0, 86_400.0) as u32;
        let error = format!("more than {} requests a minute came", rate.per_minute);
        Err(Refusal { retry_after: Some(seconds), ..Refusal::new(429, error) }
            .with_hint(format!("ask again in {seconds} s")))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_empties_at_once_and_fills_up_as_time_goes_on() {
        let rates = Rates::default();
        let (rate, start) = (Rate { per_minute: 30, burst: Some(3) }, Instant::now());
        let take = |client, millis| rates.take_at(client, rate, start + Duration::from_millis(millis));
        for _ in 0..3 {
            take(1, 0).unwrap();
        }
        let refusal = take(1, 0).unwrap_err();
        assert_eq!((refusal.status, refusal.retry_after), (429, Some(2)));
        take(2, 0).unwrap();
        // One every two seconds.
        assert_eq!(take(1, 1900).unwrap_err().retry_after, Some(1));
        take(1, 2100).unwrap();
        take(1, 2200).unwrap_err();
        // Never more than at once, however long nobody asked.
        for _ in 0..3 {
            take(1, 1_000_000).unwrap();
        }
        take(1, 1_000_000).unwrap_err();
        // Of nobody any rate is asked who has none.
        for _ in 0..100 {
            rates.take(9, None).unwrap();
        }
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let rates = Rates::default();
        let (rate, start) = (Rate { per_minute: 60, burst: None }, Instant::now());
        for client in 0..REMEMBERED as u64 {
            rates.take_at(client, rate, start).unwrap();
        }
        assert_eq!(rates.take_at(u64::MAX, rate, start).unwrap_err().status, 429);
        rates.take_at(u64::MAX, rate, start + Duration::from_secs(2)).unwrap();
        assert_eq!(rates.0.lock().unwrap().len(), 1);
        // A rate of nothing is nothing.
        let none = Rate { per_minute: 0, burst: None };
        rates.take_at(1, none, start).unwrap();
        assert_eq!(rates.take_at(1, none, start).unwrap_err().retry_after, Some(86_400));
    }
}
