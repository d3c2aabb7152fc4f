//! How much is in a database, for a user who is about to lose it.

use anyhow::Result;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use crate::connection::sql::{identifier, literal};
use crate::workspace::HistoryTable;

/// How long the rows may be counted. After that, the server's own estimate is said.
const PATIENCE: &str = "SET statement_timeout = '2s'";

/// The rows and the size of a database.
pub(crate) struct Contents {
    rows: i64,
    is_exact: bool,
    size: String,
}

impl std::fmt::Display for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rows, is_exact, size } = self;
        let about = if *is_exact { "" } else { "about " };
        let s = if *rows == 1 { "" } else { "s" };
        let estimated = if *is_exact { "" } else { " (the server's estimate)" };
        write!(f, "{about}{rows} row{s}{estimated}, {size}")
    }
}

/// Counts the rows of all tables in the database of a session, but for the history of its migrations. The session should be
/// used for nothing else.
///
/// # Errors
/// The connection is lost.
pub(crate) async fn read(connection: &mut PgConnection, history: &HistoryTable) -> Result<Contents, sqlx::Error> {
    let (schema, table) = history.parts();
    let schema = schema.map_or_else(|| "coalesce(current_schema(), '')".to_owned(), literal);
    // The texts of the migrations are beside their history.
    let own = ["", "_texts"].map(|suffix| format!("({schema}, {})", literal(&format!("{table}{suffix}"))));
    let tables = format!(
        "SELECT nspname::text, relname::text, greatest(reltuples, 0)::bigint, \
         pg_size_pretty(pg_database_size(current_database())) FROM pg_class \
         JOIN pg_namespace AS schema ON schema.oid = relnamespace \
         WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema' \
         AND (nspname, relname) NOT IN ({}) \
         UNION ALL SELECT NULL, NULL, 0, pg_size_pretty(pg_database_size(current_database()))",
        own.join(", ")
    );
    let found = sqlx::raw_sql(AssertSqlSafe(tables)).fetch_all(&mut *connection).await?;
    let (mut counts, mut estimate, mut size) = (Vec::new(), 0, String::new());
    for row in &found {
        let (schema, table): (Option<String>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        if let (Some(schema), Some(table)) = (schema, table) {
            counts.push(format!("(SELECT count(*) FROM {}.{})", identifier(&schema), identifier(&table)));
        }
        estimate += row.try_get::<i64, _>(2)?;
        size = row.try_get(3)?;
    }
    if counts.is_empty() {
        return Ok(Contents { rows: 0, is_exact: true, size });
    }
    let exact = format!("{PATIENCE}; SELECT ({})::bigint", counts.join(" + "));
    match sqlx::raw_sql(AssertSqlSafe(exact)).fetch_one(connection).await {
        Ok(row) => Ok(Contents { rows: row.try_get(0)?, is_exact: true, size }),
        // It takes too long, or somebody has a lock, or the role may not read a table.
        Err(sqlx::Error::Database(_)) => Ok(Contents { rows: estimate, is_exact: false, size }),
        Err(error) => Err(error),
    }
}
