//! A private cluster of this checkout, made with PostgreSQL's binaries. It is durable, listens on the loopback
//! interface, asks for passwords, and goes on running after this command.
//!
//! `postgres` is spawned directly, in its own session. The next command finds it through its pid file. A pid file alone
//! proves nothing, because the server may be gone and another process may have its number. So a process is signalled
//! only if it is proven to be this cluster's server.

mod binaries;
mod files;

use std::fs::{self, OpenOptions};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection, Row};

pub(crate) use self::binaries::Binaries;
use self::files::{Files, SUPERUSER};
use super::StartError;
use crate::account::Account;
use crate::connection::readiness::{self, Answer};
use crate::database_url::Address;
use crate::interrupt::Interrupt;
use crate::problem::Problem;

/// How long a server may take to shut down. It writes everything to disk first.
const STOP_DEADLINE: Duration = Duration::from_secs(60);

/// The longest log, in bytes. A longer log is emptied at the next start.
const LOG_LIMIT: u64 = 8 << 20;

/// This checkout's private cluster, whether it exists yet or not.
pub(crate) struct Cluster {
    files: Files,
    account: Account,
}

/// The cluster's server, with the numbers from its pid file.
#[derive(Clone, Copy)]
pub(crate) struct Running {
    pid: Pid,
    pub(crate) port: u16,
}

/// The process that a pid file names, as far as the system describes it.
enum Holder {
    /// It is this cluster's server.
    Server,
    /// It is gone, or it belongs to another program.
    Nobody,
    /// It exists, but this system doesn't tell what it is.
    Unknown,
}

impl Cluster {
    /// Finds the folder and the account of this checkout's cluster.
    ///
    /// # Errors
    /// Root runs this command and the system has no account for PostgreSQL, or the account can't reach the chosen
    /// folder.
    pub(crate) fn locate(root: &Path) -> Result<Self> {
        let account = Account::find()?;
        Ok(Self { files: Files::locate(root, &account)?, account })
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

    /// The options for a login as the superuser at `address`.
    ///
    /// # Errors
    /// The superuser's password can't be read.
    pub(crate) fn superuser(&self, address: &Address) -> Result<PgConnectOptions> {
        Ok(PgConnectOptions::new_without_pgpass()
            .host(address.listen_ip())
            .port(address.port)
            .username(SUPERUSER)
            .password(&self.files.password()?)
            .database("postgres")
            // Without this setting, PGSSLMODE would decide.
            .ssl_mode(PgSslMode::Disable)
            .application_name("xtask"))
    }

    /// Returns the server, if it runs.
    ///
    /// # Errors
    /// It is unknown whether the server runs: a process has its number, but neither the system nor the server tells
    /// more.
    pub(crate) async fn running(&self) -> Result<Option<Running>> {
        let Some(running) = self.pid_file() else {
            return Ok(None);
        };
        match self.holder(running.pid) {
            Holder::Server => Ok(Some(running)),
            Holder::Nobody => Ok(None),
            Holder::Unknown if self.answers(running.port).await => Ok(Some(running)),
            Holder::Unknown => Err(Problem::unavailable(format!(
                "Process {} may be this checkout's PostgreSQL, but that server doesn't answer on port {}.",
                running.pid, running.port
            ))
            .remedy(format!("Look at the process: ps -p {}", running.pid))
            .remedy(format!("If it isn't PostgreSQL: rm '{}'", self.files.data().join("postmaster.pid").display()))
            .into()),
        }
    }

    /// Starts the server, and waits until it is ready. The cluster is made first if there is none.
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
    ) -> Result<String, StartError> {
        if let Some(running) = self.running().await? {
            if running.port == address.port {
                return self.ready(address, Instant::now() + patience, async || Ok(())).await;
            }
            self.stop(interrupt).await?;
        }
        self.clear_stale_pid_file()?;
        self.files.sweep();
        if !self.exists() {
            self.files.create(binaries, &self.account, interrupt)?;
        }
        if !port_is_free(address) {
            return self.is_up_already(address, patience, interrupt).await?.ok_or(StartError::PortTaken);
        }
        let mut server = self.spawn(binaries, address)?;
        let alive = async || {
            interrupt.check()?;
            match server.try_wait() {
                Ok(None) => Ok(()),
                _ => Err(Problem::unavailable("PostgreSQL ended while it was starting.").into()),
            }
        };
        let ended = self.ready(address, Instant::now() + patience, alive).await;
        if !matches!(ended, Err(StartError::Failed(_))) || matches!(server.try_wait(), Ok(None)) {
            return ended;
        }
        // The server has ended. Another one may have been first.
        match self.is_up_already(address, patience, interrupt).await? {
            Some(version) => Ok(version),
            None if !port_is_free(address) => Err(StartError::PortTaken),
            None => ended,
        }
    }

    /// Waits for a server of this cluster that a killed run started at this address, and that had no pid file yet when
    /// this run looked first. Returns its version, or `None` if there is no such server.
    async fn is_up_already(
        &self,
        address: &Address,
        patience: Duration,
        interrupt: &Interrupt,
    ) -> Result<Option<String>, StartError> {
        interrupt.check()?;
        if self.running().await?.is_none_or(|running| running.port != address.port) {
            return Ok(None);
        }
        self.ready(address, Instant::now() + patience, async || Ok(interrupt.check()?)).await.map(Some)
    }

    async fn ready(
        &self,
        address: &Address,
        deadline: Instant,
        alive: impl AsyncFnMut() -> Result<()>,
    ) -> Result<String, StartError> {
        let explain = |problem: Problem| {
            problem
                .detail(format!("The end of its log, {}:", self.files.log().display()))
                .details(self.files.log_tail(10))
        };
        match readiness::wait(&self.superuser(address)?, deadline, alive).await {
            Ok(Answer::Ready(version)) => Ok(version),
            Ok(answer) => Err(StartError::Failed(
                explain(Problem::unavailable(format!("This checkout's PostgreSQL can't be used: {answer}."))).into(),
            )),
            Err(error) => Err(StartError::Failed(match error.downcast::<Problem>() {
                Ok(problem) if problem.exit == crate::problem::Exit::Unavailable => explain(problem).into(),
                Ok(problem) => problem.into(),
                Err(error) => error,
            })),
        }
    }

    fn spawn(&self, binaries: &Binaries, address: &Address) -> Result<std::process::Child> {
        let failed = |error: std::io::Error| {
            Problem::unavailable(format!("{} can't be started: {error}.", binaries.program("postgres").display()))
        };
        let path = self.files.log();
        let too_long = fs::metadata(&path).is_ok_and(|log| log.len() > LOG_LIMIT);
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(!too_long).truncate(too_long).mode(0o600);
        let log = options.open(&path).map_err(failed)?;
        let mut command = Command::new(binaries.program("postgres"));
        command
            .arg("-D")
            .arg(self.files.data())
            .arg("-p")
            .arg(address.port.to_string())
            .args(["-c", &format!("listen_addresses={}", address.listen_ip())])
            // A socket's path can have at most 107 bytes, and the path of a checkout's folder may be longer.
            .args(["-c", "unix_socket_directories="])
            .args(["-c", "logging_collector=off"])
            .current_dir("/")
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log);
        self.account.apply(&mut command);
        // SAFETY: Only async-signal-safe functions may be called between fork and exec. setsid(2) is one of them
        // (signal-safety(7)), and nothing is allocated. In its own session, the server outlives the terminal.
        unsafe {
            command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(std::io::Error::from));
        }
        Ok(command.spawn().map_err(failed)?)
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
                return Err(Problem::failed(what).into());
            }
        }
        let deadline = Instant::now() + STOP_DEADLINE;
        let stopping = || match self.holder(running.pid) {
            Holder::Server => true,
            Holder::Unknown => self.pid_file().is_some(),
            Holder::Nobody => false,
        };
        while stopping() {
            if Instant::now() > deadline {
                let seconds = STOP_DEADLINE.as_secs();
                return Err(Problem::failed(format!(
                    "PostgreSQL (process {}) did not stop within {seconds} s.",
                    running.pid
                ))
                .details(self.files.log_tail(10))
                .into());
            }
            interrupt.check()?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(true)
    }

    /// The number of the process and the port, which are the first and the fourth line of `postmaster.pid`
    /// (PostgreSQL's `src/include/utils/pidfile.h`).
    fn pid_file(&self) -> Option<Running> {
        let text = fs::read_to_string(self.files.data().join("postmaster.pid")).ok()?;
        let lines: Vec<&str> = text.lines().collect();
        let pid = lines.first()?.trim().parse().ok()?;
        let port = lines.get(3).and_then(|port| port.trim().parse().ok()).unwrap_or(0);
        Some(Running { pid: Pid::from_raw(pid), port })
    }

    /// Finds out what a process is. PostgreSQL changes into its data folder, so the system shows which cluster it
    /// serves.
    fn holder(&self, pid: Pid) -> Holder {
        if !files::exists(pid) {
            return Holder::Nobody;
        }
        let data = self.files.data().canonicalize();
        match (fs::read_link(format!("/proc/{pid}/cwd")), data) {
            (Ok(cwd), Ok(data)) if cwd == data => Holder::Server,
            (Ok(_), Ok(_)) => Holder::Nobody,
            // The process ended between the two questions, and isn't reaped yet.
            (Err(error), _) if error.kind() == std::io::ErrorKind::NotFound && Path::new("/proc/self/cwd").exists() => {
                Holder::Nobody
            }
            _ => Holder::Unknown,
        }
    }

    /// Returns whether the server on this port says that it serves this cluster.
    async fn answers(&self, port: u16) -> bool {
        let address = Address { host: "127.0.0.1".into(), port };
        let Ok(options) = self.superuser(&address) else {
            return false;
        };
        let Ok(mut connection) = xtask_connect::connect(options).await else {
            return false;
        };
        let row = sqlx::raw_sql("SHOW data_directory").fetch_one(&mut connection).await;
        drop(connection.close().await);
        let said = row.ok().and_then(|row| row.try_get::<String, _>(0).ok());
        said.and_then(|dir| Path::new(&dir).canonicalize().ok()) == self.files.data().canonicalize().ok()
    }

    /// Removes a stale pid file. PostgreSQL refuses to start while any process has the number in its pid file. After a
    /// restart of the machine, another program may have that number.
    fn clear_stale_pid_file(&self) -> Result<()> {
        let stale = self
            .pid_file()
            .is_some_and(|running| files::exists(running.pid) && matches!(self.holder(running.pid), Holder::Nobody));
        if stale {
            fs::remove_file(self.files.data().join("postmaster.pid"))?;
        }
        Ok(())
    }
}

/// Returns whether a server could listen at this address now.
pub(crate) fn port_is_free(address: &Address) -> bool {
    TcpListener::bind((address.listen_ip(), address.port)).is_ok()
}
