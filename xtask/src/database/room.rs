//! Whether a role may have as many sessions on a server as a run needs at the same time.

use anyhow::Result;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::connection::sql::identifier;
use crate::database_url::DatabaseUrl;
use crate::problem::{Code, Problem};

/// How many sessions a run needs for each database: the one that migrates it, and the one that has made it, whose end the
/// server may not have noticed yet.
const FOR_EACH: usize = 2;

/// How many it needs for a database whose schema differs. Two are for a scratch database, and one looks whether a pooler
/// answers.
const FOR_EACH_THAT_DIFFERS: usize = 4;

/// Checks that the role of `url` may have the sessions that this number of databases needs, beside `lock`, the session
/// that holds the setup lock.
///
/// # Errors
/// The role may not have so many. The error says how many are needed.
pub(super) async fn check(lock: &mut PgConnection, url: &DatabaseUrl, databases: usize) -> Result<()> {
    // Sessions of killed runs are ended before theirs are needed again.
    let row = sqlx::raw_sql(
        "SELECT rolconnlimit::bigint, (SELECT count(*) FROM pg_stat_activity AS other WHERE other.usename = rolname \
         AND other.pid <> pg_backend_pid() AND other.application_name NOT LIKE 'xtask migrate %') \
         FROM pg_roles WHERE rolname = current_user AND rolconnlimit >= 0 AND NOT rolsuper",
    )
    .fetch_optional(lock)
    .await?;
    let Some(row) = row else { return Ok(()) };
    let (limit, others): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let needed = 1 + databases * FOR_EACH;
    let free = usize::try_from(limit - others).unwrap_or(0);
    if free >= needed {
        return Ok(());
    }
    let most = 1 + databases * FOR_EACH_THAT_DIFFERS;
    let role = identifier(&url.user);
    let problem = Problem::unavailable(
        Code::TooFewSessions,
        format!(
            "{} may have {limit} sessions at a time at {}, and others have {others} of them. This run needs {needed}.",
            url.user, url.address
        ),
    );
    Err(problem
        .detail(format!("It needs up to {most} if schemas differ. Nothing was made or migrated."))
        .remedy(format!("As a superuser of that server: ALTER ROLE {role} CONNECTION LIMIT {most};"))
        .remedy("or end the other sessions, then run: cargo xtask db-setup")
        .into())
}
