//! Proof by content: a database's schema as canonical DDL, and how it differs from the committed one.
//!
//! The catalog is read in one round trip (`catalog.sql`; a second one, `unusual.sql`, only where there is something
//! unusual, such as a view or an enum), rendered, and compared with `schema/<name>.sql` as text: equal texts are the
//! proof. The text has no oids and no versions in it, is sorted bytewise, and loads into an empty database, which
//! then has the same catalog.
//!
//! Not covered on purpose: owners and privileges (names of roles differ between machines), tablespaces, statistics
//! targets, comments on and versions of extensions (they come with the server's installation), large objects and the
//! positions of sequences (they are data), and comments on databases and roles (they are the server's). Operators,
//! casts, collations, text search, foreign data, publications and the like are compared by name only. The query of a
//! view is written by the server, and PostgreSQL 16 began to qualify fewer of its columns: a schema with views has to
//! be written and verified by servers on the same side of it.

mod compare;
mod error;
mod kind;
mod model;
mod object;
mod parse;
mod read;
mod render;
mod repair;
mod rows;
pub mod sql;
mod table_diff;
#[cfg(test)]
mod tests;

use std::pin::Pin;

use sqlx::postgres::PgConnection;

pub use compare::{Difference, DifferenceKind, compare};
pub use error::ReadError;
use model::Model;
use rows::Rows;

/// What every schema file begins with.
const HEAD: &str = "\
-- Generated from the migrations by `cargo xtask db-verify --write`: do not edit, but write a migration.
-- It loads into an empty database with psql.

SET check_function_bodies = false;
";

/// Follows the name of an object whose kind is not rendered.
const NAME_ONLY: &str = ": not rendered, compared by name only";

/// What is left out of a catalog: the history table of the migrations, and the schema made for it if it holds nothing
/// else.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// The schema of the table; none means that it is found on the search path.
    pub schema: Option<&'a str>,
    /// The table's name.
    pub table: &'a str,
}

/// A table as psql's `\dt` lists it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Table {
    /// The schema that it is in.
    pub schema: String,
    /// Its name, without quotes.
    pub name: String,
    /// `table` or `partitioned table`.
    pub kind: String,
    /// The role that owns it.
    pub owner: String,
}

/// A catalog that is being read, with the tables that `\dt` lists.
pub type Reading<'c> = Pin<Box<dyn Future<Output = Result<(Catalog, Vec<Table>), ReadError>> + Send + 'c>>;

/// The objects of a database in canonical order, each as its statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    text: String,
}

impl Catalog {
    /// Reads the catalog of a database, and what `\dt` lists there, under the search path that the connection has.
    ///
    /// # Errors
    /// When the server refuses or answers in part. The connection is in no transaction afterwards.
    pub fn read<'c>(connection: &'c mut PgConnection, history: &'c History<'_>) -> Reading<'c> {
        // Boxed, so that this crate compiles it: the body of an async function is compiled by the crate that polls it,
        // with that crate's optimisation level.
        Box::pin(async move {
            let rows = read::rows(connection).await?;
            Ok(Self::render(&rows, history))
        })
    }

    /// Writes what was read.
    fn render(rows: &Rows, history: &History<'_>) -> (Self, Vec<Table>) {
        let model = Model::new(rows, history);
        let mut text = HEAD.to_owned();
        for object in render::objects(&model, history) {
            text.push_str("\n-- ");
            text.push_str(&object.header);
            text.push('\n');
            for statement in object.statements {
                text.push_str(&parse::canonical(statement));
                text.push('\n');
            }
        }
        (Self::parse(&text), model.listed())
    }

    /// Takes the text of a schema file. CRLF counts as LF.
    pub fn parse(text: &str) -> Self {
        Self { text: if text.contains('\r') { text.replace("\r\n", "\n") } else { text.to_owned() } }
    }

    /// The text of the schema file.
    pub fn to_sql(&self) -> &str {
        &self.text
    }

    /// Whether there is no object at all. Two such catalogs are equal and prove nothing.
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty() || self.text.trim() == HEAD.trim()
    }
}
