//! What is lost when migrations are taken back: tables, columns with values, and rows. It is counted before and after, in the
//! transaction that takes them back, so it is known before anything is lost.
//!
//! Tables and columns are known by their numbers, so that a new name is no loss. [`super::rows`] compares each row, and is for
//! the few rows of a sample.

use std::collections::BTreeMap;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::rows;
use crate::connection::sql::identifier;
use crate::report::count;
use crate::workspace::HistoryTable;

/// The tables of the session's role, by their numbers.
pub(super) struct Counts(BTreeMap<i64, Table>);

struct Table {
    schema: String,
    name: String,
    /// The columns by their numbers.
    columns: BTreeMap<i64, Column>,
    rows: i64,
    /// The rows that the transaction has deleted and changed.
    deleted: i64,
    changed: i64,
}

struct Column {
    name: String,
    /// The number of rows in which it isn't NULL.
    values: i64,
}

impl Counts {
    /// Counts after other sessions have ended their work on the rows, and keeps them from beginning more in this transaction.
    pub(super) async fn lock_and_read(
        connection: &mut PgConnection,
        history: &HistoryTable,
    ) -> Result<Self, sqlx::Error> {
        let mut counts = Self::tables(connection, history).await?;
        let names: Vec<_> = counts.0.values().map(|table| format!("ONLY {}", table.shown())).collect();
        if !names.is_empty() {
            let lock = format!("LOCK TABLE {} IN SHARE MODE", names.join(", "));
            sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *connection).await?;
        }
        counts.fill(connection).await?;
        Ok(counts)
    }

    /// Counts.
    pub(super) async fn read(connection: &mut PgConnection, history: &HistoryTable) -> Result<Self, sqlx::Error> {
        let mut counts = Self::tables(connection, history).await?;
        counts.fill(connection).await?;
        Ok(counts)
    }

    /// Only an owner can drop or change a table, and count its rows for certain.
    async fn tables(connection: &mut PgConnection, history: &HistoryTable) -> Result<Self, sqlx::Error> {
        let statement = format!("{} AND pg_has_role(class.relowner, 'USAGE')", rows::tables(history));
        let mut found = BTreeMap::new();
        for row in sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(connection).await? {
            let table = found.entry(row.try_get(0)?).or_insert(Table {
                schema: row.try_get(1)?,
                name: row.try_get(2)?,
                columns: BTreeMap::new(),
                rows: 0,
                deleted: 0,
                changed: 0,
            });
            table.columns.insert(row.try_get(3)?, Column { name: row.try_get(4)?, values: 0 });
        }
        Ok(Self(found))
    }

    async fn fill(&mut self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let each: Vec<_> = self.0.iter().map(|(number, table)| table.query(*number)).collect();
        if each.is_empty() {
            return Ok(());
        }
        for row in sqlx::raw_sql(AssertSqlSafe(each.join(" UNION ALL "))).fetch_all(&mut *connection).await? {
            let numbers: String = row.try_get(1)?;
            let mut numbers = numbers.split(' ').filter_map(|number| number.parse().ok());
            let Some(table) = self.0.get_mut(&row.try_get(0)?) else { continue };
            let mut next = || numbers.next().unwrap_or_default();
            (table.rows, table.deleted, table.changed) = (next(), next(), next());
            table.columns.values_mut().for_each(|column| column.values = next());
        }
        Ok(())
    }

    /// What these tables have lost since, in words.
    pub(super) fn lost(&self, after: &Self) -> Vec<String> {
        self.0.iter().flat_map(|(number, table)| table.lost(after.0.get(number))).collect()
    }
}

impl Table {
    fn shown(&self) -> String {
        format!("{}.{}", identifier(&self.schema), identifier(&self.name))
    }

    /// A query for the numbers of the table, in one text.
    fn query(&self, number: i64) -> String {
        let columns: String =
            self.columns.values().map(|column| format!(" || ' ' || count({})", identifier(&column.name))).collect();
        format!(
            "SELECT {number}::bigint, count(*) || ' ' || pg_stat_get_xact_tuples_deleted({number}) || ' ' || \
             pg_stat_get_xact_tuples_updated({number}){columns} FROM ONLY {}",
            self.shown()
        )
    }

    fn lost(&self, after: Option<&Self>) -> Vec<String> {
        let shown = format!("{}.{}", self.schema, self.name);
        let number = |number: i64| usize::try_from(number).unwrap_or_default();
        let rows = |rows: i64| count(number(rows), "row");
        let Some(after) = after else {
            return if self.rows > 0 { vec![format!("table {shown} with {}", rows(self.rows))] } else { Vec::new() };
        };
        let gone = self.columns.iter().filter(|(at, column)| column.values > 0 && !after.columns.contains_key(at));
        let gone = gone.map(|(_, column)| {
            format!("column {shown}.{} with {}", column.name, count(number(column.values), "value"))
        });
        let mut lost: Vec<String> = gone.collect();
        // What empties a table at once isn't counted as deleted.
        let deleted = (self.rows - after.rows).max(after.deleted - self.deleted).min(self.rows);
        if deleted > 0 {
            lost.push(format!("{deleted} of {} of {shown}", rows(self.rows)));
        }
        let changed = (after.changed - self.changed).min(self.rows);
        if changed > 0 {
            lost.push(format!("the values that {} of {shown} have now, because they are changed", rows(changed)));
        }
        lost
    }
}
