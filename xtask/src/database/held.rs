//! Databases that a run makes for itself and drops again: scratch databases, and the databases of tests.
//!
//! Only this program gives names like `<database>_scratch_<12 hex digits>`. The run that makes such a database holds an
//! advisory lock with the same digits as long as it uses the database, and the database carries a mark. If it has the
//! mark and its lock is free, it was left behind, and is dropped. So is one that the server has dropped in part. Any other may
//! be anybody's, and is left alone.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::marked::{self, BITS, Kind};
use crate::target::Target;

/// The time in which a server notices that a session's client is gone ([`crate::connection::working::settle`]).
const NOTICED: Duration = Duration::from_millis(300);

/// The names of all databases that this program makes beside a user's, as a pattern of PostgreSQL. Other runs make and drop
/// them at any time.
pub(super) const PATTERN: &str = "'_(scratch|snapshot|template|test)_[0-9a-f]{12}$'";

/// The name of a database of a kind, and the key of its lock.
pub(super) struct Name {
    pub(super) text: String,
    pub(super) key: i64,
}

impl Kind {
    /// A name that no other run has.
    pub(super) fn new_held(&self, base: &str) -> Name {
        self.held(base, marked::random_digits())
    }

    /// The name of the database with these digits, for the database `base`.
    pub(super) fn held(&self, base: &str, digits: u64) -> Name {
        Name { text: self.name(base, digits), key: self.key(digits) }
    }

    /// Returns the databases of this kind that belong to one of these databases, and whose owner the session's role is. No lock
    /// is taken.
    ///
    /// # Errors
    /// The query fails.
    pub(super) async fn find(
        &self,
        connection: &mut PgConnection,
        targets: &[Target<'_>],
    ) -> Result<Vec<Found>, sqlx::Error> {
        // pg_locks shows the halves of a lock's key.
        let query = format!(
            "SELECT datname::text, datconnlimit, shobj_description(oid, 'pg_database'), \
             EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 \
             AND (classid::bigint << 32) + objid::bigint = {} + ('x' || right(datname, 12))::bit({BITS})::bigint) \
             FROM pg_database WHERE datname ~ {} AND pg_has_role(current_user, datdba, 'MEMBER') ORDER BY datname",
            self.key(0),
            self.pattern()
        );
        let rows = sqlx::raw_sql(AssertSqlSafe(query)).fetch_all(connection).await?;
        let mut found = Vec::new();
        for row in rows {
            let (name, limit): (String, i32) = (row.try_get(0)?, row.try_get(1)?);
            let (comment, is_in_use) = (row.try_get(2)?, row.try_get(3)?);
            let digits = targets.iter().find_map(|target| self.digits(&name, &target.url.database));
            let is_marked = self.has_mark(limit);
            found.extend(digits.map(|digits| Found { key: self.key(digits), name, is_marked, is_in_use, comment }));
        }
        Ok(found)
    }

    /// The key of a database's lock: the two letters of the mark that tell the kinds apart, so that it differs from the keys of
    /// other programs, and the digits.
    #[expect(clippy::cast_possible_wrap, reason = "48 bits fit")]
    fn key(&self, digits: u64) -> i64 {
        i64::from(self.mark >> 16) << BITS | digits as i64
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
    /// Whether a session holds its lock.
    pub(super) is_in_use: bool,
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
            // This process uses it. A session gets a lock again that it has already, so the lock wouldn't tell.
            if InUse::all().contains(key) {
                continue;
            }
            if !try_lock(connection, *key).await? {
                held.push(found);
                continue;
            }
            let dropped = if *is_marked { marked::drop_database(connection, name).await } else { Ok(()) };
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
