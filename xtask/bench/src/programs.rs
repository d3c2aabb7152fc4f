//! The peers, which are the programs that people would use without `cargo xtask`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use percent_encoding::percent_decode_str;
use url::Url;
use xshell::Shell;

/// A program that isn't installed, and the way to install it.
#[derive(Clone, Debug)]
pub(crate) struct Missing {
    /// The command that can't be measured.
    pub(crate) command: String,
    /// The reason, as a sentence without the full stop.
    pub(crate) why: String,
    pub(crate) remedies: Vec<String>,
}

impl Missing {
    pub(crate) fn new(command: impl Into<String>, why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { command: command.into(), why: why.into(), remedies: vec![remedy.into()] }
    }
}

/// PostgreSQL's programs. Those in the folder of the running server's program are preferred to those on PATH.
#[derive(Clone, Debug)]
pub(crate) struct Postgres {
    /// The folder of the server's program.
    folder: Option<PathBuf>,
    /// The user and the group that run the server, if this is another user.
    account: Option<(u32, u32)>,
}

impl Postgres {
    /// Returns the programs that belong to the server whose data is in this folder.
    ///
    /// Debian's psql on PATH is a script that looks for the real psql first. The search takes longer than psql itself.
    pub(crate) fn of_server(data: &Path) -> Result<Self> {
        // The file's first word is the path of the server's program (see CreateOptsFile in PostgreSQL).
        let options = fs::read_to_string(data.join("postmaster.opts")).unwrap_or_default();
        let program = options.split(" \"").next().map(|program| PathBuf::from(program.trim()));
        let owner = data.metadata().with_context(|| format!("{} can't be read", data.display()))?;
        let other = owner.uid() != nix::unistd::geteuid().as_raw();
        Ok(Self {
            folder: program.and_then(|program| program.parent().map(Path::to_owned)).filter(|dir| dir.is_absolute()),
            account: other.then(|| (owner.uid(), owner.gid())),
        })
    }

    /// Finds one of the programs.
    pub(crate) fn program(&self, name: &str) -> Result<PathBuf, Missing> {
        let beside = self.folder.as_ref().map(|folder| folder.join(name)).filter(|program| program.is_file());
        let why = format!("{name} isn't installed");
        let remedy = "sudo apt-get install postgresql postgresql-client, or https://www.postgresql.org/download/";
        beside.or_else(|| which::which(name).ok()).ok_or_else(|| Missing::new(name, why, remedy))
    }

    /// Gives a folder to the account that runs the server.
    pub(crate) fn own(&self, folder: &Path) -> Result<()> {
        let Some((uid, gid)) = self.account else { return Ok(()) };
        std::os::unix::fs::chown(folder, Some(uid), Some(gid))
            .with_context(|| format!("{} can't be given to the server's account", folder.display()))
    }

    /// Runs a command as the account that runs the server, because PostgreSQL refuses root.
    pub(crate) fn as_account(&self, mut command: Command) -> Command {
        if let Some((uid, gid)) = self.account {
            command.uid(uid).gid(gid);
        }
        command
    }
}

/// Finds the sqlx-cli that `cargo install` has installed.
pub(crate) fn sqlx() -> Result<PathBuf, Missing> {
    let remedy = "cargo install sqlx-cli --version =0.9.0 --locked --no-default-features --features postgres,sqlx-toml";
    which::which("sqlx").map_err(|_| Missing::new("sqlx-cli", "sqlx-cli isn't installed", remedy))
}

/// Calls one of PostgreSQL's clients with the connection in its environment, because all users can read a command line.
pub(crate) fn client(shell: &Shell, program: &Path, url: &Url) -> Command {
    let mut command = Command::from(shell.cmd(program));
    command
        .env("PGHOST", url.host_str().unwrap_or("localhost"))
        .env("PGPORT", port(url))
        .env("PGUSER", decoded(url.username()))
        .env("PGPASSWORD", decoded(url.password().unwrap_or_default()))
        .env("PGDATABASE", database(url));
    command
}

/// The name of a URL's database.
pub(crate) fn database(url: &Url) -> String {
    decoded(url.path().trim_start_matches('/'))
}

/// The port of a URL, or PostgreSQL's default port.
pub(crate) fn port(url: &Url) -> String {
    url.port().unwrap_or(5432).to_string()
}

/// A part of a URL without its percent-encoding.
pub(crate) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The URL of another database on the same server.
pub(crate) fn with_database(url: &Url, name: &str) -> Url {
    let mut url = url.clone();
    url.set_path(name);
    url
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::ffi::OsStr;
    use std::path::Path;

    use url::Url;
    use xshell::Shell;

    use super::{client, database, with_database};

    #[test]
    fn a_client_finds_its_server_in_the_environment_only() {
        let url = Url::parse("postgres://some%20one:hunter%242@localhost:6543/my%2Fshop").unwrap();
        let command = client(&Shell::new().unwrap(), Path::new("psql"), &url);
        assert_eq!(command.get_args().count(), 0);
        let has = |name: &str, value: &str| {
            let found = command.get_envs().find(|(key, _)| *key == OsStr::new(name)).and_then(|(_, value)| value);
            assert_eq!(found, Some(OsStr::new(value)), "{name}");
        };
        has("PGHOST", "localhost");
        has("PGPORT", "6543");
        has("PGUSER", "some one");
        has("PGPASSWORD", "hunter$2");
        has("PGDATABASE", "my/shop");
    }

    #[test]
    fn another_database_of_the_same_server() {
        let url = Url::parse("postgres://me:secret@localhost:6543/shop").unwrap();
        let other = with_database(&url, "postgres");
        assert_eq!(
            (database(&other).as_str(), other.port(), other.password()),
            ("postgres", Some(6543), Some("secret"))
        );
    }
}
