//! What a database holds, compared with what it should hold.
//!
//! The shop's package asks the same of the main database; it depends on this one, so the question lives here.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, query_scalar};

use crate::database_error::DatabaseError;

/// What a database was found to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The server's version, as in `15.8`.
    pub server_version: String,
    /// Every table that psql's `\dt` would list, in alphabetical order.
    pub tables: Vec<String>,
    /// The expected tables that aren't there.
    pub missing: Vec<String>,
    /// The tables that are there and aren't expected. A check that only looks for the expected names would pass a
    /// database that holds another one's tables as well.
    pub unexpected: Vec<String>,
}

impl Inspection {
    /// Whether the database holds the expected tables and no others.
    pub fn is_as_expected(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty()
    }

    fn new(server_version: &str, tables: Vec<String>, expected: &[&str]) -> Self {
        let missing = expected
            .iter()
            .filter(|name| !tables.iter().any(|table| table == *name))
            .map(ToString::to_string)
            .collect();
        let unexpected = tables.iter().filter(|table| !expected.contains(&table.as_str())).cloned().collect();
        // Distributions append their own: "15.8 (Debian 15.8-0+deb12u1)".
        let server_version = server_version.split_whitespace().next().unwrap_or("unknown").to_owned();
        Self { server_version, tables, missing, unexpected }
    }
}

/// Why a database couldn't be inspected. Its message contains nothing of the password.
#[derive(Debug)]
pub enum InspectError {
    /// The server gave no answer within this time.
    Deadline(Duration),
    /// The server refused the login (wrong password, no such role, not let in from here).
    LoginRefused(DatabaseError),
    /// The server has no such database.
    NoSuchDatabase(DatabaseError),
    /// Anything else: nothing listens there, the connection was cut, the query failed.
    Other(DatabaseError),
}

impl fmt::Display for InspectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline(deadline) => write!(f, "no answer within {} s", deadline.as_secs_f64()),
            Self::LoginRefused(error) | Self::NoSuchDatabase(error) | Self::Other(error) => write!(f, "{error}"),
        }
    }
}

impl Error for InspectError {}

impl From<sqlx::Error> for InspectError {
    fn from(error: sqlx::Error) -> Self {
        let error = DatabaseError::from(error);
        // https://www.postgresql.org/docs/current/errcodes-appendix.html
        match error.code().as_deref() {
            Some("28000" | "28P01") => Self::LoginRefused(error),
            Some("3D000") => Self::NoSuchDatabase(error),
            _ => Self::Other(error),
        }
    }
}

/// Connects, and compares the tables that psql's `\dt` would list with the `expected` ones.
///
/// # Errors
/// The database couldn't be reached, or gave no answer, within `deadline`.
pub async fn inspect_tables(
    options: PgConnectOptions,
    expected: &[&str],
    deadline: Duration,
) -> Result<Inspection, InspectError> {
    // The deadline covers the queries too: a server may take a connection and then never answer.
    let answer = tokio::time::timeout(deadline, ask(options)).await;
    let (server_version, tables) = answer.map_err(|_| InspectError::Deadline(deadline))??;
    Ok(Inspection::new(&server_version, tables, expected))
}

async fn ask(options: PgConnectOptions) -> Result<(String, Vec<String>), sqlx::Error> {
    let mut connection: PgConnection = options.connect().await?;
    let version =
        query_scalar!(r#"SELECT current_setting('server_version') AS "version!""#).fetch_one(&mut connection).await?;
    // What `\dt` asks: the tables that are found without naming their schema. Both databases are asked this, though
    // the macro checks it against one: it reads nothing but the catalog.
    let tables = query_scalar!(
        r#"SELECT c.relname::text AS "name!"
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
             AND n.nspname !~ '^pg_toast' AND pg_catalog.pg_table_is_visible(c.oid)
           ORDER BY c.relname"#,
    )
    .fetch_all(&mut connection)
    .await?;
    // The answer is here: a connection that doesn't close in good order makes no difference to it.
    let _ = connection.close().await;
    Ok((version, tables))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_expected_tables_and_no_others_are_as_expected() {
        let inspection = Inspection::new("15.8 (Debian 15.8-0+deb12u1)", tables(&["a", "b"]), &["a", "b"]);
        assert!(inspection.is_as_expected());
        assert_eq!(inspection.server_version, "15.8");
    }

    #[test]
    fn a_table_too_few_and_a_table_too_many_are_named() {
        let inspection = Inspection::new("18.0", tables(&["a", "x"]), &["a", "b"]);
        assert_eq!(
            (inspection.missing.as_slice(), inspection.unexpected.as_slice()),
            (&tables(&["b"])[..], &tables(&["x"])[..])
        );
        assert!(!inspection.is_as_expected());
    }
}
