//! The files of a private cluster: where they are, and how they are copied from a cache of initdb's result.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::binaries::Binaries;
use crate::account::Account;
use crate::checkout;
use crate::env_file::write_private;
use crate::interrupt::Interrupt;
use crate::problem::Problem;
use crate::process::Child;

/// The superuser of a private cluster. Only this program logs in as that role.
pub(crate) const SUPERUSER: &str = "postgres";

/// How long initdb may take. It is slow on a slow disk.
const INITDB_DEADLINE: Duration = Duration::from_secs(120);

/// The locales to try, the best one first. Every machine has one of them, so the order of rows is the same everywhere.
const LOCALES: [&str; 2] = ["C.UTF-8", "C"];

/// The name of a data folder that isn't complete yet. The number of the process that makes it follows.
const UNFINISHED: &str = "data.new-";

/// The end of the name of a cache that isn't complete yet. The number of the process that makes it follows.
const UNPUBLISHED: &str = ".new-";

/// The version of the cache's form. It changes together with the form, so that an older cache isn't used.
const CACHE_FORMAT: u32 = 1;

/// A private cluster's folder.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    /// Holds `data`, `log` and the superuser's password.
    pub(crate) dir: PathBuf,
}

impl Files {
    /// Finds the folder in which this checkout's cluster is, or would be. It is in the folder of the checkout's state.
    /// It is in a system folder if root runs this command and the account that runs PostgreSQL can't reach the
    /// checkout.
    ///
    /// # Errors
    /// `XTASK_STATE_DIR` names a folder that the account can't reach.
    pub(crate) fn locate(root: &Path, account: &Account) -> Result<Self> {
        let own = checkout::state_dir(root).join("postgres");
        let Account::Other { name, .. } = account else {
            return Ok(Self { dir: own });
        };
        if account.can_reach(&own) {
            return Ok(Self { dir: own });
        }
        if checkout::state_dir_is_chosen() {
            return Err(Problem::unavailable(format!(
                "PostgreSQL has to run as the account {name}, which can't reach {}.",
                own.display()
            ))
            .remedy("Choose another XTASK_STATE_DIR, or let other accounts pass through the folders above it.")
            .into());
        }
        Ok(Self { dir: Path::new("/var/lib/xtask").join(checkout::unique_name(root)) })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    fn password_file(&self) -> PathBuf {
        self.dir.join("superuser-password")
    }

    /// The major version that made the cluster, or `None` if there is no cluster.
    pub(crate) fn made_by(&self) -> Option<u32> {
        fs::read_to_string(self.data().join("PG_VERSION")).ok()?.trim().parse().ok()
    }

    /// Reads the superuser's password.
    pub(crate) fn password(&self) -> Result<String> {
        fs::read_to_string(self.password_file()).map_err(|error| {
            Problem::unavailable(format!("{} can't be read: {error}.", self.password_file().display()))
                .detail("This command needs it to log in to the checkout's private cluster, which holds its data.")
                .into()
        })
    }

    /// The log's last lines.
    pub(crate) fn log_tail(&self, lines: usize) -> Vec<String> {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].iter().map(|line| (*line).to_owned()).collect()
    }

    /// Makes the cluster's files. They are copied from the cache. If that fails, initdb makes them, and then they are
    /// cached.
    ///
    /// Incomplete files of another run are replaced. The folder `data` itself is either complete or missing.
    ///
    /// # Errors
    /// A folder can't be written to, or initdb fails. The error holds initdb's output.
    pub(crate) fn create(&self, binaries: &Binaries, account: &Account, interrupt: &Interrupt) -> Result<()> {
        let failed = |error: io::Error| {
            Problem::failed(format!("The cluster can't be made in {}: {error}.", self.dir.display()))
        };
        make_dir(&self.dir, 0o755).map_err(failed)?;
        // Only this run has the name, because the initdb of a run that was killed may still be writing.
        let new = self.dir.join(format!("{UNFINISHED}{}", std::process::id()));
        let cached = checkout::cache_dir(account.is_other()).join(cache_key(binaries));
        remove_dir(&new).map_err(failed)?;
        if copy_cached(&cached, &new, &self.password_file(), account).is_err() {
            // If anything is wrong with the cache, initdb makes all files.
            remove_dir(&new).map_err(failed)?;
            self.initdb(&new, binaries, account, interrupt)?;
            // A cache that can't be written only costs time.
            drop(fill_cache(&cached, &new, &self.password_file()));
        }
        fs::rename(&new, self.data()).map_err(failed)?;
        Ok(())
    }

    /// Removes the incomplete folders of runs that were killed, here and in the cache.
    pub(crate) fn sweep(&self) {
        for dir in [self.dir.clone(), checkout::cache_dir(nix::unistd::geteuid().is_root())] {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let pid = name.rsplit_once(UNFINISHED).or_else(|| name.rsplit_once(UNPUBLISHED));
                let gone = pid.and_then(|(_, pid)| pid.parse().ok()).is_some_and(|pid| !exists(Pid::from_raw(pid)));
                // The initdb of a run that was killed may still be running. A later run then removes its folder.
                if gone && !has_server(&entry.path()) {
                    drop(remove_dir(&entry.path()));
                }
            }
        }
    }

    fn initdb(&self, data: &Path, binaries: &Binaries, account: &Account, interrupt: &Interrupt) -> Result<()> {
        let failed =
            |error: io::Error| Problem::failed(format!("initdb can't be run in {}: {error}.", self.dir.display()));
        let password = random_hex(24).map_err(failed)?;
        drop(fs::remove_file(self.password_file()));
        write_private(&self.password_file(), &password).map_err(failed)?;
        let mut said = String::new();
        for locale in LOCALES {
            remove_dir(data).map_err(failed)?;
            fs::DirBuilder::new().mode(0o700).create(data).map_err(failed)?;
            account.own(data).map_err(failed)?;
            let handed = self.dir.join("password.new");
            drop(fs::remove_file(&handed));
            write_private(&handed, &password).and_then(|()| account.own(&handed)).map_err(failed)?;
            let initdb = Child::new(binaries.program("initdb"), INITDB_DEADLINE)
                .args([OsStr::new("--pgdata"), data.as_os_str(), OsStr::new("--pwfile"), handed.as_os_str()])
                .args(flags(locale))
                .dir(Path::new("/"))
                .account(account.clone());
            let ended = initdb.run(interrupt);
            drop(fs::remove_file(&handed));
            let ended = ended?;
            if ended.status.success() {
                return Ok(());
            }
            said = ended.stderr;
        }
        drop(remove_dir(data));
        let said: Vec<_> = said.lines().map(str::to_owned).collect();
        Err(Problem::unavailable(format!("{} failed.", binaries.program("initdb").display())).details(said).into())
    }
}

/// The flags of initdb. `--no-sync` is safe: if the machine crashes in the first seconds of a new cluster, no data is
/// lost.
fn flags(locale: &str) -> Vec<String> {
    let locale = format!("--locale={locale}");
    let username = format!("--username={SUPERUSER}");
    ["--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", "--no-instructions", &locale, &username]
        .map(str::to_owned)
        .into()
}

fn cache_key(binaries: &Binaries) -> String {
    let flags: Vec<_> = LOCALES.iter().flat_map(|locale| flags(locale)).collect();
    let all = format!("{CACHE_FORMAT} {} {} {}", binaries.full_version, binaries.dir.display(), flags.join(" "));
    format!("initdb-{}-{:016x}", binaries.version(), checkout::fnv1a(all.as_bytes()))
}

fn copy_cached(cached: &Path, data: &Path, password_file: &Path, account: &Account) -> io::Result<()> {
    let password = fs::read_to_string(cached.join("superuser-password"))?;
    copy_dir(&cached.join("data"), data, account)?;
    drop(fs::remove_file(password_file));
    write_private(password_file, &password)
}

/// Fills the cache, and publishes it with a rename: another run sees the whole cache or none.
fn fill_cache(cached: &Path, data: &Path, password_file: &Path) -> io::Result<()> {
    let parent = cached.parent().unwrap_or(cached);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    let new = cached.with_file_name(format!(
        "{}{UNPUBLISHED}{}",
        cached.file_name().unwrap_or_default().to_string_lossy(),
        std::process::id()
    ));
    remove_dir(&new)?;
    fs::DirBuilder::new().mode(0o700).create(&new)?;
    let filled = copy_dir(data, &new.join("data"), &Account::Own)
        .and_then(|()| fs::copy(password_file, new.join("superuser-password")).map(drop))
        .and_then(|()| fs::rename(&new, cached));
    if filled.is_err() {
        drop(remove_dir(&new));
    }
    filled
}

fn copy_dir(from: &Path, to: &Path, account: &Account) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(to)?;
    account.own(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target, account)?;
        } else {
            fs::copy(entry.path(), &target)?;
            fs::set_permissions(&target, fs::Permissions::from_mode(0o600))?;
            account.own(&target)?;
        }
    }
    Ok(())
}

fn make_dir(dir: &Path, mode: u32) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(mode).create(dir)
}

fn remove_dir(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Returns whether a server may be running in this data folder. A server that loses its files ends in a panic, and
/// leaves its shared memory behind. initdb runs servers too, each for one session. Their numbers in the pid file are
/// negative (PostgreSQL's `CreateLockFile`).
fn has_server(data: &Path) -> bool {
    let file = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let pid = file.lines().next().and_then(|line| line.trim().parse::<i32>().ok());
    pid.and_then(i32::checked_abs).is_some_and(|pid| exists(Pid::from_raw(pid)))
}

/// Returns whether a process with this number exists, whoever owns it.
pub(super) fn exists(pid: Pid) -> bool {
    kill(pid, None) != Err(Errno::ESRCH)
}

/// Random bytes from the system, as hexadecimal digits.
fn random_hex(bytes: usize) -> io::Result<String> {
    use io::Read;
    let mut random = vec![0; bytes];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
