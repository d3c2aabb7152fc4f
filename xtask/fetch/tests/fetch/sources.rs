//! The other sources: what the user names, and pip.

use std::path::Path;

use crate::server::Server;
use crate::support::{Place, archive, end};

#[test]
fn a_file_or_a_mirror_that_the_user_names() {
    let bytes = archive();
    let publisher = Server::of(bytes.clone());
    let place = Place::new(&bytes, &publisher.url());
    let file = place.base().join("build-1.whl");
    std::fs::write(&file, &bytes).unwrap();
    place.assert_there(&end(place.command().env("XTASK_PG_ARCHIVE", &file)));

    let mirror = Server::of(bytes.clone());
    let place = Place::new(&bytes, &publisher.url());
    let url = mirror.url().replace("http://", "http://user:mirrorS3cret@");
    let ended = end(place.command().env("XTASK_PG_ARCHIVE", format!("{url}?token=t0ken")));
    place.assert_there(&ended);
    assert!(mirror.requests()[0].contains("uthorization: Basic"), "{:?}", mirror.requests());

    // If it can't be used, no other source is tried, and no password is shown.
    let other = Server::of(b"another file".to_vec());
    let url = other.url().replace("http://", "http://user:mirrorS3cret@");
    for named in ["/no/such/file", &format!("{url}?token=t0ken")] {
        let place = Place::new(&bytes, &publisher.url());
        let ended = end(place.command().env("XTASK_PG_ARCHIVE", named));
        place.assert_failed(&ended, &["XTASK_PG_ARCHIVE names", "Nothing of it was unpacked", "build-1.whl"]);
        assert!(!ended.said.contains("S3cret") && !ended.said.contains("t0ken"), "{ended:?}");
    }
    assert!(publisher.requests().is_empty());
}

#[test]
fn pip_is_the_second_source() {
    let bytes = archive();
    let place = Place::new(&bytes, "http://127.0.0.1:1/some/build-1.whl");
    place.assert_failed(&place.run(), &["pip: it isn't on PATH", "or pip is installed: cargo xtask db-setup"]);
    std::fs::write(place.base().join("file"), &bytes).unwrap();
    // Its file is checked as well.
    std::fs::write(place.base().join("other"), b"another file").unwrap();
    let path = |place: &Place, script: &str| format!("{}:/usr/bin:/bin", place.pip(script).display());
    let give = |file: &Path| {
        format!(
            "[ \"$1\" = --version ] && exit\ncase \"$*\" in *--require-hashes*) ;; *) exit 9;; esac\n\
             while [ \"$1\" != --dest ]; do shift; done\ncp '{}' \"$2\"/build-1.whl",
            file.display()
        )
    };
    let ended = end(place.command().env("PATH", path(&place, &give(&place.base().join("other")))));
    assert!(!ended.succeeded && ended.said.contains("pip: the file has 12 bytes"), "{ended:?}");
    let failing =
        "[ \"$1\" = --version ] && exit\necho 'ERROR: no index at https://me:pipS3cret@index/simple' >&2; exit 1";
    let ended = end(place.command().env("PATH", path(&place, failing)));
    assert!(!ended.succeeded && ended.said.contains("no index at https://index/simple"), "{ended:?}");
    assert!(!ended.said.contains("pipS3cret"), "{ended:?}");
    let ended = end(place.command().env("PATH", path(&place, &give(&place.base().join("file")))));
    place.assert_there(&ended);
}
