//! The folder that the archive is unpacked to, with what lies beside it while that is under way.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;

use crate::archive::Archive;
use crate::report::{self, Failure, megabytes};
use crate::unpack::flush_folder;

/// The pause between two looks at the lock of another run.
const POLL: Duration = Duration::from_millis(50);

/// The room on the disk that an archive takes, for each of its bytes: the archive itself, and its contents.
const ROOM: u64 = 5;

#[derive(Args, Debug)]
#[group(skip)]
pub(crate) struct Target {
    /// The folder to unpack it to. It is complete as soon as it exists
    #[arg(long, value_name = "DIR")]
    into: PathBuf,

    /// How long a server may be silent, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    patience: u64,
}

/// The folder, locked by this run. The system releases the lock when the process ends in any way.
pub(crate) struct Folder {
    into: PathBuf,
    pub(crate) patience: Duration,
    _lock: File,
}

impl Folder {
    /// Waits until no other run fetches anything into the same place. A run that is alive goes on or fails in the end,
    /// because a silent server ends it.
    ///
    /// # Errors
    /// The place can't be written to.
    pub(crate) fn lock(target: &Target) -> Result<Self, Failure> {
        let Target { into, patience } = target;
        let parent = into.parent().unwrap_or(Path::new("."));
        let failed = |error: io::Error| cannot_write(parent, &error);
        make(parent).map_err(failed)?;
        let path = parent.join("lock");
        let mut lock =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        let began = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            let mut holder = String::new();
            drop(lock.rewind().and_then(|()| lock.read_to_string(&mut holder)));
            report::doing(&format!(
                "waiting for process {}, which fetches PostgreSQL as well ({} s)",
                holder.trim(),
                began.elapsed().as_secs()
            ));
            std::thread::sleep(POLL);
        }
        drop(lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| write!(lock, "{}", std::process::id())));
        Ok(Self { into: into.clone(), patience: Duration::from_secs(*patience), _lock: lock })
    }

    fn parent(&self) -> &Path {
        self.into.parent().unwrap_or(Path::new("."))
    }

    /// Whether a run has unpacked the archive already.
    pub(crate) fn is_there(&self) -> bool {
        self.into.is_dir()
    }

    /// The file that is downloaded. What an interrupted run has left is continued.
    pub(crate) fn part(&self) -> PathBuf {
        self.beside("part")
    }

    /// The folder for pip.
    pub(crate) fn for_pip(&self) -> PathBuf {
        self.beside("pip")
    }

    /// The folder that isn't complete yet.
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.beside("new")
    }

    fn beside(&self, what: &str) -> PathBuf {
        let mut name = self.into.clone().into_os_string();
        name.push(".");
        name.push(what);
        name.into()
    }

    /// Makes the unpacked folder visible to all, and removes what isn't needed any more. A power cut leaves the whole folder
    /// or none.
    pub(crate) fn publish(&self) -> io::Result<()> {
        fs::rename(self.unfinished(), &self.into)?;
        flush_folder(self.parent())?;
        drop(fs::remove_file(self.part()));
        Ok(())
    }

    /// The failure of a write. What can't be completed is removed, so that a full disk has room again.
    pub(crate) fn failed(&self, archive: &Archive, error: &io::Error) -> Failure {
        drop(fs::remove_dir_all(self.unfinished()));
        drop(fs::remove_file(self.part()));
        let parent = self.parent();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                let megabytes = megabytes(archive.size * ROOM);
                Failure::new(format!("The disk with {} is full.", parent.display()))
                    .detail("What was written there was removed again.")
                    .remedy(format!("Make room for {megabytes} MB there, then run this again."))
                    .remedy("or name a folder on another disk: XTASK_CACHE_DIR=/some/folder cargo xtask db-setup")
            }
            _ => cannot_write(parent, error),
        }
    }
}

fn cannot_write(folder: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("PostgreSQL can't be put into {}: {error}.", folder.display()))
        .remedy("Make the folder writable, or name another one: XTASK_CACHE_DIR=/some/folder cargo xtask db-setup")
}

/// Makes a folder that everybody may read. PostgreSQL may run as another account than this one.
fn make(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o755);
    builder.create(folder)
}
