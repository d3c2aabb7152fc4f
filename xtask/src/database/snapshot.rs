//! Snapshots: databases as they were at some time, on the same server.
//!
//! A snapshot is named `<database>_snapshot_<12 hex digits>`, has a mark ([`super::marked`]), lets nobody connect, and has a
//! stamp that says what it keeps. It gets its name, its mark and its stamp in one transaction, so none is ever incomplete. A
//! set has a snapshot of each database that was kept at the time.

use anyhow::Result;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::lock;
use super::marked::{HALF_DROPPED, SNAPSHOT};
use crate::connection::{deadline, session};
use crate::problem::{Code, Problem};
use crate::report::ListedSnapshot;
use crate::stamp::{Claim, Kept, Stamp, Whose, stamp_in};
use crate::target::Target;

/// A snapshot of a database.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// Its number on the server.
    pub(super) oid: i64,
    /// Its name on the server.
    pub(crate) name: String,
    /// The lines of its comment, which holds its stamp.
    pub(super) comment: Option<String>,
    pub(crate) stamp: Stamp,
    pub(crate) kept: Kept,
    /// Its size in bytes, if the role may know it.
    pub(crate) bytes: Option<i64>,
    pub(crate) whose: Whose,
}

/// The snapshots that were made together, at most one for each database.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    pub(crate) members: Vec<Snapshot>,
}

impl Set {
    fn first(&self) -> &Snapshot {
        &self.members[0]
    }

    pub(crate) fn name(&self) -> &str {
        &self.first().kept.name
    }

    /// When it was made.
    pub(crate) fn at(&self) -> &str {
        &self.first().kept.at
    }

    /// The branch that its databases were made or migrated on.
    pub(crate) fn branch(&self) -> Option<&str> {
        self.first().stamp.branch.as_deref()
    }

    /// The checkout that it belongs to, if it is another one's.
    pub(crate) fn others(&self) -> Option<&Stamp> {
        self.members.iter().find_map(|member| match &member.whose {
            Whose::Others(stamp) | Whose::Remote(stamp) => Some(stamp),
            Whose::Ours | Whose::Shared | Whose::Free(_) => None,
        })
    }

    /// The databases, by their names in the repository, whose snapshots aren't there any more.
    pub(crate) fn missing(&self) -> Vec<&str> {
        let has = |name: &str| self.members.iter().any(|member| member.kept.database == name);
        self.first().kept.all.iter().map(String::as_str).filter(|name| !has(name)).collect()
    }

    /// The snapshot of a database, by its name in the repository.
    pub(crate) fn of(&self, database: &str) -> Option<&Snapshot> {
        self.members.iter().find(|member| member.kept.database == database)
    }

    /// The same for people and for programs.
    pub(crate) fn listed(&self) -> ListedSnapshot {
        ListedSnapshot {
            name: self.name().to_owned(),
            branch: self.branch().map(str::to_owned),
            at: self.at().to_owned(),
            bytes: self.bytes(),
            databases: self.members.iter().map(|member| member.kept.database.clone()).collect(),
            missing: self.missing().into_iter().map(str::to_owned).collect(),
            other_checkout: self.others().map(|stamp| stamp.checkout.display().to_string()),
        }
    }

    /// Its size in bytes, as far as the role may know it.
    pub(crate) fn bytes(&self) -> i64 {
        self.members.iter().filter_map(|member| member.bytes).sum()
    }
}

/// What [`read`] found on a server.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) snapshots: Vec<Snapshot>,
    /// Snapshots that the server has dropped in part. Nobody can use them.
    pub(crate) half_dropped: Vec<String>,
}

/// Reads the snapshots of these databases, whichever checkout made them. A database with such a name that lacks the mark or the
/// stamp is somebody's own. Those that the role may not restore are left out.
///
/// # Errors
/// The query fails.
pub(crate) async fn read(
    connection: &mut PgConnection,
    targets: &[Target<'_>],
    claim: &Claim,
) -> Result<Found, sqlx::Error> {
    let statement = format!(
        "SELECT oid::bigint, datname::text, datconnlimit, shobj_description(oid, 'pg_database'), \
         CASE WHEN datconnlimit > 0 AND has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END \
         FROM pg_database WHERE datname ~ {} AND datconnlimit IN ({}, {HALF_DROPPED}) \
         AND pg_has_role(current_user, datdba, 'USAGE') ORDER BY datname",
        SNAPSHOT.pattern(),
        SNAPSHOT.mark
    );
    let mut found = Found::default();
    for row in sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(connection).await? {
        let (name, limit, comment): (String, i32, Option<String>) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        let is_of = |target: &&Target<'_>| SNAPSHOT.digits(&name, &target.url.database).is_some();
        let Some(target) = targets.iter().find(is_of) else { continue };
        if limit == HALF_DROPPED {
            found.half_dropped.push(name);
            continue;
        }
        let Some(stamp) = stamp_in(comment.as_deref()) else { continue };
        let Some(kept) = stamp.snapshot.clone() else { continue };
        // Two long names may begin in the same way.
        if targets.iter().all(|target| target.url.kept_name() != kept.of) {
            continue;
        }
        let whose = claim.whose(Some(stamp.clone()), &target.url.address);
        let (oid, bytes) = (row.try_get(0)?, row.try_get(4)?);
        found.snapshots.push(Snapshot { oid, name, comment, stamp, kept, bytes, whose });
    }
    Ok(found)
}

/// Returns the snapshots of these databases without a lock, the newest set first.
///
/// # Errors
/// A server can't be reached, or is silent.
pub(crate) async fn list(targets: &[Target<'_>], claim: &Claim) -> Result<Vec<Set>> {
    let mut found = Vec::new();
    for (url, _) in lock::servers(targets) {
        let is_here = |target: &&Target<'_>| target.url.address.same_server(&url.address);
        let here: Vec<Target<'_>> = targets.iter().filter(is_here).cloned().collect();
        let work = async {
            let mut connection = session::maintenance(url, session::READER).await?;
            let read = read(&mut connection, &here, claim).await?;
            session::close(connection).await;
            anyhow::Ok(read.snapshots)
        };
        found.extend(deadline::without_changes(&here[0], work).await?);
    }
    Ok(sets(found))
}

/// Finds the set of a name. This checkout's own comes first, then that of a checkout whose databases it shares, then that of one
/// that isn't there any more.
///
/// # Errors
/// There is none, or it is another checkout's.
pub(crate) fn find<'s>(sets: &'s [Set], name: &str) -> Result<&'s Set, Problem> {
    let named = || sets.iter().filter(|set| set.name() == name);
    let rank = |set: &&Set| match set.first().whose {
        Whose::Ours => 0,
        Whose::Shared => 1,
        Whose::Free(_) | Whose::Remote(_) | Whose::Others(_) => 2,
    };
    if let Some(set) = named().filter(|set| set.others().is_none()).min_by_key(rank) {
        return Ok(set);
    }
    let problem =
        Problem::failed(Code::NoSnapshot, format!("There is no snapshot \"{name}\" of this checkout's databases."));
    let other = named().find_map(Set::others);
    Err(problem.details(other.map(|stamp| format!("Another checkout has one of that name: {stamp}."))))
}

/// Puts the snapshots together that were made together, the newest set first.
pub(crate) fn sets(snapshots: Vec<Snapshot>) -> Vec<Set> {
    let mut sets: Vec<Set> = Vec::new();
    for snapshot in snapshots {
        match sets.iter_mut().find(|set| set.first().kept.set == snapshot.kept.set) {
            Some(set) => set.members.push(snapshot),
            None => sets.push(Set { members: vec![snapshot] }),
        }
    }
    sets.sort_by(|one, other| other.at().cmp(one.at()));
    sets
}
