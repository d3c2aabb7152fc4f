//! A private cluster of this checkout, made with PostgreSQL's binaries. It is durable, listens on the loopback
//! interface, asks for passwords, and goes on running after this command.
//!
//! `postgres` is spawned directly, in its own session. The next command finds it through its pid file. A login proves
//! nothing about a server, and neither does a number in a file: what counts is the data folder that a process serves.

mod binaries;
mod cache;
mod fetched;
mod files;
mod pid_file;
mod start;
mod test_server;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, Connection, Row};

pub(crate) use self::binaries::Binaries;
pub(crate) use self::fetched::{Build, Found};
use self::files::Files;
use self::pid_file::{Holder, PidFile, Running};
use self::start::Start;
pub(crate) use self::test_server::TestServer;
use super::{Record, StartError, roles};
use crate::account::Account;
use crate::connection::readiness::{self, Answer};
use crate::connection::sql::{identifier, literal};
use crate::database_url::{Address, DatabaseUrl};
use crate::interrupt::Interrupt;
use crate::problem::{Code, Problem};

/// How long a server may take to shut down. It writes everything to disk first.
const STOP_DEADLINE: Duration = Duration::from_secs(60);

/// This checkout's private cluster, whether it exists yet or not.
pub(crate) struct Cluster {
    root: PathBuf,
    files: Files,
    account: Account,
    /// Further settings of its server.
    settings: Vec<String>,
    /// Whether it is a cluster for tests, and not the one that has the checkout's databases.
    is_for_tests: bool,
}

impl Cluster {
    /// Finds the folder and the account of this checkout's cluster.
    ///
    /// # Errors
    /// Root runs this command and the system has no account for PostgreSQL, or the account can't reach the chosen
    /// folder.
    pub(crate) fn locate(root: &Path) -> Result<Self> {
        let account = Account::find()?;
        let files = Files::locate(root, &account)?;
        Ok(Self { root: root.to_owned(), files, account, settings: Vec::new(), is_for_tests: false })
    }

    /// A cluster for tests in this folder, whose server has these settings.
    fn for_tests(root: &Path, dir: PathBuf, account: Account, settings: Vec<String>) -> Self {
        Self { root: root.to_owned(), files: Files { dir }, account, settings, is_for_tests: true }
    }

    pub(crate) fn exists(&self) -> bool {
        self.files.made_by().is_some()
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.files.dir
    }

    /// Finds the binaries for this cluster.
    ///
    /// # Errors
    /// No binaries fit.
    pub(crate) fn binaries(&self, interrupt: &Interrupt) -> Result<Binaries> {
        Binaries::find(self.files.made_by(), interrupt)
    }

    /// Finds fetched binaries for this cluster, or the build that has to be fetched.
    ///
    /// # Errors
    /// No build fits, or none may be fetched.
    pub(crate) fn fetched(&self, offline: bool, interrupt: &Interrupt) -> Result<Found> {
        fetched::find(self.files.made_by(), &self.account, offline, interrupt)
    }

    /// Refuses URLs whose user is the cluster's superuser, because a URL's password would replace the superuser's.
    ///
    /// # Errors
    /// A URL names the superuser.
    pub(crate) fn refuse_superuser<'u>(&self, mut urls: impl Iterator<Item = &'u DatabaseUrl>) -> Result<(), Problem> {
        let superuser = self.files.superuser();
        let Some(url) = urls.find(|url| url.user == superuser) else { return Ok(()) };
        let what = format!(
            "{} names the role {superuser}, which this checkout's private cluster keeps for itself.",
            url.variable
        );
        Err(Problem::failed(Code::SuperuserUrl, what)
            .remedy(format!("Name another user in {}", url.variable))
            .remedy(format!(
                "or keep the cluster's data aside, and start with empty databases: cargo xtask db-stop; mv '{0}' '{0}.old'; \
                 cargo xtask db-setup",
                self.dir().display()
            )))
    }

    fn pid_file(&self) -> PidFile {
        PidFile::of(self.files.data())
    }

    /// Returns the server, if it runs.
    ///
    /// # Errors
    /// It is unknown whether the server runs: a process has its number, but neither the system nor the server tells
    /// more.
    pub(crate) async fn running(&self) -> Result<Option<Running>> {
        let Some(running) = self.pid_file().running() else {
            return Ok(None);
        };
        match self.pid_file().holder(running.pid) {
            Holder::Server => Ok(Some(running)),
            Holder::Nobody => Ok(None),
            Holder::Unknown if self.answers(running.port).await => Ok(Some(running)),
            Holder::Unknown => Err(Problem::unavailable(
                Code::ClusterUnclear,
                format!(
                    "Process {} may be this checkout's PostgreSQL, but that server doesn't answer on port {}.",
                    running.pid, running.port
                ),
            )
            .remedy(format!("Look at the process: ps -p {}", running.pid))
            .remedy(format!(
                "If it isn't PostgreSQL: rm '{}' && cargo xtask db-setup",
                self.pid_file().path().display()
            ))
            .into()),
        }
    }

    /// Returns whether the server seems to run on this port. Unlike [`Cluster::running`], it never logs in.
    pub(crate) fn seems_to_run_at(&self, port: u16) -> bool {
        let running = self.pid_file().running().filter(|running| running.port == port);
        running.is_some_and(|running| !matches!(self.pid_file().holder(running.pid), Holder::Nobody))
    }

    /// Starts the server, and waits until it is ready. The cluster is made first if there is none. Returns the server's
    /// version and a session as the superuser.
    ///
    /// A server of this cluster that runs on another port is stopped, and started on this one.
    ///
    /// # Errors
    /// [`StartError::PortTaken`] if another program listens on the port, or else the failure with the end of the log.
    pub(crate) async fn start(
        &self,
        binaries: &Binaries,
        address: &Address,
        patience: Duration,
        interrupt: &Interrupt,
    ) -> Result<(String, PgConnection), StartError> {
        let start = Start { cluster: self, binaries, address, patience, interrupt };
        if let Some(running) = self.running().await? {
            if running.port == address.port {
                return start.ready(running.pid, None).await;
            }
            self.stop(interrupt).await?;
        }
        self.pid_file().clear_stale()?;
        self.files.sweep();
        if !self.is_for_tests {
            Record::keep_cluster(&self.root, self.dir(), binaries.is_fetched)?;
        }
        let cache = if self.exists() { None } else { self.files.create(binaries, &self.account, interrupt)? };
        match (start.launch().await, cache) {
            (Err(StartError::Failed(_)), Some(cache)) if self.running().await?.is_none() => {
                interrupt.check()?;
                // The cluster is new and holds nothing yet, so it is the cache that doesn't work.
                self.files.discard(&cache)?;
                self.files.create(binaries, &self.account, interrupt)?;
                start.launch().await
            }
            (ended, _) => ended,
        }
    }

    /// Stops the server and waits until it is gone. Returns whether it ran.
    ///
    /// # Errors
    /// The server doesn't end. It is never killed, because its data would then need a recovery.
    pub(crate) async fn stop(&self, interrupt: &Interrupt) -> Result<bool> {
        let Some(running) = self.running().await? else {
            return Ok(false);
        };
        // SIGINT is PostgreSQL's fast shutdown: sessions are ended, everything is written, and no recovery is needed.
        match kill(running.pid, Signal::SIGINT) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => {
                let what = format!("PostgreSQL (process {}) can't be stopped: {error}.", running.pid);
                return Err(Problem::failed(Code::ClusterNotStopped, what)
                    .remedy(format!("See whose process it is: ps -fp {}", running.pid))
                    .into());
            }
        }
        let deadline = Instant::now() + STOP_DEADLINE;
        let stopping = || match self.pid_file().holder(running.pid) {
            Holder::Server => true,
            Holder::Unknown => self.pid_file().running().is_some(),
            Holder::Nobody => false,
        };
        while stopping() {
            if Instant::now() > deadline {
                let seconds = STOP_DEADLINE.as_secs();
                return Err(Problem::failed(
                    Code::ClusterNotStopped,
                    format!("PostgreSQL (process {}) did not stop within {seconds} s.", running.pid),
                )
                .details(self.files.log_tail(10))
                .into());
            }
            interrupt.check()?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(true)
    }

    /// Whether there is data, of a cluster or of what is left of one.
    pub(crate) fn has_data(&self) -> bool {
        self.files.has_data()
    }

    /// Stops the server, and deletes the cluster with all its data.
    ///
    /// # Errors
    /// The server doesn't end, or a file can't be removed.
    pub(crate) async fn remove(&self, interrupt: &Interrupt) -> Result<()> {
        self.stop(interrupt).await?;
        let failed = |error| {
            let what = format!("{} can't be removed: {error}.", self.dir().display());
            Problem::failed(Code::ClusterFiles, what)
                .remedy("Run the same command again: cargo xtask db-stop --remove-data")
        };
        Ok(self.files.remove().map_err(failed)?)
    }

    /// Returns whether the server on this port says that it serves this cluster.
    async fn answers(&self, port: u16) -> bool {
        let address = Address { host: "127.0.0.1".into(), port };
        let Ok(Ok(mut connection)) = self.log_in(&address).await else {
            return false;
        };
        let served = self.serves(&mut connection).await;
        drop(connection.close().await);
        served.is_ok_and(|version| version.is_some())
    }

    /// Returns the server's version, if it says that it serves this cluster.
    async fn serves(&self, connection: &mut PgConnection) -> Result<Option<String>, sqlx::Error> {
        let question =
            "SELECT current_setting('data_directory'), split_part(current_setting('server_version'), ' ', 1)";
        let row = sqlx::raw_sql(question).fetch_one(connection).await?;
        let (folder, version): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let is_ours = Path::new(&folder).canonicalize().ok() == self.files.data().canonicalize().ok();
        Ok(is_ours.then_some(version))
    }

    /// Logs in as the superuser. At its first login, a new cluster gets a password that no other cluster has.
    ///
    /// # Errors
    /// The superuser's password can't be read, or the file of the first one can't be removed.
    pub(super) async fn log_in(&self, address: &Address) -> Result<Result<PgConnection, Answer>> {
        let own = self.files.password()?;
        let Some(first) = self.files.first_password() else {
            return Ok(readiness::connect(self.superuser(address, &own)).await);
        };
        let mut connection = match readiness::connect(self.superuser(address, &first)).await {
            Ok(connection) => connection,
            // A run that was killed has set the cluster's own password.
            Err(Answer::Refused(_)) => match readiness::connect(self.superuser(address, &own)).await {
                Ok(connection) => connection,
                refused => return Ok(refused),
            },
            other => return Ok(other),
        };
        let set = format!("ALTER ROLE {} PASSWORD {}", identifier(&self.files.superuser()), literal(&own));
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut connection).await {
            return Ok(Err(Answer::NotYet(format!("the superuser's password can't be set: {error}"))));
        }
        let failed =
            |error| Problem::failed(Code::ClusterFiles, format!("{} can't be changed: {error}.", self.dir().display()));
        self.files.forget_first_password().map_err(failed)?;
        Ok(Ok(connection))
    }

    fn superuser(&self, address: &Address, password: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host(address.listen_ip())
            .port(address.port)
            .username(&self.files.superuser())
            .password(password)
            .database("postgres")
            // Without this setting, PGSSLMODE would decide.
            .ssl_mode(PgSslMode::Disable)
            .application_name("xtask")
            .options(roles::QUIET)
    }
}

/// Returns whether a server could listen at this address now.
pub(crate) fn port_is_free(address: &Address) -> bool {
    TcpListener::bind((address.listen_ip(), address.port)).is_ok()
}
