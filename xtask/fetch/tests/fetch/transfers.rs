//! Downloads that go well, and that don't.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::server::{Server, answer, serve};
use crate::support::{Place, archive, end, zip};

#[test]
fn it_is_fetched_once_and_everybody_may_read_it() {
    let bytes = archive();
    let server = Server::of(bytes.clone());
    let place = Place::new(&bytes, &server.url());
    // Two runs at once: one fetches, and the other one waits for it.
    let mut runs: Vec<_> =
        (0..2).map(|_| place.command().stdout(std::process::Stdio::null()).spawn().unwrap()).collect();
    assert!(runs.iter_mut().all(|run| run.wait().unwrap().success()));
    place.assert_there(&place.run());
    assert_eq!(server.requests().len(), 1);
    for (name, mode) in [("pg", 0o755), ("pg/bin/postgres", 0o755), ("pg/lib/some.so", 0o644)] {
        let found = std::fs::metadata(place.unpacked().join(name)).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{name}");
    }
    assert!(!place.unpacked().join("pg/include").exists() && !place.unpacked().join("pg/lib/some.a").exists());
}

#[test]
fn a_download_that_was_cut_off_continues() {
    let bytes = archive();
    let half = bytes.len() / 2;
    let all = bytes.clone();
    let server = Server::start(move |number, head, stream| {
        serve(&all, head, stream, if number == 1 { half } else { all.len() });
    });
    let place = Place::new(&bytes, &server.url());
    let ended = place.run();
    place.assert_there(&ended);
    assert!(ended.said.contains("was cut off") && ended.said.contains("It continues at"), "{ended:?}");
    let requests = server.requests();
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert!(requests[1].to_lowercase().contains(&format!("range: bytes={half}-")), "{requests:?}");
}

/// What a killed run has left is continued. If it is damaged, or if the server can't continue it, it begins anew.
#[test]
fn what_an_earlier_run_has_left_is_continued_or_replaced() {
    let bytes = archive();
    let half = bytes.len() / 2;
    let mut damaged = bytes[..half].to_vec();
    damaged[0] ^= 1;
    let longer = [bytes.as_slice(), b"more"].concat();
    for (left, requests) in [(&bytes[..half], 1), (&bytes[..], 0), (&damaged[..], 2), (&longer[..], 1)] {
        let server = Server::of(bytes.clone());
        let place = Place::new(&bytes, &server.url());
        place.leave(left);
        place.assert_there(&place.run());
        assert_eq!(server.requests().len(), requests);
    }
    let all = bytes.clone();
    let server = Server::start(move |_, _, stream| serve(&all, "", stream, all.len()));
    let place = Place::new(&bytes, &server.url());
    place.leave(&bytes[..half]);
    place.assert_there(&place.run());
}

#[test]
fn nothing_of_another_file_is_unpacked() {
    let bytes = archive();
    let mut other = bytes.clone();
    other[bytes.len() / 2] ^= 1;
    let server = Server::of(other);
    let place = Place::new(&bytes, &server.url());
    place.assert_failed(&place.run(), &["has the SHA-256", "this repository's table has"]);

    let server = Server::of(b"<html>Log in to the hotel's network</html>".to_vec());
    let place = Place::new(&bytes, &server.url());
    place.assert_failed(&place.run(), &["has a file of 42 bytes"]);

    // The server doesn't say how long the file is.
    let more = [bytes.as_slice(), b"more"].concat();
    let server = Server::start(move |_, _, stream| answer(stream, "200 OK", &more));
    let place = Place::new(&bytes, &server.url());
    place.assert_failed(&place.run(), &["sends more than"]);
}

#[test]
fn an_archive_that_leads_out_of_its_folder_is_refused() {
    let bytes = zip(&[("pg/bin/postgres", 0o755), ("../../outside", 0o644)]);
    let server = Server::of(bytes.clone());
    let place = Place::new(&bytes, &server.url());
    place.assert_failed(&place.run(), &["leads out of its folder"]);
    assert!(!place.base().join("outside").exists());
}

#[test]
fn servers_that_have_no_file() {
    for status in ["403 Forbidden", "404 Not Found", "500 Internal Server Error"] {
        let server = Server::start(move |_, _, stream| answer(stream, status, b"<html>no</html>"));
        let place = Place::new(b"some bytes", &server.url());
        let answers = format!("the server answers \"{status}\"");
        place.assert_failed(&place.run(), &[&answers, "pip: it isn't on PATH"]);
    }
    // Nobody listens there.
    let place = Place::new(b"some bytes", "http://127.0.0.1:1/build-1.whl");
    place.assert_failed(&place.run(), &["127.0.0.1:1: ", "refused"]);
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let silent = |stream: &mut std::net::TcpStream| drop(stream.read(&mut [0]));
    let server = Server::start(move |_, _, stream| silent(stream));
    let place = Place::new(b"some bytes", &server.url());
    let ended = place.run();
    assert!(!ended.succeeded && ended.said.contains("the server was silent for 2 s"), "{ended:?}");

    let bytes = archive();
    let all = bytes.clone();
    let server = Server::start(move |_, head, stream| {
        serve(&all, head, stream, all.len() / 2);
        silent(stream);
    });
    let place = Place::new(&bytes, &server.url());
    let ended = place.run();
    assert!(!ended.succeeded && ended.said.contains("the server was silent for 2 s"), "{ended:?}");
    // The next run continues there.
    assert_eq!(std::fs::metadata(place.part()).unwrap().size(), bytes.len() as u64 / 2);
}

#[test]
fn redirects_and_proxies_are_followed() {
    let bytes = archive();
    let server = Server::of(bytes.clone());
    let to = server.url();
    let first = Server::start(move |_, _, stream| answer(stream, &format!("302 Found\r\nLocation: {to}"), b""));
    let place = Place::new(&bytes, &first.url());
    place.assert_there(&place.run());

    // A proxy that answers by itself, for a host that doesn't exist.
    let all = bytes.clone();
    let proxy = Server::start(move |_, head, stream| {
        let mut head = head.to_owned();
        if head.starts_with("CONNECT ") {
            answer(stream, "200 Connection established", b"");
            let mut byte = [0];
            head.clear();
            while !head.ends_with("\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0].into());
            }
        }
        serve(&all, &head, stream, all.len());
    });
    let place = Place::new(&bytes, "http://nowhere.invalid/build-1.whl");
    let ended = end(place.command().env("HTTP_PROXY", format!("http://user:proxyS3cret@127.0.0.1:{}", proxy.port)));
    place.assert_there(&ended);
    assert!(!ended.said.contains("proxyS3cret"), "{ended:?}");
}
