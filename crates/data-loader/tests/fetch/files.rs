//! Do files come out of archives and from elsewhere on this machine, and only into the folder of their card?

use std::io::Write;

use data_loader::fetch::{Checked, State};
use data_loader::{Card, Error};

use crate::server::{Reply, Server};
use crate::{Place, fresh, sum, table};

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&builder.into_inner().unwrap()).unwrap();
    packer.finish().unwrap()
}

#[test]
fn an_archive_is_fetched_once_for_all_its_members() {
    let (one, two) = (fresh(200_000), fresh(100_000));
    let packed = archive(&[("d/one.bin", &one), ("d/two.bin", &two)]);
    for stated in [true, false] {
        let served = packed.clone();
        let server = Server::new(move |number, request| {
            let reply = Reply::of(request, &served, "\"1\"");
            if number == 0 { reply.cut(150_000) } else { reply }
        });
        let member = |name: &str, bytes: &[u8]| {
            let of_archive = if stated { format!("sha256 = \"{}\"\n", sum(&packed)) } else { String::new() };
            table(&format!("{name}.bin"), Some(&sum(bytes)), &server.url("/x.tar.gz"))
                + &format!("member = \"d/{name}.bin\"\n{of_archive}")
        };
        let place = Place::new(&(member("one", &one) + &member("two", &two)));
        let fetched = place.fetch().unwrap();
        assert_eq!((fetched.len(), server.requests().len()), (2, 2), "once, in two pieces");
        assert_eq!((place.read("one.bin"), place.read("two.bin")), (one.clone(), two.clone()));
        // A member that is lost is taken from the cache, where a checksum vouches for the archive.
        std::fs::remove_file(place.path("two.bin")).unwrap();
        let fetched = place.fetch().unwrap();
        assert_eq!((fetched[0].state, fetched[1].state), (State::Present, State::Fetched));
        assert_eq!(server.requests().len(), if stated { 2 } else { 3 });
    }
}

#[test]
fn members_that_are_not_there_or_climb_are_refused() {
    let packed = archive(&[("d/one.bin", b"1")]);
    let served = packed.clone();
    let server = Server::new(move |_, request| Reply::of(request, &served, "\"1\""));
    for (member, words) in [("one.bin", "`d/one.bin`"), ("../one.bin", "climbs out"), ("/d/one.bin", "climbs out")] {
        let place = Place::new(&(table("a", None, &server.url("/x.tar.gz")) + &format!("member = \"{member}\"\n")));
        let error = place.refused();
        assert!(error.to_string().contains(words) && error.is_usage(), "{error}");
    }
    // What is no archive is told so, and a member that is another file than its card says is not kept.
    let server = Server::new(|_, request| Reply::of(request, b"<html>please log in</html>", "\"1\""));
    let place = Place::new(&(table("a", None, &server.url("/x.tar.gz")) + "member = \"d/one.bin\"\n"));
    let error = place.refused();
    assert!(error.is_usage(), "{error}");
    let server = Server::new(move |_, request| Reply::of(request, &packed, "\"1\""));
    let place = Place::new(&(table("a", Some(&sum(b"2")), &server.url("/x")) + "member = \"d/one.bin\"\n"));
    assert!(matches!(place.refused(), Error::Checksum { .. }));
}

#[test]
fn the_same_data_may_be_published_in_another_packing() {
    // As MNIST is: what lies here was packed anew, and what is fetched is as it was published.
    let (here, there) = (fresh(100), fresh(120));
    let served = there.clone();
    let server = Server::new(move |_, request| Reply::of(request, &served, "\"1\""));
    let place = Place::new(
        &(table("a.gz", Some(&sum(&here)), &server.url("/a.gz")) + &format!("sha256 = \"{}\"\n", sum(&there))),
    );
    std::fs::write(place.path("a.gz"), &here).unwrap();
    assert_eq!(place.fetch().unwrap()[0].state, State::Present);
    assert!(server.requests().is_empty());
    std::fs::remove_file(place.path("a.gz")).unwrap();
    assert_eq!(place.fetch().unwrap()[0].state, State::Fetched);
    assert_eq!(place.read("a.gz"), there);
    assert_eq!(Card::open(&place.card()).unwrap().files[0].sha256, sum(&there));
    std::fs::write(place.path("a.gz"), "another").unwrap();
    let error = Card::open(&place.card()).unwrap_err().to_string();
    assert!(error.contains(&format!("{} or {}", sum(&here), sum(&there))), "{error}");
}

#[test]
fn files_come_from_elsewhere_on_this_machine() {
    let place = Place::new("");
    let outside = place.folder.path().join("raw");
    std::fs::create_dir(&outside).unwrap();
    for name in ["b", "a", "c"] {
        std::fs::write(outside.join(format!("{name}.csv")), format!("x,y\n1,{name}\n")).unwrap();
    }
    let from =
        |path: &str, local: &str| format!("[[files]]\npath = \"{path}\"\n[files.from.local]\npath = \"{local}\"\n");
    place.write(&from("one.csv", "../raw/b.csv"));
    assert!(matches!(Card::open(&place.card()), Err(Error::NotFetched { .. })));
    place.fetch().unwrap();
    assert_eq!(place.read("one.csv"), b"x,y\n1,b\n");

    for pattern in ["../raw/*.csv".to_owned(), format!("{}/*.csv", outside.display())] {
        let _ = std::fs::remove_dir_all(place.path("parts"));
        place.write(&from("parts/*.csv", &pattern));
        assert!(matches!(Card::open(&place.card()), Err(Error::NotFetched { .. })));
        let names: Vec<String> = place.fetch().unwrap().into_iter().map(|file| file.name).collect();
        assert_eq!(names, ["parts/a.csv", "parts/b.csv", "parts/c.csv"]);
    }
    let card = Card::open(&place.card()).unwrap();
    assert_eq!(card.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().len(), 3);
    // A file that is new at the source is new here.
    std::fs::write(outside.join("d.csv"), "x,y\n1,d\n").unwrap();
    let states: Vec<State> = place.fetch().unwrap().into_iter().map(|file| file.state).collect();
    assert_eq!(states, [State::Present, State::Present, State::Present, State::Fetched]);

    for (path, local, words) in [
        ("parts/*.csv", "../raw/*.png", "no file"),
        ("*/x.csv", "../raw/*.csv", "only the name"),
        ("new/*.txt", "../raw/*.csv", "does not match"),
        ("gone.csv", "../raw/gone.csv", "gone.csv"),
        ("folder", "../raw", "folder"),
        ("../raw/e.csv", "../raw/a.csv", "is refused because"),
    ] {
        place.write(&from(path, local));
        let error = place.fetch().unwrap_err();
        assert!(error.to_string().contains(words) && error.is_usage(), "{error}");
    }
    let server = Server::new(|_, request| Reply::of(request, b"x", ""));
    place.write(&table("parts2/*.csv", None, &server.url("/a")));
    assert!(place.fetch().unwrap_err().to_string().contains("gives one file"));
}

#[test]
fn a_card_without_sources_is_only_verified() {
    let place = Place::new("[[files]]\npath = \"a.csv\"\n");
    assert!(matches!(place.fetch(), Err(Error::NotFound { .. })));
    std::fs::write(place.path("a.csv"), "x,y\n1,a\n").unwrap();
    let fetched = place.fetch().unwrap();
    assert_eq!((fetched[0].state, fetched[0].checked), (State::Present, Checked::Unstated));
    place.write(&format!("[[files]]\npath = \"a.csv\"\nsha256 = \"{}\"\n", sum(b"other")));
    assert!(matches!(place.fetch(), Err(Error::Checksum { .. })));
    place.write("[[files]]\npath = \"*.csv\"\nsha256 = \"00\"\n");
    assert!(place.fetch().unwrap_err().to_string().contains("belongs to one file"));
}

#[test]
fn bytes_are_those_that_were_published() {
    // A server that packs on the way, or says so of a file that is packed anyway.
    let packed = fresh(5000);
    let served = packed.clone();
    let server = Server::new(move |_, request| Reply::of(request, &served, "\"1\"").with("content-encoding", "gzip"));
    let place = Place::new(&table("a.csv.gz", Some(&sum(&packed)), &server.url("/a.csv.gz")));
    place.fetch().unwrap();
    assert_eq!(place.read("a.csv.gz"), packed);
    assert_eq!(server.requests()[0].headers.get("accept-encoding").map(String::as_str), Some("identity"));
}
