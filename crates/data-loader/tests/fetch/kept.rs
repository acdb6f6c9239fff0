//! Is what was fetched known as such: all of it, unchanged, by the settings of today, and written by one process at a time?

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use data_loader::fetch::{self, Checked, Event, Fetched, Options, State};
use data_loader::{Card, Error};

use crate::server::{Reply, Server};
use crate::{Place, fresh, sum, table};

fn local(path: &str, from: &str) -> String {
    format!("[[files]]\npath = \"{path}\"\n[files.from.local]\npath = \"{from}\"\n")
}

/// A card whose files `parts/*.csv` come from a folder `raw` with six files.
fn six() -> Place {
    let place = Place::new(&local("parts/*.csv", "../raw/*.csv"));
    std::fs::create_dir(place.folder.path().join("raw")).unwrap();
    for name in 0..6 {
        std::fs::write(place.folder.path().join(format!("raw/{name}.csv")), format!("x,y\n{name},a\n")).unwrap();
    }
    place
}

/// Half a set looks like a whole one, and would be learnt from.
#[test]
fn a_pattern_of_which_a_part_has_come_does_not_open() {
    let place = six();
    let stop = AtomicBool::new(false);
    let error = place.fetch_with(&stop, &|_| None, &mut |event| {
        if matches!(event, Event::Begun { file, .. } if *file == "parts/3.csv") {
            stop.store(true, Ordering::SeqCst);
        }
    });
    assert!(matches!(error, Err(Error::Interrupted)));
    assert_eq!(std::fs::read_dir(place.path("parts")).unwrap().count(), 3);
    let error = Card::open(&place.card()).unwrap_err();
    assert!(matches!(&error, Error::NotFetched { path, .. } if path.ends_with("parts/3.csv")), "{error}");
    assert!(error.hint().unwrap().contains("firebox data fetch"));
    let states: Vec<State> = place.fetch().unwrap().iter().map(|file| file.state).collect();
    assert_eq!(states, [[State::Present; 3], [State::Fetched; 3]].concat());
    assert_eq!(Card::open(&place.card()).unwrap().files.len(), 6);

    // One that is lost is missed, and one that nobody fetched is not read in silence.
    std::fs::rename(place.path("parts/5.csv"), place.path("parts/6.csv")).unwrap();
    let error = Card::open(&place.card()).unwrap_err();
    assert!(matches!(&error, Error::NotFetched { path, .. } if path.ends_with("parts/5.csv")), "{error}");
    let refused = place.fetch().unwrap_err();
    assert!(refused.to_string().contains("parts/6.csv matches parts/*.csv") && refused.is_usage(), "{refused}");
    std::fs::remove_file(place.path("parts/6.csv")).unwrap();
    place.fetch().unwrap();
    Card::open(&place.card()).unwrap();
    // Files that lie there and were never fetched may be some of many.
    std::fs::remove_file(place.path(".card.fetched.jsonl")).unwrap();
    assert!(matches!(Card::open(&place.card()), Err(Error::NotFetched { .. })));
    assert!(place.fetch().unwrap().iter().all(|file| file.state == State::Present));
    Card::open(&place.card()).unwrap();
}

#[test]
fn files_of_other_settings_are_neither_kept_nor_mixed() {
    let place = six();
    place.fetch().unwrap();
    std::fs::rename(place.folder.path().join("raw"), place.folder.path().join("new")).unwrap();
    std::fs::write(place.folder.path().join("new/0.csv"), "x,y\n7,b\n").unwrap();
    place.write(&local("parts/*.csv", "../new/*.csv"));
    for error in [place.fetch().unwrap_err(), Card::open(&place.card()).unwrap_err()] {
        assert!(error.to_string().contains("parts/*.csv was fetched by other settings") && error.is_usage(), "{error}");
    }
    std::fs::remove_dir_all(place.path("parts")).unwrap();
    place.fetch().unwrap();
    assert_eq!(Card::open(&place.card()).unwrap().files.len(), 6);
    assert_eq!(place.read("parts/0.csv"), b"x,y\n7,b\n");
}

#[test]
fn a_query_that_was_changed_brings_its_rows_or_says_how() {
    let place = Place::new("");
    rusqlite::Connection::open(place.path("t.db")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let query = |number: u32, more: &str| {
        place.write(&format!(
            "[[files]]\npath = \"a.csv\"\n{more}[files.from.sqlite]\ndatabase = \"t.db\"\nquery = \"SELECT {number} AS x, 'a' AS y\"\n"
        ));
    };
    query(1, "");
    place.fetch().unwrap();
    let again = place.fetch().unwrap();
    assert_eq!((again[0].state, again[0].checked), (State::Present, Checked::Recorded));
    query(2, "");
    for error in [place.fetch().unwrap_err(), Card::open(&place.card()).unwrap_err()] {
        assert!(error.to_string().contains("a.csv was fetched by other settings than its card has now"), "{error}");
        assert!(error.is_usage() && error.hint().unwrap().contains("firebox data fetch"), "{:?}", error.hint());
    }
    assert_eq!(place.read("a.csv"), b"x,y\n1,a\n", "nothing is replaced");
    // A checksum in the card vouches for the file, wherever it came from.
    query(2, &format!("sha256 = \"{}\"\n", sum(b"x,y\n1,a\n")));
    assert_eq!(place.fetch().unwrap()[0].checked, Checked::Stated);
    Card::open(&place.card()).unwrap();
    query(2, "");
    std::fs::remove_file(place.path("a.csv")).unwrap();
    place.fetch().unwrap();
    assert_eq!(place.read("a.csv"), b"x,y\n2,a\n");
    Card::open(&place.card()).unwrap();
}

/// As `datasets/california_housing` is: the archive has a checksum, and the file in it none.
#[test]
fn a_file_of_an_archive_that_was_changed_is_found_out() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    let bytes = b"x,y\n1,a\n2,b\n";
    header.set_size(bytes.len() as u64);
    builder.append_data(&mut header, "d/a.csv", &bytes[..]).unwrap();
    let archive = builder.into_inner().unwrap();
    let served = archive.clone();
    let server = Server::new(move |_, request| Reply::of(request, &served, "\"1\""));
    for stated in [true, false] {
        let of_archive = if stated { format!("sha256 = \"{}\"\n", sum(&archive)) } else { String::new() };
        let place =
            Place::new(&(table("a.csv", None, &server.url("/a.tar")) + &format!("member = \"d/a.csv\"\n{of_archive}")));
        let checked = |fetched: Vec<Fetched>| fetched[0].checked;
        let (now, later) =
            if stated { (Checked::ByArchive, Checked::ByArchive) } else { (Checked::Unstated, Checked::Recorded) };
        assert_eq!(checked(place.fetch().unwrap()), now);
        assert_eq!(checked(place.fetch().unwrap()), later);
        Card::open(&place.card()).unwrap();
        for changed in [&bytes[..8], b"x,y\n1,a\n2,c\n", b""] {
            std::fs::write(place.path("a.csv"), changed).unwrap();
            for error in [place.fetch().unwrap_err(), Card::open(&place.card()).unwrap_err()] {
                assert!(
                    error.to_string().contains(&sum(bytes)) && error.to_string().contains(&sum(changed)),
                    "{error}"
                );
                assert!(error.is_usage() && error.hint().unwrap().contains("fetch it again"), "{error}");
            }
        }
        std::fs::remove_file(place.path("a.csv")).unwrap();
        place.fetch().unwrap();
        assert_eq!(place.read("a.csv"), bytes);
    }
}

/// Each process has a cache of its own, as two users or two machines have.
#[test]
fn two_fetches_with_different_caches_take_turns() {
    let bytes = fresh(300_000);
    let served = bytes.clone();
    let server =
        Server::new(move |_, request| Reply::of(request, &served, "\"1\"").pace(30_000, Duration::from_millis(60)));
    let place = Place::new(&table("a.bin", None, &server.url("/a")));
    std::fs::write(place.path(".a.bin.4711-0.part"), "half").unwrap();
    let fetch = |cache: &str, stop: &AtomicBool, progress: &mut dyn FnMut(&Event)| {
        let (silence, pause) = (Duration::from_secs(5), Duration::from_millis(4));
        let cache = place.folder.path().join(cache);
        fetch::fetch(&place.card(), Options { cache, silence, pause, stop, variable: &|_| None, progress })
    };
    let go_on = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (begun, has_begun) = channel();
        let first = scope.spawn(|| {
            let begun = begun;
            fetch("one", &go_on, &mut |event| {
                if matches!(event, Event::Begun { .. }) {
                    begun.send(()).unwrap();
                }
            })
        });
        has_begun.recv().unwrap();
        // Who waits says for what, and can be interrupted.
        let stop = AtomicBool::new(false);
        let mut told = Vec::new();
        let waiting = fetch("two", &stop, &mut |event| {
            if let Event::Notice { text, .. } = event {
                told.push((*text).to_owned());
                stop.store(true, Ordering::SeqCst);
            }
        });
        assert!(matches!(waiting, Err(Error::Interrupted)));
        assert!(told.len() == 1 && told[0].contains("another process fetches into"), "{told:?}");
        let second = fetch("two", &go_on, &mut |_| {}).unwrap();
        let first = first.join().unwrap().unwrap();
        assert_eq!((first[0].state, second[0].state), (State::Fetched, State::Present));
        assert_eq!((&first[0].sha256, &second[0].sha256), (&sum(&bytes), &sum(&bytes)));
    });
    assert_eq!((place.read("a.bin"), server.requests().len()), (bytes, 1));
    let mut names: Vec<_> = std::fs::read_dir(place.card()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".card.fetched.jsonl", "a.bin", "card.toml"], "and what a dead process left is gone");
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_no_regular_file_is_not_copied() {
    let place = Place::new("");
    let pipe = place.folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let begun = Instant::now();
    for (from, words) in [
        ("/dev/zero", "a device or a pipe"),
        ("../pipe", "a device or a pipe"),
        ("/proc/self/environ", "more than the 0 bytes"),
        ("..", "a folder"),
    ] {
        place.write(&local("a.csv", from));
        let error = place.refused();
        assert!(error.to_string().contains(words) && error.is_usage(), "{from}: {error}");
    }
    std::fs::write(place.folder.path().join("raw.csv"), "x,y\n1,a\n").unwrap();
    place.write(&(local("a.csv", "../raw.csv") + "max_bytes = 7\n"));
    assert!(matches!(place.refused(), Error::TooLarge { size: 8, limit: 7, .. }));
    place.write(&(local("a.csv", "../raw.csv") + "max_bytes = 8\n"));
    place.fetch().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
}
