//! The rows of a database, before and after a migration: which ones were deleted, and which ones were changed.
//!
//! Tables and columns are known by their numbers, so that a new name isn't taken for a loss.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use crate::connection::sql::{identifier, literal};
use crate::workspace::HistoryTable;

/// The number of a table, and that of a column if only the column is meant.
pub(super) type Part = (i64, Option<i64>);

/// The rows of all tables, by the numbers of the tables.
#[derive(Clone, Default)]
pub(super) struct Rows(BTreeMap<i64, Table>);

#[derive(Clone)]
struct Table {
    schema: String,
    name: String,
    /// The columns by their numbers.
    columns: BTreeMap<i64, String>,
    /// The columns of the primary key.
    key: Vec<i64>,
    /// The values of the columns as text.
    rows: Vec<BTreeMap<i64, String>>,
}

/// What became of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    Deleted,
    Changed,
}

/// Rows of a table that a migration deleted or changed.
#[derive(Clone, Debug)]
pub(super) struct Loss {
    /// With its schema.
    pub(super) table: String,
    pub(super) change: Change,
    /// The columns whose values changed. There are none if rows were deleted.
    pub(super) columns: BTreeSet<String>,
    pub(super) rows: usize,
    /// The number of rows before.
    pub(super) of: usize,
    /// Some of the rows, as they were.
    pub(super) examples: Vec<String>,
}

/// The number of rows that are shown.
const SHOWN: usize = 3;

/// The tables with their columns. The last column tells whether the primary key has the column.
const TABLES: &str = "\
SELECT class.oid::bigint, namespace.nspname, class.relname, attribute.attnum::bigint, attribute.attname, \
COALESCE(attribute.attnum = ANY (index.indkey::int2[]), false) \
FROM pg_class AS class \
JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace \
JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid AND attribute.attnum > 0 \
AND NOT attribute.attisdropped AND attribute.attgenerated = '' \
LEFT JOIN pg_index AS index ON index.indrelid = class.oid AND index.indisprimary \
WHERE class.relkind = 'r' AND namespace.nspname !~ '^pg_' AND namespace.nspname <> 'information_schema'";

/// The query for all tables with their columns, except for the history and the texts of the migrations.
pub(super) fn tables(history: &HistoryTable) -> String {
    let (schema, table) = history.parts();
    let schema = schema.map_or_else(|| "namespace.nspname".to_owned(), literal);
    let names = format!("{}, {}", literal(table), literal(&xtask_schema::texts_table(table)));
    format!("{TABLES} AND NOT (class.relname IN ({names}) AND namespace.nspname = {schema})")
}

impl Rows {
    /// Reads all rows except those of the history.
    ///
    /// # Errors
    /// A query fails.
    pub(super) async fn read(connection: &mut PgConnection, history: &HistoryTable) -> Result<Self> {
        let tables = tables(history);
        let mut found = Self::default();
        for row in sqlx::raw_sql(AssertSqlSafe(tables)).fetch_all(&mut *connection).await? {
            let table = found.0.entry(row.try_get(0)?).or_insert(Table {
                schema: row.try_get(1)?,
                name: row.try_get(2)?,
                columns: BTreeMap::new(),
                key: Vec::new(),
                rows: Vec::new(),
            });
            let number = row.try_get(3)?;
            table.columns.insert(number, row.try_get(4)?);
            if row.try_get(5)? {
                table.key.push(number);
            }
        }
        let each: Vec<_> = found.0.iter().map(|(number, table)| table.query(*number)).collect();
        if each.is_empty() {
            return Ok(found);
        }
        for row in sqlx::raw_sql(AssertSqlSafe(each.join(" UNION ALL "))).fetch_all(&mut *connection).await? {
            let values: BTreeMap<String, String> = serde_json::from_str(&row.try_get::<String, _>(1)?)?;
            if let Some(table) = found.0.get_mut(&row.try_get(0)?) {
                let value = |(number, name): (&i64, &String)| Some((*number, plain(values.get(name)?)));
                table.rows.push(table.columns.iter().filter_map(value).collect());
            }
        }
        Ok(found)
    }

    /// Returns the number of the rows.
    pub(super) fn count(&self) -> usize {
        self.0.values().map(|table| table.rows.len()).sum()
    }

    /// Returns the tables and columns that weren't there before.
    pub(super) fn made_since(&self, before: &Self) -> BTreeSet<Part> {
        let mut made = BTreeSet::new();
        for (number, table) in &self.0 {
            match before.0.get(number) {
                None => drop(made.insert((*number, None))),
                Some(old) => {
                    let new = table.columns.keys().filter(|column| !old.columns.contains_key(*column));
                    made.extend(new.map(|column| (*number, Some(*column))));
                }
            }
        }
        made
    }

    /// Returns what has become of these rows. The tables and columns in `own` may go: the migration that is undone has
    /// made them.
    pub(super) fn losses(&self, after: &Self, own: &BTreeSet<Part>) -> Vec<Loss> {
        let mut losses = Vec::new();
        for (number, table) in self.0.iter().filter(|(number, _)| !own.contains(&(**number, None))) {
            let named = || after.0.values().find(|other| other.schema == table.schema && other.name == table.name);
            match after.0.get(number) {
                Some(same) => {
                    let is_own = |column: &i64| own.contains(&(*number, Some(*column)));
                    let columns =
                        table.columns.keys().filter(|column| !is_own(column)).map(|column| (*column, *column));
                    losses.extend(table.losses(same, &columns.collect()));
                }
                None => match named() {
                    // The table was made anew under its name.
                    Some(other) => losses.extend(table.losses(other, &table.columns_by_name(other))),
                    None => losses.extend(table.all_deleted()),
                },
            }
        }
        losses
    }
}

impl Table {
    /// Returns a query for the rows, each with the number of the table, and the JSON of each value by its column's name.
    fn query(&self, number: i64) -> String {
        format!(
            "SELECT {number}::bigint, COALESCE((SELECT jsonb_object_agg(key, value::text) \
             FROM jsonb_each(to_jsonb(xtask_row)))::text, '{{}}') FROM ONLY {}.{} AS xtask_row",
            identifier(&self.schema),
            identifier(&self.name)
        )
    }

    fn shown(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    fn columns_by_name(&self, other: &Self) -> BTreeMap<i64, i64> {
        let same = |name: &String| other.columns.iter().find(|(_, other)| *other == name).map(|(number, _)| *number);
        self.columns.iter().map(|(number, name)| (*number, same(name).unwrap_or(-1))).collect()
    }

    fn all_deleted(&self) -> Option<Loss> {
        self.loss(Change::Deleted, BTreeSet::new(), &self.rows.iter().collect::<Vec<_>>())
    }

    /// Compares the rows in these columns. Each is given with the number that it has in the other table.
    fn losses(&self, other: &Self, columns: &BTreeMap<i64, i64>) -> Vec<Loss> {
        let null = "null".to_owned();
        let kept: Vec<(i64, i64)> =
            columns.iter().map(|(a, b)| (*a, *b)).filter(|(_, b)| other.columns.contains_key(b)).collect();
        let gone: Vec<i64> = columns.keys().copied().filter(|a| kept.iter().all(|(kept, _)| kept != a)).collect();
        let mut left: Vec<&BTreeMap<i64, String>> = other.rows.iter().collect();
        let has_key = !self.key.is_empty() && self.key.iter().all(|column| kept.iter().any(|(a, _)| a == column));
        let compared = |column: &&(i64, i64)| !has_key || self.key.contains(&column.0);
        let (mut deleted, mut changed, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
        for row in &self.rows {
            let is_it =
                |found: &&BTreeMap<i64, String>| kept.iter().filter(compared).all(|(a, b)| row.get(a) == found.get(b));
            let Some(place) = left.iter().position(is_it) else {
                deleted.push(row);
                continue;
            };
            let found = left.swap_remove(place);
            let differs = kept.iter().filter(|(a, b)| row.get(a) != found.get(b)).map(|(a, _)| *a);
            let lost = gone.iter().copied().filter(|column| row.get(column).is_some_and(|value| *value != null));
            let differs: Vec<_> = differs.chain(lost).filter_map(|column| self.columns.get(&column).cloned()).collect();
            if !differs.is_empty() {
                changed.push(row);
                names.extend(differs);
            }
        }
        let deleted = self.loss(Change::Deleted, BTreeSet::new(), &deleted);
        deleted.into_iter().chain(self.loss(Change::Changed, names, &changed)).collect()
    }

    fn loss(&self, change: Change, columns: BTreeSet<String>, rows: &[&BTreeMap<i64, String>]) -> Option<Loss> {
        let value = |row: &BTreeMap<i64, String>, column: &i64| {
            Some(format!("{} {}", self.columns.get(column)?, row.get(column)?))
        };
        let shown: Vec<i64> =
            if self.key.is_empty() { self.columns.keys().copied().collect() } else { self.key.clone() };
        let example = |row: &&BTreeMap<i64, String>| {
            shown.iter().filter_map(|column| value(row, column)).collect::<Vec<_>>().join(", ")
        };
        let examples = rows.iter().take(SHOWN).map(example).collect();
        (!rows.is_empty()).then(|| Loss {
            table: self.shown(),
            change,
            columns,
            rows: rows.len(),
            of: self.rows.len(),
            examples,
        })
    }
}

/// Returns a value in one form for all types: a number and a text with the same digits are equal, and so are `1.50` and
/// `1.5000`.
fn plain(json: &str) -> String {
    if json.starts_with('"') {
        return serde_json::from_str(json).unwrap_or_else(|_| json.to_owned());
    }
    let is_number = !json.is_empty() && json.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-');
    if is_number && json.contains('.') {
        return json.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    json.to_owned()
}
