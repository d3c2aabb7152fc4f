//! The download of the archive over HTTP. One that was interrupted is continued.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use ureq::http::{Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

use crate::archive::Archive;
use crate::folder::Folder;
use crate::report::{self, Failure, megabytes};
use crate::source::without_credentials;

/// How often a connection may be lost before the source is given up.
const ATTEMPTS: u32 = 5;

/// How often the progress is told.
const PROGRESS: Duration = Duration::from_millis(100);

/// The number of bytes that are read at once, and of such pieces that wait for the disk.
const PIECE: usize = 64 << 10;
const PIECES: usize = 16;

/// Why a download failed.
pub(crate) enum Error {
    /// The source doesn't have the archive, or can't be reached. The text ends without a full stop.
    Source(String),
    /// The archive can't be written.
    Disk(io::Error),
}

impl Error {
    /// The failure, if there is no other source.
    pub(crate) fn or_disk(self, archive: &Archive, folder: &Folder, source: impl FnOnce(String) -> Failure) -> Failure {
        match self {
            Self::Source(why) => source(why),
            Self::Disk(error) => folder.failed(archive, &error),
        }
    }
}

/// The end of one attempt that didn't get all bytes.
enum Cut {
    /// The connection was lost, or the server is silent. What has come can be continued.
    Lost(String),
    /// The server can't give what is missing. It may give everything.
    Anew,
    Failed(Error),
}

impl From<io::Error> for Cut {
    fn from(error: io::Error) -> Self {
        Self::Failed(Error::Disk(error))
    }
}

/// Downloads the archive, or what is missing of it, and checks it.
///
/// # Errors
/// The source has another file, or none. What has come of another file is removed.
pub(crate) fn get(url: &str, archive: &Archive, folder: &Folder) -> Result<Vec<u8>, Error> {
    let part = folder.part();
    let began_anew = !part.exists();
    complete(url, archive, folder)?;
    let checked = match archive.read(&part) {
        // What an earlier run has left may be the fault.
        Err(_) if !began_anew => {
            fs::remove_file(&part).map_err(Error::Disk)?;
            complete(url, archive, folder)?;
            archive.read(&part)
        }
        checked => checked,
    };
    checked.map_err(|why| {
        drop(fs::remove_file(&part));
        Error::Source(why)
    })
}

/// Downloads until the file has all of its bytes.
fn complete(url: &str, archive: &Archive, folder: &Folder) -> Result<(), Error> {
    let got = attempts(url, archive, folder);
    let part = folder.part();
    if got.is_err() && part.metadata().is_ok_and(|part| part.len() == 0) {
        drop(fs::remove_file(part));
    }
    got
}

fn attempts(url: &str, archive: &Archive, folder: &Folder) -> Result<(), Error> {
    let agent = agent(folder.patience);
    let part = folder.part();
    let mut why = String::new();
    for _ in 0..ATTEMPTS {
        let mut file = OpenOptions::new().create(true).append(true).open(&part).map_err(Error::Disk)?;
        let had = file.metadata().map_err(Error::Disk)?.len();
        match attempt(&agent, url, archive, folder, &mut file, had) {
            Ok(()) => return Ok(()),
            Err(Cut::Failed(error)) => return Err(error),
            Err(Cut::Anew) => file.set_len(0).map_err(Error::Disk)?,
            Err(Cut::Lost(said)) => {
                why = said;
                let has = file.metadata().map_err(Error::Disk)?.len();
                if has <= had {
                    break;
                }
                let (has, all) = (megabytes(has), megabytes(archive.size));
                report::note(&format!("The download was cut off ({why}). It continues at {has} of {all} MB."));
            }
        }
    }
    Err(Error::Source(why))
}

/// Asks once for what is missing.
fn attempt(agent: &Agent, url: &str, archive: &Archive, folder: &Folder, file: &mut File, had: u64) -> Result<(), Cut> {
    if had == archive.size {
        return Ok(());
    }
    if had > archive.size {
        return Err(Cut::Anew);
    }
    report::doing(&progress(had, archive.size));
    let mut request = agent.get(url);
    if had > 0 {
        request = request.header(RANGE, format!("bytes={had}-"));
    }
    let response = request.call().map_err(|error| Cut::Lost(words(&error, folder.patience)))?;
    let had = match response.status() {
        StatusCode::OK => {
            file.set_len(0)?;
            0
        }
        StatusCode::PARTIAL_CONTENT if header(&response, CONTENT_RANGE).starts_with(&format!("bytes {had}-")) => had,
        StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => return Err(Cut::Anew),
        status => return Err(Cut::Failed(Error::Source(format!("the server answers \"{status}\"")))),
    };
    if let Ok(length) = header(&response, CONTENT_LENGTH).parse::<u64>()
        && had + length != archive.size
    {
        let size = archive.size;
        return Err(Cut::Failed(Error::Source(format!(
            "the server has a file of {} bytes, and the one in this repository's table has {size}",
            had + length
        ))));
    }
    receive(response.into_body(), archive, folder, file, had)
}

/// Writes what comes, until all has come.
fn receive(body: Body, archive: &Archive, folder: &Folder, file: &mut File, had: u64) -> Result<(), Cut> {
    let (sender, pieces) = sync_channel::<io::Result<Vec<u8>>>(PIECES);
    // The client has no limit for the time between two pieces. A thread that waits for a silent server ends with the process.
    std::thread::spawn(move || {
        let mut reader = body.into_reader();
        loop {
            let mut piece = vec![0; PIECE];
            let read = reader.read(&mut piece).map(|length| {
                piece.truncate(length);
                piece
            });
            let goes_on = read.as_ref().is_ok_and(|piece| !piece.is_empty());
            if sender.send(read).is_err() || !goes_on {
                return;
            }
        }
    });
    let (mut has, mut told) = (had, Instant::now());
    while has < archive.size {
        let piece = match pieces.recv_timeout(folder.patience) {
            Ok(Ok(piece)) if !piece.is_empty() => piece,
            Ok(Ok(_)) | Err(RecvTimeoutError::Disconnected) => {
                return Err(Cut::Lost("the server closed the connection".into()));
            }
            Ok(Err(error)) => return Err(Cut::Lost(without_credentials(&error.to_string()))),
            Err(RecvTimeoutError::Timeout) => {
                return Err(Cut::Lost(format!("the server was silent for {} s", folder.patience.as_secs())));
            }
        };
        has += piece.len() as u64;
        if has > archive.size {
            // It is another file.
            file.set_len(0)?;
            let size = archive.size;
            return Err(Cut::Failed(Error::Source(format!("the server sends more than the {size} bytes of the file"))));
        }
        file.write_all(&piece)?;
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            report::doing(&progress(has, archive.size));
        }
    }
    Ok(())
}

fn agent(patience: Duration) -> Agent {
    // A company's proxy may sign with a certificate that only the system knows.
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_resolve(Some(patience))
        .timeout_connect(Some(patience))
        .timeout_recv_response(Some(patience))
        .tls_config(tls)
        .build()
        .into()
}

fn header(response: &Response<Body>, name: ureq::http::HeaderName) -> &str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The bar of a download, with numbers.
fn progress(has: u64, all: u64) -> String {
    const WIDTH: u64 = 20;
    let full = (has * WIDTH / all.max(1)).min(WIDTH) as usize;
    let bar = format!("{}{}", "#".repeat(full), ".".repeat(WIDTH as usize - full));
    format!("fetching PostgreSQL [{bar}] {} of {} MB", megabytes(has), megabytes(all))
}

const UNKNOWN_NAME: &str = "the address of that name can't be looked up here";

/// A client's error in words.
fn words(error: &ureq::Error, patience: Duration) -> String {
    match error {
        ureq::Error::Timeout(_) => format!("the server was silent for {} s", patience.as_secs()),
        ureq::Error::HostNotFound => UNKNOWN_NAME.to_owned(),
        // The library has no kind for it.
        ureq::Error::Io(error) if error.to_string().contains("lookup address") => UNKNOWN_NAME.to_owned(),
        ureq::Error::Io(error) => without_credentials(error.to_string().trim_end_matches('.')),
        other => without_credentials(other.to_string().trim_end_matches('.')),
    }
}
