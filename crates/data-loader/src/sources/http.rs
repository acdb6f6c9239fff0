//! A file on a web server: downloaded into the cache, where a broken download goes on, and taken from there as it is or out of
//! an archive.

use serde::{Deserialize, Serialize};
use ureq::http::Uri;

use crate::error::Error;
use crate::fetch::{self, Answer, Context, Opened, Remote, Target, Trouble, Web};
use crate::registry::Entry;
use crate::sources::Wanted;

/// The entry of the list.
pub const ENTRY: Entry = Entry {
    name: "http",
    summary: "a file on a web server, resumed where the line broke; also one file of a tar archive",
};

/// How much is downloaded at most unless the card says otherwise: 64 GiB.
const MAX_BYTES: u64 = 64 << 30;

fn max_bytes() -> u64 {
    MAX_BYTES
}

/// `[files.from.http]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address, with http or https.
    pub url: String,
    /// The SHA-256 of what lies at the address, where it is not the file itself: an archive, or the same data packed in
    /// another way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The path of the file in the tar archive at the address; without it, what lies there is the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Whether the server asks for a token, which is sent as `Authorization: Bearer`. It stands in the environment, under a
    /// name that follows from the host: `FIREBOX_TOKEN_API_EXAMPLE_COM` for api.example.com, with `__` for a hyphen and the
    /// number of an unusual port at the end. So a card can ask for no secret but that of the host it names.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub token: bool,
    /// Of how many bytes a download, and what is unpacked from it, may be.
    #[serde(default = "max_bytes")]
    pub max_bytes: u64,
}

impl Config {
    pub(super) fn check(&self) -> Result<(), Error> {
        self.address()?;
        self.member.as_deref().map_or(Ok(()), fetch::check_member)
    }

    fn address(&self) -> Result<Uri, Error> {
        fetch::address("files.from.http.url", &self.url)
    }

    pub(super) fn shown(&self) -> String {
        let address = self.address().map_or_else(|_| String::new(), |address| fetch::shown(&address));
        match &self.member {
            Some(member) => format!("{member} in {address}"),
            None => address,
        }
    }

    pub(super) fn fetch(&self, wanted: &Wanted, target: &mut Target, context: &mut Context) -> Result<(), Error> {
        let address = self.address()?;
        let token = fetch::token("files.from.http.token", self.token, &address, context)?;
        let expected = match self.member {
            Some(_) => self.sha256.as_deref(),
            None => self.sha256.as_deref().or(wanted.entry.sha256.as_deref()),
        };
        let mut file = RemoteFile { address, web: Web::new(token, context), vouched: expected.is_some() };
        let whole = fetch::download(&mut file, &self.url, expected, self.max_bytes, context)?;
        match &self.member {
            Some(member) => fetch::extract(&whole, member, self.max_bytes, target, context),
            None => fetch::copy(&whole, self.max_bytes, target, context),
        }
    }
}

/// A file on a web server.
struct RemoteFile {
    address: Uri,
    web: Web,
    /// Whether a checksum will tell what came.
    vouched: bool,
}

/// How a version is written down: a strong entity tag, or the time of the last change.
fn version(answer: &Answer) -> Option<String> {
    let tag = answer.header("etag").filter(|tag| tag.starts_with('"'));
    tag.or_else(|| answer.header("last-modified")).map(str::to_owned)
}

/// The first byte and the size of the whole in a `Content-Range`, such as `bytes 200-999/1000`.
fn range(text: &str) -> Option<(u64, Option<u64>)> {
    let (span, total) = text.trim().strip_prefix("bytes")?.trim().split_once('/')?;
    let from = span.split_once('-')?.0.trim().parse().ok()?;
    Some((from, total.trim().parse().ok()))
}

impl Remote for RemoteFile {
    fn shown(&self) -> String {
        fetch::shown(&self.address)
    }

    fn open(&mut self, from: u64, known: Option<&str>, _: &Context) -> Result<Opened, Trouble> {
        let mut headers = Vec::new();
        if from > 0 {
            headers.push(("range", format!("bytes={from}-")));
            if let Some(known) = known {
                headers.push(("if-range", known.to_owned()));
            }
        }
        let answer = self.web.get(&self.address, &headers)?;
        if !self.vouched {
            answer.refuse_packed()?;
        }
        let version = version(&answer);
        let in_chunks =
            answer.header("transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked"));
        let range_text = answer.header("content-range").map(str::to_owned);
        let length = answer.response.body().content_length();
        let ends = length.is_some() || in_chunks;
        match answer.response.status().as_u16() {
            200 => Ok(Opened {
                from: 0,
                total: length,
                version,
                ends,
                body: Box::new(answer.response.into_body().into_reader()),
            }),
            206 if from > 0 => {
                let Some((begin, total)) = range_text.as_deref().and_then(range) else {
                    return Err(Trouble::over("the server does not say which bytes it sends"));
                };
                if begin != from {
                    return Err(Trouble::over(format!("the server sends the bytes from {begin} on instead of {from}")));
                }
                if known.is_some() && version.is_some() && version.as_deref() != known {
                    return Err(Trouble::over("the file has changed at its source"));
                }
                if let (Some(total), Some(length)) = (total, length)
                    && from.checked_add(length) != Some(total)
                {
                    return Err(Trouble::over(format!("the server sends {length} of {total} bytes from {from} on")));
                }
                let ends = ends || total.is_some();
                let body = Box::new(answer.response.into_body().into_reader());
                Ok(Opened { from, total, version, ends, body })
            }
            206 => Err(Trouble::over("the server sends a range that nobody asked for")),
            // Behind the end: of a part that is the whole, nothing is missing.
            _ if from > 0 && range_text.as_deref() == Some(&format!("bytes */{from}")) => {
                Ok(Opened { from, total: Some(from), version, ends: true, body: Box::new(std::io::empty()) })
            }
            _ => Err(Trouble::over("the server has fewer bytes than have come already")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_says_where_it_begins_and_how_long_the_whole_is() {
        assert_eq!(range("bytes 200-999/1000"), Some((200, Some(1000))));
        assert_eq!(range("bytes 0-0/*"), Some((0, None)));
        for wrong in ["", "bytes", "bytes */100", "bytes x-9/10", "lines 1-2/3", "bytes -5-9/10"] {
            assert_eq!(range(wrong), None, "{wrong}");
        }
    }
}
