//! The account that PostgreSQL runs as. PostgreSQL refuses root, so root runs it as `postgres`, or else as `nobody`.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use nix::unistd::{User, geteuid};

use crate::problem::{Code, Problem};

/// The account that owns the cluster's files and runs its server.
#[derive(Clone, Debug)]
pub(crate) enum Account {
    /// The user who runs this command.
    Own,
    /// Root runs this command. This account runs the server.
    Other { name: String, uid: u32, gid: u32 },
}

impl Account {
    /// Finds the account.
    ///
    /// # Errors
    /// Root runs this command, and the system has neither an account `postgres` nor an account `nobody`.
    pub(crate) fn find() -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self::Own);
        }
        for name in ["postgres", "nobody"] {
            if let Ok(Some(user)) = User::from_name(name) {
                return Ok(Self::Other { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() });
            }
        }
        Err(Problem::unavailable(
            Code::NoAccount,
            "PostgreSQL refuses to run as root, and this system has no account postgres or nobody that could run it.",
        )
        .remedy("useradd --system postgres")
        .remedy("or run this command as an ordinary user.")
        .into())
    }

    /// Makes a command run as this account. The standard library also drops root's groups when it changes the user.
    pub(crate) fn apply(&self, command: &mut Command) {
        if let Self::Other { uid, gid, .. } = self {
            command.uid(*uid).gid(*gid);
        }
    }

    /// Makes this account the owner of a file or folder.
    pub(crate) fn own(&self, path: &Path) -> std::io::Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid, .. } => std::os::unix::fs::chown(path, Some(*uid), Some(*gid)),
        }
    }

    /// Returns whether this account can reach a folder that is, or would be, at `path`. Each folder above it must let
    /// the account pass. `/root` lets no other account pass.
    pub(crate) fn can_reach(&self, path: &Path) -> bool {
        let Self::Other { uid, gid, .. } = self else {
            return true;
        };
        path.ancestors().skip(1).filter_map(|dir| dir.metadata().ok()).all(|dir| {
            let bit = match (dir.uid() == *uid, dir.gid() == *gid) {
                (true, _) => 0o100,
                (_, true) => 0o010,
                _ => 0o001,
            };
            dir.mode() & bit != 0
        })
    }
}
