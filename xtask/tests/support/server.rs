//! A private PostgreSQL for one test: the server that was there before xtask came.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use nix::unistd::geteuid;
use sqlx::postgres::PgConnectOptions;

use super::process::become_user;
use super::reaper::{Folder, Reaper, as_server_user, server_user};
use super::sql::{self, identifier, literal};
use super::{DEADLINE, eventually, free_port, is_root, set_mode, temporary};

/// The superuser of every [`Server`].
const ADMIN: &str = "test_admin";
/// The superuser's password, which no run may print.
pub(crate) const ADMIN_PASSWORD: &str = "adminS3cret-5d1f";

/// A running server on 127.0.0.1 with a port of its own, not durable, deleted with this value or this process.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) port: u16,
    data: PathBuf,
    /// The server first, then its files.
    running: Option<(Reaper, Folder)>,
}

impl Server {
    /// A server that answers.
    pub(crate) fn start() -> Self {
        // Between a port's choice and its use another process may take it: try again.
        for _ in 0..5 {
            if let Some(server) = Self::try_start(free_port()) {
                return server;
            }
        }
        panic!("PostgreSQL did not start");
    }

    fn try_start(port: u16) -> Option<Self> {
        // Should this process be killed, the files go once the server has ended, which deletes its log.
        let ended = "for _ in $(seq 100); do [ -e \"$1\"/data/log ] || break; sleep 0.1; done";
        let folder = Folder::new("xtask-test-server-", ended);
        let data = folder.path().join("data");
        copy_cluster(&data);
        let start = format!(
            "{binaries}/postgres -D \"$1\" -c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
             -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c shared_buffers=16MB \
             -c max_connections=200 -c autovacuum=off >\"$1\"/log 2>&1 & server=$!",
            binaries = shell_quoted(binaries()),
        );
        let finish = "kill -INT $server; wait $server; rm \"$1\"/log";
        // Should the server end by itself, the shell goes on waiting, and `try_start` sees the log.
        let reaper = Reaper::spawn(&mut as_server_user("/bin/sh"), &start, finish, &[&data]);
        let server = Self { port, data, running: Some((reaper, folder)) };
        eventually("a server that answers", DEADLINE, || {
            let log = std::fs::read_to_string(server.data.join("log")).unwrap_or_default();
            if log.contains("could not create any TCP/IP sockets") || log.contains("lock file") {
                return Some(false);
            }
            // Its own word first: on this port another server may answer.
            let ready = log.contains("ready to accept connections");
            (ready && sql::try_query(&server.admin("postgres"), "SELECT 1::text").is_ok()).then_some(true)
        })
        .then_some(server)
    }

    /// Where its data are.
    pub(crate) fn folder(&self) -> &Path {
        &self.data
    }

    /// A login as superuser.
    pub(crate) fn admin(&self, database: &str) -> PgConnectOptions {
        self.login(ADMIN, ADMIN_PASSWORD, database)
    }

    /// A login as anybody.
    pub(crate) fn login(&self, user: &str, password: &str, database: &str) -> PgConnectOptions {
        sql::options("127.0.0.1", self.port, user, password, database)
    }

    /// `user:password@127.0.0.1:port`, as a URL has it.
    pub(crate) fn authority(&self, user: &str, password: &str) -> String {
        format!("{user}:{password}@127.0.0.1:{}", self.port)
    }

    /// A role that can log in; `attributes` such as `CREATEDB`.
    pub(crate) fn create_role(&self, name: &str, password: &str, attributes: &str) {
        let (name, password) = (identifier(name), literal(password));
        self.execute("postgres", &format!("CREATE ROLE {name} LOGIN {attributes} PASSWORD {password}"));
    }

    /// Runs statements as superuser.
    #[track_caller]
    pub(crate) fn execute(&self, database: &str, statements: &str) {
        sql::execute(&self.admin(database), statements);
    }

    /// The rows of a query with one column of type text.
    #[track_caller]
    pub(crate) fn query(&self, database: &str, query: &str) -> Vec<String> {
        sql::query(&self.admin(database), query)
    }

    /// All databases but the server's own.
    #[track_caller]
    pub(crate) fn databases(&self) -> Vec<String> {
        sql::databases(&self.admin("postgres"))
    }

    /// What the sessions of xtask run at the moment.
    pub(crate) fn xtask_statements(&self) -> Vec<String> {
        self.query(
            "postgres",
            "SELECT query FROM pg_stat_activity WHERE application_name LIKE 'xtask%' AND state <> 'idle' ORDER BY 1",
        )
    }

    /// Fails unless there are these databases and no other (no scratch database, say), and no session of xtask.
    #[track_caller]
    pub(crate) fn assert_only(&self, databases: &[&str]) {
        let sessions = "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'xtask%'";
        eventually("the sessions of the runs are gone", DEADLINE, || {
            self.query("postgres", sessions).is_empty().then_some(())
        });
        assert_eq!(self.databases(), databases);
    }

    /// Stops the server and deletes it, to show what a run does when it is gone.
    pub(crate) fn stop(&mut self) {
        drop(self.running.take());
    }

    /// The server's log so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.data.join("log")).unwrap()
    }
}

/// The folder of the newest PostgreSQL's programs: named by `XTASK_PG_BINDIR`, on `PATH` or where Debian has them.
pub(crate) fn binaries() -> &'static Path {
    static BINARIES: OnceLock<PathBuf> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let named = std::env::var_os("XTASK_PG_BINDIR").map(PathBuf::from);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut debian: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
        debian.sort();
        let mut folders = named.into_iter().chain(debian.into_iter().rev()).chain(std::env::split_paths(&path));
        let found = folders.find(|folder| folder.join("postgres").is_file() && folder.join("initdb").is_file());
        found.expect("the tests need PostgreSQL's programs: install postgresql or set XTASK_PG_BINDIR")
    })
}

/// Makes a data folder: a copy of one that initdb has made, since initdb takes much longer than the copy.
fn copy_cluster(data: &Path) {
    run(Command::new("cp").arg("-R").args([&template(), data]));
    if is_root() {
        let user = server_user();
        run(Command::new("chown").arg("-R").arg(format!("{}:{}", user.uid, user.gid)).arg(data));
    }
    set_mode(data, 0o700);
}

/// What initdb makes, kept in the build's own temporary folder for all test processes.
fn template() -> PathBuf {
    let version = Command::new(binaries().join("postgres")).arg("--version").output().unwrap().stdout;
    let version = String::from_utf8_lossy(&version).replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let kept =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cluster-{}-{}", geteuid(), version.trim_matches('-')));
    if kept.join("PG_VERSION").exists() {
        return kept;
    }
    let made = temporary::folder("xtask-test-initdb-");
    let password = made.path().join("password");
    let data = made.path().join("data");
    std::fs::write(&password, ADMIN_PASSWORD).unwrap();
    std::fs::create_dir(&data).unwrap();
    if is_root() {
        let user = server_user();
        run(Command::new("chown").arg("-R").arg(format!("{}:{}", user.uid, user.gid)).arg(made.path()));
    }
    let mut initdb = Command::new(binaries().join("initdb"));
    initdb.current_dir("/").args(["--no-sync", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "-U", ADMIN]);
    if is_root() {
        become_user(&mut initdb, &server_user());
    }
    run(initdb.arg("--pwfile").arg(&password).arg("-D").arg(&data));
    // Copied beside its place and renamed: another test process never sees half of it, and may be the first.
    let beside = tempfile::Builder::new().prefix("cluster-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    run(Command::new("cp").arg("-R").arg(format!("{}/.", data.display())).arg(beside.path()));
    if std::fs::rename(beside.path(), &kept).is_ok() {
        let _ = beside.keep();
    }
    kept
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A path as one word of a shell command.
fn shell_quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
