//! Sessions, and the names under which the server lists them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Row};

use super::readiness::{self, Answer};
use super::sql::{identifier, literal};
use crate::database_url::DatabaseUrl;
use crate::problem::{Code, Problem};

/// The name of sessions that only read.
pub(crate) const READER: &str = "xtask";

/// The name of sessions that migrate. The number of their run follows it. Only the holder of the setup lock opens them,
/// so a new holder knows that all others were left behind.
pub(crate) const MIGRATOR: &str = "xtask migrate";

/// Makes a name for the sessions of a piece of work: `kind`, the number of this process, and the number of the work in it.
/// Steps that run side by side end their sessions by these names, so no two may have the same one.
pub(crate) fn name_of_run(kind: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{kind} {}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The maintenance databases, in the order in which they are tried. Every server has the first one, unless somebody
/// dropped it.
const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

/// The result of opening a session: the session, or the reason why there is none.
pub(crate) enum Opened {
    Session(PgConnection),
    /// The server accepts the login, but the database doesn't exist.
    Missing,
    Failed(Answer),
}

/// Opens a session.
pub(crate) async fn open(options: PgConnectOptions) -> Opened {
    opened(readiness::connect(options).await)
}

/// Opens a session, and waits at most as long as `patience` for something silent.
pub(crate) async fn open_within(patience: Duration, options: PgConnectOptions) -> Opened {
    opened(readiness::connect_within(patience, options).await)
}

fn opened(connected: Result<PgConnection, Answer>) -> Opened {
    match connected {
        Ok(connection) => Opened::Session(connection),
        Err(Answer::NoDatabase) => Opened::Missing,
        Err(answer) => Opened::Failed(answer),
    }
}

/// Opens a session in the server's maintenance database, as the URL's role.
///
/// # Errors
/// The server refuses the session.
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

/// The problem that the server of a URL can't be used.
pub(crate) fn unavailable(url: &DatabaseUrl, answer: &Answer) -> Problem {
    let DatabaseUrl { variable, user, address, database, .. } = url;
    let remedy = match answer {
        Answer::Ready(_) | Answer::NoDatabase | Answer::Nothing(_) => "cargo xtask db-setup".to_owned(),
        Answer::NotYet(_) => "Wait until the server is ready, then run this again".to_owned(),
        Answer::Refused(_) => {
            format!("Put a user and a password into {variable} that the server accepts, then: cargo xtask db-setup")
        }
        Answer::Stranger(_) => readiness::who_listens(address),
        // For example, the role may not connect to the database, or nobody may.
        Answer::Never(_) => format!(
            "As a superuser of that server, see who may connect: psql -h {} -p {} -c '\\l {database}' postgres\n\
             If {user} may not: GRANT CONNECT ON DATABASE {} TO {};\n\
             If nobody may: ALTER DATABASE {} ALLOW_CONNECTIONS true;",
            address.host,
            address.port,
            identifier(database),
            identifier(user),
            identifier(database),
        ),
    };
    Problem::unavailable(Code::DatabaseUnreachable, format!("{database} ({address}) can't be reached: {answer}."))
        .remedy(remedy)
}

/// Ends the sessions that earlier runs left behind in the database of `connection`. Their open transactions are rolled
/// back. Only the holder of the setup lock may call this, because no other run may have sessions that migrate.
pub(crate) async fn end_orphans(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    end_sessions(connection, "application_name LIKE 'xtask migrate %' AND datname = current_database()").await
}

/// Ends the sessions of one run, in every database of the server, and waits until they are gone.
pub(crate) async fn end_run(connection: &mut PgConnection, run: &str) -> Result<(), sqlx::Error> {
    let condition = format!("application_name = {}", literal(run));
    end_sessions(connection, &condition).await
}

/// Ends the sessions of the role in a database, and waits until they are gone.
pub(crate) async fn end_in(connection: &mut PgConnection, database: &str) -> Result<(), sqlx::Error> {
    end_sessions(connection, &format!("datname = {}", literal(database))).await
}

async fn end_sessions(connection: &mut PgConnection, condition: &str) -> Result<(), sqlx::Error> {
    let statement = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE {condition} AND usename = current_user AND pid <> pg_backend_pid()"
    );
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let row = sqlx::raw_sql(AssertSqlSafe(statement.as_str())).fetch_one(&mut *connection).await?;
        if row.try_get::<i64, _>(0)? == 0 || Instant::now() > deadline {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Closes a session in order. Without that, the server would notice its end only later.
pub(crate) async fn close(connection: PgConnection) {
    drop(connection.close().await);
}
