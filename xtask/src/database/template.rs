//! The template of a database's tests: a database with all migrations, which each test gets a copy of.
//!
//! Its name has a digest of everything that it is made of, so a template of other migrations is never used. It is made
//! once, however many processes want it at the same time: its maker holds an advisory lock with the same digits. Nobody
//! may connect to a template that is finished. One that can be connected to was left by a maker that was killed, and is
//! made anew. Whoever copies a template holds its lock together with others, so that nobody drops it meanwhile.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::held::{self, Found, Name, Patience};
use super::history::History;
use super::marked::{self, TEMPLATE};
use super::{apply, create, reach};
use crate::connection::session::{self, Opened};
use crate::connection::sql::{identifier, literal};
use crate::connection::{declared, working};
use crate::problem::{Code, Problem};
use crate::stamp::{Stamp, stamp_in};
use crate::target::Target;
use crate::workspace::Database;

/// The version of the way in which templates are made. It changes together with the way.
const FORMAT: u32 = 1;

/// How long a process waits for another one that makes the template.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// The pause between two looks at a template that is being made.
const POLL: Duration = Duration::from_millis(5);

/// A template is noted as used again if that was longer ago.
const NOTE_AGAIN: Duration = Duration::from_secs(60 * 60);

/// A template of another checkout is stale if its last use was longer ago.
const UNUSED: Duration = Duration::from_secs(24 * 60 * 60);

/// Returns the template of a target's database, which is made if there is none. The session then holds the template's lock
/// together with others, until [`release`].
///
/// # Errors
/// A migration fails, the role may not make databases, or another process makes the template for too long.
pub(super) async fn hold(connection: &mut PgConnection, target: &Target<'_>, run: &str) -> Result<Name> {
    let template = name_of(connection, target).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        if try_share(connection, template.key).await? {
            if is_finished(connection, target, &template.text).await? {
                return Ok(template);
            }
            release(connection, &template).await?;
            if held::try_lock(connection, template.key).await? {
                let made = make(connection, target, &template, run).await;
                let shared = try_share(connection, template.key).await;
                held::unlock(connection, template.key).await?;
                made?;
                shared?;
                return Ok(template);
            }
        }
        if Instant::now() >= deadline {
            let minutes = PATIENCE.as_secs() / 60;
            let what = format!("Another process has been making the template {} for {minutes} min.", template.text);
            return Err(Problem::failed(Code::ServerBusy, what)
                .detail("A migration may wait for something there. No database was made for this test.")
                .remedy("See what its session does: SELECT pid, query FROM pg_stat_activity WHERE application_name LIKE 'xtask test %';")
                .into());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Gives up the lock that [`hold`] took.
pub(super) async fn release(connection: &mut PgConnection, template: &Name) -> Result<(), sqlx::Error> {
    let statement = "SELECT pg_advisory_unlock_shared($1)";
    sqlx::query(statement).bind(template.key).execute(connection).await.map(drop)
}

/// Drops the templates of a target's database that nobody needs: those that this checkout has used before its migrations
/// changed, those of checkouts that are gone, and those that were not used for a day. `needed` is kept.
async fn sweep(connection: &mut PgConnection, target: &Target<'_>, needed: &str) -> Result<(), sqlx::Error> {
    let mut found = TEMPLATE.find(connection, std::slice::from_ref(target)).await?;
    found.retain(|found| found.is_marked && found.name != needed && is_stale(found, target.root));
    held::sweep(connection, found, Patience::None).await.map(drop)
}

fn is_stale(found: &Found, root: &Path) -> bool {
    // One without a stamp isn't finished. If its maker still lives, its lock is held.
    stamp_in(found.comment.as_deref())
        .is_none_or(|stamp| stamp.is_of(root) || stamp.is_gone() || stamp.age().is_none_or(|age| age > UNUSED))
}

/// The name of the template that these migrations make on the server of a session.
async fn name_of(connection: &mut PgConnection, target: &Target<'_>) -> Result<Name> {
    let Target { database, url, .. } = target;
    // A migration may grant to a role only if the server has it.
    let declared = declared::look(connection, database.declared_roles()).await?;
    let roles: Vec<_> = declared.iter().filter(|role| role.found.is_some()).map(|role| role.name.as_str()).collect();
    Ok(TEMPLATE.held(&url.database, held::digits_of(&digest(database, &url.user, &roles))))
}

/// A digest of all that decides what a template is like.
fn digest(database: &Database, owner: &str, roles: &[&str]) -> Vec<u8> {
    let mut digest = Sha256::new();
    // The length stands before each text, so that no two lists are the same bytes.
    let mut add = |text: &str| {
        digest.update(text.len().to_le_bytes());
        digest.update(text);
    };
    add(&FORMAT.to_string());
    add(owner);
    add(&database.history.name);
    add(&database.history.create_schemas.join("\0"));
    add(&roles.join("\0"));
    for file in &database.migrations {
        add(&file.migration.version.to_string());
        add(&file.migration.description);
        add(file.migration.sql.as_str());
    }
    digest.finalize().to_vec()
}

async fn try_share(connection: &mut PgConnection, key: i64) -> Result<bool, sqlx::Error> {
    sqlx::query("SELECT pg_try_advisory_lock_shared($1)").bind(key).fetch_one(connection).await?.try_get(0)
}

/// Returns whether a template exists and is finished. Its stamp then says that this checkout has used it.
///
/// # Errors
/// A database of that name hasn't the mark of a template, or the query fails.
async fn is_finished(connection: &mut PgConnection, target: &Target<'_>, name: &str) -> Result<bool> {
    let query = format!(
        "SELECT datallowconn, datconnlimit, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = {}",
        literal(name)
    );
    let Some(row) = sqlx::raw_sql(AssertSqlSafe(query)).fetch_optional(&mut *connection).await? else {
        return Ok(false);
    };
    let (is_open, limit): (bool, i32) = (row.try_get(0)?, row.try_get(1)?);
    if !TEMPLATE.has_mark(limit) {
        let what = format!("{name} at {} has the name of a template, but not its mark.", target.url.address);
        return Err(Problem::failed(Code::DatabaseNotMade, what)
            .detail("This program hasn't made it, so it was left alone.")
            .remedy(format!("If nobody needs it: DROP DATABASE {};", identifier(name)))
            .into());
    }
    if is_open || limit != TEMPLATE.mark {
        return Ok(false);
    }
    let comment: Option<String> = row.try_get(2)?;
    let used = stamp_in(comment.as_deref()).and_then(|stamp| stamp.age());
    if used.is_none_or(|age| age > NOTE_AGAIN) {
        // Another process may do the same at this moment. One of them is refused, and it doesn't matter which.
        drop(sqlx::raw_sql(AssertSqlSafe(note_of_use(target, name)?)).execute(connection).await);
    }
    Ok(true)
}

/// The statement that says in a template's comment which checkout uses it, and that it is used now.
fn note_of_use(target: &Target<'_>, name: &str) -> Result<String> {
    let stamp = literal(&Stamp::of(target.root).line()?);
    Ok(format!("COMMENT ON DATABASE {} IS {stamp}", identifier(name)))
}

/// Makes a template. The session has its lock for itself.
async fn make(connection: &mut PgConnection, target: &Target<'_>, template: &Name, run: &str) -> Result<()> {
    let name = &template.text;
    // Another process may have made it before this one had the lock.
    if is_finished(connection, target, name).await? {
        return Ok(());
    }
    // The migrations are looked at before anything is made, because the server isn't only this checkout's.
    reach::refuse(&target.database.migrations, false)?;
    marked::drop_database(connection, name).await?;
    create::create(connection, name, &TEMPLATE.limit())
        .await
        .map_err(|error| create::cannot_make(&target.url, "A database for tests", &error))?;
    let migrated = migrate(target, name, run).await;
    let finish = format!(
        "BEGIN; {}; ALTER DATABASE {} ALLOW_CONNECTIONS false; COMMIT",
        note_of_use(target, name)?,
        identifier(name)
    );
    if let Err(error) = migrated {
        // If it can't be dropped, the next process does it.
        drop(marked::drop_database(connection, name).await);
        return Err(error);
    }
    // A copy would wait for the end of the session that migrated, and look only every 0.1 s.
    session::end_in(connection, name).await?;
    sqlx::raw_sql(AssertSqlSafe(finish)).execute(&mut *connection).await?;
    // What nobody needs only takes room.
    drop(sweep(connection, target, name).await);
    Ok(())
}

async fn migrate(target: &Target<'_>, name: &str, run: &str) -> Result<()> {
    let Target { database, url, .. } = target;
    let mut connection = match session::open(url.options(run).database(name)).await {
        Opened::Session(connection) => connection,
        Opened::Missing => return Err(missing(target, name).into()),
        Opened::Failed(answer) => return Err(session::unavailable(url, &answer).into()),
    };
    working::settle(&mut connection).await?;
    let all = History::compare(database, &[]).pending;
    let result = apply::pending(&mut connection, database, &all, None, |_| {}).await.1;
    session::close(connection).await;
    result
}

fn missing(target: &Target<'_>, name: &str) -> Problem {
    let what = format!("{name} at {} was dropped as soon as it was made.", target.url.address);
    Problem::unavailable(Code::DatabaseUnreachable, what)
        .remedy("Another program drops databases there. Run the test again.")
}
