//! Do all records of a web API come, once each and digit by digit, however it leads from page to page?

use std::sync::atomic::AtomicBool;

use data_loader::fetch::Event;
use data_loader::{Card, DataConfig, Dataset, Error};

use crate::server::{Reply, Request, Server};
use crate::{Place, is_written_below, token_variable};

/// A card in JSONL with one source.
fn place(url: &str, settings: &str) -> Place {
    let place = Place::new(&format!("[[files]]\npath = \"a.jsonl\"\n[files.from.rest]\nurl = \"{url}\"\n{settings}"));
    let card = place.path("card.toml");
    let text = std::fs::read_to_string(&card).unwrap().replace("[format.csv]", "[format.jsonl]");
    std::fs::write(&card, text).unwrap();
    place
}

/// The value of a parameter of a request.
fn parameter(request: &Request, name: &str) -> Option<String> {
    let query = request.path.split_once('?')?.1;
    query
        .split('&')
        .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
        .map(|(_, value)| value.into())
}

/// A page of records: `x` counts on from `first`.
fn records(first: usize, count: usize) -> String {
    let rows =
        (first..first + count).map(|x| format!("{{\"x\": {x},\n \"y\": \"{}\"}}", if x % 2 == 0 { "a" } else { "b" }));
    format!("[{}]", rows.collect::<Vec<_>>().join(", "))
}

fn check(place: &Place, rows: usize) {
    place.fetch().unwrap();
    let text = String::from_utf8(place.read("a.jsonl")).unwrap();
    let wanted: Vec<String> =
        (0..rows).map(|x| format!("{{\"x\":{x},\"y\":\"{}\"}}", if x % 2 == 0 { "a" } else { "b" })).collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn pages_are_followed_in_every_way() {
    // By a link in the answer, relative or whole; by the header; by number; by a cursor that needs encoding.
    let server = Server::new(|_, request| {
        let page: usize = parameter(request, "page").map_or(1, |page| page.parse().unwrap());
        let list = if page > 4 { "[]".into() } else { records((page - 1) * 5, 5) };
        let more = page < 4;
        let host = &request.headers["host"];
        let path = request.path.split('?').next().unwrap();
        match path {
            "/body" => {
                let next = match page {
                    1 => "\"?page=2\"".to_owned(),
                    2 => format!("\"http://{host}/body?page=3\""),
                    3 => "\"/body?page=4\"".to_owned(),
                    _ => "null".to_owned(),
                };
                Reply::new(
                    200,
                    format!("{{\"data\": {{\"items\": {list}}}, \"links\": {{\"next\": {next}}}}}").as_bytes(),
                )
            }
            "/header" => {
                let reply = Reply::new(200, list.as_bytes());
                let next = format!("<http://{host}/header?page={}>; rel=\"next\", </x>; rel=\"last\"", page + 1);
                if more { reply.with("link", next) } else { reply }
            }
            "/number" => {
                assert_eq!(parameter(request, "size").as_deref(), Some("5"));
                Reply::new(200, list.as_bytes())
            }
            _ => {
                let page = match parameter(request, "after").as_deref() {
                    None => 1,
                    Some("a%2Fb%3D2") => 2,
                    Some(number) => number.parse().unwrap(),
                };
                let next = ["", "\"a/b=2\"", "3", "4", "\"\""][page];
                let list = records((page - 1) * 5, 5);
                Reply::new(200, format!("{{\"next\": {next}, \"rows\": {list}}}").as_bytes())
            }
        }
    });
    check(&place(&server.url("/body"), "records = \"data.items\"\nnext = \"links.next\"\n"), 20);
    check(&place(&server.url("/header"), ""), 20);
    check(&place(&server.url("/number?size=5"), "page = { parameter = \"page\" }\n"), 20);
    let cursor = "records = \"rows\"\ncursor = { at = \"next\", parameter = \"after\" }\n";
    check(&place(&server.url("/cursor"), cursor), 20);
    assert_eq!(server.requests().len(), 4 + 4 + 5 + 4);
}

#[test]
fn records_are_read_as_they_were_sent() {
    let long = "123456789012345678901234567890";
    let server = Server::new(move |_, _| {
        let rows: Vec<String> = (0..20)
            .map(|row| {
                format!("{{\"x\": 0.1000000000000000055511151231257827, \"y\": \"c{}\", \"id\": {long}}}", row % 2)
            })
            .collect();
        Reply::new(200, format!("[{}]", rows.join(",")).as_bytes())
    });
    let place = place(&server.url("/"), "");
    place.fetch().unwrap();
    let text = String::from_utf8(place.read("a.jsonl")).unwrap();
    assert!(
        text.starts_with(&format!("{{\"x\":0.1000000000000000055511151231257827,\"y\":\"c0\",\"id\":{long}}}\n")),
        "{text}"
    );
    let card = place.path("card.toml");
    let with_key = std::fs::read_to_string(&card).unwrap().replace("[schema]\n", "[schema]\nignore = [\"id\"]\n");
    std::fs::write(&card, with_key).unwrap();
    assert_eq!(Dataset::open(&DataConfig::new("."), &place.card(), None, 0).unwrap().lineage().rows, 20);
    assert_eq!(Card::open(&place.card()).unwrap().files.len(), 1);
}

#[test]
fn a_busy_server_is_asked_again_and_a_broken_page_too() {
    let server = Server::new(|number, request| match number {
        0 => Reply::new(429, b"").with("retry-after", 0),
        1 => Reply::new(503, b""),
        2 => Reply::of(request, records(0, 5).as_bytes(), "").cut(20),
        _ => Reply::new(200, records(0, 5).as_bytes()),
    });
    check(&place(&server.url("/"), ""), 5);
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn what_is_no_page_is_an_error_and_nothing_is_kept() {
    let server = Server::new(|_, request| {
        let answer = match request.path.split('?').next().unwrap() {
            "/html" => "<html>".to_owned(),
            "/cut" => "[{\"x\": 1}".to_owned(),
            "/object" => "{\"data\": {}}".to_owned(),
            "/numbers" => "[1, 2]".to_owned(),
            "/circle" => format!("{{\"data\": {}, \"next\": \"/circle?p=1\"}}", records(0, 1)),
            "/stranger" => "{\"data\": [], \"next\": \"http://127.0.0.1:1/x\"}".to_owned(),
            "/odd" => "{\"data\": [], \"next\": [1]}".to_owned(),
            _ => records(0, 3),
        };
        Reply::new(200, answer.as_bytes())
    });
    for (path, settings, words) in [
        ("/html", "", "page 1 is no JSON"),
        ("/cut", "", "page 1 is no JSON"),
        ("/object", "", "the answer is no list"),
        ("/object", "records = \"data.rows\"\n", "no `data.rows`"),
        ("/numbers", "", "no object"),
        ("/circle", "records = \"data\"\nnext = \"next\"\n", "circle"),
        ("/stranger", "records = \"data\"\nnext = \"next\"\n", "another server"),
        ("/odd", "records = \"data\"\nnext = \"next\"\n", "neither a text nor a number"),
        ("/circle", "records = \"data\"\nnext = \"links.next\"\n", "no `links.next`"),
        ("/circle", "records = \"data\"\nnext = \"nxet\"\n", "there is `data`, `next`"),
        (
            "/circle",
            "records = \"data\"\ncursor = { at = \"meta.next\", parameter = \"c\" }\n",
            "page 1: there is no `meta.next`",
        ),
        ("/object", "records = \"data.rows\"\n", "in which there is `data`"),
        ("/endless", "page = { parameter = \"p\" }\nmax_pages = 3\n", "more than 3 pages"),
        ("/endless", "page = { parameter = \"p\" }\nmax_bytes = 200\n", "larger than"),
        ("/endless", "page = { parameter = \"p\" }\nnext = \"n\"\n", "more than one of"),
    ] {
        let error = place(&server.url(path), settings).refused();
        assert!(error.to_string().contains(words) && error.is_usage(), "{path}: {error}");
    }
}

#[test]
fn the_token_is_sent_and_seen_nowhere() {
    const TOKEN: &str = "s3cret-0f-th1s-test";
    let server = Server::new(|_, request| {
        if request.headers.get("authorization").is_none_or(|token| *token != format!("Bearer {TOKEN}")) {
            return Reply::new(401, b"");
        }
        match parameter(request, "page").as_deref() {
            Some("3") => Reply::new(403, b""),
            _ => Reply::new(200, records(0, 5).as_bytes()),
        }
    });
    let settings = "token = true\npage = { parameter = \"page\" }\n";
    let named = token_variable(&server);
    let place = place(&server.url("/"), settings);
    let variable = |name: &str| (name == named).then(|| TOKEN.to_owned());
    let error = place.fetch_with(&AtomicBool::new(false), &variable, &mut |_| {}).unwrap_err();
    assert!(matches!(&error, Error::Fetch { message, .. } if message.contains("403")), "{error}");
    assert!(!format!("{error} {error:?} {:?}", error.hint()).contains(TOKEN));
    assert!(!is_written_below(place.folder.path(), TOKEN));
    let error = place.refused();
    assert!(error.to_string().contains(&named), "{error}");
}

/// The path to the next page may be missing on the last page, or be null anywhere on the way to it.
#[test]
fn the_last_page_may_say_so_or_say_nothing() {
    for last in
        ["", ", \"links\": null", ", \"links\": {\"next\": null}", ", \"links\": {}", ", \"links\": {\"next\": false}"]
    {
        let server = Server::new(move |_, request| {
            let page: usize = parameter(request, "page").map_or(1, |page| page.parse().unwrap());
            let links = match page {
                3 => last.to_owned(),
                page => format!(", \"links\": {{\"next\": \"?page={}\"}}", page + 1),
            };
            Reply::new(200, format!("{{\"data\": {}{links}}}", records((page - 1) * 5, 5)).as_bytes())
        });
        let place = place(&server.url("/"), "records = \"data\"\nnext = \"links.next\"\n");
        let fetched = place.fetch().unwrap();
        assert_eq!((fetched[0].rows, fetched[0].pages), (Some(15), Some(3)), "{last}");
    }
}

#[test]
fn one_page_that_seems_to_be_the_first_is_told_of() {
    let server = Server::new(|_, request| {
        let more = match request.path.as_str() {
            "/next" => ", \"paging\": {\"next\": \"/next?page=2\"}",
            "/more" => ", \"has_more\": true",
            "/token" => ", \"nextPageToken\": \"abc\"",
            "/last" => ", \"next\": null, \"has_more\": false, \"cursor\": \"\"",
            _ => ", \"count\": 5",
        };
        Reply::new(200, format!("{{\"data\": {}{more}}}", records(0, 5)).as_bytes())
    });
    for (path, named) in [
        ("/next", Some("`paging.next`")),
        ("/more", Some("`has_more`")),
        ("/token", Some("`nextPageToken`")),
        ("/last", None),
        ("/plain", None),
    ] {
        let place = place(&server.url(path), "records = \"data\"\n");
        let mut notices = Vec::new();
        let mut progress = |event: &Event| {
            if let Event::Notice { file, text } = event {
                notices.push(format!("{file}: {text}"));
            }
        };
        let fetched = place.fetch_with(&AtomicBool::new(false), &|_| None, &mut progress).unwrap();
        assert_eq!((fetched[0].rows, fetched[0].pages), (Some(5), Some(1)));
        match named {
            Some(named) => assert!(notices.len() == 1 && notices[0].contains(named), "{path}: {notices:?}"),
            None => assert!(notices.is_empty(), "{path}: {notices:?}"),
        }
    }
}

#[test]
fn nothing_behind_the_last_numbered_page_ends_them() {
    for status in [404, 410] {
        let server = Server::new(move |_, request| match parameter(request, "page").unwrap().parse().unwrap() {
            page @ 1..=3_usize => Reply::new(200, records((page - 1) * 5, 5).as_bytes()),
            _ => Reply::new(status, b"<html>"),
        });
        check(&place(&server.url("/"), "page = { parameter = \"page\" }\n"), 15);
        // Where the first page is not there, the address is wrong.
        let error = place(&server.url("/"), "page = { parameter = \"page\", first = 4 }\n").refused();
        assert!(error.to_string().contains(&status.to_string()), "{error}");
    }
}

#[test]
fn what_is_packed_on_the_way_is_no_page() {
    let server = Server::new(|_, _| Reply::new(200, &[0x1f, 0x8b, 8, 0]).with("content-encoding", "gzip"));
    let error = place(&server.url("/"), "").refused();
    assert!(error.to_string().contains("packs what it sends by `gzip`"), "{error}");
}

/// A page is held as its text, and its records are not built.
#[test]
#[cfg(target_os = "linux")]
fn a_page_of_many_records_takes_little_more_than_its_text() {
    let most = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
    };
    let count = 2_500_000;
    let page = format!("[{{}}{}]", ",{}".repeat(count - 1));
    let (size, served) = (page.len(), page.into_bytes());
    let server = Server::new(move |_, _| Reply::new(200, &served));
    let place = place(&server.url("/"), "");
    let before = most();
    let fetched = place.fetch().unwrap();
    let grown = most() - before;
    assert_eq!(fetched[0].rows, Some(count as u64));
    // The server holds two copies, and a buffer that grows is twice its contents.
    assert!(grown < 12 * size, "{grown} bytes more for a page of {size}");
}
