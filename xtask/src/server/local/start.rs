//! The start of a private cluster's server, until it is ready.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::unistd::Pid;
use sqlx::postgres::PgConnection;

use super::pid_file::Holder;
use super::{Binaries, Cluster, port_is_free};
use crate::connection::readiness::Answer;
use crate::database_url::Address;
use crate::interrupt::Interrupt;
use crate::problem::{Code, Problem};
use crate::server::StartError;

/// The variables that the server gets: where programs and libraries are found. The caller's locale, for example, must
/// not decide how the server behaves.
const KEPT: [&str; 3] = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/// The longest log, in bytes. A longer log is emptied at the next start.
const LOG_LIMIT: u64 = 8 << 20;

/// A start of the cluster's server that is under way.
pub(super) struct Start<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) binaries: &'a Binaries,
    pub(super) address: &'a Address,
    pub(super) patience: Duration,
    pub(super) interrupt: &'a Interrupt,
}

impl Start<'_> {
    /// Starts a server, unless another program listens on the port.
    pub(super) async fn launch(&self) -> Result<(String, PgConnection), StartError> {
        if !port_is_free(self.address) {
            return self.is_up_already().await?.ok_or(StartError::PortTaken);
        }
        let mut server = self.spawn()?;
        let Ok(pid) = i32::try_from(server.id()) else { return Err(StartError::PortTaken) };
        let ended = self.ready(Pid::from_raw(pid), Some(&mut server)).await;
        if !matches!(ended, Err(StartError::Failed(_))) || matches!(server.try_wait(), Ok(None)) {
            return ended;
        }
        // The server has ended. Another one may have been first.
        match self.is_up_already().await? {
            Some(up) => Ok(up),
            None if !port_is_free(self.address) => Err(StartError::PortTaken),
            None => ended,
        }
    }

    /// Waits for a server of this cluster that a killed run started at this address, and that had no pid file yet when
    /// this run looked first. Returns `None` if there is no such server.
    async fn is_up_already(&self) -> Result<Option<(String, PgConnection)>, StartError> {
        self.interrupt.check()?;
        match self.cluster.running().await? {
            Some(running) if running.port == self.address.port => self.ready(running.pid, None).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Waits until the server with this number says in its pid file that it is ready, and logs in. Only then is it the
    /// cluster's server that listens on the port, and no other one.
    pub(super) async fn ready(
        &self,
        pid: Pid,
        mut child: Option<&mut Child>,
    ) -> Result<(String, PgConnection), StartError> {
        let deadline = Instant::now() + self.patience;
        let mut alive = || -> Result<()> {
            self.interrupt.check()?;
            let ended = child.as_mut().is_some_and(|child| !matches!(child.try_wait(), Ok(None)));
            let gone = child.is_none() && matches!(self.cluster.pid_file().holder(pid), Holder::Nobody);
            if ended || gone {
                return Err(self.explain("PostgreSQL ended while it was starting.").into());
            }
            Ok(())
        };
        let pause = Duration::from_millis(2);
        let mut last = "it is starting up".to_owned();
        loop {
            if self.cluster.pid_file().running().is_some_and(|running| running.pid == pid && running.is_ready) {
                match self.cluster.log_in(self.address).await? {
                    Ok(mut connection) => {
                        let version = self.cluster.serves(&mut connection).await.map_err(anyhow::Error::from)?;
                        return Ok((version.ok_or(StartError::PortTaken)?, connection));
                    }
                    Err(Answer::Nothing(said) | Answer::NotYet(said)) => last = said,
                    Err(answer) => {
                        return Err(self
                            .explain(&format!("This checkout's PostgreSQL can't be used: {answer}."))
                            .into());
                    }
                }
            }
            alive()?;
            if Instant::now() >= deadline {
                let what = format!("PostgreSQL wasn't ready within {} s: {last}.", self.patience.as_secs());
                return Err(self.explain(&what).into());
            }
            tokio::time::sleep(pause).await;
        }
    }

    fn spawn(&self) -> Result<Child> {
        let Self { cluster: Cluster { files, account, settings, .. }, binaries, address, .. } = self;
        let failed = |error: std::io::Error| {
            Problem::unavailable(
                Code::ClusterNotStarted,
                format!("{} can't be started: {error}.", binaries.program("postgres").display()),
            )
        };
        let path = files.log();
        let too_long = fs::metadata(&path).is_ok_and(|log| log.len() > LOG_LIMIT);
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(!too_long).truncate(too_long).mode(0o600);
        let log = options.open(&path).map_err(failed)?;
        let mut command = Command::new(binaries.program("postgres"));
        command
            .arg("-D")
            .arg(files.data())
            .arg("-p")
            .arg(address.port.to_string())
            .args(["-c", &format!("listen_addresses={}", address.listen_ip())])
            // A socket's path can have at most 107 bytes, and the path of a checkout's folder may be longer.
            .args(["-c", "unix_socket_directories="])
            .args(["-c", "logging_collector=off"])
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log);
        account.apply(&mut command);
        detach(&mut command);
        Ok(command.spawn().map_err(failed)?)
    }

    /// A problem with the server's log.
    fn explain(&self, what: &str) -> Problem {
        let files = &self.cluster.files;
        Problem::unavailable(Code::ClusterNotStarted, what)
            .detail(format!("The end of its log, {}:", files.log().display()))
            .details(files.log_tail(10))
    }
}

/// Makes a command outlive this process: in its own session, in no folder that somebody may want to delete, and with
/// nothing of this process's environment and open files but the standard ones.
pub(super) fn detach(command: &mut Command) {
    command.current_dir("/").env_clear().envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    // Without a locale, macOS starts a thread to find one, and then PostgreSQL ends.
    command.env("LC_ALL", "C");
    let inherited = inherited_files();
    // SAFETY: Only async-signal-safe functions may be called between fork and exec. setsid(2) and fcntl(2) are among them
    // (signal-safety(7)), and nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            for file in &inherited {
                nix::libc::fcntl(*file, nix::libc::F_SETFD, nix::libc::FD_CLOEXEC);
            }
            nix::unistd::setsid().map(drop).map_err(std::io::Error::from)
        });
    }
}

/// The open files of this process. The server gets none of them: it would keep a lock or a pipe of the caller's for as
/// long as it runs.
fn inherited_files() -> Vec<i32> {
    let open = fs::read_dir("/dev/fd").into_iter().flatten().flatten();
    open.filter_map(|file| file.file_name().to_str()?.parse().ok()).filter(|file| *file > 2).collect()
}
