//! The transactions of a session, as the server counts them.
//!
//! A migration may hold COMMIT, and some statements use several transactions by themselves. So it is never assumed which
//! transaction a session is in, or how much of a file that failed is undone. The server numbers the transactions of a
//! session one after the other, committed or not: the second half of a virtual transaction id. If the number has grown by
//! one, all that ran was one transaction.

use sqlx::error::DatabaseError;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

/// The number of the transaction that reads it.
pub(super) const NUMBER: &str = "(SELECT split_part(virtualtransaction, '/', 2)::bigint FROM pg_catalog.pg_locks \
                                  WHERE locktype = 'virtualxid' AND pid = pg_catalog.pg_backend_pid())";

/// The code of an error in a transaction that has failed before.
const IN_FAILED_TRANSACTION: &str = "25P02";

/// Begins a transaction, and returns its number.
///
/// The number is read in a transaction before it, because a file may begin with SET TRANSACTION ISOLATION LEVEL, which is
/// allowed only before the first query. All of it is one message, so that the server can't use a number in between.
pub(super) async fn begin(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    Ok(number(connection, &format!("BEGIN; SELECT {NUMBER}; COMMIT; BEGIN")).await? + 1)
}

/// Returns the number that the session's next transaction will have. There is no transaction under way.
pub(super) async fn next(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    Ok(number(connection, &format!("SELECT {NUMBER}")).await? + 1)
}

/// What is left of a piece of work that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing: all that ran was one transaction, which the server has rolled back.
    Nothing,
    /// There were several transactions, and some of them may be committed.
    Part,
    /// The server can't be asked any more.
    Unknown,
}

/// Ends the transaction of a piece of work that failed, if there is one, and tells what is left of the work. `first` is the
/// number of its first transaction.
pub(super) async fn after_failure(connection: &mut PgConnection, first: i64) -> Left {
    let select = format!("SELECT {NUMBER}");
    let number = match number(connection, &select).await {
        // A ROLLBACK without a transaction would put a warning into the server's log.
        Err(error) if code(&error).as_deref() == Some(IN_FAILED_TRANSACTION) => {
            number(connection, &format!("ROLLBACK; {select}")).await
        }
        number => number,
    };
    match number {
        Ok(number) if number == first + 1 => Left::Nothing,
        Ok(_) => Left::Part,
        Err(_) => Left::Unknown,
    }
}

async fn number(connection: &mut PgConnection, statements: &str) -> Result<i64, sqlx::Error> {
    let rows = sqlx::raw_sql(AssertSqlSafe(statements)).fetch_all(connection).await?;
    rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)
}

/// The code of a server's error.
pub(super) fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(DatabaseError::code).map(Into::into)
}
