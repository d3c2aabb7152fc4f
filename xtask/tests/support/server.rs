//! A private PostgreSQL server for one test. For xtask it is a server that already runs.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use sqlx::postgres::PgConnectOptions;

use super::reaper::{Folder, Reaper, as_server_user};
use super::sql::{self, Session, identifier, literal};
use super::{DEADLINE, eventually, free_port, template};

/// The superuser of every [`Server`].
pub(crate) const ADMIN: &str = "test_admin";
/// The superuser's password, which no run may print.
pub(crate) const ADMIN_PASSWORD: &str = "adminS3cret-5d1f";

/// A running server on 127.0.0.1 with its own port. It isn't durable. It is deleted when this value is dropped or this
/// process ends.
pub(crate) struct Server {
    /// The port that it listens on.
    pub(crate) port: u16,
    data: PathBuf,
    /// The superuser's session in the database `postgres`. A login for each question would take longer than the answers.
    session: Mutex<Option<Session>>,
    /// First the server is stopped, then its files are deleted.
    running: Option<(Reaper, Folder)>,
}

impl Server {
    /// Starts a server and waits until it answers.
    pub(crate) fn start() -> Self {
        Self::start_with(&template::cluster())
    }

    /// Starts a server on the files of an archive, and waits until it answers.
    pub(crate) fn start_with(archive: &Path) -> Self {
        // Another process may take the port between its choice and its use. Then another port is tried.
        for _ in 0..5 {
            if let Some(server) = Self::try_start(archive, free_port(), &[]) {
                return server;
            }
        }
        panic!("PostgreSQL did not start");
    }

    /// Starts a standby on the files of an archive, and waits until it answers. It has no primary.
    pub(crate) fn start_standby(archive: &Path) -> Self {
        Self::try_start(archive, free_port(), &["standby.signal"]).expect("a standby starts")
    }

    /// Starts a server on this port and waits until it answers. Returns `None` if the port is taken.
    pub(crate) fn start_at(port: u16) -> Option<Self> {
        Self::try_start(&template::cluster(), port, &[])
    }

    fn try_start(archive: &Path, port: u16, empty_files: &[&str]) -> Option<Self> {
        // If this process is killed, both reapers begin at once. The log is deleted when the server has ended, so the
        // reaper of the files waits for that.
        let ended = "for _ in $(seq 100); do [ -e \"$1\"/data/log ] || break; sleep 0.1; done";
        let folder = Folder::new("xtask-test-server-", ended);
        let data = folder.path().join("data");
        template::unpack(archive, &data);
        for name in empty_files {
            std::fs::write(data.join(name), "").unwrap();
        }
        let start = format!(
            "{binaries}/postgres -D \"$1\" -c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
             -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c shared_buffers=16MB \
             -c max_wal_size=1GB -c max_connections=100 -c autovacuum=off >\"$1\"/log 2>&1 & server=$!",
            binaries = shell_quoted(binaries()),
        );
        // The files are deleted anyway, so the server needn't write what is only in its memory.
        let finish = "kill -QUIT $server; wait $server; rm \"$1\"/log";
        // If the server ends by itself, the shell keeps waiting. The loop below finds the reason in the log.
        let reaper = Reaper::spawn(&mut as_server_user("/bin/sh"), &start, finish, &[&data]);
        let server = Self { port, data, session: Mutex::new(None), running: Some((reaper, folder)) };
        eventually("a server that answers", DEADLINE, || {
            let log = std::fs::read_to_string(server.data.join("log")).unwrap_or_default();
            if log.contains("could not create any TCP/IP sockets") || log.contains("lock file") {
                return Some(false);
            }
            // Another server may answer on this port, but only this one writes to this log.
            let ready = ["ready to accept connections", "ready to accept read-only connections"];
            ready.iter().any(|line| log.contains(line)).then_some(true)
        })
        .then_some(server)
    }

    /// The server's data folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.data
    }

    /// A login as superuser.
    pub(crate) fn admin(&self, database: &str) -> PgConnectOptions {
        self.login(ADMIN, ADMIN_PASSWORD, database)
    }

    /// A login as any user.
    pub(crate) fn login(&self, user: &str, password: &str, database: &str) -> PgConnectOptions {
        sql::options("127.0.0.1", self.port, user, password, database)
    }

    /// Returns `user:password@127.0.0.1:port`, the form that a URL needs.
    pub(crate) fn authority(&self, user: &str, password: &str) -> String {
        format!("{user}:{password}@127.0.0.1:{}", self.port)
    }

    /// Creates a role that can log in, with attributes such as `CREATEDB`.
    pub(crate) fn create_role(&self, name: &str, password: &str, attributes: &str) {
        let (name, password) = (identifier(name), literal(password));
        self.execute("postgres", &format!("CREATE ROLE {name} LOGIN {attributes} PASSWORD {password}"));
    }

    /// Runs statements as superuser.
    #[track_caller]
    pub(crate) fn execute(&self, database: &str, statements: &str) {
        match database {
            "postgres" => self.in_session(statements, |session| session.execute(statements)),
            _ => sql::execute(&self.admin(database), statements),
        }
    }

    /// Returns the rows of a query with one column of type text.
    #[track_caller]
    pub(crate) fn query(&self, database: &str, query: &str) -> Vec<String> {
        match database {
            "postgres" => self.in_session(query, |session| session.query(query)),
            _ => sql::query(&self.admin(database), query),
        }
    }

    /// Runs something in the session that stays open.
    #[track_caller]
    fn in_session<T>(&self, what: &str, run: impl Fn(&mut Session) -> Result<T, sqlx::Error>) -> T {
        let mut kept = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let mut session = kept.take();
        // A test may have ended all sessions.
        if session.as_mut().is_none_or(|session| session.query("SELECT NULL").is_err()) {
            session = Some(Session::open(&self.admin("postgres")).unwrap());
        }
        let session = kept.insert(session.unwrap());
        run(session).unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// Returns all databases except the server's own.
    #[track_caller]
    pub(crate) fn databases(&self) -> Vec<String> {
        self.query("postgres", sql::DATABASES)
    }

    /// Returns the statements that sessions of xtask run at the moment.
    pub(crate) fn xtask_statements(&self) -> Vec<String> {
        self.query(
            "postgres",
            "SELECT query FROM pg_stat_activity WHERE application_name LIKE 'xtask%' AND state <> 'idle' ORDER BY 1",
        )
    }

    /// Fails unless exactly these databases exist and no session of xtask is open. A scratch database fails it too.
    #[track_caller]
    pub(crate) fn assert_only(&self, databases: &[&str]) {
        let sessions = "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'xtask%'";
        eventually("the sessions of the runs are gone", DEADLINE, || {
            self.query("postgres", sessions).is_empty().then_some(())
        });
        assert_eq!(self.databases(), databases);
    }

    /// Stops the server and deletes it.
    pub(crate) fn stop(&mut self) {
        if let Some((reaper, mut folder)) = self.running.take() {
            drop(reaper);
            // The log is gone only after the server has ended.
            folder.set_unused(!self.data.join("log").exists());
        }
    }

    /// Returns the server's log so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.data.join("log")).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Returns the folder with PostgreSQL's programs. It is the one in `XTASK_PG_BINDIR`, or the newest one of Debian's
/// packages, or one on `PATH`.
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

/// Returns a path as one word of a shell command.
fn shell_quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
