//! Compares the tables of a database with the expected ones.
//!
//! The shop's package does this with the main database. It depends on this package, so the code is here.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, query_scalar};

use crate::database_error::DatabaseError;

/// The result of an inspection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The server's version, for example `15.8`.
    pub server_version: String,
    /// Every table that psql's `\dt` would list, in alphabetical order.
    pub tables: Vec<String>,
    /// The expected tables that don't exist.
    pub missing: Vec<String>,
    /// The tables that exist and aren't expected. A check for the expected names alone would accept a database that
    /// has the tables of another database as well.
    pub unexpected: Vec<String>,
}

impl Inspection {
    /// Returns whether the database has the expected tables and no others.
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
        // Distributions append their own version: "15.8 (Debian 15.8-0+deb12u1)".
        let server_version = server_version.split_whitespace().next().unwrap_or("unknown").to_owned();
        Self { server_version, tables, missing, unexpected }
    }
}

/// The reason why a database couldn't be inspected. The message contains no part of the password.
#[derive(Debug)]
pub enum InspectError {
    /// The server gave no answer within this time.
    Deadline(Duration),
    /// The server refused the login: the password is wrong, the role doesn't exist, or the server allows no login from
    /// this address.
    LoginRefused(DatabaseError),
    /// The server has no database with this name.
    NoSuchDatabase(DatabaseError),
    /// Any other error: no server listens at the address, the connection was cut, or the query failed.
    Other(DatabaseError),
}

impl fmt::Display for InspectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline(deadline) => write!(f, "the server gave no answer within {} s", deadline.as_secs_f64()),
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

/// Connects, and compares the tables that psql's `\dt` would list with `expected`.
///
/// # Errors
/// The database couldn't be reached or refused the query, or it gave no answer within `deadline`.
pub async fn inspect_tables(
    options: PgConnectOptions,
    expected: &[&str],
    deadline: Duration,
) -> Result<Inspection, InspectError> {
    // The deadline includes the queries, because a server may accept a connection and then never answer.
    let answer = tokio::time::timeout(deadline, ask(options)).await;
    let (server_version, tables) = answer.map_err(|_| InspectError::Deadline(deadline))??;
    Ok(Inspection::new(&server_version, tables, expected))
}

async fn ask(options: PgConnectOptions) -> Result<(String, Vec<String>), sqlx::Error> {
    let mut connection: PgConnection = options.connect().await?;
    let version =
        query_scalar!(r#"SELECT current_setting('server_version') AS "version!""#).fetch_one(&mut connection).await?;
    // This is the query of `\dt`: the tables that are found without the name of their schema. The macro checks it
    // against one database only. It works in both, because it reads nothing but the catalog.
    let tables = query_scalar!(
        r#"SELECT c.relname::text AS "name!"
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
             AND n.nspname !~ '^pg_toast' AND pg_catalog.pg_table_is_visible(c.oid)
           ORDER BY c.relname"#,
    )
    .fetch_all(&mut connection)
    .await?;
    // The answer has arrived, so an error of the closing connection doesn't matter.
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
    fn a_database_with_exactly_the_expected_tables_is_as_expected() {
        let inspection = Inspection::new("15.8 (Debian 15.8-0+deb12u1)", tables(&["a", "b"]), &["a", "b"]);
        assert!(inspection.is_as_expected());
        assert_eq!(inspection.server_version, "15.8");
    }

    #[test]
    fn missing_and_unexpected_tables_are_named() {
        let inspection = Inspection::new("18.0", tables(&["a", "x"]), &["a", "b"]);
        assert_eq!(
            (inspection.missing.as_slice(), inspection.unexpected.as_slice()),
            (&tables(&["b"])[..], &tables(&["x"])[..])
        );
        assert!(!inspection.is_as_expected());
    }
}
