//! Where the tests get their databases: from `xtask::test_databases`.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};
use xtask::test_databases::{Error, TestServer};

/// Returns what a test asked for. If this machine has no PostgreSQL, it says so and returns `None`, or fails if
/// XTASK_NO_SKIP is set.
pub(crate) fn or_skip<T>(made: Result<T, Error>) -> Option<T> {
    match made {
        Err(error) if error.is_no_postgres() => {
            assert!(std::env::var_os("XTASK_NO_SKIP").is_none(), "XTASK_NO_SKIP is set, and: {error}");
            println!("skipped: {error}");
            None
        }
        made => Some(made.unwrap()),
    }
}

/// Runs a script in a database of a server, as its superuser.
pub(crate) async fn as_superuser(server: &TestServer, database: &str, sql: &str) {
    run_at(&server.superuser_url(database).unwrap(), sql).await;
}

/// Runs a script in the database of a URL.
pub(crate) async fn run_at(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
