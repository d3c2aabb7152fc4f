//! The deep proof: every column of every row of every catalog, compared between two databases of one server.
//!
//! The fast proof knows kinds of objects, so it can't see what nobody thought of. This one knows none: it asks the server
//! which catalogs and columns it has, and reads all of them. Numbers of objects differ between databases, so each is
//! replaced by the columns of a unique index of its catalog, in which numbers are replaced in the same way. `known.rs` lists
//! what doesn't matter, and why. Whatever isn't listed there is compared, in every version of PostgreSQL.

mod array;
mod known;
mod layout;
mod privileges;
mod resolve;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::error::ReadError;
use array::Cells;
use layout::{Answers, Layout};
use resolve::Resolver;

/// The rows of a database's catalogs, without numbers of objects.
#[derive(Debug)]
pub struct Deep {
    catalogs: BTreeMap<String, Catalog>,
    /// The columns that this role may not read, so they are not compared.
    pub unread: Vec<String>,
}

/// The rows of one catalog.
#[derive(Debug)]
struct Catalog {
    columns: Vec<String>,
    /// The rows by their keys. Internal objects may share one.
    rows: BTreeMap<String, Vec<Vec<String>>>,
}

/// The rows of a database's catalogs, as the server wrote them.
pub struct Fetched {
    layout: Layout,
    /// The name of each catalog, and its rows as one array.
    tables: Vec<(String, Option<String>)>,
}

/// The future that fetches all catalogs.
pub type Fetching<'c> = Pin<Box<dyn Future<Output = Result<Fetched, ReadError>> + Send + 'c>>;

impl Fetched {
    /// Fetches all catalogs of a database, with its owners and privileges if they are asked for.
    ///
    /// # Errors
    /// The server refuses a query, or answers only a part of it. The connection is in no transaction afterwards.
    pub fn fetch(connection: &mut PgConnection, with_privileges: bool) -> Fetching<'_> {
        Box::pin(async move {
            let fetched = fetch(connection, with_privileges).await;
            // An error of this would only repeat the first one.
            let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await;
            fetched
        })
    }

    /// Replaces the numbers of objects by names. That is the work of a good part of a second, so an async task should leave
    /// it to another thread.
    ///
    /// # Errors
    /// An answer isn't complete.
    pub fn resolve(&self) -> Result<Deep, ReadError> {
        let mut rows = Vec::new();
        for (_, text) in &self.tables {
            rows.push(text.as_deref().map_or(Some(Vec::new()), array::rows).ok_or(ReadError::Partial)?);
        }
        let names = self.tables.iter().map(|(name, _)| name);
        let complete = names.eq(self.layout.catalogs.iter().map(|catalog| &catalog.name));
        // An incomplete answer must never look like an empty catalog.
        if !complete || rows.iter().all(Vec::is_empty) {
            return Err(ReadError::Partial);
        }
        Ok(Deep::new(&self.layout, &rows))
    }
}

impl Deep {
    /// The numbers of the catalogs and of the rows in them.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let rows = self.catalogs.values().flat_map(|catalog| catalog.rows.values().map(Vec::len));
        (self.catalogs.len(), rows.sum())
    }

    fn new(layout: &Layout, rows: &[Vec<Cells>]) -> Self {
        let resolver = Resolver::new(&layout.catalogs, rows);
        let mut catalogs = BTreeMap::new();
        for (at, described) in layout.catalogs.iter().enumerate().filter(|(_, described)| described.compared) {
            let compared: Vec<usize> =
                (0..described.columns.len()).filter(|column| described.columns[*column].compared).collect();
            let columns = compared.iter().map(|column| described.columns[*column].name.clone()).collect();
            let mut catalog = Catalog { columns, rows: BTreeMap::new() };
            for row in 0..rows[at].len() {
                let mut passing = false;
                let values: Vec<String> = compared
                    .iter()
                    .map(|column| {
                        let named = resolver.value(at, row, *column);
                        passing |= named.passing;
                        named.text
                    })
                    .collect();
                let key = if described.key.is_empty() {
                    values.join(", ")
                } else {
                    let named = resolver.key(at, row);
                    passing |= named.passing;
                    named.text
                };
                if !passing {
                    catalog.rows.entry(key).or_default().push(values);
                }
            }
            for rows in catalog.rows.values_mut() {
                rows.sort_unstable();
                // The server may record a dependency twice.
                rows.dedup();
            }
            catalogs.insert(described.name.clone(), catalog);
        }
        Self { catalogs, unread: layout.unread.clone() }
    }
}

/// The questions about the catalogs themselves. The transaction stays open: the rows of the catalogs are read in it.
const LAYOUT: &str = concat!(
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\n",
    include_str!("../settings.sql"),
    include_str!("layout.sql")
);

async fn fetch(connection: &mut PgConnection, with_privileges: bool) -> Result<Fetched, ReadError> {
    let mut answers = Answers::default();
    for (name, text) in query(connection, LAYOUT.to_owned()).await? {
        let rows = text.as_deref().and_then(array::rows).ok_or(ReadError::Partial)?;
        match name.as_str() {
            "column" => answers.columns = rows,
            "reference" => answers.references = rows,
            _ => answers.keys = rows,
        }
    }
    let layout = Layout::new(&answers, with_privileges).ok_or(ReadError::Partial)?;
    let tables = query(connection, layout.statements()).await?;
    Ok(Fetched { layout, tables })
}

/// Runs statements that return a name and an array each.
async fn query(connection: &mut PgConnection, statements: String) -> Result<Vec<(String, Option<String>)>, ReadError> {
    let answer = sqlx::raw_sql(AssertSqlSafe(statements)).fetch_all(connection).await?;
    let tables = answer.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    tables.collect::<Result<_, sqlx::Error>>().map_err(ReadError::from)
}

/// Names every row and column in which a database differs from another one of the same server. The list is empty if the
/// two have the same catalogs, and only then.
#[must_use]
pub fn deep_differences(expected: &Deep, actual: &Deep) -> Vec<String> {
    let mut differences = Vec::new();
    let nothing = Catalog { columns: Vec::new(), rows: BTreeMap::new() };
    let names: BTreeSet<&String> = expected.catalogs.keys().chain(actual.catalogs.keys()).collect();
    for name in names {
        let [expected, actual] = [expected, actual].map(|side| side.catalogs.get(name).unwrap_or(&nothing));
        let (columns, expected_rows, actual_rows) = (&expected.columns, &expected.rows, &actual.rows);
        for (key, actual) in actual_rows {
            match expected_rows.get(key) {
                None => differences.push(format!("extra row of {name}: {key}")),
                Some(expected) if expected == actual => {}
                Some(expected) => {
                    differences.push(format!("different row of {name}: {key}: {}", changed(columns, expected, actual)));
                }
            }
        }
        let missing = expected_rows.keys().filter(|key| !actual_rows.contains_key(*key));
        differences.extend(missing.map(|key| format!("missing row of {name}: {key}")));
    }
    differences
}

/// Describes the columns in which rows of one key differ.
fn changed(columns: &[String], expected: &[Vec<String>], actual: &[Vec<String>]) -> String {
    let ([expected], [actual]) = (expected, actual) else {
        return format!("{} such rows, expected {}", actual.len(), expected.len());
    };
    let cells = columns.iter().zip(expected.iter().zip(actual)).filter(|(_, (expected, actual))| expected != actual);
    let cells: Vec<String> =
        cells.map(|(column, (expected, actual))| format!("{column} is {actual:?}, expected {expected:?}")).collect();
    cells.join("; ")
}
