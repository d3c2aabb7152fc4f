//! PostgreSQL's binaries as a private cluster of this checkout: durable, on the loopback interface, with
//! passwords, and alive after this command.
//!
//! `postgres` is spawned directly, in a session of its own; the next command finds it through its pid file. A pid
//! file proves nothing by itself: the server may be gone and its number taken by another process, so nothing is
//! signalled that can't be shown to be this cluster's server.

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

/// How long a server may take to shut down; it writes everything to disk first.
const STOP_DEADLINE: Duration = Duration::from_secs(60);

/// A log longer than this, in bytes, is begun anew at the next start.
const LOG_LIMIT: u64 = 8 << 20;

/// This checkout's private cluster, whether it exists yet or not.
pub(crate) struct Cluster {
    files: Files,
    account: Account,
}

/// Its server, as the pid file says and a proof confirms.
#[derive(Clone, Copy)]
pub(crate) struct Running {
    pid: Pid,
    pub(crate) port: u16,
}

/// What is known of the process in a pid file.
enum Holder {
    /// It is this cluster's server.
    Server,
    /// It isn't: gone, or another program's.
    Nobody,
    /// It is there, and this system doesn't say what it is.
    Unknown,
}

impl Cluster {
    /// # Errors
    /// Root runs this and has no account to hand over to, or the chosen folder is out of its reach.
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

    /// The binaries for this cluster.
    ///
    /// # Errors
    /// There are none.
    pub(crate) fn binaries(&self, interrupt: &Interrupt) -> Result<Binaries> {
        Binaries::find(self.files.made_by(), interrupt)
    }

    /// How to log in as the superuser on `port`.
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
            // Else PGSSLMODE would have a say.
            .ssl_mode(PgSslMode::Disable)
            .application_name("xtask"))
    }

    /// The server, if it runs.
    ///
    /// # Errors
    /// Whether it runs can't be told: a process has its number, and neither the system nor the server says more.
    pub(crate) async fn running(&self) -> Result<Option<Running>> {
        let Some(running) = self.pid_file() else {
            return Ok(None);
        };
        match self.holder(running.pid) {
            Holder::Server => Ok(Some(running)),
            Holder::Nobody => Ok(None),
            Holder::Unknown if self.answers(running.port).await => Ok(Some(running)),
            Holder::Unknown => Err(Problem::unavailable(format!(
                "Process {} may be this checkout's PostgreSQL, but doesn't answer as such on port {}.",
                running.pid, running.port
            ))
            .remedy(format!("Look at it: ps -p {}", running.pid))
            .remedy(format!("If it isn't PostgreSQL: rm '{}'", self.files.data().join("postmaster.pid").display()))
            .into()),
        }
    }

    /// Starts the server, from nothing if need be, and waits until it is ready.
    ///
    /// A server of this cluster that runs on another port is moved to this one.
    ///
    /// # Errors
    /// [`StartError::PortTaken`] if something else listens there; else what failed, with the end of the log.
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
            return Err(StartError::PortTaken);
        }
        let mut server = self.spawn(binaries, address)?;
        let alive = async || {
            interrupt.check()?;
            match server.try_wait() {
                Ok(None) => Ok(()),
                _ => Err(Problem::unavailable("PostgreSQL ended while it was starting.").into()),
            }
        };
        self.ready(address, Instant::now() + patience, alive).await.map_err(|error| match error {
            // Somebody else was quicker to take the port.
            StartError::Failed(_) if !port_is_free(address) && !matches!(server.try_wait(), Ok(None)) => {
                StartError::PortTaken
            }
            error => error,
        })
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
            // A socket's path may not be longer than 107 bytes, and a checkout's folder may well be.
            .args(["-c", "unix_socket_directories="])
            .args(["-c", "logging_collector=off"])
            .current_dir("/")
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log);
        self.account.apply(&mut command);
        // SAFETY: between fork and exec only async-signal-safe functions may be called; setsid(2) is one
        // (signal-safety(7)), and nothing is allocated. In a session of its own, the server outlives the terminal.
        unsafe {
            command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(std::io::Error::from));
        }
        Ok(command.spawn().map_err(failed)?)
    }

    /// Stops the server and waits until it is gone. Returns whether it ran.
    ///
    /// # Errors
    /// It doesn't end; it is never killed, for that would leave its data to be recovered.
    pub(crate) async fn stop(&self, interrupt: &Interrupt) -> Result<bool> {
        let Some(running) = self.running().await? else {
            return Ok(false);
        };
        // SIGINT is PostgreSQL's fast shutdown: sessions are ended, everything is written, no recovery is needed.
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

    /// Process number and port, as `postmaster.pid` has them: its first and its fourth line
    /// (PostgreSQL's `src/include/utils/pidfile.h`).
    fn pid_file(&self) -> Option<Running> {
        let text = fs::read_to_string(self.files.data().join("postmaster.pid")).ok()?;
        let lines: Vec<&str> = text.lines().collect();
        let pid = lines.first()?.trim().parse().ok()?;
        let port = lines.get(3).and_then(|port| port.trim().parse().ok()).unwrap_or(0);
        Some(Running { pid: Pid::from_raw(pid), port })
    }

    /// PostgreSQL changes into its data folder, so the system can tell whose server a process is.
    fn holder(&self, pid: Pid) -> Holder {
        if !files::exists(pid) {
            return Holder::Nobody;
        }
        let data = self.files.data().canonicalize();
        match (fs::read_link(format!("/proc/{pid}/cwd")), data) {
            (Ok(cwd), Ok(data)) if cwd == data => Holder::Server,
            (Ok(_), Ok(_)) => Holder::Nobody,
            // Ended between the two questions, and not reaped yet.
            (Err(error), _) if error.kind() == std::io::ErrorKind::NotFound && Path::new("/proc/self/cwd").exists() => {
                Holder::Nobody
            }
            _ => Holder::Unknown,
        }
    }

    /// Whether the server on this port says that it is this cluster's.
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

    /// PostgreSQL refuses to start while the number in its pid file belongs to any process at all. After a restart
    /// of the machine that may be somebody else's.
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

/// Whether a server could listen there now.
pub(crate) fn port_is_free(address: &Address) -> bool {
    TcpListener::bind((address.listen_ip(), address.port)).is_ok()
}
