//! Databases for tests: each test gets its own set, one for each `sqlx.toml` of the workspace, with all migrations.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use xtask::test_databases::TestDatabases;
//!
//! let databases = TestDatabases::new().await?;
//! let mut connection = databases.connect("main").await?;
//! sqlx::raw_sql("CREATE TABLE of_this_test ()").execute(&mut connection).await?;
//! // A program that the test runs may get the URL.
//! assert!(databases.url("main").starts_with("postgres://"));
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Where they are.** On the server of the workspace's URLs, if it runs on this machine, its role may make databases, and
//! the roles that a package declares are there. Otherwise, and with `XTASK_TEST_SERVER=own`, on a PostgreSQL for tests: it
//! isn't durable, all test processes of the checkout share it, and it ends by itself when they have ended.
//!
//! **How they are made.** Each is a copy of a template, whose name has a digest of the migrations. The template is made
//! once, however many tests want it at the same time, and dropped when nobody needs it any more.
//!
//! **How they end.** [`TestDatabases`] drops its databases when it is dropped itself, after a panic as well, with whatever
//! sessions are left in them. Those of a test that was killed are dropped by the next one.
//!
//! It works with `cargo test`, which runs tests in threads, and with nextest, which gives each a process.

mod place;

use std::fmt;
use std::sync::Arc;
use std::thread;

use anyhow::Result as Made;
use futures_util::future::join_all;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use tokio::runtime::Runtime;

use self::place::Place;
use crate::connection::session;
use crate::database::test_database::TestDatabase;
use crate::database_url::DatabaseUrl;
use crate::problem::{Code, Problems};
use crate::runtime;

/// The beginning of the names under which the server lists the sessions of this module. Those of a test are listed as
/// `test`.
const SESSION: &str = "xtask test";

/// The reason why a test has no databases, as sentences, with what to type next.
pub struct Error(Problems);

impl Error {
    /// Whether this machine has no PostgreSQL for tests: no server of the URLs can be used, and there are no programs to
    /// start one with. Then a test may be skipped.
    pub fn is_no_postgres(&self) -> bool {
        !self.0.0.is_empty() && self.0.0.iter().all(|problem| problem.code == Code::NoBinaries)
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self(Problems::of(error).with_next_steps())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Prints the sentences, because a test shows an error so.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}

impl std::error::Error for Error {}

/// The databases of one test. They are dropped when this value is.
pub struct TestDatabases {
    /// `None` only while this is dropped.
    made: Option<Set>,
    urls: Vec<(String, DatabaseUrl)>,
}

/// The databases, and what their sessions run on.
struct Set {
    databases: Vec<TestDatabase>,
    runtime: Runtime,
    /// Keeps the server of the databases.
    _place: Arc<Place>,
}

impl TestDatabases {
    /// Makes the databases of a test.
    ///
    /// # Errors
    /// There is no server for them, the files or the settings of the workspace have mistakes, or a migration fails.
    pub async fn new() -> Result<Self, Error> {
        aside(Self::new_blocking).await
    }

    /// Does the same for a test that isn't async.
    ///
    /// # Errors
    /// Those of [`TestDatabases::new`].
    pub fn new_blocking() -> Result<Self, Error> {
        on_own_thread(|| Self::make_in(&place::find()?))
    }

    fn make_in(place: &Arc<Place>) -> Made<Self> {
        let runtime = runtime::new()?;
        let run = session::name_of_run(SESSION);
        let targets = &place.targets;
        let sweeps = place.is_new();
        let made = join_all(targets.iter().map(|target| TestDatabase::make(target, &run, sweeps)));
        let results = runtime.block_on(made);
        let mut problems = Problems::default();
        let mut set = Set { databases: Vec::new(), runtime, _place: Arc::clone(place) };
        let mut urls = Vec::new();
        for (target, result) in targets.iter().zip(results) {
            match result {
                Ok(made) => {
                    urls.push((target.database.name.clone(), place::beside(&target.url, made.name())?));
                    set.databases.push(made);
                }
                Err(error) => problems.0.extend(Problems::of(error).0),
            }
        }
        if let Err(problems) = problems.into_result() {
            set.discard();
            return Err(problems.into());
        }
        Ok(Self { made: Some(set), urls })
    }

    /// The URL of a database, with the password. The name is that of its migrations folder.
    ///
    /// # Panics
    /// The workspace has no database with this name.
    #[track_caller]
    pub fn url(&self, name: &str) -> &str {
        self.of(name).with_password()
    }

    /// What connects to a database, for further settings of a session.
    ///
    /// # Panics
    /// The workspace has no database with this name.
    #[track_caller]
    pub fn options(&self, name: &str) -> PgConnectOptions {
        self.of(name).options("test")
    }

    /// A pool of connections to a database. It opens them when they are needed.
    ///
    /// # Panics
    /// The workspace has no database with this name, or this isn't called by async code.
    #[track_caller]
    pub fn pool(&self, name: &str) -> PgPool {
        PgPoolOptions::new().connect_lazy_with(self.options(name))
    }

    /// Opens a connection to a database.
    ///
    /// # Errors
    /// The server refuses it.
    ///
    /// # Panics
    /// The workspace has no database with this name.
    pub async fn connect(&self, name: &str) -> Result<PgConnection, sqlx::Error> {
        xtask_connect::connect(self.options(name)).await
    }

    #[track_caller]
    fn of(&self, name: &str) -> &DatabaseUrl {
        let found = self.urls.iter().find(|(other, _)| other == name);
        let known = || self.urls.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        #[expect(clippy::panic, reason = "the test names a database that isn't in the workspace")]
        found.map_or_else(
            || panic!("There is no database \"{name}\" in this workspace, but: {}.", known()),
            |(_, url)| url,
        )
    }
}

impl Drop for TestDatabases {
    fn drop(&mut self) {
        if let Some(set) = self.made.take() {
            on_thread(|| set.discard());
        }
    }
}

impl Set {
    /// Drops the databases. What can't be dropped is left to the next test.
    fn discard(self) {
        let Self { databases, runtime, .. } = self;
        let results = runtime.block_on(join_all(databases.into_iter().map(TestDatabase::discard)));
        runtime.shutdown_background();
        for error in results.into_iter().filter_map(Result::err) {
            eprintln!("A database of this test couldn't be dropped, and the next test drops it: {error:#}.");
        }
    }
}

/// A PostgreSQL of one test, for what needs a superuser or changes what all databases of a server share. It takes about
/// half a second to start. It has the roles of the workspace's URLs and the ones that its packages declare.
#[cfg(unix)]
pub struct TestServer {
    place: Arc<Place>,
}

#[cfg(unix)]
impl TestServer {
    /// Starts a server.
    ///
    /// # Errors
    /// There are no programs to start it with, the files or the settings of the workspace have mistakes, or it doesn't
    /// start.
    pub async fn start() -> Result<Self, Error> {
        aside(Self::start_blocking).await
    }

    /// Does the same for a test that isn't async.
    ///
    /// # Errors
    /// Those of [`TestServer::start`].
    pub fn start_blocking() -> Result<Self, Error> {
        on_own_thread(|| Ok(Self { place: place::own()? }))
    }

    /// Makes databases on this server, as [`TestDatabases::new`] does.
    ///
    /// # Errors
    /// Those of [`TestDatabases::new`].
    pub async fn databases(&self) -> Result<TestDatabases, Error> {
        let place = Arc::clone(&self.place);
        aside(move || on_own_thread(|| TestDatabases::make_in(&place))).await
    }

    /// The URL of a database on this server, for its superuser.
    ///
    /// # Errors
    /// The password can't be read.
    pub fn superuser_url(&self, database: &str) -> Result<String, Error> {
        self.place.superuser_url(database).map_err(Error::from)
    }
}

/// Does blocking work for async code.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(anyhow::Error::from(error).into()))
}

/// Does work on a thread of its own, because a runtime can't be started or dropped inside another one.
fn on_own_thread<T: Send>(work: impl FnOnce() -> Made<T> + Send) -> Result<T, Error> {
    on_thread(work).map_err(Error::from)
}

fn on_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| match scope.spawn(work).join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
