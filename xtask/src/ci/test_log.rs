//! The results that cargo's own test runner writes into a file, a line for each test.
//!
//! What a test prints can't get into this file, so it can't change a result. Every test program begins the file anew,
//! and would delete the results of the program before. So the file is a named pipe, which is read meanwhile.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::problem::{Code, Problem};

/// The line that ends the reading. No name of a test has this character.
const END: &str = "\0";

/// A pipe that is being read.
pub(super) struct TestLog {
    path: PathBuf,
    pipe: File,
    reader: Option<JoinHandle<String>>,
}

impl TestLog {
    /// Makes a pipe in a folder, which is made as well.
    ///
    /// # Errors
    /// The pipe can't be made there.
    pub(super) fn open(folder: &Path) -> Result<Self, Problem> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("results-{}-{number}", std::process::id()));
        let make = || {
            std::fs::create_dir_all(folder)?;
            // A killed run with the same number may have left it.
            drop(std::fs::remove_file(&path));
            mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)?;
            // The pipe is open for writing as well, so that it doesn't end between two programs.
            let pipe = OpenOptions::new().read(true).write(true).open(&path)?;
            Ok((pipe.try_clone()?, pipe))
        };
        let (pipe, reading) = make().map_err(|error: std::io::Error| {
            Problem::failed(
                Code::FileUnwritable,
                format!("The pipe for the results of the tests can't be made: {}: {error}.", path.display()),
            )
            .see_who_may(folder)
        })?;
        let reader = std::thread::spawn(move || read(reading));
        Ok(Self { path, pipe, reader: Some(reader) })
    }

    /// Returns the arguments with which a test program writes its results there.
    pub(super) fn args(&self) -> [OsString; 2] {
        ["--logfile".into(), self.path.as_os_str().to_owned()]
    }

    /// Returns what was written. The programs must have ended.
    pub(super) fn finish(mut self) -> String {
        self.end()
    }

    fn end(&mut self) -> String {
        let Some(reader) = self.reader.take() else { return String::new() };
        // A program that was killed may have left an unfinished line.
        let is_told = self.pipe.write_all(format!("\n{END}\n").as_bytes()).is_ok();
        drop(std::fs::remove_file(&self.path));
        if is_told { reader.join().unwrap_or_default() } else { String::new() }
    }
}

impl Drop for TestLog {
    fn drop(&mut self) {
        self.end();
    }
}

fn read(pipe: File) -> String {
    let mut reader = BufReader::new(pipe);
    let (mut text, mut line) = (String::new(), Vec::new());
    while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let read = String::from_utf8_lossy(&line);
        if read.trim_end_matches('\n') == END {
            break;
        }
        text.push_str(&read);
        line.clear();
    }
    text
}
