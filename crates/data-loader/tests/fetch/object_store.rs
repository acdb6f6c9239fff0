//! Do files come out of an object store? Out of a small one on this machine, which speaks as much of S3's protocol as reading and
//! listing need; signatures are not looked at, and Google's and Microsoft's protocols are not tried.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use data_loader::Error;
use data_loader::fetch::{Event, Fetched};

use crate::server::{Reply, Request, Server};
use crate::{Place, fresh, stopping, sum};

/// Larger than one piece.
const LONG: usize = 9_000_000;

/// What lies in the bucket `b`: path, bytes and version.
type Objects = Arc<Mutex<Vec<(String, Vec<u8>, u32)>>>;

fn answer(objects: &Objects, request: &Request) -> Reply {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let objects = objects.lock().unwrap();
    if query.contains("list-type=2") {
        let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix=")).unwrap_or("").replace("%2F", "/");
        let inside = |name: &str| name.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/'));
        let items: Vec<String> = objects
            .iter()
            .filter(|(name, ..)| inside(name))
            .map(|(name, bytes, version)| {
                let (date, size) = ("2015-10-21T07:28:00.000Z", bytes.len());
                format!(
                    "<Contents><Key>{name}</Key><LastModified>{date}</LastModified><ETag>\"{version}\"</ETag>\
                     <Size>{size}</Size></Contents>"
                )
            })
            .collect();
        let text = format!("<ListBucketResult><IsTruncated>false</IsTruncated>{}</ListBucketResult>", items.concat());
        return Reply::new(200, text.as_bytes());
    }
    let found = objects.iter().find(|(name, ..)| Some(name.as_str()) == path.strip_prefix("/b/"));
    let Some((_, bytes, version)) = found else { return Reply::new(404, b"<Error><Code>NoSuchKey</Code></Error>") };
    let tag = format!("\"{version}\"");
    if request.headers.get("if-match").is_some_and(|asked| *asked != tag) {
        return Reply::new(412, b"");
    }
    let span = request.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let reply = match span {
        None => Reply::new(200, bytes),
        Some((from, to)) => {
            let (from, to) = (from.parse::<usize>().unwrap(), to.parse::<usize>().unwrap());
            let range = format!("bytes {from}-{to}/{}", bytes.len());
            Reply::new(206, &bytes[from..=to]).with("content-range", range)
        }
    };
    reply.with("etag", tag).with("last-modified", "Wed, 21 Oct 2015 07:28:00 GMT")
}

fn place(path: &str, sha256: Option<&str>, url: &str) -> Place {
    let sha256 = sha256.map_or(String::new(), |sum| format!("sha256 = \"{sum}\"\n"));
    Place::new(&format!(
        "[[files]]\npath = \"{path}\"\n{sha256}[files.from.object_store]\nurl = \"{url}\"\nregion = \"r\"\nanonymous = true\n"
    ))
}

fn fetch(place: &Place, server: &Server) -> Result<Vec<Fetched>, Error> {
    fetch_until(place, server, &AtomicBool::new(false), &mut |_| {})
}

fn fetch_until(
    place: &Place,
    server: &Server,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(&Event),
) -> Result<Vec<Fetched>, Error> {
    let endpoint = server.url("");
    let variable = |name: &str| match name {
        "AWS_ENDPOINT_URL" => Some(endpoint.clone()),
        "AWS_ALLOW_HTTP" => Some("true".to_owned()),
        _ => None,
    };
    place.fetch_with(stop, &variable, progress)
}

#[test]
fn files_and_patterns_come_out_of_a_bucket() {
    let names = ["d/b.csv", "d/a.csv", "d/c.txt", "d/e/f.csv", "g.csv"];
    let objects: Objects = Arc::new(Mutex::new(names.map(|name| (name.to_owned(), fresh(1000), 1)).into()));
    let held = Arc::clone(&objects);
    let server = Server::new(move |_, request| answer(&held, request));
    let bytes = |name: &str| objects.lock().unwrap().iter().find(|(found, ..)| found == name).unwrap().1.clone();

    let one = place("x.csv", Some(&sum(&bytes("g.csv"))), "s3://b/g.csv");
    fetch(&one, &server).unwrap();
    assert_eq!(one.read("x.csv"), bytes("g.csv"));

    let many = place("p/*.csv", None, "s3://b/d/*.csv");
    let fetched = fetch(&many, &server).unwrap();
    assert_eq!(fetched.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["p/a.csv", "p/b.csv"]);
    assert_eq!((many.read("p/a.csv"), many.read("p/b.csv")), (bytes("d/a.csv"), bytes("d/b.csv")));

    for (path, url, words) in [
        ("x.csv", "s3://b/gone.csv", "no such file"),
        ("p/*.csv", "s3://b/d/*.png", "no file"),
        ("x.csv", "s3://b", "no address"),
        ("x.csv", "ftp://b/c", "no address"),
        ("x.csv", "s3://user:secret@b/c", "no address"),
    ] {
        let error = fetch(&place(path, None, url), &server).unwrap_err();
        assert!(error.to_string().contains(words) && error.is_usage() && error.hint().is_some(), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn a_store_that_fails_or_changes_gives_one_version() {
    let objects: Objects = Arc::new(Mutex::new(vec![("a".into(), fresh(LONG), 1)]));
    let held = Arc::clone(&objects);
    let server = Server::new(move |number, request| match number {
        0 => Reply::new(503, b""),
        // The file changes after its first piece.
        3 => {
            held.lock().unwrap()[0] = ("a".into(), fresh(LONG), 2);
            answer(&held, request)
        }
        _ => answer(&held, request),
    });
    let place = place("a.bin", None, "s3://b/a");
    fetch(&place, &server).unwrap();
    assert_eq!(place.read("a.bin"), objects.lock().unwrap()[0].1);
}

#[test]
fn a_download_that_was_stopped_goes_on() {
    let objects: Objects = Arc::new(Mutex::new(vec![("a".into(), fresh(LONG), 1)]));
    let held = Arc::clone(&objects);
    let server = Server::new(move |_, request| answer(&held, request));
    let place = place("a.bin", None, "s3://b/a");
    let stop = AtomicBool::new(false);
    let error = fetch_until(&place, &server, &stop, &mut stopping(4_100_000, &stop)).unwrap_err();
    assert!(matches!(error, Error::Interrupted));
    let before = server.requests().len();
    fetch(&place, &server).unwrap();
    assert_eq!(place.read("a.bin"), objects.lock().unwrap()[0].1);
    let range = server.requests()[before + 1].headers["range"].clone();
    let from: usize = range.strip_prefix("bytes=").unwrap().split('-').next().unwrap().parse().unwrap();
    assert!(from >= 4_100_000, "{range}");
}
