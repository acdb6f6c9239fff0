//! The records of a web API that answers in JSON, page after page, as a JSON object a line.
//!
//! A record is written as it came: numbers keep every digit, and keys their order.

use std::collections::HashSet;
use std::io::{Read, Write};

use serde::{Deserialize, Serialize};
use ureq::http::Uri;

use crate::error::{Error, listed};
use crate::fetch::{self, Answer, Context, Patience, Target, Trouble, Web};
use crate::registry::Entry;
use crate::sources::json_text;

/// The entry of the list.
pub const ENTRY: Entry = Entry { name: "rest", summary: "the records of a web API, page after page" };

/// `[files.from.rest]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address of the first page, with what it asks for behind the `?`.
    pub url: String,
    /// Where the list of records is in an answer, such as `data.items`; left out where the answer is the list.
    #[serde(default)]
    pub records: String,
    /// Where the address of the next page is in an answer, such as `links.next`. Without this, `cursor` and `page`, the
    /// header `Link` is followed, if there is one. The last page may leave it out or have null there; the first may not leave it
    /// out, since that is what a path with a slip in it looks like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The next page is asked for with a text from the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// Pages are asked for by number, until one is empty or not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Page>,
    /// Whether the server asks for a token, as in `[files.from.http]`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub token: bool,
    /// How many pages there may be. More are an error, so that nothing is left out in silence.
    #[serde(default = "max_pages")]
    pub max_pages: u64,
    /// How many bytes all answers may have together.
    #[serde(default = "max_bytes")]
    pub max_bytes: u64,
}

/// `cursor`: where it is, and how it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    /// Where the text is in an answer, such as `meta.next`; the last page has none, or null. As with `next`, the first page must
    /// have it.
    pub at: String,
    /// The name under which it is sent, behind the `?`.
    pub parameter: String,
}

/// `page`: how the number is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// The name under which it is sent, behind the `?`.
    pub parameter: String,
    /// The number of the first page.
    #[serde(default = "first_page")]
    pub first: u64,
}

fn first_page() -> u64 {
    1
}

fn max_pages() -> u64 {
    100_000
}

fn max_bytes() -> u64 {
    16 << 30
}

/// The text of one answer is held in memory, and may have so many bytes: 256 MiB.
const MAX_PAGE: u64 = 256 << 20;
/// So many bytes are written at once.
const AT_ONCE: usize = 1 << 17;

impl Config {
    pub(super) fn check(&self) -> Result<(), Error> {
        self.address()?;
        let ways = [self.next.is_some(), self.cursor.is_some(), self.page.is_some()];
        if ways.iter().filter(|way| **way).count() > 1 {
            return Err(Error::Setting {
                key: "files.from.rest".into(),
                message: "has more than one of `next`, `cursor` and `page`".into(),
                hint: "Keep the one by which the API leads from page to page.".into(),
            });
        }
        Ok(())
    }

    fn address(&self) -> Result<Uri, Error> {
        fetch::address("files.from.rest.url", &self.url)
    }

    pub(super) fn shown(&self) -> String {
        self.address().map_or_else(|_| String::new(), |address| fetch::shown(&address))
    }

    pub(super) fn fetch(&self, target: &mut Target, context: &mut Context) -> Result<(), Error> {
        let first = self.address()?;
        let token = fetch::token("files.from.rest.token", self.token, &first, context)?;
        let web = Web::new(token, context);
        let mut address = match &self.page {
            Some(page) => with_parameter(&first, &page.parameter, &page.first.to_string())?,
            None => first.clone(),
        };
        let (mut seen, mut rows, mut bytes) = (HashSet::new(), 0, 0);
        for number in 0.. {
            if number >= self.max_pages {
                return Err(broken(
                    &address,
                    format!("there are more than {number} pages, the most that `max_pages` allows"),
                ));
            }
            if !seen.insert(address.clone()) {
                return Err(broken(&address, "the pages lead in a circle".into()));
            }
            // Behind the last of the pages that have numbers there may be nothing.
            let may_end = self.page.is_some() && number > 0;
            let Some((text, link)) = page_at(&web, &address, self.max_bytes - bytes, may_end, context)? else {
                context.count(rows, Some(number));
                return Ok(());
            };
            bytes += text.len() as u64;
            let wrong = |message: String| broken(&address, format!("page {}: {message}", number + 1));
            json_text::check(&text)
                .map_err(|error| broken(&address, format!("page {} is no JSON ({error})", number + 1)))?;
            let before = rows;
            let mut lines = String::new();
            for record in json_text::items(&text, &self.records).map_err(wrong)? {
                lines += &json_text::on_one_line(record.map_err(wrong)?);
                lines.push('\n');
                rows += 1;
                if lines.len() >= AT_ONCE {
                    target.write_all(lines.as_bytes()).map_err(|source| target.failed(source))?;
                    lines.clear();
                }
            }
            target.write_all(lines.as_bytes()).map_err(|source| target.failed(source))?;
            context.count(rows, Some(number + 1));
            match self.after(&first, &address, &text, link.as_deref(), number, rows == before)? {
                Some(next) => address = next,
                None if number == 0 && self.next.is_none() && self.cursor.is_none() && self.page.is_none() => {
                    if let Some(name) = leads_on(&text) {
                        context.notice(&format!("the answer has `{name}`, and the card says nothing of pages: there may be more than this one. If so, set `next`, `cursor` or `page` in [files.from.rest]"));
                    }
                    return Ok(());
                }
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// The address of the page after the one at `address`, if there is one.
    fn after(
        &self,
        first: &Uri,
        address: &Uri,
        answer: &str,
        link: Option<&str>,
        number: u64,
        empty: bool,
    ) -> Result<Option<Uri>, Error> {
        let wrong = |message: String| broken(address, format!("page {}: {message}", number + 1));
        let text = |path: &str| match json_text::at(answer, path).map_err(wrong)? {
            None if number == 0 => {
                let names = listed(&json_text::names(answer));
                Err(wrong(format!(
                    "there is no `{path}`, which leads to the next page, in the answer, in which there is {names}"
                )))
            }
            None | Some("null" | "false" | "\"\"") => Ok(None),
            Some(text) if text.starts_with('"') => {
                serde_json::from_str(text).map(Some).map_err(|error| wrong(error.to_string()))
            }
            Some(number) if number.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => Ok(Some(number.to_owned())),
            Some(_) => Err(broken(address, format!("`{path}` in page {} is neither a text nor a number", number + 1))),
        };
        if let Some(page) = &self.page {
            let next = page.first.saturating_add(number + 1).to_string();
            return if empty { Ok(None) } else { with_parameter(first, &page.parameter, &next).map(Some) };
        }
        if let Some(cursor) = &self.cursor {
            let next = text(&cursor.at)?.map(|value| with_parameter(first, &cursor.parameter, &value));
            return next.transpose();
        }
        let next = match &self.next {
            Some(path) => text(path)?,
            None => link.and_then(next_of),
        };
        let Some(next) = next else { return Ok(None) };
        let Ok(next) = fetch::join(address, &next).parse::<Uri>() else {
            return Err(broken(
                address,
                format!("the next page after page {} is at something that is no address", number + 1),
            ));
        };
        if fetch::origin(&next) != fetch::origin(first) {
            return Err(broken(
                address,
                format!("the next page after page {} is on another server: {}", number + 1, fetch::shown(&next)),
            ));
        }
        Ok(Some(next))
    }
}

/// A name in an answer that seems to lead to further pages.
fn leads_on(answer: &str) -> Option<String> {
    const WORDS: [&str; 5] = ["next", "has_more", "hasmore", "cursor", "continuation"];
    let empty = ["null", "false", "\"\"", "0", "[]", "{}"];
    let names = json_text::names(answer);
    names.into_iter().find(|name| {
        let last = name.rsplit('.').next().unwrap_or(name).to_ascii_lowercase();
        let says = matches!(json_text::at(answer, name), Ok(Some(value)) if !empty.contains(&value));
        says && WORDS.iter().any(|word| last.contains(word))
    })
}

/// The text of a page and its header `Link`.
type PageText = (String, Option<String>);

/// One page, however often the line breaks; none if nothing is there, where it `may_end`.
fn page_at(
    web: &Web,
    address: &Uri,
    left: u64,
    may_end: bool,
    context: &mut Context,
) -> Result<Option<PageText>, Error> {
    let mut patience = Patience::new(&fetch::shown(address));
    loop {
        context.go_on()?;
        let headers = [("accept", "application/json".to_owned())];
        let got = if may_end { web.get_if_there(address, &headers) } else { web.get(address, &headers).map(Some) };
        match got.and_then(|answer| answer.map(|answer| read(answer, address, left)).transpose()) {
            Ok(page) => return Ok(page),
            Err(Trouble::Lasting(error)) => return Err(error),
            Err(Trouble::Passing { reason, pause, .. }) => patience.wait(&reason, pause, context)?,
        }
    }
}

fn read(answer: Answer, address: &Uri, left: u64) -> Result<PageText, Trouble> {
    let link = answer.header("link").map(str::to_owned);
    if answer.response.status().as_u16() != 200 {
        return Err(broken(address, format!("the server answers {}", answer.response.status())).into());
    }
    answer.refuse_packed()?;
    let limit = left.min(MAX_PAGE);
    let mut bytes = Vec::new();
    let read = answer.response.into_body().into_reader().take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|error| Trouble::passing(format!("the connection broke after {} bytes ({error})", bytes.len())))?;
    if bytes.len() as u64 > limit {
        return Err(broken(address, format!("the answers are larger than {limit} bytes")).into());
    }
    let text = String::from_utf8(bytes).map_err(|_| broken(address, "an answer is not UTF-8".into()))?;
    Ok((text, link))
}

fn broken(address: &Uri, message: String) -> Error {
    Error::Fetch {
        address: fetch::shown(address),
        message,
        hint:
            "Compare the settings in [files.from.rest] of the card with what the API's documentation says of its pages."
                .into(),
        usage: true,
    }
}

/// `address` with a parameter behind the `?`, in place of one of the same name.
fn with_parameter(address: &Uri, name: &str, value: &str) -> Result<Uri, Error> {
    use std::fmt::Write;
    let encode = |text: &str| {
        text.bytes().fold(String::new(), |mut encoded, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                encoded.push(byte as char);
            } else {
                // Writing to a string cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
            encoded
        })
    };
    let name = encode(name);
    let kept = address.query().unwrap_or_default().split('&');
    let kept = kept.filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(&name)).map(str::to_owned);
    let query = kept.chain([format!("{name}={}", encode(value))]).collect::<Vec<_>>().join("&");
    let host = address.authority().map_or("", |authority| authority.as_str());
    let text = format!("{}://{host}{}?{query}", address.scheme_str().unwrap_or("http"), address.path());
    text.parse().map_err(|_| broken(address, "the address of the next page is too long".into()))
}

/// The address of the relation `next` in a header `Link`, such as `<https://a.org/x?page=2>; rel="next"`.
fn next_of(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (address, after) = after.split_once('>')?;
        let (about, further) = after.split_once('<').map_or((after, ""), |(about, _)| (about, &after[about.len()..]));
        let is_next = about.split(';').any(|parameter| {
            parameter.trim().trim_end_matches(',').split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("rel")
                    && value.trim().trim_matches('"').split_whitespace().any(|word| word.eq_ignore_ascii_case("next"))
            })
        });
        if is_next {
            return Some(address.to_owned());
        }
        rest = further;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_in_a_link_header() {
        let link =
            "<https://a.org/x?page=1>; rel=\"prev\", <https://a.org/x?page=3>; title=\"a\"; rel=\"last next\", <z>";
        assert_eq!(next_of(link).as_deref(), Some("https://a.org/x?page=3"));
        assert_eq!(next_of("<y>; REL=next").as_deref(), Some("y"));
        for none in ["", "<y>; rel=\"prev\"", "<y", "next", "<y>; rel=nextish"] {
            assert_eq!(next_of(none), None, "{none}");
        }
    }

    #[test]
    fn a_parameter_takes_the_place_of_its_namesake() {
        let address: Uri = "https://a.org/x?b=1&page=7&c=%20".parse().unwrap();
        let next = with_parameter(&address, "page", "a/b c").unwrap();
        assert_eq!(next.to_string(), "https://a.org/x?b=1&c=%20&page=a%2Fb%20c");
        let bare: Uri = "https://a.org/".parse().unwrap();
        assert_eq!(with_parameter(&bare, "p", "2").unwrap().to_string(), "https://a.org/?p=2");
    }
}
