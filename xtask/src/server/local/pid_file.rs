//! The pid file of a cluster's server, `postmaster.pid`.
//!
//! A pid file alone proves nothing, because the server may be gone and another process may have its number. So a process
//! is signalled only if it is proven to be this cluster's server.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use nix::unistd::Pid;

use super::files::exists;
use crate::problem::{Code, Problem};

/// The pid file of one data folder.
pub(super) struct PidFile {
    data: PathBuf,
}

/// The cluster's server, as its pid file describes it.
#[derive(Clone, Copy)]
pub(crate) struct Running {
    pub(super) pid: Pid,
    pub(crate) port: u16,
    /// Whether it accepts connections.
    pub(super) is_ready: bool,
}

/// The process that a pid file names, as far as the system describes it.
pub(super) enum Holder {
    /// It is this cluster's server.
    Server,
    /// It is gone, or it belongs to another program.
    Nobody,
    /// It exists, but this system doesn't tell what it is.
    Unknown,
}

impl PidFile {
    pub(super) fn of(data: PathBuf) -> Self {
        Self { data }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.data.join("postmaster.pid")
    }

    /// The server that the file names. There is none if there is no file, or if it has no number of a process.
    ///
    /// The number of the process, the port and the status are the first, the fourth and the eighth line (PostgreSQL's
    /// `src/include/utils/pidfile.h`).
    pub(super) fn running(&self) -> Option<Running> {
        let text = fs::read_to_string(self.path()).ok()?;
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let pid = lines.first()?.parse().ok().filter(|pid| *pid > 0)?;
        let port = lines.get(3).and_then(|port| port.parse().ok()).unwrap_or(0);
        let is_ready = matches!(lines.get(7), Some(&("ready" | "standby")));
        Some(Running { pid: Pid::from_raw(pid), port, is_ready })
    }

    /// Finds out what a process is. PostgreSQL changes into its data folder, so the system shows which cluster it
    /// serves.
    pub(super) fn holder(&self, pid: Pid) -> Holder {
        if !exists(pid) {
            return Holder::Nobody;
        }
        match (fs::read_link(format!("/proc/{pid}/cwd")), self.data.canonicalize()) {
            (Ok(cwd), Ok(data)) if cwd == data => Holder::Server,
            (Ok(_), Ok(_)) => Holder::Nobody,
            // The process ended between the two questions, and isn't reaped yet.
            (Err(error), _) if error.kind() == std::io::ErrorKind::NotFound && Path::new("/proc/self/cwd").exists() => {
                Holder::Nobody
            }
            // A system may hide the folder of a process even from root, as containers do. It still shows the user.
            _ if self.is_of_another_user(pid) => Holder::Nobody,
            _ => Holder::Unknown,
        }
    }

    /// Whether a process runs as another user than the one who owns the data folder. PostgreSQL starts only as its owner.
    fn is_of_another_user(&self, pid: Pid) -> bool {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let user = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()?.parse().ok());
        let owner = self.data.metadata().ok().map(|data| data.uid());
        user.zip(owner).is_some_and(|(user, owner): (u32, u32)| user != owner)
    }

    /// Removes a file that would keep PostgreSQL from starting though no server runs: after a restart of the machine,
    /// another program may have the number in it, or a full disk has left it empty.
    ///
    /// # Errors
    /// The file can't be removed. Or it has no number, and this system doesn't tell whether a server runs.
    pub(super) fn clear_stale(&self) -> Result<()> {
        let path = self.path();
        let is_stale = match self.running() {
            Some(running) => exists(running.pid) && matches!(self.holder(running.pid), Holder::Nobody),
            None if !path.exists() => false,
            None if !Path::new("/proc/self/cwd").exists() => {
                let what = format!("{} doesn't name a process, so PostgreSQL refuses to start.", path.display());
                return Err(Problem::unavailable(Code::ClusterUnclear, what)
                    .remedy("See whether a server runs: ps -A | grep postgres")
                    .remedy(format!("If none does: rm '{}' && cargo xtask db-setup", path.display()))
                    .into());
            }
            // A server that is just starting has made the file, and writes its number next.
            None => !self.is_served(),
        };
        if is_stale {
            fs::remove_file(&path).map_err(|error| {
                Problem::failed(Code::ClusterFiles, format!("{} can't be removed: {error}.", path.display()))
            })?;
        }
        Ok(())
    }

    /// Whether any process serves the data folder.
    fn is_served(&self) -> bool {
        let Ok(data) = self.data.canonicalize() else { return false };
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == data))
            .any(|entry| fs::read_to_string(entry.path().join("comm")).is_ok_and(|name| name.starts_with("postgres")))
    }
}
