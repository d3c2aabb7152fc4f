//! Makes cargo compile packages again, although nothing in them has changed.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Result;

use crate::interrupt::Interrupt;
use crate::problem::{Code, Problem};

/// The pause between two attempts to take a lock that another run holds.
const PAUSE: Duration = Duration::from_millis(20);

/// Source files whose modification time is now, as long as this value lives.
///
/// Only one run at a time marks files for a target folder. Otherwise another run could compile the files that the first
/// run has marked, and cargo would find nothing to do for the first run.
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
    /// Waits for the lock, and marks the files. `lock` is a file in the target folder.
    ///
    /// # Errors
    /// A file can't be written to, or the user pressed Ctrl-C.
    pub(super) fn new<'a>(
        lock: &Path,
        files: impl Iterator<Item = &'a PathBuf>,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let mut touched = Self { files: Vec::new(), _turn: turn(lock, interrupt)? };
        for file in files {
            let marked = mark(file).map_err(|error| {
                Problem::failed(
                    Code::FileUnwritable,
                    format!(
                        "{} can't be marked as changed, so cargo would not compile it again: {error}.",
                        file.display()
                    ),
                )
                .see_who_may(file)
            })?;
            touched.files.push(marked);
        }
        Ok(touched)
    }
}

impl Drop for Touched {
    /// Restores the times, so that nothing else is compiled again. A file that was changed meanwhile keeps its new
    /// time.
    fn drop(&mut self) {
        for Marked { file, before, now } in &self.files {
            if modified(file).is_ok_and(|modified| modified == *now) {
                drop(set_modified(file, *before));
            }
        }
    }
}

fn turn(lock: &Path, interrupt: &Interrupt) -> Result<File> {
    let failed = |error: std::io::Error| {
        Problem::failed(Code::FileUnwritable, format!("{} can't be locked: {error}.", lock.display())).see_who_may(lock)
    };
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

/// Sets the modification time of a file to now. The time is read back, because file systems round it.
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
