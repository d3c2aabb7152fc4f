//! The databases that only this program makes beside a user's: scratch databases and snapshots. They are known by their names
//! and by a mark.
//!
//! The mark is a limit of connections that no server reaches and nobody else writes. It is set by the statement that makes the
//! database, or by the transaction that gives it its name. A comment would be another statement, and a run can be killed
//! between the two.

use std::hash::{BuildHasher, Hasher, RandomState};

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use crate::connection::sql::identifier;

/// A kind of database that only this program makes: `<database><infix><12 hexadecimal digits>`.
pub(crate) struct Kind {
    infix: &'static str,
    /// The limit of connections of such a database: four letters in ASCII.
    pub(super) mark: i32,
}

/// A database for an experiment. The mark is "sxdb" in ASCII.
pub(crate) const SCRATCH: Kind = Kind { infix: "_scratch_", mark: 0x7378_6462 };

/// A database as it was at some time. The mark is "spdb" in ASCII.
pub(crate) const SNAPSHOT: Kind = Kind { infix: "_snapshot_", mark: 0x7370_6462 };

/// What the databases of tests are copied from. The mark is "tpdb" in ASCII.
pub(crate) const TEMPLATE: Kind = Kind { infix: "_template_", mark: 0x7470_6462 };

/// A database of one test. The mark is "txdb" in ASCII.
pub(crate) const TEST: Kind = Kind { infix: "_test_", mark: 0x7478_6462 };

/// The limit that the server sets when it begins to drop a database. If it is interrupted, nobody can use what is left, and
/// the only thing to do is to drop it: <https://www.postgresql.org/docs/release/15.4/>.
pub(super) const HALF_DROPPED: i32 = -2;

/// The number of bits in 12 hexadecimal digits.
pub(super) const BITS: u32 = 48;

/// The longest name, in bytes. PostgreSQL truncates longer names.
const LONGEST_NAME: usize = 63;

impl Kind {
    /// The name of such a database.
    pub(super) fn name(&self, database: &str, digits: u64) -> String {
        let suffix = format!("{}{digits:012x}", self.infix);
        format!("{}{suffix}", cut(database, LONGEST_NAME - suffix.len()))
    }

    /// A name that no database has.
    pub(crate) fn new_name(&self, database: &str) -> String {
        self.name(database, random_digits())
    }

    /// The digits in a name, if it is of this kind and may be made from the name of that database.
    pub(super) fn digits(&self, name: &str, database: &str) -> Option<u64> {
        let (_, digits) = name.rsplit_once(self.infix)?;
        let digits = u64::from_str_radix(digits, 16).ok()?;
        (self.name(database, digits) == name).then_some(digits)
    }

    /// A pattern of SQL for the names.
    pub(super) fn pattern(&self) -> String {
        format!("'{}[0-9a-f]{{12}}$'", self.infix)
    }

    /// Returns whether a database with this limit of connections has the mark. One that the server has dropped in part has
    /// lost it.
    pub(super) fn has_mark(&self, limit: i32) -> bool {
        limit == self.mark || limit == HALF_DROPPED
    }

    /// The options of CREATE DATABASE, and of ALTER DATABASE, that set the mark.
    pub(super) fn limit(&self) -> String {
        format!("CONNECTION LIMIT {}", self.mark)
    }
}

pub(super) fn random_digits() -> u64 {
    RandomState::new().build_hasher().finish() >> (u64::BITS - BITS)
}

/// Drops a database of this program's, if it is there.
///
/// # Errors
/// The server refuses, or is gone.
pub(super) async fn drop_database(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    // FORCE ends the sessions in the database. Another statement that ends them before the drop would be a race.
    let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", identifier(name));
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop)
}

/// The first bytes of a name. The cut is never inside a character.
fn cut(name: &str, longest: usize) -> &str {
    &name[..name.floor_char_boundary(longest)]
}
