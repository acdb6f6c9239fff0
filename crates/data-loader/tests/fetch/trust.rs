//! Is a card from elsewhere refused what it should not get, and a server believed no more than it proves?

use std::cell::RefCell;
use std::sync::atomic::AtomicBool;

use data_loader::Error;
use data_loader::fetch::Event;

use crate::server::{Reply, Request, Server};
use crate::{Place, fresh, sum, table, token_variable};

/// What is told while `place` fetches, and what comes of it.
fn notices(place: &Place) -> (Vec<String>, Result<Vec<data_loader::fetch::Fetched>, Error>) {
    let mut notices = Vec::new();
    let mut progress = |event: &Event| {
        if let Event::Notice { file, text } = event {
            notices.push(format!("{file}: {text}"));
        }
    };
    let outcome = place.fetch_with(&AtomicBool::new(false), &|_| None, &mut progress);
    (notices, outcome)
}

/// Whatever a card says, a server gets the token that belongs to it and no other secret.
#[test]
fn a_card_can_ask_for_no_secret_but_the_token_of_its_host() {
    let server = Server::new(|_, request| Reply::of(request, b"[{\"x\": 1}]", "\"1\""));
    let asked = RefCell::new(Vec::new());
    let named = token_variable(&server);
    let variable = |name: &str| {
        asked.borrow_mut().push(name.to_owned());
        Some(if name == named { "its-own" } else { "another-secret" }.to_owned())
    };
    let fetch = |place: &Place| place.fetch_with(&AtomicBool::new(false), &variable, &mut |_| {});
    let rest = |url: &str, settings: &str| {
        Place::new(&format!("[[files]]\npath = \"a.jsonl\"\n[files.from.rest]\nurl = \"{url}\"\n{settings}"))
    };
    let http = |url: &str, settings: &str| Place::new(&(table("a.bin", None, url) + settings));
    for place in [http(&server.url("/"), "token = true\n"), rest(&server.url("/"), "token = true\n")] {
        fetch(&place).unwrap();
    }
    assert_eq!(*asked.borrow(), [named.as_str(), &named]);
    let shown = |request: &Request| request.headers.get("authorization").cloned();
    assert!(server.requests().iter().all(|request| shown(request).as_deref() == Some("Bearer its-own")));
    // Names of other variables are no settings.
    for place in [
        http(&server.url("/"), "token_env = \"AWS_SECRET_ACCESS_KEY\"\n"),
        rest(&server.url("/"), "token_env = \"AWS_SECRET_ACCESS_KEY\"\n"),
        http(&server.url("/"), "token = \"AWS_SECRET_ACCESS_KEY\"\n"),
    ] {
        assert!(matches!(fetch(&place), Err(Error::Config { .. })));
    }
    // Nothing is sent in the clear to another machine, not even to ask for its address.
    for place in
        [http("http://data.example.org/a", "token = true\n"), rest("http://data.example.org/a", "token = true\n")]
    {
        let error = fetch(&place).unwrap_err();
        assert!(error.to_string().contains("over http") && error.is_usage(), "{error}");
        assert!(error.hint().unwrap().contains("https"), "{error}");
    }
    let error = http("https://data-1.example.org/a", "token = true\n").refused();
    assert!(error.to_string().contains("FIREBOX_TOKEN_DATA__1_EXAMPLE_ORG is not set"), "{error}");
    assert!(error.hint().unwrap().contains("FIREBOX_TOKEN_DATA__1_EXAMPLE_ORG=..."), "{:?}", error.hint());
    assert_eq!((asked.borrow().len(), server.requests().len()), (2, 2));
}

/// Without a checksum nothing else would find out that the rest is that of another version.
#[test]
fn a_rest_of_which_nobody_says_the_version_is_not_glued_on() {
    for stated in [false, true] {
        let (old, new) = (fresh(700_000), fresh(700_000));
        let (first, second) = (old.clone(), new.clone());
        let server = Server::new(move |number, request| {
            if number == 0 {
                return Reply::of(request, &first, "\"old\"").cut(300_000);
            }
            // It ignores If-Range, and names no version.
            let mut request = request.clone();
            request.headers.remove("if-range");
            Reply::of(&request, &second, "")
        });
        let place = Place::new(&table("a.bin", stated.then(|| sum(&new)).as_deref(), &server.url("/a")));
        place.fetch().unwrap();
        assert_eq!(place.read("a.bin"), new);
        let ranges: Vec<_> = server.requests().iter().map(Request::from).collect();
        assert_eq!(ranges, [None, Some(300_000), None]);
    }
}

#[test]
fn bytes_that_were_packed_on_the_way_are_not_the_file() {
    let server = Server::new(|_, request| {
        let packing = request.path.trim_start_matches('/').to_owned();
        Reply::of(request, b"some bytes", "\"1\"").with("content-encoding", packing)
    });
    for packing in ["gzip", "br", "x-gzip"] {
        let url = server.url(&format!("/{packing}"));
        let error = Place::new(&table("a.bin", None, &url)).refused();
        assert!(
            error.to_string().contains(&format!("packs what it sends by `{packing}`")) && error.is_usage(),
            "{error}"
        );
        // A checksum says that these are the bytes that are wanted.
        Place::new(&table("a.bin", Some(&sum(b"some bytes")), &url)).fetch().unwrap();
    }
    Place::new(&table("a.bin", None, &server.url("/Identity"))).fetch().unwrap();
}

#[test]
fn an_end_that_may_be_too_early_is_told_of() {
    let server = Server::new(|_, _| Reply { unsaid: true, ..Reply::new(200, b"half of it") });
    let place = Place::new(&table("a.bin", None, &server.url("/a")));
    let (told, outcome) = notices(&place);
    assert_eq!((outcome.unwrap()[0].bytes, told.len()), (10, 1));
    assert!(told[0].starts_with("a.bin: 10 bytes came, and whether that is all is not known"), "{told:?}");
    // With a checksum it is known, and with a length or in chunks as well.
    let stated = Place::new(&table("a.bin", Some(&sum(b"half of it")), &server.url("/a")));
    assert!(notices(&stated).0.is_empty());
    let cut = Place::new(&table("a.bin", Some(&sum(b"half of it and the other half")), &server.url("/a")));
    assert!(cut.refused().to_string().contains("SHA-256"));
    let server = Server::new(|_, _| {
        let chunks = b"4\r\nall \r\n5\r\nof it\r\n0\r\n\r\n";
        Reply { unsaid: true, ..Reply::new(200, chunks).with("transfer-encoding", "chunked") }
    });
    let place = Place::new(&table("a.bin", None, &server.url("/a")));
    let (told, outcome) = notices(&place);
    outcome.unwrap();
    assert!(told.is_empty() && place.read("a.bin") == b"all of it", "{told:?}");
}

/// At ten bytes a connection a file would take days.
#[test]
fn a_line_that_drips_is_given_up_and_what_came_is_kept() {
    let bytes = fresh(100_000);
    let served = bytes.clone();
    let server = Server::new(move |number, request| {
        let reply = Reply::of(request, &served, "\"1\"");
        if number < 5 { reply.cut(10) } else { reply }
    });
    let place = Place::new(&table("a.bin", None, &server.url("/a")));
    let error = place.refused();
    assert!(!error.is_usage() && error.to_string().contains("attempts in a row"), "{error}");
    assert_eq!(server.requests().len(), 5);
    place.fetch().unwrap();
    assert_eq!((place.read("a.bin"), server.requests()[5].from()), (bytes, Some(50)));
}

#[test]
fn hidden_files_are_not_written() {
    let server = Server::new(|_, request| Reply::of(request, b"#!/bin/sh", "\"1\""));
    for path in [".git/hooks/pre-commit", ".bashrc", "sub/.x.csv"] {
        let error = Place::new(&table(path, None, &server.url("/a"))).refused();
        assert!(error.to_string().contains("hidden") && error.is_usage(), "{error}");
    }
    assert!(server.requests().is_empty());
}
