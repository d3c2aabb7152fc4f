//! The account that PostgreSQL runs as: it refuses root, so root hands over to `postgres`, else to `nobody`.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use nix::unistd::{User, geteuid};

use crate::problem::Problem;

/// Who owns the cluster's files and runs its server.
#[derive(Clone, Debug)]
pub(crate) enum Account {
    /// Whoever runs this command.
    Own,
    /// Root runs this command, and this account the server.
    Other { name: String, uid: u32, gid: u32 },
}

impl Account {
    /// # Errors
    /// Root runs this, and there is neither a `postgres` nor a `nobody` to hand over to.
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
            "PostgreSQL refuses to run as root, and there is no account postgres or nobody to run it as.",
        )
        .remedy("useradd --system postgres")
        .remedy("or run this command as an ordinary user.")
        .into())
    }

    pub(crate) fn is_other(&self) -> bool {
        matches!(self, Self::Other { .. })
    }

    /// Makes a command run as this account. The standard library drops root's groups along with the user.
    pub(crate) fn apply(&self, command: &mut Command) {
        if let Self::Other { uid, gid, .. } = self {
            command.uid(*uid).gid(*gid);
        }
    }

    /// Hands a file or folder over to this account.
    pub(crate) fn own(&self, path: &Path) -> std::io::Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid, .. } => std::os::unix::fs::chown(path, Some(*uid), Some(*gid)),
        }
    }

    /// Whether this account can get to a folder that is, or would be, at `path`: each folder above has to let it
    /// pass. A checkout below `/root` doesn't.
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
