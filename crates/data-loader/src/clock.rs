//! When was it? How a text that a file has for a date becomes a moment.

use chrono::format::{Item, Parsed, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

/// The moment that `text` names, in UTC; none if it names none. Without a `format` it is an ISO 8601 date or date and time,
/// such as `2024-05-31`, `2024-05-31T12:00` or `2024-05-31 12:00:00.5+02:00`. A text without a zone counts as UTC.
pub(crate) fn moment(text: &str, format: Option<&str>) -> Option<NaiveDateTime> {
    let text = text.trim();
    let Some(format) = format else { return iso(text) };
    let mut parsed = Parsed::new();
    chrono::format::parse(&mut parsed, text, StrftimeItems::new(format)).ok()?;
    if parsed.hour_mod_12().is_some() && parsed.minute().is_none() {
        parsed.set_minute(0).ok()?;
    }
    if parsed.offset().is_some() {
        return parsed.to_datetime().ok().map(|zoned| zoned.naive_utc());
    }
    // Without a time of day the date is all there is; with half of one, such as `%I` without `%p`, nothing is known.
    if parsed.hour_mod_12().is_some() || parsed.minute().is_some() || parsed.timestamp().is_some() {
        return parsed.to_naive_datetime_with_offset(0).ok();
    }
    parsed.to_naive_date().ok().map(|date| date.and_time(NaiveTime::MIN))
}

fn iso(text: &str) -> Option<NaiveDateTime> {
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(date.and_time(NaiveTime::MIN));
    }
    // Ten bytes of a date, then `T` or a blank: chrono's formats know one of them at a time.
    let (date, time) = (text.get(..10)?, text.get(11..)?);
    if !matches!(text.as_bytes()[10], b'T' | b't' | b' ') {
        return None;
    }
    let text = format!("{date}T{time}");
    if let Ok(zoned) = DateTime::parse_from_rfc3339(&text) {
        return Some(zoned.naive_utc());
    }
    let mut zoned = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z"].into_iter();
    if let Some(zoned) = zoned.find_map(|format| DateTime::parse_from_str(&text, format).ok()) {
        return Some(zoned.naive_utc());
    }
    let mut plain = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"].into_iter();
    plain.find_map(|format| NaiveDateTime::parse_from_str(&text, format).ok())
}

/// Whether `format` is one that chrono reads.
pub(crate) fn is_format(format: &str) -> bool {
    !format.is_empty() && StrftimeItems::new(format).all(|item| item != Item::Error)
}

/// The seconds from 1970 to `moment`, with fractions.
pub(crate) fn seconds(moment: NaiveDateTime) -> f64 {
    let moment = moment.and_utc();
    moment.timestamp() as f64 + f64::from(moment.timestamp_subsec_micros()) / 1e6
}

/// A moment as text in JSON, which people can read.
pub(crate) mod written {
    use chrono::NaiveDateTime;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes `moment` as ISO 8601 says, in UTC.
    pub(crate) fn serialize<S: Serializer>(moment: &NaiveDateTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&moment.and_utc().format("%Y-%m-%dT%H:%M:%S%.f"))
    }

    /// Reads what was written.
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveDateTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::moment(&text, None).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no ISO 8601 date")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_utc() {
        let of = |text: &str| moment(text, None).map(|moment| moment.to_string());
        for (text, wanted) in [
            ("2024-05-31", "2024-05-31 00:00:00"),
            (" 2024-05-31T12:30 ", "2024-05-31 12:30:00"),
            ("2024-05-31 12:30:15.25", "2024-05-31 12:30:15.250"),
            ("2024-05-31T12:30:15Z", "2024-05-31 12:30:15"),
            ("2024-05-31T00:30:15+02:00", "2024-05-30 22:30:15"),
            ("2024-05-31 00:30+0200", "2024-05-30 22:30:00"),
            ("2024-02-29T23:59:59-00:30", "2024-03-01 00:29:59"),
        ] {
            assert_eq!(of(text).as_deref(), Some(wanted), "{text}");
        }
        for text in
            ["", "2023-02-29", "31.05.2024", "2024-05-31x12:00", "2024-05-31T25:00", "2024-05-31T", "2024-5-é1 12:00"]
        {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn a_format_is_read_with_and_without_time_and_zone() {
        let of = |text: &str, format: &str| moment(text, Some(format)).map(seconds);
        assert_eq!(of("31.05.2024", "%d.%m.%Y"), Some(1_717_113_600.0));
        assert_eq!(of("31.05.2024 13h", "%d.%m.%Y %Hh"), Some(1_717_160_400.0));
        assert_eq!(of("31.05.2024 01h", "%d.%m.%Y %Ih"), None, "morning or afternoon");
        assert_eq!(of("31.05.2024 13:05", "%d.%m.%Y %H:%M"), Some(1_717_160_700.0));
        assert_eq!(of("05/31/24 13:05 +0100", "%m/%d/%y %H:%M %z"), Some(1_717_157_100.0));
        assert_eq!(of("1717160700", "%s"), Some(1_717_160_700.0));
        assert!(is_format("%Y-%m-%d") && !is_format("%Y-%!") && !is_format(""));
    }
}
