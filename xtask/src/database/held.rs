//! Databases that a run makes for itself and drops again: scratch databases, and the databases of tests.
//!
//! Only this program gives names like `<database>_scratch_<12 hex digits>`. The run that makes such a database holds an
//! advisory lock with the same digits as long as it uses the database, and the database carries a mark. If it has the
//! mark and its lock is free, it was left behind, and is dropped. So is one that the server has dropped in part. Any other may
//! be anybody's, and is left alone.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use crate::connection::sql::{identifier, literal};
use crate::target::Target;

/// The number of bits in 12 hexadecimal digits.
const BITS: u32 = 48;

/// The number of digits in a name.
const DIGITS: usize = 12;

/// The longest name, in bytes. PostgreSQL truncates longer names.
const LONGEST_NAME: usize = 63;

/// The limit that the server sets when it begins to drop a database. If it is interrupted, nobody can use what is left, and
/// the only thing to do is to drop it: <https://www.postgresql.org/docs/release/15.4/>.
const HALF_DROPPED: i32 = -2;

/// The time in which a server notices that a session's client is gone ([`crate::connection::working::settle`]).
const NOTICED: Duration = Duration::from_millis(300);

/// The names of all such databases, as a pattern of PostgreSQL. Other runs make and drop them at any time.
pub(super) const PATTERN: &str = "'_(scratch|template|test)_[0-9a-f]{12}$'";

/// A kind of such databases.
pub(super) struct Kind {
    /// What stands between the name of the database and the digits.
    pub(super) infix: &'static str,
    /// The mark: a limit of connections that no server reaches and nobody else writes. It is set by CREATE DATABASE itself. A
    /// comment would be set later, and a run can be killed before that.
    pub(super) mark: i32,
    /// Two letters in ASCII. They stand above the digits in the lock's key, so that the key differs from the keys of other
    /// programs.
    pub(super) letters: i64,
}

/// The name of a database of a kind, and the key of its lock.
pub(super) struct Name {
    pub(super) text: String,
    pub(super) key: i64,
}

impl Kind {
    /// A name that no other run has.
    pub(super) fn new_name(&self, base: &str) -> Name {
        self.name(base, RandomState::new().build_hasher().finish() >> (u64::BITS - BITS))
    }

    /// The name of the database with these digits, for the database `base`.
    pub(super) fn name(&self, base: &str, digits: u64) -> Name {
        Name { text: format!("{}{}{digits:012x}", self.start_of(base), self.infix), key: self.key(digits) }
    }

    /// The option of CREATE DATABASE that sets the mark.
    pub(super) fn option(&self) -> String {
        format!("CONNECTION LIMIT {}", self.mark)
    }

    /// Returns whether a database with this limit of connections has the mark. One that the server has dropped in part has
    /// lost it.
    pub(super) fn has_mark(&self, limit: i32) -> bool {
        limit == self.mark || limit == HALF_DROPPED
    }

    /// Returns the databases of this kind that belong to one of these databases, and whose owner the session's role is.
    ///
    /// # Errors
    /// The query fails.
    pub(super) async fn find(
        &self,
        connection: &mut PgConnection,
        targets: &[Target<'_>],
    ) -> Result<Vec<Found>, sqlx::Error> {
        let query = format!(
            "SELECT datname::text, datconnlimit, shobj_description(oid, 'pg_database') FROM pg_database \
             WHERE datname ~ {} AND pg_has_role(current_user, datdba, 'MEMBER') ORDER BY datname",
            literal(&format!("{}[0-9a-f]{{{DIGITS}}}$", self.infix))
        );
        let rows = sqlx::raw_sql(AssertSqlSafe(query)).fetch_all(connection).await?;
        let mut found = Vec::new();
        for row in rows {
            let (name, limit): (String, i32) = (row.try_get(0)?, row.try_get(1)?);
            let is_marked = self.has_mark(limit);
            let comment = row.try_get(2)?;
            found.extend(self.key_of(&name, targets).map(|key| Found { name, key, is_marked, comment }));
        }
        Ok(found)
    }

    /// The key of a database's lock, if it belongs to one of these databases.
    fn key_of(&self, name: &str, targets: &[Target<'_>]) -> Option<i64> {
        let (base, digits) = name.rsplit_once(self.infix)?;
        let ours = targets.iter().any(|target| self.start_of(&target.url.database) == base);
        u64::from_str_radix(digits, 16).ok().filter(|_| ours).map(|digits| self.key(digits))
    }

    /// The part of a database's name that a name of this kind begins with. The cut is never inside a character.
    fn start_of<'a>(&self, base: &'a str) -> &'a str {
        &base[..base.floor_char_boundary(LONGEST_NAME - self.infix.len() - DIGITS)]
    }

    #[expect(clippy::cast_possible_wrap, reason = "48 bits fit")]
    fn key(&self, digits: u64) -> i64 {
        self.letters << BITS | digits as i64
    }
}

/// The first 48 bits of a digest.
pub(super) fn digits_of(digest: &[u8]) -> u64 {
    digest.iter().take(BITS as usize / 8).fold(0, |digits, byte| digits << 8 | u64::from(*byte))
}

/// A database that is named like one of a kind.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) key: i64,
    /// Whether it has the mark of one.
    pub(super) is_marked: bool,
    pub(super) comment: Option<String>,
}

/// The keys of the databases that this process uses.
static IN_USE: Mutex<BTreeSet<i64>> = Mutex::new(BTreeSet::new());

/// The entry of a database in [`IN_USE`].
pub(super) struct InUse(i64);

impl InUse {
    pub(super) fn new(key: i64) -> Self {
        Self::all().insert(key);
        Self(key)
    }

    fn all() -> MutexGuard<'static, BTreeSet<i64>> {
        IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        Self::all().remove(&self.0);
    }
}

/// What [`sweep`] found, by the names of the databases.
#[derive(Default)]
pub(crate) struct Swept {
    pub(crate) dropped: Vec<String>,
    /// Named like databases of ours, but without the mark of one.
    pub(crate) unmarked: Vec<String>,
}

/// How long [`sweep`] waits for sessions that may be about to end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// The server may not know yet that a run was killed a moment ago.
    UntilNoticed,
    /// Other runs use such databases all the time, and a later sweep drops what this one leaves.
    None,
}

/// Drops those of these databases that no run uses any more.
///
/// # Errors
/// The server refuses, or is gone.
pub(super) async fn sweep(
    connection: &mut PgConnection,
    mut found: Vec<Found>,
    mut patience: Patience,
) -> Result<Swept, sqlx::Error> {
    let mut swept = Swept::default();
    loop {
        let mut held = Vec::new();
        for found in found {
            let Found { name, key, is_marked, .. } = &found;
            // This process uses it. The session may hold its lock itself, and would get it a second time.
            if InUse::all().contains(key) {
                continue;
            }
            if !try_lock(connection, *key).await? {
                held.push(found);
                continue;
            }
            let dropped = if *is_marked { drop_database(connection, name).await } else { Ok(()) };
            unlock(connection, *key).await?;
            dropped?;
            if *is_marked { &mut swept.dropped } else { &mut swept.unmarked }.push(found.name);
        }
        if held.is_empty() || patience == Patience::None {
            return Ok(swept);
        }
        tokio::time::sleep(NOTICED).await;
        (found, patience) = (held, Patience::None);
    }
}

/// Takes the lock with this key, unless another session holds it.
pub(super) async fn try_lock(connection: &mut PgConnection, key: i64) -> Result<bool, sqlx::Error> {
    sqlx::query("SELECT pg_try_advisory_lock($1)").bind(key).fetch_one(connection).await?.try_get(0)
}

/// Gives the lock with this key up.
pub(super) async fn unlock(connection: &mut PgConnection, key: i64) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(key).execute(connection).await.map(drop)
}

/// Drops a database of ours, and ends the sessions in it.
pub(super) async fn drop_database(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    // FORCE ends the sessions in the database. Another statement that ends them before the drop would be a race.
    let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", identifier(name));
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop)
}
