//! The files that a checkout has on this machine: a folder for its private cluster, a cache that all checkouts of this
//! user share, and a lock that lets one run at a time set up the checkout. And the names by which others know a checkout.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::interrupt::Interrupt;
use crate::problem::{Code, Problem};
use crate::report::Reporter;

/// The variable that overrides the folder of this checkout's state.
const STATE_VARIABLE: &str = "XTASK_STATE_DIR";

/// The variable that overrides the folder of the cache.
const CACHE_VARIABLE: &str = "XTASK_CACHE_DIR";

/// The folder of this checkout's state: `.xtask` at its root, unless `XTASK_STATE_DIR` says otherwise.
pub(crate) fn state_dir(root: &Path) -> PathBuf {
    chosen(STATE_VARIABLE).unwrap_or_else(|| root.join(".xtask"))
}

/// Returns whether the user chose the folder. Then no other folder may replace it.
pub(crate) fn state_dir_is_chosen() -> bool {
    chosen(STATE_VARIABLE).is_some()
}

/// The folder for files that are made once for all checkouts of a user: `XTASK_CACHE_DIR`, else the user's cache
/// folder. There is none without a home.
pub(crate) fn cache_dir(as_root: bool) -> Option<PathBuf> {
    if let Some(dir) = chosen(CACHE_VARIABLE) {
        return Some(dir);
    }
    let base = if as_root {
        PathBuf::from("/var/cache")
    } else {
        chosen("XDG_CACHE_HOME").or_else(|| Some(chosen("HOME")?.join(".cache")))?
    };
    Some(base.join("xtask"))
}

fn chosen(variable: &str) -> Option<PathBuf> {
    let value = std::env::var_os(variable).filter(|value| !value.is_empty())?;
    // Child processes run in other folders, so a relative folder is resolved here.
    std::path::absolute(value).ok()
}

/// Makes the folder of the checkout's state. Git ignores it even if the checkout's `.gitignore` doesn't name it.
///
/// # Errors
/// The folder can't be made.
pub(crate) fn make_state_dir(root: &Path) -> Result<PathBuf> {
    let dir = state_dir(root);
    let made = std::fs::create_dir_all(&dir).and_then(|()| {
        let ignore = dir.join(".gitignore");
        if ignore.exists() { Ok(()) } else { std::fs::write(ignore, "*\n") }
    });
    made.map_err(|error| no_state_dir(&dir, &error))?;
    Ok(dir)
}

/// Refuses a folder of the checkout's state that this user can't write to, or can't make.
///
/// # Errors
/// The error of [`make_state_dir`].
pub(crate) fn refuse_closed_state_dir(root: &Path) -> Result<(), Problem> {
    let dir = state_dir(root);
    may_write(&dir).map_err(|error| no_state_dir(&dir, &error))
}

/// Returns whether this user may make files in a folder, or make the folder if it doesn't exist.
///
/// # Errors
/// The reason why the user may not.
pub(crate) fn may_write(dir: &Path) -> std::io::Result<()> {
    let existing = dir.ancestors().find(|dir| dir.exists()).unwrap_or(dir);
    #[cfg(unix)]
    nix::unistd::access(existing, nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK)?;
    if existing.is_dir() { Ok(()) } else { Err(std::io::ErrorKind::NotADirectory.into()) }
}

fn no_state_dir(dir: &Path, error: &std::io::Error) -> Problem {
    Problem::failed(Code::StateFolder, format!("The folder {} can't be made: {error}.", dir.display()))
        .remedy(format!("Make the folder writable, or name another one: {STATE_VARIABLE}=/some/folder"))
}

/// The lock that a run holds while it makes `.env` or a server. The system releases it when the process ends in any
/// way.
pub(crate) struct CheckoutLock {
    _file: File,
}

impl CheckoutLock {
    /// Waits for the lock for at most `patience`, with a notice that names the holder.
    ///
    /// # Errors
    /// The folder can't be written to, or the holder keeps the lock for too long.
    pub(crate) fn take(root: &Path, patience: Duration, reporter: &Reporter, interrupt: &Interrupt) -> Result<Self> {
        let path = make_state_dir(root)?.join("lock");
        let failed = |error: std::io::Error| {
            Problem::failed(Code::StateFolder, format!("{} can't be locked: {error}.", path.display()))
        };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
        let deadline = Instant::now() + patience;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(failed(error).into()),
                Err(TryLockError::WouldBlock) => {}
            }
            let mut holder = String::new();
            drop(file.rewind().and_then(|()| file.read_to_string(&mut holder)));
            let holder =
                if holder.trim().is_empty() { "another run".to_owned() } else { format!("process {}", holder.trim()) };
            if Instant::now() >= deadline {
                return Err(Problem::failed(
                    Code::CheckoutBusy,
                    format!(
                        "This checkout is locked: {holder} is setting it up, and did not end within {} s.",
                        patience.as_secs()
                    ),
                )
                .remedy("Wait until that run ends, or stop it. Then run this command again.")
                .into());
            }
            if !told {
                reporter.note(&format!("Waiting for {holder}, which is setting up this checkout."));
                told = true;
            }
            interrupt.check()?;
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id())));
        Ok(Self { _file: file })
    }
}

/// The name of everything that this checkout has outside its own folder. It consists of the folder's name, for people,
/// and a hash of the folder's path, so that two checkouts with the same name share nothing.
pub(crate) fn unique_name(root: &Path) -> String {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let name = root.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let plain = plain.trim_matches('-');
    let hash = fnv1a(root.as_os_str().as_encoded_bytes());
    format!("{}-{:08x}", if plain.is_empty() { "checkout" } else { plain }, hash >> 32)
}

/// The branch that is checked out at `root`, if git knows one.
pub(crate) fn branch(root: &Path) -> Option<String> {
    let head = head(&git_folder(root)?)?;
    head.strip_prefix("ref: refs/heads/").map(str::to_owned)
}

/// The commit that is checked out at `root`, if git knows one.
pub(crate) fn commit(root: &Path) -> Option<String> {
    let folder = git_folder(root)?;
    let head = head(&folder)?;
    let Some(name) = head.strip_prefix("ref: ") else { return Some(head) };
    // A worktree shares the branches of its repository.
    let shared = std::fs::read_to_string(folder.join("commondir"));
    let shared = shared.map_or_else(|_| folder.clone(), |path| folder.join(path.trim()));
    let loose = std::fs::read_to_string(shared.join(name));
    let packed = || {
        let packed = std::fs::read_to_string(shared.join("packed-refs")).ok()?;
        packed.lines().find_map(|line| Some(line.split_once(' ').filter(|(_, known)| *known == name)?.0.to_owned()))
    };
    loose.ok().map(|commit| commit.trim().to_owned()).or_else(packed)
}

/// The folder of git's own files for the checkout at `root`.
fn git_folder(root: &Path) -> Option<PathBuf> {
    let git = root.ancestors().map(|folder| folder.join(".git")).find(|git| git.exists())?;
    match std::fs::read_to_string(&git) {
        // In a worktree, it is a file that names a folder of the repository.
        Ok(text) => Some(git.parent()?.join(text.trim().strip_prefix("gitdir: ")?)),
        Err(_) => Some(git),
    }
}

/// What is checked out: the name of a branch after `ref: `, or a commit.
fn head(folder: &Path) -> Option<String> {
    Some(std::fs::read_to_string(folder.join("HEAD")).ok()?.trim().to_owned())
}

/// The name of this machine. It is empty if the system tells none.
pub(crate) fn machine() -> String {
    #[cfg(unix)]
    let name = nix::unistd::gethostname().ok();
    #[cfg(not(unix))]
    let name = std::env::var_os("COMPUTERNAME");
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// The FNV-1a hash, <http://www.isthe.com/chongo/tech/comp/fnv/>. Names must stay the same with every release of Rust,
/// and the hashers of the standard library don't promise that.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
