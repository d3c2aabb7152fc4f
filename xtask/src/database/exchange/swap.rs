//! The transaction that gives databases other names. PostgreSQL renames a database in a transaction, and changes its comment
//! and its limits there as well, so a run that is cut leaves the old state or the new one, and nothing is copied.

use anyhow::Result;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use crate::connection::sql::{identifier, literal};
use crate::database_url::DatabaseUrl;
use crate::problem::{Code, Problem};

/// A database that gets another name.
pub(crate) struct Move {
    /// Its number on the server. Only the database that was looked at is renamed.
    pub(super) oid: i64,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) comment: Option<String>,
    /// The limit of connections that it gets.
    pub(super) limit: i32,
    /// Whether others may connect to it then.
    pub(super) is_open: bool,
}

/// The statements, as one message. `holds` is an SQL condition that is true while this run holds the setup lock.
pub(super) fn statements(moves: &[&Move], holds: &str) -> String {
    let looked_at: Vec<_> = moves.iter().map(|Move { oid, from, .. }| format!("({oid}, {})", literal(from))).collect();
    // A division fails if another run is at work, and the first one if somebody has renamed or dropped one of them meanwhile.
    let mut text = format!(
        "BEGIN; SELECT 1 / (CASE WHEN {holds} AND {} = (SELECT count(*) FROM pg_database JOIN (VALUES {}) \
         AS looked_at (number, name) ON oid = number AND datname = name) THEN 1 ELSE 0 END);",
        moves.len(),
        looked_at.join(", ")
    );
    for Move { from, to, comment, limit, is_open, .. } in moves {
        let (from, to) = (identifier(from), identifier(to));
        let comment = comment.as_deref().map_or_else(|| "NULL".to_owned(), literal);
        text.push_str(&format!(
            " ALTER DATABASE {from} RENAME TO {to}; ALTER DATABASE {to} ALLOW_CONNECTIONS {is_open} CONNECTION LIMIT {limit}; \
             COMMENT ON DATABASE {to} IS {comment};"
        ));
    }
    text.push_str(&format!(" SELECT 1 / (CASE WHEN {holds} THEN 1 ELSE 0 END); COMMIT"));
    text
}

/// Runs the statements.
///
/// # Errors
/// The server refuses one of them. Then none has an effect.
pub(super) async fn run(connection: &mut PgConnection, statements: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await.map(drop)
}

/// Explains why the databases could not be exchanged.
pub(super) fn explain(error: anyhow::Error, url: &DatabaseUrl) -> anyhow::Error {
    let code = |error: &sqlx::Error| error.as_database_error()?.code().map(std::borrow::Cow::into_owned);
    let problem = match error.downcast_ref::<sqlx::Error>().and_then(code).as_deref() {
        Some("22012") => Problem::failed(
            Code::ServerBusy,
            format!("Another run or another program has changed databases at {} meanwhile.", url.address),
        )
        .remedy("When it has ended, run the same command again."),
        Some(_) => Problem::failed(
            Code::MayNotRename,
            format!("Databases at {} can't be renamed: {}.", url.address, error.root_cause()),
        ),
        None => return error,
    };
    problem.detail("Your databases are as they were.").into()
}
