//! What a CREATE INDEX CONCURRENTLY leaves behind when it is cut off. It has no transaction that undoes it.
//!
//! Only an index that is the statement's own is touched: one of its name, on its table, that can't be used, and only if
//! the history shows that the statement was begun. An index holds no data of its own, so it can be built again.

use sqlx::migrate::Migration;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::statements::{self, ConcurrentIndex};
use crate::connection::sql::{identifier, literal};
use crate::workspace::HistoryTable;

/// Drops the indexes that an earlier run of the migration left behind. Returns whether nothing is left to do, because that
/// run was ended after its only statement and before it could say so in the history.
pub(super) async fn clear(
    connection: &mut PgConnection,
    history: &HistoryTable,
    migration: &Migration,
) -> Result<bool, sqlx::Error> {
    let sql = migration.sql.as_str();
    let indexes = statements::concurrent_indexes(sql);
    if indexes.is_empty() {
        return Ok(false);
    }
    let statement = format!("SELECT checksum FROM {} WHERE version = $1 AND NOT success", history.name);
    let begun = sqlx::query(AssertSqlSafe(statement)).persistent(false).bind(migration.version);
    let Some(begun) = begun.fetch_optional(&mut *connection).await? else { return Ok(false) };
    let same_text = begun.try_get::<Vec<u8>, _>(0)? == *migration.checksum;
    let mut complete = same_text && statements::starts(sql).len() == 1;
    for index in &indexes {
        match find(connection, index).await? {
            Some(Found { is_valid: true, .. }) => {}
            Some(Found { schema, .. }) => {
                complete = false;
                let statement = format!("DROP INDEX {}.{}", identifier(&schema), identifier(&index.name));
                sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *connection).await?;
            }
            None => complete = false,
        }
    }
    Ok(complete)
}

/// An index of the wanted name on the wanted table.
struct Found {
    schema: String,
    is_valid: bool,
}

async fn find(connection: &mut PgConnection, index: &ConcurrentIndex) -> Result<Option<Found>, sqlx::Error> {
    let table: Vec<_> = index.table.iter().map(|part| identifier(part)).collect();
    let statement = format!(
        "SELECT namespace.nspname::text, index.indisvalid FROM pg_index AS index \
         JOIN pg_class AS class ON class.oid = index.indexrelid \
         JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace \
         WHERE index.indrelid = to_regclass({}) AND class.relname = {}",
        literal(&table.join(".")),
        literal(&index.name)
    );
    let row = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_optional(connection).await?;
    row.map(|row| Ok(Found { schema: row.try_get(0)?, is_valid: row.try_get(1)? })).transpose()
}
