//! The result of initdb, which is kept for all checkouts of a user.
//!
//! The settings in a cluster's files can run programs, `restore_command` for example. So the cache is used only in a
//! folder that belongs to the user and that nobody else can write to.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::binaries::Binaries;
use super::files::{remove_dir, remove_left};
use crate::account::Account;
use crate::checkout::{self, fnv1a};
use crate::env_file::write_private;

/// The end of the name of an entry that isn't complete yet. The number of the process that makes it follows.
const UNPUBLISHED: &str = ".new-";

/// The version of an entry's form. It changes together with the form, so that an older entry isn't used.
const FORMAT: u32 = 2;

/// The file with the superuser's password, which only serves for a new cluster's first login.
const PASSWORD: &str = "superuser-password";

/// The file with the sum of the names and the lengths of all files.
const SUM: &str = "sum";

/// The place of the result of one PostgreSQL's initdb with certain flags, whether it is filled yet or not.
pub(super) struct Cache {
    entry: PathBuf,
}

impl Cache {
    /// Finds the place for these binaries. Returns `None` if the user has no folder for it that is closed to others.
    pub(super) fn of(binaries: &Binaries, flags: &[String]) -> Option<Self> {
        let all = format!("{FORMAT} {} {} {}", binaries.full_version, binaries.dir.display(), flags.join(" "));
        let name = format!("initdb-{}-{:016x}", binaries.version(), fnv1a(all.as_bytes()));
        Some(Self { entry: folder()?.join(name) })
    }

    /// Copies the files to `data`. Returns the superuser's password.
    ///
    /// # Errors
    /// There are no files yet, they are damaged, or they can't be copied.
    pub(super) fn copy_to(&self, data: &Path, account: &Account) -> io::Result<String> {
        if !is_closed(&self.entry) {
            return Err(io::Error::other("other users can write to the cache"));
        }
        let password = fs::read_to_string(self.entry.join(PASSWORD))?;
        let sum = copy_dir(&self.entry.join("data"), data, account)?;
        if fs::read_to_string(self.entry.join(SUM))? == written(sum) {
            Ok(password)
        } else {
            Err(io::Error::other("the cache is damaged"))
        }
    }

    /// Fills the place, and publishes it with a rename: another run sees all files or none.
    ///
    /// # Errors
    /// The files can't be written. Nothing is left then.
    pub(super) fn fill(&self, data: &Path, password: &str) -> io::Result<()> {
        let name = self.entry.file_name().unwrap_or_default().to_string_lossy();
        let new = self.entry.with_file_name(format!("{name}{UNPUBLISHED}{}", std::process::id()));
        remove_dir(&new)?;
        DirBuilder::new().mode(0o700).create(&new)?;
        let filled = copy_dir(data, &new.join("data"), &Account::Own)
            .and_then(|sum| write_private(&new.join(SUM), &written(sum)))
            .and_then(|()| write_private(&new.join(PASSWORD), password))
            .and_then(|()| fs::rename(&new, &self.entry));
        if filled.is_err() {
            drop(remove_dir(&new));
        }
        filled
    }

    /// Throws the files away, because they don't make a cluster that works.
    pub(super) fn discard(&self) {
        if is_closed(&self.entry) {
            drop(remove_dir(&self.entry));
        }
    }

    /// Removes what killed runs left.
    pub(super) fn sweep() {
        if let Some(folder) = folder() {
            remove_left(&folder, UNPUBLISHED);
        }
    }
}

/// The folder of the cache. It is made if there is none yet.
fn folder() -> Option<PathBuf> {
    let folder = checkout::cache_dir(geteuid().is_root())?;
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).ok()?;
    is_closed(&folder).then_some(folder)
}

/// Whether a folder belongs to this user, and nobody else can write to it.
pub(super) fn is_closed(folder: &Path) -> bool {
    let found = fs::symlink_metadata(folder);
    found.is_ok_and(|found| found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o022 == 0)
}

/// Copies a folder. Returns the sum of the names and the lengths of all files.
fn copy_dir(from: &Path, to: &Path, account: &Account) -> io::Result<u64> {
    DirBuilder::new().mode(0o700).create(to)?;
    account.own(to)?;
    let mut sum = 0_u64;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let target = to.join(&name);
        let content = if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target, account)?
        } else {
            let length = fs::copy(entry.path(), &target)?;
            fs::set_permissions(&target, Permissions::from_mode(0o600))?;
            account.own(&target)?;
            length
        };
        // The files come in any order.
        sum = sum.wrapping_add(fnv1a(&[name.as_encoded_bytes(), &content.to_le_bytes()].concat()));
    }
    Ok(sum)
}

fn written(sum: u64) -> String {
    format!("{sum:016x}\n")
}
