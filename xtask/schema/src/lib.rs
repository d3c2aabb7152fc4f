//! Proof by content: writes a database's schema as canonical DDL, and compares it with the committed one. An [`Outline`] shows
//! the same schema to readers.
//!
//! The catalog is read in one round trip (`catalog.sql`). A second one (`unusual.sql`) follows only if the database has
//! unusual objects, for example a view or an enum. The catalog is rendered and compared with `schema/<name>.sql` as
//! text. Equal texts are the proof. The text contains no oids and no versions, and it is sorted bytewise. An empty
//! database that loads the text has the same catalog afterwards.
//!
//! These things are left out on purpose:
//!
//! - owners and privileges, unless they are asked for ([`Catalog::read_with_privileges`]), because the names of roles differ
//!   between machines;
//! - tablespaces and statistics targets;
//! - versions of extensions and comments on extensions, because they come with the server's installation;
//! - large objects and the positions of sequences, because they are data;
//! - comments on databases and roles, because they belong to the server;
//! - the locale of the database, because it differs between machines. Its encoding has to be UTF-8.
//!
//! Of these, less than everything is compared:
//!
//! - a subscription: only its name, because only a superuser may read the rest;
//! - a user mapping: no option whose name sounds like a password;
//! - the objects of an extension: a digest of them, where the extension has the same version on both sides;
//! - security labels, and objects that come with every server, such as the function `abs`: nothing.
//!
//! A change that somebody makes in the catalogs themselves is seen only where a statement could have made it. The deep
//! proof ([`Deep`]) compares every catalog, except for what its list of exceptions names.
//!
//! The text doesn't depend on the version of PostgreSQL, from 15 on. What one version lists or writes and another doesn't has
//! one form here: the qualified columns of views (`render/query.rs`), MAINTAIN in GRANT ALL, and the type json in names. The
//! names of NOT NULL constraints, which only PostgreSQL 18 and later keep, are left out.

mod column_diff;
mod compare;
mod deep;
mod error;
mod kind;
mod model;
mod object;
mod outline;
mod parse;
mod privileges;
mod read;
mod records;
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
pub use deep::{Deep, DeepComparison, DeepReading};
pub use error::ReadError;
use model::Model;
pub use outline::{Outline, OutlineReading};
pub use repair::Repair;
use rows::Rows;

/// The text that every schema file begins with.
const HEAD: &str = "\
-- Generated from the migrations by `cargo xtask db-verify --write`: do not edit, but write a migration.
-- It loads into an empty database with psql. Owners, privileges and security labels are not in it, and of subscriptions only
-- the names. `cargo xtask db-verify --deep` compares every catalog.

SET check_function_bodies = false;
";

/// The text that a schema file begins with if owners and privileges are a part of it.
const HEAD_WITH_PRIVILEGES: &str = "\
-- Generated from the migrations by `cargo xtask db-verify --write`: do not edit, but write a migration.
-- It loads into an empty database with psql, where the roles exist that it names. What has no owner here belongs to the role
-- that loads it, and what has no privileges here has those of a new object. Security labels are not in it, and of
-- subscriptions only the names. `cargo xtask db-verify --deep` compares every catalog.

SET check_function_bodies = false;
";

/// The text that follows the name of an object whose kind is not rendered.
const NAME_ONLY: &str = ": not rendered, compared by name only";

/// The words around the version in the line about an extension's objects.
const VERSION: &str = "-- version ";
const DIGEST: &str = ", the digest of its objects is ";

/// The history table of the migrations. A catalog leaves it out, with the table of the recorded texts beside it, and with
/// its schema if that contains nothing else.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// The schema of the table. `None` means that the table is found on the search path.
    pub schema: Option<&'a str>,
    /// The table's name.
    pub table: &'a str,
}

/// The name of the table that has the texts of the migrations in a history table, beside which it is. Names are without
/// quotes.
#[must_use]
pub fn texts_table(history: &str) -> String {
    const SUFFIX: &str = "_texts";
    // PostgreSQL would cut a longer name, and then it could be that of the history.
    let mut end = history.len().min(63 - SUFFIX.len());
    while !history.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{SUFFIX}", &history[..end])
}

/// A table as psql's `\dt` lists it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Table {
    /// The schema of the table.
    pub schema: String,
    /// The name of the table, without quotes.
    pub name: String,
    /// `table` or `partitioned table`.
    pub kind: String,
    /// The role that owns the table.
    pub owner: String,
}

/// The future that reads a catalog, and the tables that `\dt` lists.
pub type Reading<'c> = Pin<Box<dyn Future<Output = Result<(Catalog, Vec<Table>), ReadError>> + Send + 'c>>;

/// The objects of a database as statements, in canonical order.
#[derive(Clone, Debug)]
pub struct Catalog {
    text: String,
}

/// Two catalogs are equal if their texts are, except for the objects of extensions of another version.
impl PartialEq for Catalog {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text || {
            let (this, other) = self.with_common_versions(other);
            this == other
        }
    }
}

impl Eq for Catalog {}

impl Catalog {
    /// Reads the catalog of a database, and the tables that `\dt` lists with the connection's search path.
    ///
    /// # Errors
    /// The server refuses the query, or answers only a part of it. The connection is in no transaction afterwards.
    pub fn read<'c>(connection: &'c mut PgConnection, history: &'c History<'_>) -> Reading<'c> {
        // The future is boxed, so that this crate compiles it. The body of an async function is compiled by the crate
        // that polls it, with that crate's optimisation level.
        Box::pin(async move {
            let rows = read::rows(connection).await?;
            Ok(Self::render(&rows, history))
        })
    }

    /// Does the same as [`Catalog::read`], and reads the owners and privileges as well.
    ///
    /// # Errors
    /// The server refuses a query, or answers only a part of it. The connection is in no transaction afterwards.
    pub fn read_with_privileges<'c>(connection: &'c mut PgConnection, history: &'c History<'_>) -> Reading<'c> {
        Box::pin(async move {
            let (catalog, listed) = Self::read(connection, history).await?;
            let privileges = privileges::read(connection).await?;
            let text = catalog.text.replacen(HEAD, HEAD_WITH_PRIVILEGES, 1) + &privileges;
            Ok((Self::parse(&text), listed))
        })
    }

    /// Returns the catalog as [`Catalog::read`] reads it, without owners and privileges.
    #[must_use]
    pub fn without_privileges(&self) -> Self {
        let text = &self.text[..privileges::begin(&self.text)];
        Self { text: text.replacen(HEAD_WITH_PRIVILEGES, HEAD, 1) }
    }

    /// Renders the rows.
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

    /// Makes a catalog from the text of a schema file. CRLF counts as LF.
    pub fn parse(text: &str) -> Self {
        Self { text: if text.contains('\r') { text.replace("\r\n", "\n") } else { text.to_owned() } }
    }

    /// Returns the texts of two catalogs, without the digests of extensions whose versions differ. A version comes with the
    /// server's installation, and its objects with it.
    fn with_common_versions(&self, other: &Self) -> (String, String) {
        let (mut this_text, mut other_text) = (self.text.clone(), other.text.clone());
        if !(this_text.contains(DIGEST) && other_text.contains(DIGEST)) {
            return (this_text, other_text);
        }
        let version = |body: &str| {
            let line = body.lines().find(|line| line.starts_with(VERSION) && line.contains(DIGEST))?.to_owned();
            let version = line.strip_prefix(VERSION)?.split_once(DIGEST)?.0.to_owned();
            Some((version, line))
        };
        let others = parse::blocks(&other.text);
        for block in parse::blocks(&self.text).iter().filter(|block| block.header.starts_with("extension ")) {
            let Some(other) = others.iter().find(|other| other.header == block.header) else { continue };
            if let (Some((this_version, line)), Some((other_version, other_line))) =
                (version(&block.body), version(&other.body))
                && this_version != other_version
            {
                let without =
                    |text: &str, body: &str, line: &str| text.replacen(body, body.replacen(line, "", 1).trim_end(), 1);
                this_text = without(&this_text, &block.body, &line);
                other_text = without(&other_text, &other.body, &other_line);
            }
        }
        (this_text, other_text)
    }

    /// Returns the text of the schema file.
    pub fn to_sql(&self) -> &str {
        &self.text
    }

    /// Returns whether the catalog has no objects. Two empty catalogs are equal, but that proves nothing.
    pub fn is_empty(&self) -> bool {
        let head =
            [HEAD, HEAD_WITH_PRIVILEGES].into_iter().find_map(|head| self.text.trim_start().strip_prefix(head.trim()));
        let rest = head.unwrap_or(&self.text).trim_start();
        // Privileges are at the end, so nothing comes before those that come first.
        rest.is_empty() || rest.strip_prefix("-- ").is_some_and(privileges::is_header)
    }
}
