//! Connections, and the names under which the server knows them.

use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Row};

use super::readiness::{self, Answer};
use super::sql::literal;
use crate::database_url::DatabaseUrl;
use crate::problem::Problem;

/// Sessions that only read.
pub(crate) const READER: &str = "xtask";

/// What sessions that migrate are called before their run's own number: only the holder of the setup lock has any,
/// so that a new holder knows others to be left behind.
pub(crate) const MIGRATOR: &str = "xtask migrate";

/// The name that the sessions of this run go by: `kind` and the number of this process.
pub(crate) fn name_of_run(kind: &str) -> String {
    format!("{kind} {}", std::process::id())
}

/// The maintenance database: every server has it, unless somebody dropped it.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

/// A database of the project: a session in it, or why there is none.
pub(crate) enum Opened {
    Session(PgConnection),
    /// The server is there, and the login good; the database isn't there.
    Missing,
    Failed(Answer),
}

/// Opens a session.
pub(crate) async fn open(options: PgConnectOptions) -> Opened {
    match readiness::connect(options).await {
        Ok(connection) => Opened::Session(connection),
        Err(Answer::NoDatabase) => Opened::Missing,
        Err(answer) => Opened::Failed(answer),
    }
}

/// Opens a session in the server's maintenance database, as the URL's role.
///
/// # Errors
/// The server refuses it.
pub(crate) async fn maintenance(url: &DatabaseUrl, name: &str) -> Result<PgConnection> {
    let mut answer = Answer::NoDatabase;
    for database in MAINTENANCE {
        match open(url.options(name).database(database)).await {
            Opened::Session(connection) => return Ok(connection),
            Opened::Missing => {}
            Opened::Failed(other) => {
                answer = other;
                break;
            }
        }
    }
    Err(unavailable(url, &answer).into())
}

/// Why the server of a URL can't be used.
pub(crate) fn unavailable(url: &DatabaseUrl, answer: &Answer) -> Problem {
    Problem::unavailable(format!("{} ({}) can't be reached: {answer}.", url.database, url.address))
        .remedy("cargo xtask db-setup")
}

/// Has the server look, during a long statement, whether this process is still there, and give up if it isn't.
///
/// Best effort: some servers' systems can't tell, and refuse.
pub(crate) async fn watch_client(connection: &mut PgConnection) {
    drop(sqlx::raw_sql("SET client_connection_check_interval = '100ms'").execute(connection).await);
}

/// Ends sessions of runs that are gone, in the database of `connection`: to be called by the holder of the setup
/// lock, who is the only one with the right to such sessions. What they had not committed is rolled back.
pub(crate) async fn end_orphans(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    end_sessions(connection, "application_name LIKE 'xtask migrate %' AND datname = current_database()").await
}

/// Ends the sessions of one run, in every database of the server, and waits until they are gone.
pub(crate) async fn end_run(connection: &mut PgConnection, run: &str) -> Result<(), sqlx::Error> {
    let condition = format!("application_name = {}", literal(run));
    end_sessions(connection, &condition).await
}

async fn end_sessions(connection: &mut PgConnection, condition: &str) -> Result<(), sqlx::Error> {
    let statement = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE {condition} AND usename = current_user AND pid <> pg_backend_pid()"
    );
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let row = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.as_str())).fetch_one(&mut *connection).await?;
        if row.try_get::<i64, _>(0)? == 0 || Instant::now() > deadline {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Ends a session in order. The server would notice by itself that it's gone, only later.
pub(crate) async fn close(connection: PgConnection) {
    drop(connection.close().await);
}
