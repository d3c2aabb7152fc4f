//! Compares a database with its schema file, in `schema/` of the repository.
//!
//! The shop's package does this with the main database. It depends on this package, so the code is here.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, query_scalar};
use xtask_schema::{Catalog, History, ReadError, compare};

use crate::database_error::DatabaseError;

/// The history of the migrations, which is the same in both databases and isn't a part of the schema.
const HISTORY: History<'_> = History { schema: Some("_sqlx"), table: "migrations" };

/// What a database has to have.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// Every table that psql's `\dt` should list.
    pub tables: &'a [&'a str],
    /// The text of the schema file.
    pub schema: &'a str,
}

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
    /// Every object that isn't as the schema file has it, in words. Owners and privileges aren't compared: `cargo xtask
    /// db-verify` does that.
    pub differences: Vec<String>,
}

impl Inspection {
    /// Returns whether the database has the expected tables and no others, and every object is as the schema file has it.
    pub fn is_as_expected(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.differences.is_empty()
    }

    fn new(Answer { server_version, tables, catalog }: Answer, expected: Expected<'_>) -> Self {
        let missing = expected
            .tables
            .iter()
            .filter(|name| !tables.iter().any(|table| table == *name))
            .map(ToString::to_string)
            .collect();
        let unexpected = tables.iter().filter(|table| !expected.tables.contains(&table.as_str())).cloned().collect();
        let schema = Catalog::parse(expected.schema).without_privileges();
        let differences = compare(&schema, &catalog).iter().map(ToString::to_string).collect();
        // Distributions append their own version: "15.8 (Debian 15.8-0+deb12u1)".
        let server_version = server_version.split_whitespace().next().unwrap_or("unknown").to_owned();
        Self { server_version, tables, missing, unexpected, differences }
    }
}

/// What the server has told.
struct Answer {
    server_version: String,
    tables: Vec<String>,
    catalog: Catalog,
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
    /// The catalog of the database couldn't be read, for example because somebody was changing it.
    Catalog(ReadError),
    /// Any other error: no server listens at the address, the connection was cut, or the query failed.
    Other(DatabaseError),
}

impl fmt::Display for InspectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline(deadline) => write!(f, "the server gave no answer within {} s", deadline.as_secs_f64()),
            Self::Catalog(error) => write!(f, "{error}"),
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

impl From<ReadError> for InspectError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Query(error) => error.into(),
            other => Self::Catalog(other),
        }
    }
}

/// Connects, and compares the database with what is expected.
///
/// # Errors
/// The database couldn't be reached or refused a query, or it gave no answer within `deadline`.
pub async fn inspect_database(
    options: PgConnectOptions,
    expected: Expected<'_>,
    deadline: Duration,
) -> Result<Inspection, InspectError> {
    // The deadline includes the queries, because a server may accept a connection and then never answer.
    let answer = tokio::time::timeout(deadline, ask(options)).await;
    Ok(Inspection::new(answer.map_err(|_| InspectError::Deadline(deadline))??, expected))
}

async fn ask(options: PgConnectOptions) -> Result<Answer, InspectError> {
    let mut connection: PgConnection = options.connect().await?;
    let server_version =
        query_scalar!(r#"SELECT current_setting('server_version') AS "version!""#).fetch_one(&mut connection).await?;
    let (catalog, tables) = Catalog::read(&mut connection, &HISTORY).await?;
    // The answer has arrived, so an error of the closing connection doesn't matter.
    let _ = connection.close().await;
    Ok(Answer { server_version, tables: tables.into_iter().map(|table| table.name).collect(), catalog })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = "-- table public.a\nCREATE TABLE public.a (\n    id bigint\n);\n";

    fn inspect(server_version: &str, tables: &[&str], schema: &str, expected: &[&str]) -> Inspection {
        let tables = tables.iter().map(ToString::to_string).collect();
        let answer = Answer { server_version: server_version.to_owned(), tables, catalog: Catalog::parse(schema) };
        Inspection::new(answer, Expected { tables: expected, schema: SCHEMA })
    }

    #[test]
    fn a_database_with_exactly_the_expected_objects_is_as_expected() {
        let inspection = inspect("15.8 (Debian 15.8-0+deb12u1)", &["a", "b"], SCHEMA, &["a", "b"]);
        assert!(inspection.is_as_expected());
        assert_eq!(inspection.server_version, "15.8");
    }

    #[test]
    fn missing_and_unexpected_tables_are_named() {
        let inspection = inspect("18.0", &["a", "x"], SCHEMA, &["a", "b"]);
        assert_eq!(
            (inspection.missing.as_slice(), inspection.unexpected.as_slice()),
            (&["b".into()][..], &["x".into()][..])
        );
        assert!(!inspection.is_as_expected());
    }

    #[test]
    fn an_object_that_differs_is_named() {
        let inspection = inspect("18.0", &["a"], &SCHEMA.replace("bigint", "integer"), &["a"]);
        assert!(!inspection.is_as_expected());
        assert!(inspection.differences.concat().contains("column public.a.id"), "{:?}", inspection.differences);
    }
}
