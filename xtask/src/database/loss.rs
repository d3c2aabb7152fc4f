//! What would be lost with the databases, for the question that is asked before.

use anyhow::Result;
use futures_util::future::join_all;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::contents::{self, Contents};
use super::exchange;
use crate::connection::deadline;
use crate::connection::session::{self, Opened};
use crate::context::Context;
use crate::problem::Problems;
use crate::report::Reporter;
use crate::stamp::{self, COMMENT, Stamp, stamp_in};
use crate::target::Target;

/// A database that would be thrown away.
pub(crate) struct Found<'t> {
    pub(crate) target: &'t Target<'t>,
    pub(crate) stamp: Option<Stamp>,
    contents: Contents,
    sessions: Vec<String>,
}

/// Looks at the databases that are there. Nothing is locked or changed.
///
/// # Errors
/// A database can't be reached, or is silent.
pub(crate) async fn look<'t>(context: Context<'_>, targets: &'t [Target<'t>]) -> Result<Vec<Found<'t>>> {
    let each = join_all(targets.iter().map(|target| deadline::without_changes(target, look_at(target))));
    let (found, problems) = Problems::split(context.interrupt.guard(async { Ok(each.await) }).await?);
    problems.into_result()?;
    Ok(found.into_iter().flatten().collect())
}

async fn look_at<'t>(target: &'t Target<'t>) -> Result<Option<Found<'t>>> {
    let mut connection = match session::open(target.url.options(session::READER)).await {
        Opened::Session(connection) => connection,
        Opened::Missing => return Ok(None),
        Opened::Failed(answer) => return Err(session::unavailable(&target.url, &answer).into()),
    };
    // The history isn't read, because one that can't be read is a reason to begin anew.
    let stamp = stamp::Found::of(&sqlx::raw_sql(COMMENT).fetch_one(&mut connection).await?)?.stamp();
    let sessions = exchange::look(&mut connection, &[target.url.kept_name()]).await?;
    let contents = contents::read(&mut connection, &target.database.history).await?;
    session::close(connection).await;
    Ok(Some(Found { target, stamp, contents, sessions: sessions.iter().map(ToString::to_string).collect() }))
}

/// A database that isn't one of the workspace's, on the server that they are on.
pub(crate) struct Other {
    pub(crate) name: String,
    pub(crate) stamp: Option<Stamp>,
    size: String,
}

impl std::fmt::Display for Other {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, size, stamp } = self;
        match stamp.as_ref().and_then(|stamp| stamp.snapshot.as_ref()) {
            Some(kept) => write!(f, "the snapshot \"{}\" of {} ({size})", kept.name, kept.of),
            None => write!(f, "the database {name} ({size})"),
        }
    }
}

/// Returns the other databases on the server of these targets.
///
/// # Errors
/// The server can't be reached, or is silent.
pub(crate) async fn others(context: Context<'_>, targets: &[Target<'_>]) -> Result<Vec<Other>> {
    let Some(first) = targets.first() else { return Ok(Vec::new()) };
    let look = async {
        let mut connection = session::maintenance(&first.url, session::READER).await?;
        let query = "SELECT datname::text, shobj_description(oid, 'pg_database'), \
                     CASE WHEN has_database_privilege(oid, 'CONNECT') AND datconnlimit <> -2 \
                     THEN pg_size_pretty(pg_database_size(oid)) ELSE 'of unknown size' END \
                     FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1') ORDER BY datname";
        let rows = sqlx::raw_sql(query).fetch_all(&mut connection).await?;
        session::close(connection).await;
        let other = |row: &PgRow| {
            let comment: Option<String> = row.try_get(1)?;
            Ok(Other { name: row.try_get(0)?, stamp: stamp_in(comment.as_deref()), size: row.try_get(2)? })
        };
        rows.iter().map(other).collect::<Result<Vec<_>>>()
    };
    let found = context.interrupt.guard(deadline::without_changes(first, look)).await?;
    let is_other = |other: &Other| targets.iter().all(|target| target.url.kept_name() != other.name);
    Ok(found.into_iter().filter(is_other).collect())
}

/// Says what is about to go, and what becomes of it. Returns the names that have to be typed.
pub(crate) fn say(found: &[Found<'_>], fate: &str, reporter: &Reporter) -> String {
    for Found { target, contents, sessions, .. } in found {
        reporter.warning(&format!("{} {fate}: {contents}.", target.url));
        for session in sessions {
            reporter.warning(&format!("This session will be ended: {session}."));
        }
    }
    found.iter().map(|found| found.target.url.kept_name()).collect::<Vec<_>>().join(" ")
}
