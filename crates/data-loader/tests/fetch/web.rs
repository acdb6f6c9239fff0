//! Is what a web server sends the file, whatever it does on the way?

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use data_loader::Error;
use data_loader::fetch::{Checked, Event, State};

use crate::server::{Reply, Request, Server};
use crate::{Place, fresh, is_written_below, stopping, sum, table, token_variable};

const LONG: usize = 700_000;

#[test]
fn a_file_is_fetched_once() {
    let bytes = fresh(LONG);
    let served = bytes.clone();
    let server = Server::new(move |_, request| Reply::of(request, &served, "\"1\""));
    let place = Place::new(&table("a.bin", Some(&sum(&bytes).to_uppercase()), &server.url("/a?key=1")));
    let fetched = place.fetch().unwrap();
    assert_eq!((fetched[0].state, fetched[0].bytes, &fetched[0].sha256), (State::Fetched, LONG as u64, &sum(&bytes)));
    assert_eq!(place.read("a.bin"), bytes);
    assert_eq!(place.fetch().unwrap()[0].state, State::Present);
    assert_eq!(server.requests().len(), 1);
    drop(server);
    // The cache has it, and knows its checksum: no network is needed.
    std::fs::remove_file(place.path("a.bin")).unwrap();
    assert_eq!(place.fetch().unwrap()[0].state, State::Fetched);
    assert_eq!(place.read("a.bin"), bytes);
    // What is there and is another file is an error, and is never replaced.
    std::fs::write(place.path("a.bin"), "mine").unwrap();
    assert!(matches!(place.fetch(), Err(Error::Checksum { .. })));
    assert_eq!(place.read("a.bin"), b"mine");
}

#[test]
fn a_damaged_cache_is_no_source() {
    let bytes = fresh(LONG);
    let served = bytes.clone();
    let server = Server::new(move |_, request| Reply::of(request, &served, "\"1\""));
    let place = Place::new(&table("a.bin", Some(&sum(&bytes)), &server.url("/a")));
    place.fetch().unwrap();
    for path in place.cached() {
        std::fs::write(path, "damaged").unwrap();
    }
    std::fs::remove_file(place.path("a.bin")).unwrap();
    place.fetch().unwrap();
    assert_eq!((place.read("a.bin"), server.requests().len()), (bytes, 2));
}

#[test]
fn without_a_checksum_nothing_is_believed_a_second_time() {
    let server = Server::new(|number, request| Reply::of(request, format!("version {number}").as_bytes(), ""));
    let place = Place::new(&table("a.bin", None, &server.url("/a")));
    let fetched = place.fetch().unwrap();
    assert_eq!((fetched[0].checked, &fetched[0].sha256), (Checked::Unstated, &sum(b"version 0")));
    assert!(place.cached().is_empty(), "{:?}", place.cached());
    std::fs::remove_file(place.path("a.bin")).unwrap();
    place.fetch().unwrap();
    assert_eq!(place.read("a.bin"), b"version 1");
}

/// What the server was asked for after the first request.
fn ranges(requests: &[Request]) -> Vec<Option<usize>> {
    requests.iter().map(Request::from).collect()
}

#[test]
fn a_line_that_breaks_costs_only_what_is_missing() {
    for (stated, tag) in [(true, "\"1\""), (false, "\"1\""), (true, "")] {
        let bytes = fresh(LONG);
        let served = bytes.clone();
        // Twelve pieces: more than the attempts in vain that are borne, and each brings something.
        let server = Server::new(move |_, request| Reply::of(request, &served, tag).cut(60_000));
        let place = Place::new(&table("a.bin", stated.then(|| sum(&bytes)).as_deref(), &server.url("/a")));
        place.fetch().unwrap();
        assert_eq!(place.read("a.bin"), bytes);
        let wanted: Vec<_> = (0..12).map(|piece| (piece > 0).then_some(piece * 60_000)).collect();
        assert_eq!(ranges(&server.requests()), wanted);
        for request in &server.requests()[1..] {
            assert_eq!(request.headers.get("if-range").map_or("", String::as_str), tag);
        }
    }
}

#[test]
fn the_time_of_the_last_change_is_a_version_too_and_a_weak_tag_is_none() {
    let date = "Wed, 21 Oct 2015 07:28:00 GMT";
    for (header, value, version) in [("last-modified", date, Some(date)), ("etag", "W/\"1\"", None)] {
        let bytes = fresh(LONG);
        let served = bytes.clone();
        let server = Server::new(move |number, request| {
            let whole = Reply::new(200, &served);
            let reply = Reply::of(request, &served, "");
            let reply = if request.headers.get("if-range").is_some_and(|asked| asked == date) {
                Reply::new(206, &served[request.from().unwrap()..]).with(
                    "content-range",
                    format!("bytes {}-{}/{}", request.from().unwrap(), served.len() - 1, served.len()),
                )
            } else if request.from().is_some() {
                reply
            } else {
                whole
            };
            let reply = reply.with(header, value);
            if number == 0 { reply.cut(100_000) } else { reply }
        });
        let place = Place::new(&table("a.bin", None, &server.url("/a")));
        place.fetch().unwrap();
        assert_eq!(place.read("a.bin"), bytes);
        let second = &server.requests()[1];
        assert_eq!(second.headers.get("if-range").map(String::as_str), version);
        assert_eq!(second.from().is_some(), version.is_some(), "without a version nothing is pieced together");
    }
}

#[test]
fn a_server_that_ignores_ranges_is_read_from_the_start() {
    let bytes = fresh(LONG);
    let served = bytes.clone();
    let server = Server::new(move |number, _| {
        let reply = Reply::new(200, &served).with("etag", "\"1\"");
        if number < 2 { reply.cut(200_000 + number * 100_000) } else { reply }
    });
    let place = Place::new(&table("a.bin", None, &server.url("/a")));
    place.fetch().unwrap();
    assert_eq!(place.read("a.bin"), bytes);
}

#[test]
fn a_file_that_changes_meanwhile_is_never_a_mixture() {
    // A server that knows If-Range, one that ignores it and says so by its tag, and one that says nothing at all.
    for kind in 0..3 {
        let (old, new) = (fresh(LONG), fresh(LONG + 1000 * (kind % 2)));
        let (first, second) = (old.clone(), new.clone());
        let server = Server::new(move |number, request| match (number, kind) {
            (0, 0 | 1) => Reply::of(request, &first, "\"old\"").cut(300_000),
            (_, 0) => Reply::of(request, &second, "\"new\""),
            (0, _) => Reply::of(request, &first, "").cut(300_000),
            (_, kind) => {
                let mut request = request.clone();
                request.headers.remove("if-range");
                Reply::of(&request, &second, if kind == 1 { "\"new\"" } else { "" })
            }
        });
        // The third kind is only found out by the checksum.
        let stated = (kind == 2).then(|| sum(&new));
        let place = Place::new(&table("a.bin", stated.as_deref(), &server.url("/a")));
        place.fetch().unwrap();
        assert_eq!(place.read("a.bin"), new, "kind {kind}");
        assert_eq!(server.requests()[1].from(), Some(300_000));
    }
}

#[test]
fn lengths_that_lie_are_found_out() {
    let bytes = fresh(10_000);
    // More is announced than ever comes.
    let served = bytes.clone();
    let server = Server::new(move |_, request| {
        let mut reply = Reply::of(request, &served, "\"1\"");
        if request.from().is_none() {
            reply.claimed = Some(12_000);
        }
        reply
    });
    let place = Place::new(&table("a.bin", None, &server.url("/a")));
    let error = place.refused();
    assert!(!error.is_usage() && error.to_string().contains("attempts in a row"), "{error}");
    // Fewer are announced than the file has: what comes has another checksum.
    let served = bytes.clone();
    let server = Server::new(move |_, _| Reply { claimed: Some(9_000), ..Reply::new(200, &served) });
    let place = Place::new(&table("a.bin", Some(&sum(&bytes)), &server.url("/a")));
    let error = place.refused();
    assert!(error.is_usage() && error.to_string().contains(&sum(&bytes[..9_000])), "{error}");
    assert!(error.to_string().contains(&sum(&bytes)), "{error}");
}

#[test]
fn ranges_that_lie_are_found_out() {
    let lies: [fn(usize, usize) -> String; 4] = [
        |from, whole| format!("bytes {}-{}/{whole}", from + 1, whole - 1),
        |from, whole| format!("bytes {from}-{}/{}", whole - 1, whole + 7),
        |_, _| "bytes".to_owned(),
        |from, whole| format!("bytes 0-{from}/{whole}"),
    ];
    for lie in lies {
        let bytes = fresh(LONG);
        let served = bytes.clone();
        let server = Server::new(move |number, request| match (number, request.from()) {
            (0, _) => Reply::of(request, &served, "\"1\"").cut(100_000),
            (1, Some(from)) => {
                Reply::new(206, &served[from..]).with("content-range", lie(from, served.len())).with("etag", "\"1\"")
            }
            _ => Reply::of(request, &served, "\"1\""),
        });
        let place = Place::new(&table("a.bin", None, &server.url("/a")));
        place.fetch().unwrap();
        assert_eq!(place.read("a.bin"), bytes);
        assert_eq!(ranges(&server.requests()), [None, Some(100_000), None], "what was pieced together is forgotten");
    }
}

#[test]
fn what_lies_behind_the_end_is_nothing_or_a_change() {
    let bytes = fresh(LONG);
    // All bytes came, and only the end of the connection was missed: the rest is empty.
    let served = bytes.clone();
    let server = Server::new(move |number, request| {
        let reply = Reply::of(request, &served, "\"1\"");
        if number == 0 { Reply { claimed: Some(LONG + 1), ..reply } } else { reply }
    });
    let place = Place::new(&table("a.bin", Some(&sum(&bytes)), &server.url("/a")));
    place.fetch().unwrap();
    assert_eq!(place.read("a.bin"), bytes);
    // The file has become shorter.
    let short = bytes[..1000].to_vec();
    let server = Server::new(move |number, request| {
        let mut request = request.clone();
        request.headers.remove("if-range");
        if number == 0 { Reply::of(&request, &bytes, "\"1\"").cut(5_000) } else { Reply::of(&request, &short, "\"1\"") }
    });
    let place = Place::new(&table("a.bin", None, &server.url("/a")));
    place.fetch().unwrap();
    assert_eq!(place.read("a.bin").len(), 1000);
}

#[test]
fn some_answers_pass_and_some_last() {
    let server = Server::new(|number, request| match number {
        0 => Reply::new(500, b"oops"),
        1 => Reply::new(503, b"busy"),
        2 => Reply::new(429, b"slowly").with("retry-after", 1),
        _ => Reply::of(request, b"good", "\"1\""),
    });
    let place = Place::new(&table("a.bin", None, &server.url("/a")));
    let begun = Instant::now();
    let mut waits = Vec::new();
    place
        .fetch_with(&AtomicBool::new(false), &|_| None, &mut |event| {
            if let Event::Waiting { reason, .. } = event {
                waits.push((*reason).to_owned());
            }
        })
        .unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "the server asked for a second");
    assert!(waits[0].contains("500") && waits[1].contains("503") && waits[2].contains("429"), "{waits:?}");

    for (reply, asked, usage, words) in [
        (Reply::new(404, b""), 1, true, "404"),
        (Reply::new(403, b""), 1, true, "403"),
        (Reply::new(204, b""), 1, true, "204"),
        (Reply::new(206, b"x"), 5, false, "range that nobody asked for"),
        (Reply::new(500, b""), 5, false, "500"),
        (Reply::new(429, b"").with("retry-after", 86_400), 1, false, "wait 86400 s"),
    ] {
        let server = Server::new(move |_, _| reply.clone());
        let place = Place::new(&table("a.bin", None, &server.url("/a")));
        let error = place.refused();
        assert!(error.to_string().contains(words) && error.is_usage() == usage, "{error}");
        assert_eq!(server.requests().len(), asked, "{error}");
    }
}

#[test]
fn nobody_at_home_is_an_error_of_the_network() {
    let server = Server::new(|_, _| Reply::new(200, b""));
    let url = server.url("/a");
    drop(server);
    let error = Place::new(&table("a.bin", None, &url)).refused();
    assert!(!error.is_usage() && error.to_string().contains("/a could not be fetched"), "{error}");
}

#[test]
fn silence_is_a_broken_line_and_slowness_is_none() {
    let bytes = fresh(60_000);
    let served = bytes.clone();
    let server = Server::new(move |number, request| {
        let reply = Reply::of(request, &served, "\"1\"");
        // First it falls silent in the middle; then it is slow throughout, longer in all than silence is borne.
        match number {
            0 => reply.pace(20_000, Duration::from_secs(2)),
            _ => reply.pace(3_000, Duration::from_millis(80)),
        }
    });
    let place = Place::new(&table("a.bin", None, &server.url("/a")));
    let begun = Instant::now();
    place.fetch().unwrap();
    assert_eq!(place.read("a.bin"), bytes);
    assert_eq!(ranges(&server.requests()), [None, Some(20_000)]);
    assert!(begun.elapsed() > Duration::from_millis(1400), "both waits took place");
}

#[test]
fn redirects_are_followed_within_limits() {
    let server = Server::new(|_, request| match request.path.as_str() {
        "/start/here" => Reply::new(302, b"").with("location", "there?x=1"),
        "/start/there?x=1" => Reply::new(307, b"").with("location", "/end"),
        "/end" => Reply::of(request, b"found", "\"1\""),
        "/loop" => Reply::new(301, b"").with("location", "/loop"),
        "/file" => Reply::new(302, b"").with("location", "file:///etc/passwd"),
        "/nowhere" => Reply::new(302, b""),
        _ => Reply::new(404, b""),
    });
    let place = Place::new(&table("a.bin", None, &server.url("/start/here")));
    place.fetch().unwrap();
    assert_eq!(place.read("a.bin"), b"found");
    for (path, words) in [("/loop", "more than 10 redirects"), ("/file", "`file:`"), ("/nowhere", "redirects nowhere")]
    {
        let error = Place::new(&table("a.bin", None, &server.url(path))).refused();
        assert!(error.to_string().contains(words) && error.is_usage(), "{error}");
    }
}

#[test]
fn a_token_goes_to_its_host_alone_and_is_seen_nowhere() {
    const TOKEN: &str = "t0ken-0f-th1s-test";
    let fresh_body = fresh(1000);
    let served = fresh_body.clone();
    let stranger = Server::new(move |_, request| match request.path.as_str() {
        "/a" => Reply::of(request, &served, "\"1\""),
        _ => Reply::new(302, b"").with("location", request.path.replacen("/back/", "http://", 1)),
    });
    let (end, back) = (stranger.url("/a"), stranger.url("/back/"));
    let server = Server::new(move |number, request| match request.path.as_str() {
        "/a" if number == 0 => Reply::new(500, b""),
        "/a" => Reply::new(302, b"").with("location", &end),
        "/b" => Reply::new(302, b"").with("location", format!("{back}{}/c", request.headers["host"])),
        "/denied" => Reply::new(403, b""),
        _ => Reply::of(request, b"c", "\"1\""),
    });
    let named = token_variable(&server);
    let variable = |name: &str| (name == named).then(|| TOKEN.to_owned());
    let fetch = |path: &str, variable: &dyn Fn(&str) -> Option<String>| {
        let place = Place::new(&(table("a.bin", None, &server.url(path)) + "token = true\n"));
        let outcome = place.fetch_with(&AtomicBool::new(false), variable, &mut |event| {
            assert!(!format!("{event:?}").contains(TOKEN));
        });
        assert!(!is_written_below(place.folder.path(), TOKEN), "the token lies in a file");
        outcome
    };
    fetch("/a", &variable).unwrap();
    fetch("/b", &variable).unwrap();
    let error = fetch("/denied", &variable).unwrap_err();
    assert!(!format!("{error} {error:?} {:?}", error.hint()).contains(TOKEN));
    let asked = |server: &Server| -> Vec<(String, bool)> {
        let shows = |request: &Request| request.headers.get("authorization") == Some(&format!("Bearer {TOKEN}"));
        server.requests().iter().map(|request| (request.path.clone(), shows(request))).collect()
    };
    let of =
        |pairs: &[(&str, bool)]| pairs.iter().map(|(path, shown)| ((*path).to_owned(), *shown)).collect::<Vec<_>>();
    assert_eq!(asked(&server), of(&[("/a", true), ("/a", true), ("/b", true), ("/c", false), ("/denied", true)]));
    assert!(asked(&stranger).iter().all(|(_, shown)| !shown) && stranger.requests().len() == 2);
    // A token that is not there is met before anything is asked.
    let error = fetch("/a", &|_| None).unwrap_err();
    assert!(error.to_string().contains(&named) && error.is_usage(), "{error}");
    assert_eq!(server.requests().len(), 5);
}

#[test]
fn no_more_is_read_than_the_card_allows() {
    for claimed in [None, Some(400)] {
        let server = Server::new(move |_, _| Reply { claimed, ..Reply::new(200, &[7; 2000]) });
        let place = Place::new(&(table("a.bin", None, &server.url("/a")) + "max_bytes = 300\n"));
        assert!(matches!(place.refused(), Error::TooLarge { limit: 300, .. }));
    }
}

#[test]
fn what_has_come_stays_when_the_work_is_stopped() {
    let bytes = fresh(LONG);
    for (stated, spoilt) in [(true, false), (false, false), (true, true)] {
        let served = bytes.clone();
        let server =
            Server::new(move |_, request| Reply::of(request, &served, "\"1\"").pace(50_000, Duration::from_millis(5)));
        let place = Place::new(&table("a.bin", stated.then(|| sum(&bytes)).as_deref(), &server.url("/a")));
        let stop = AtomicBool::new(false);
        let error = place.fetch_with(&stop, &|_| None, &mut stopping(200_000, &stop)).unwrap_err();
        assert!(matches!(error, Error::Interrupted) && !error.is_usage());
        assert_eq!(std::fs::read_dir(place.card()).unwrap().count(), 1, "nothing lies beside the card");
        let part = place.cached().into_iter().find(|path| path.extension().is_some_and(|e| e == "part")).unwrap();
        let have = std::fs::metadata(&part).unwrap().len() as usize;
        assert!((200_000..LONG).contains(&have));
        if spoilt {
            // A power cut may leave anything; the checksum finds it out, and it is read anew.
            std::fs::write(&part, vec![0; have]).unwrap();
        }
        place.fetch().unwrap();
        assert_eq!(place.read("a.bin"), bytes);
        let asked = ranges(&server.requests());
        assert_eq!(asked, if spoilt { vec![None, Some(have), None] } else { vec![None, Some(have)] });
    }
}
