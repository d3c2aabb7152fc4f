//! Has cargo compile packages once more, though nothing in them has changed.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Result;

use crate::interrupt::Interrupt;
use crate::problem::Problem;

/// How often a lock is asked for that another run holds.
const PAUSE: Duration = Duration::from_millis(20);

/// Source files whose time of change is now, for as long as this lives.
///
/// One run at a time in a target folder: what one has marked, another one would compile, and cargo would find nothing
/// left to be done for the first.
pub(super) struct Touched {
    files: Vec<Marked>,
    _turn: File,
}

struct Marked {
    file: PathBuf,
    before: SystemTime,
    now: SystemTime,
}

impl Touched {
    /// Waits for its turn, and marks the files. `lock` is a file in the target folder.
    ///
    /// # Errors
    /// A file can't be written to, or somebody pressed Ctrl-C.
    pub(super) fn new<'a>(
        lock: &Path,
        files: impl Iterator<Item = &'a PathBuf>,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let mut touched = Self { files: Vec::new(), _turn: turn(lock, interrupt)? };
        for file in files {
            let marked = mark(file).map_err(|error| {
                Problem::failed(format!(
                    "{} can't be marked as changed, to be compiled once more: {error}.",
                    file.display()
                ))
            })?;
            touched.files.push(marked);
        }
        Ok(touched)
    }
}

impl Drop for Touched {
    /// Nothing else need be compiled for it. A file that was changed meanwhile keeps the time of its change.
    fn drop(&mut self) {
        for Marked { file, before, now } in &self.files {
            if modified(file).is_ok_and(|modified| modified == *now) {
                drop(set_modified(file, *before));
            }
        }
    }
}

fn turn(lock: &Path, interrupt: &Interrupt) -> Result<File> {
    let failed = |error: std::io::Error| Problem::failed(format!("{} can't be locked: {error}.", lock.display()));
    lock.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(lock).map_err(failed)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(failed(error).into()),
            Err(TryLockError::WouldBlock) => interrupt.check()?,
        }
        std::thread::sleep(PAUSE);
    }
}

/// File systems keep times more or less exactly: what counts is what is read back.
fn mark(file: &Path) -> std::io::Result<Marked> {
    let before = modified(file)?;
    set_modified(file, SystemTime::now())?;
    Ok(Marked { file: file.to_owned(), before, now: modified(file)? })
}

fn modified(file: &Path) -> std::io::Result<SystemTime> {
    std::fs::metadata(file)?.modified()
}

fn set_modified(file: &Path, time: SystemTime) -> std::io::Result<()> {
    File::options().append(true).open(file)?.set_modified(time)
}
