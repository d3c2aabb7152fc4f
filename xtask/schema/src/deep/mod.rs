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

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::pin::Pin;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::error::ReadError;
use array::Cells;
use layout::{Answers, Catalog, Layout};
use resolve::{Resolver, is_of_users};

/// The rows of a database's catalogs, as the server wrote them.
#[derive(Debug)]
pub struct Deep {
    layout: Layout,
    /// The name of each catalog, and its rows as one array.
    tables: Vec<(String, Option<String>)>,
}

/// The future that reads all catalogs.
pub type DeepReading<'c> = Pin<Box<dyn Future<Output = Result<Deep, ReadError>> + Send + 'c>>;

/// What the comparison of two databases has found.
#[derive(Debug)]
pub struct DeepComparison {
    /// Every row and column in which the two differ. The list is empty if they have the same catalogs, and only then.
    pub differences: Vec<String>,
    /// The number of the catalogs that were compared.
    pub catalogs: usize,
    /// The number of the rows that were compared.
    pub rows: usize,
}

impl Deep {
    /// Reads all catalogs of a database, with its owners and privileges if they are asked for.
    ///
    /// # Errors
    /// The server refuses a query, or answers only a part of it. The connection is in no transaction afterwards.
    pub fn read(connection: &mut PgConnection, with_privileges: bool) -> DeepReading<'_> {
        Box::pin(async move {
            let read = read(connection, with_privileges).await;
            // An error of this would only repeat the first one.
            let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await;
            read
        })
    }

    /// The columns that this role may not read, so they are not compared.
    #[must_use]
    pub fn unread(&self) -> &[String] {
        &self.layout.unread
    }

    /// Compares a database with another one of the same server. That is the work of many milliseconds, so an async task
    /// should leave it to another thread.
    ///
    /// # Errors
    /// The answer of one of the servers isn't complete.
    pub fn compare(&self, expected: &Self) -> Result<DeepComparison, ReadError> {
        let (expected_rows, actual_rows) = (expected.rows()?, self.rows()?);
        let expected = Side::new(&expected.layout, &expected_rows);
        let actual = Side::new(&self.layout, &actual_rows);
        let mut found = DeepComparison { differences: Vec::new(), catalogs: 0, rows: 0 };
        let names: BTreeSet<&str> = expected.compared().chain(actual.compared()).map(|(_, name)| name).collect();
        for name in names {
            found.catalogs += 1;
            found.rows += actual.texts(name).len();
            differences(name, &expected, &actual, &mut found.differences);
        }
        Ok(found)
    }

    /// The texts of the rows of each catalog.
    fn rows(&self) -> Result<Vec<Vec<&str>>, ReadError> {
        let rows = self.tables.iter().map(|(_, text)| text.as_deref().map_or(Some(Vec::new()), array::rows));
        let rows: Vec<_> = rows.collect::<Option<_>>().ok_or(ReadError::Partial)?;
        let names = self.tables.iter().map(|(name, _)| name);
        let complete = names.eq(self.layout.catalogs.iter().map(|catalog| &catalog.name));
        // An incomplete answer must never look like an empty catalog.
        if !complete || rows.iter().all(Vec::is_empty) { Err(ReadError::Partial) } else { Ok(rows) }
    }
}

/// One of the two databases that are compared.
struct Side<'r> {
    layout: &'r Layout,
    rows: &'r [Vec<&'r str>],
    resolver: Resolver<'r>,
}

/// The rows of a catalog by their keys, without numbers of objects. Internal objects may share a key.
type Named = BTreeMap<String, Vec<Vec<String>>>;

impl<'r> Side<'r> {
    fn new(layout: &'r Layout, rows: &'r [Vec<&'r str>]) -> Self {
        Self { layout, rows, resolver: Resolver::new(&layout.catalogs, rows) }
    }

    /// The catalogs that are compared, with their places.
    fn compared(&self) -> impl Iterator<Item = (usize, &'r str)> {
        let catalogs = self.layout.catalogs.iter().enumerate();
        catalogs.filter(|(_, catalog)| catalog.compared).map(|(at, catalog)| (at, catalog.name.as_str()))
    }

    /// The place of a catalog.
    fn place(&self, name: &str) -> Option<usize> {
        self.compared().find(|(_, known)| *known == name).map(|(at, _)| at)
    }

    fn columns(&self, name: &str) -> &'r [layout::Column] {
        self.place(name).map_or(&[], |at| &self.layout.catalogs[at].columns)
    }

    fn texts(&self, name: &str) -> &'r [&'r str] {
        self.place(name).map_or(&[], |at| &self.rows[at])
    }

    /// The rows of a catalog at these places, except for those that are known to be equal.
    fn named(&self, name: &str, places: &[usize], equal: &HashSet<&str>) -> Named {
        let mut named = Named::new();
        let Some(at) = self.place(name) else { return named };
        for row in places.iter().copied() {
            let text = self.rows[at][row];
            if !(equal.contains(text) && names_nothing_of_users(text))
                && let Some((key, values)) = self.row(at, row)
            {
                named.entry(key).or_default().push(values);
            }
        }
        for rows in named.values_mut() {
            rows.sort_unstable();
            // The server may record a dependency twice.
            rows.dedup();
        }
        named
    }

    /// The key of a row, and the values of the columns that are compared. `None` means that the row belongs to something
    /// that doesn't last.
    fn row(&self, at: usize, row: usize) -> Option<(String, Vec<String>)> {
        let catalog: &Catalog = &self.layout.catalogs[at];
        let cells: Cells<'_> = array::cells(self.rows[at][row]).collect();
        let mut passing = false;
        let compared = (0..catalog.columns.len()).filter(|column| catalog.columns[*column].compared);
        let values: Vec<String> = compared
            .map(|column| {
                let named = self.resolver.value(at, &cells, column);
                passing |= named.passing;
                named.text
            })
            .collect();
        let key = if catalog.key.is_empty() {
            values.join(", ")
        } else {
            let named = self.resolver.key(at, row);
            passing |= named.passing;
            named.text
        };
        (!passing).then_some((key, values))
    }
}

/// Returns whether no number in a row can be that of an object that users have made. Such a row of a server means the same
/// in each of its databases, because the objects that it names are the server's own. If one of them was renamed or changed,
/// the row of that object differs.
fn names_nothing_of_users(row: &str) -> bool {
    // Every byte of every catalog passes here, and this crate isn't optimised: so it is a plain loop.
    let (bytes, mut at, mut begin) = (row.as_bytes(), 0, 0);
    while at <= bytes.len() {
        if at == bytes.len() || !bytes[at].is_ascii_digit() {
            if at > begin && is_of_users(&bytes[begin..at]) {
                return false;
            }
            begin = at + 1;
        }
        at += 1;
    }
    true
}

/// The questions about the catalogs themselves. The transaction stays open: the rows of the catalogs are read in it.
const LAYOUT: &str = concat!(
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\n",
    include_str!("../settings.sql"),
    include_str!("layout.sql")
);

async fn read(connection: &mut PgConnection, with_privileges: bool) -> Result<Deep, ReadError> {
    let texts = query(connection, LAYOUT.to_owned()).await?;
    // The texts borrow from these.
    let texts: Vec<_> = texts.iter().map(cells_of).collect::<Option<_>>().ok_or(ReadError::Partial)?;
    let answers = Answers::of(&texts).ok_or(ReadError::Partial)?;
    let layout = Layout::new(&answers, with_privileges).ok_or(ReadError::Partial)?;
    let tables = query(connection, layout.statements()).await?;
    Ok(Deep { layout, tables })
}

/// The name of an answer, and the cells of its rows.
fn cells_of((name, text): &(String, Option<String>)) -> Option<(&str, Vec<Cells<'_>>)> {
    let rows = array::rows(text.as_deref()?)?;
    Some((name.as_str(), rows.into_iter().map(|row| array::cells(row).collect()).collect()))
}

/// Runs statements that return a name and an array each.
async fn query(connection: &mut PgConnection, statements: String) -> Result<Vec<(String, Option<String>)>, ReadError> {
    let answer = sqlx::raw_sql(AssertSqlSafe(statements)).fetch_all(connection).await?;
    let tables = answer.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    tables.collect::<Result<_, sqlx::Error>>().map_err(ReadError::from)
}

/// Names every row and column of a catalog in which a database differs from another one.
fn differences(name: &str, expected: &Side<'_>, actual: &Side<'_>, differences: &mut Vec<String>) {
    // Nearly all rows are the server's own. Those with the same text needn't be looked at further.
    let (expected_texts, actual_texts) = (expected.texts(name), actual.texts(name));
    let comparable = expected.columns(name) == actual.columns(name);
    // Most of them are at the same place in both, because all databases are copies of one. That is found out fastest.
    let is_same = |at: usize| {
        comparable
            && matches!((expected_texts.get(at), actual_texts.get(at)), (Some(expected), Some(actual))
                if expected == actual && names_nothing_of_users(expected))
    };
    let longest = expected_texts.len().max(actual_texts.len());
    let places: Vec<usize> = (0..longest).filter(|at| !is_same(*at)).collect();
    let within = |texts: &[&str]| places[..places.partition_point(|at| *at < texts.len())].to_vec();
    let (expected_places, actual_places) = (within(expected_texts), within(actual_texts));
    let equal: HashSet<&str> = if comparable {
        let texts: HashSet<&str> = expected_places.iter().map(|at| expected_texts[*at]).collect();
        actual_places.iter().map(|at| actual_texts[*at]).filter(|text| texts.contains(text)).collect()
    } else {
        HashSet::new()
    };
    let columns = expected.columns(name).iter().filter(|column| column.compared);
    let columns: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
    let (expected, actual) =
        (expected.named(name, &expected_places, &equal), actual.named(name, &actual_places, &equal));
    for (key, actual) in &actual {
        match expected.get(key) {
            None => differences.push(format!("extra row of {name}: {key}")),
            Some(expected) if expected == actual => {}
            Some(expected) => {
                differences.push(format!("different row of {name}: {key}: {}", changed(&columns, expected, actual)));
            }
        }
    }
    let missing = expected.keys().filter(|key| !actual.contains_key(*key));
    differences.extend(missing.map(|key| format!("missing row of {name}: {key}")));
}

/// Describes the columns in which rows of one key differ.
fn changed(columns: &[&str], expected: &[Vec<String>], actual: &[Vec<String>]) -> String {
    let ([expected], [actual]) = (expected, actual) else {
        return format!("{} such rows, expected {}", actual.len(), expected.len());
    };
    let cells = columns.iter().zip(expected.iter().zip(actual)).filter(|(_, (expected, actual))| expected != actual);
    let cells: Vec<String> =
        cells.map(|(column, (expected, actual))| format!("{column} is {actual:?}, expected {expected:?}")).collect();
    cells.join("; ")
}
