//! The files of a private cluster: where they are, and how they are made.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::binaries::Binaries;
use super::cache::Cache;
use crate::account::Account;
use crate::checkout;
use crate::env_file::write_private;
use crate::interrupt::Interrupt;
use crate::problem::{Code, Problem};
use crate::process::Child;
use crate::server::Record;

/// The superuser of a private cluster. Only this program logs in as that role, so no URL may name it.
const SUPERUSER: &str = "xtask_superuser";

/// The superuser of a cluster that an older version of this program made.
const OLD_SUPERUSER: &str = "postgres";

/// The folder of clusters that can't be in their checkouts.
const SYSTEM: &str = "/var/lib/xtask";

/// How long initdb may take. It is slow on a slow disk.
const INITDB_DEADLINE: Duration = Duration::from_secs(120);

/// The locales to try, the best one first. Every machine has one of them, so the order of rows is the same everywhere.
const LOCALES: [&str; 2] = ["C.UTF-8", "C"];

/// The name of a data folder that isn't complete yet. The number of the process that makes it follows.
const UNFINISHED: &str = "data.new-";

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
            return Err(Problem::unavailable(
                Code::NoAccount,
                format!("PostgreSQL has to run as the account {name}, which can't reach {}.", own.display()),
            )
            .remedy("Choose another XTASK_STATE_DIR, or let other accounts pass through the folders above it.")
            .into());
        }
        // A checkout that is moved keeps its cluster.
        let kept = Record::read(root).cluster().map(Path::to_owned);
        Ok(Self { dir: kept.unwrap_or_else(|| Path::new(SYSTEM).join(checkout::unique_name(root))) })
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

    /// Holds the password of a new cluster, which all clusters from one cache have in common.
    fn first_password_file(&self) -> PathBuf {
        self.dir.join("first-password")
    }

    /// Hands the superuser's password to initdb.
    fn handed_password_file(&self) -> PathBuf {
        self.dir.join("password.new")
    }

    fn superuser_file(&self) -> PathBuf {
        self.dir.join("superuser")
    }

    /// The major version that made the cluster, or `None` if there is no cluster.
    pub(crate) fn made_by(&self) -> Option<u32> {
        fs::read_to_string(self.data().join("PG_VERSION")).ok()?.trim().parse().ok()
    }

    /// The name of the superuser.
    pub(crate) fn superuser(&self) -> String {
        let other = if self.made_by().is_some() { OLD_SUPERUSER } else { SUPERUSER };
        fs::read_to_string(self.superuser_file()).unwrap_or_else(|_| other.to_owned())
    }

    /// Reads the superuser's password.
    pub(crate) fn password(&self) -> Result<String> {
        fs::read_to_string(self.password_file()).map_err(|error| {
            Problem::unavailable(
                Code::ClusterDamaged,
                format!("{} can't be read: {error}.", self.password_file().display()),
            )
            .detail("This command needs it to log in to the checkout's private cluster, which holds its data.")
            .remedy("If you have a copy of the file, put the copy in its place.")
            .remedy(aside(&self.data()))
            .into()
        })
    }

    /// The password that a new cluster has until the superuser's first login.
    pub(crate) fn first_password(&self) -> Option<String> {
        fs::read_to_string(self.first_password_file()).ok()
    }

    /// Forgets the first password. From then on the cluster has a password of its own.
    ///
    /// # Errors
    /// The file can't be removed.
    pub(crate) fn forget_first_password(&self) -> io::Result<()> {
        fs::remove_file(self.first_password_file())
    }

    /// The log's last lines.
    pub(crate) fn log_tail(&self, lines: usize) -> Vec<String> {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].iter().map(|line| (*line).to_owned()).collect()
    }

    /// Makes the cluster's files. They are copied from the cache. If that fails, initdb makes them, and then they are
    /// cached. Returns the cache that the files come from.
    ///
    /// Incomplete files of another run are replaced. The folder `data` itself is either complete or missing.
    ///
    /// # Errors
    /// A folder can't be written to, or initdb fails. The error holds initdb's output. Or `data` holds files that are no
    /// cluster, which are kept.
    pub(super) fn create(
        &self,
        binaries: &Binaries,
        account: &Account,
        interrupt: &Interrupt,
    ) -> Result<Option<Cache>> {
        let failed = |error: io::Error| {
            Problem::failed(
                Code::ClusterFiles,
                format!("The cluster can't be made in {}: {error}.", self.dir.display()),
            )
        };
        self.refuse_other_files()?;
        DirBuilder::new().recursive(true).mode(0o755).create(&self.dir).map_err(failed)?;
        // Only this run has the name, because the initdb of a run that was killed may still be writing.
        let new = self.dir.join(format!("{UNFINISHED}{}", std::process::id()));
        remove_dir(&new).map_err(failed)?;
        let cache = Cache::of(binaries, &LOCALES.iter().flat_map(|locale| flags(locale)).collect::<Vec<_>>());
        let copied = cache.as_ref().and_then(|cache| cache.copy_to(&new, account).ok());
        let is_copied = copied.is_some();
        let first = if let Some(password) = copied {
            password
        } else {
            // If anything is wrong with the cache, initdb makes all files, and they replace the cache.
            remove_dir(&new).map_err(failed)?;
            let password = self.initdb(&new, binaries, account, interrupt)?;
            if let Some(cache) = &cache {
                cache.discard();
                // A cache that can't be written only costs time.
                drop(cache.fill(&new, &password));
            }
            password
        };
        let own = random_hex(24).map_err(failed)?;
        let texts = [
            (self.password_file(), own.as_str()),
            (self.first_password_file(), first.as_str()),
            (self.superuser_file(), SUPERUSER),
        ];
        for (path, text) in texts {
            drop(fs::remove_file(&path));
            write_private(&path, text).map_err(failed)?;
        }
        fs::rename(&new, self.data()).map_err(failed)?;
        Ok(cache.filter(|_| is_copied))
    }

    /// Throws away a cluster that was made from a cache a moment ago and doesn't start, and the cache.
    ///
    /// # Errors
    /// The files can't be removed.
    pub(super) fn discard(&self, cache: &Cache) -> Result<()> {
        cache.discard();
        let failed = |error| {
            Problem::failed(Code::ClusterFiles, format!("{} can't be removed: {error}.", self.data().display()))
        };
        Ok(remove_dir(&self.data()).map_err(failed)?)
    }

    /// Whether there is data, of a cluster or of what is left of one.
    pub(super) fn has_data(&self) -> bool {
        self.data().symlink_metadata().is_ok()
    }

    /// Deletes everything of a cluster whose server doesn't run. The data loses its name first, so that a run that is killed
    /// doesn't leave a cluster that lacks files.
    ///
    /// # Errors
    /// The files can't be removed.
    pub(super) fn remove(&self) -> io::Result<()> {
        if self.has_data() {
            let away = self.dir.join(format!("{UNFINISHED}{}", std::process::id()));
            fs::rename(self.data(), &away)?;
            remove_dir(&away)?;
        }
        remove_left(&self.dir, UNFINISHED);
        // Only what this program has made is deleted, whatever the folder is.
        let files = [self.log(), self.password_file(), self.first_password_file(), self.superuser_file()];
        let gone = |path: &Path, removed: io::Result<()>| match removed {
            Err(_) if path.symlink_metadata().is_err() => Ok(()),
            removed => removed,
        };
        for file in files.iter().chain([&self.handed_password_file()]) {
            gone(file, fs::remove_file(file))?;
        }
        gone(&self.dir, fs::remove_dir(&self.dir))?;
        // The system folder is shared by the checkouts of root, and stays as long as it has another one's.
        if self.dir.parent().is_some_and(|parent| parent == Path::new(SYSTEM)) {
            drop(fs::remove_dir(SYSTEM));
        }
        Ok(())
    }

    /// Refuses a folder that has files, but isn't a cluster that PostgreSQL can use. It may be what is left of one.
    fn refuse_other_files(&self) -> Result<(), Problem> {
        let data = self.data();
        if fs::read_dir(&data).map_or(true, |mut entries| entries.next().is_none()) {
            return Ok(());
        }
        let what =
            format!("PostgreSQL can't use {}, because its file PG_VERSION is missing or damaged.", data.display());
        Err(Problem::unavailable(Code::ClusterDamaged, what)
            .detail("The folder may hold what is left of this checkout's databases, so nothing was changed in it.")
            .remedy("If you have a copy of the folder, put the copy in its place.")
            .remedy(aside(&data)))
    }

    /// Removes the incomplete folders of runs that were killed, here and in the cache.
    pub(crate) fn sweep(&self) {
        remove_left(&self.dir, UNFINISHED);
        Cache::sweep();
    }

    /// Runs initdb. Returns the superuser's password.
    fn initdb(&self, data: &Path, binaries: &Binaries, account: &Account, interrupt: &Interrupt) -> Result<String> {
        let failed = |error: io::Error| {
            Problem::failed(Code::ClusterFiles, format!("initdb can't be run in {}: {error}.", self.dir.display()))
        };
        let password = random_hex(24).map_err(failed)?;
        let mut said = String::new();
        for locale in LOCALES {
            remove_dir(data).map_err(failed)?;
            DirBuilder::new().mode(0o700).create(data).map_err(failed)?;
            account.own(data).map_err(failed)?;
            let handed = self.handed_password_file();
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
                return Ok(password);
            }
            said = ended.stderr;
        }
        drop(remove_dir(data));
        let said: Vec<_> = said.lines().map(str::to_owned).collect();
        Err(Problem::unavailable(Code::ClusterNotStarted, format!("{} failed.", binaries.program("initdb").display()))
            .details(said)
            .into())
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

/// Removes the incomplete folders of runs that were killed. Their names end in `infix` and the number of a process.
pub(super) fn remove_left(folder: &Path, infix: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.rsplit_once(infix).and_then(|(_, pid)| pid.parse().ok());
        // The initdb of a run that was killed may still be running. A later run then removes its folder.
        if pid.is_some_and(|pid| !exists(Pid::from_raw(pid))) && !has_server(&entry.path()) {
            drop(remove_dir(&entry.path()));
        }
    }
}

pub(super) fn remove_dir(dir: &Path) -> io::Result<()> {
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

/// Returns whether a process with this number exists that this user may signal. A process of another user isn't one of
/// this user's servers. PostgreSQL decides in the same way (`CreateLockFile` in `miscinit.c`).
pub(super) fn exists(pid: Pid) -> bool {
    pid.as_raw() > 0 && kill(pid, None).is_ok()
}

/// Random bytes from the system, as hexadecimal digits.
pub(super) fn random_hex(bytes: usize) -> io::Result<String> {
    use io::Read;
    let mut random = vec![0; bytes];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The way to begin anew without a loss.
fn aside(data: &Path) -> String {
    format!(
        "or keep it aside and start with empty databases: mv '{0}' '{0}.broken' && cargo xtask db-setup",
        data.display()
    )
}
