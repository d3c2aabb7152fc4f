//! Scratch databases, for every experiment that must not touch a developer's data.
//!
//! Only this program gives names like `<database>_scratch_<12 hex digits>`. The run that makes a scratch database holds
//! an advisory lock with the same digits as long as it uses the database, and the database carries a mark. If it has the
//! mark and its lock is free, it was left behind, and is dropped. So is one that the server has dropped in part. Any other may
//! be anybody's, and is left alone.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use futures_util::future::{Either, select};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Row};

use super::marked::{self, BITS, HALF_DROPPED, SCRATCH};
use super::watch::{LOOK, Unseen};
use super::{apply, create, reach};
use crate::connection::deadline::{self, Run};
use crate::connection::session::{self, Opened};
use crate::connection::sql::{identifier, literal};
use crate::connection::working;
use crate::context::Context;
use crate::env_file::Settings;
use crate::migrations::MigrationFile;
use crate::problem::{Code, Problem, Problems};
use crate::report::status as report;
use crate::target::Target;

/// "sx" in ASCII. It stands above the digits in the lock's key, so that the key differs from the keys of other
/// programs.
const KEY_SPACE: i64 = 0x7378 << BITS;

/// The time in which a server notices that a session's client is gone ([`working::settle`]).
const NOTICED: Duration = Duration::from_millis(300);

/// The databases that scratch databases may be made for. The remedy of an error is `command` with an option.
///
/// # Errors
/// The settings are wrong, or a server isn't on this machine and the user didn't allow that.
pub(crate) fn targets<'w>(
    context: &Context<'w>,
    allow_remote: bool,
    command: &str,
) -> Result<Vec<Target<'w>>, Problems> {
    let targets = Settings::of(context.workspace)?.targets;
    let mut remote = Problems::default();
    for url in targets.iter().map(|target| &target.url).filter(|url| !url.address.is_loopback() && !allow_remote) {
        let what = format!(
            "{} ({}) isn't this machine, so no scratch database is made there.",
            url.address.host, url.variable
        );
        let remedy = format!("To make scratch databases there anyway: {command} --allow-remote");
        remote.0.push(Problem::unavailable(Code::RemoteHost, what).remedy(remedy));
    }
    remote.into_result()?;
    Ok(targets)
}

/// A scratch database, which its holder keeps.
pub(crate) struct Scratch<'t> {
    name: String,
    target: &'t Target<'t>,
    run: &'t str,
}

/// The holder of a scratch database.
pub(crate) struct Holder<'t> {
    pub(crate) scratch: Scratch<'t>,
    /// Holds the lock.
    maintenance: PgConnection,
    _in_use: InUse,
}

/// The keys of the scratch databases that this process uses.
static IN_USE: Mutex<BTreeSet<i64>> = Mutex::new(BTreeSet::new());

/// The entry of a scratch database in [`IN_USE`].
struct InUse(i64);

impl InUse {
    fn new(key: i64) -> Self {
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

impl<'t> Holder<'t> {
    /// Makes an empty scratch database on the server of `target`.
    ///
    /// # Errors
    /// The URL's role may not make databases, or the server is silent.
    pub(crate) async fn create(target: &'t Target<'t>, run: &'t str) -> Result<Self> {
        let empty = async |connection: &mut PgConnection, name: &str| {
            Ok(create::create(connection, name, &SCRATCH.limit()).await?)
        };
        deadline::without_changes(target, Self::filled(target, run, empty)).await
    }

    /// Makes a scratch database on the server of `target`. `fill` makes the database of that name, with the mark.
    ///
    /// # Errors
    /// The errors of `fill`, the URL's role may not make databases, or the connection is lost.
    pub(super) async fn filled(
        target: &'t Target<'t>,
        run: &'t str,
        fill: impl AsyncFnOnce(&mut PgConnection, &str) -> Result<()>,
    ) -> Result<Self> {
        let url = &target.url;
        let mut maintenance = working::maintenance(url, run).await?;
        sweep(&mut maintenance, std::slice::from_ref(target)).await?;
        let digits = marked::random_digits();
        let name = SCRATCH.name(&url.database, digits);
        let in_use = InUse::new(key(digits));
        sqlx::query("SELECT pg_advisory_lock($1)").bind(key(digits)).execute(&mut maintenance).await?;
        let scratch = Scratch { name, target, run };
        let made = fill(&mut maintenance, &scratch.name).await;
        made.map_err(|error| match error.downcast() {
            Ok(error) => scratch.cannot_be_made(&error).into(),
            Err(error) => error,
        })?;
        Ok(Self { scratch, maintenance, _in_use: in_use })
    }

    /// Does the work as long as the server answers.
    ///
    /// # Errors
    /// The errors of the work, the connection is lost, or the server is silent.
    pub(crate) async fn watched<T>(&mut self, work: impl AsyncFnOnce(&Scratch<'t>) -> Result<T>) -> Result<T> {
        let Self { scratch, maintenance, .. } = self;
        let (work, watch) = (pin!(work(scratch)), pin!(scratch.watch(maintenance)));
        match select(work, watch).await {
            Either::Left((done, _)) => {
                done.map_err(|error| deadline::if_lost(&scratch.target.url.address, error, Run::Reading))
            }
            Either::Right((error, _)) => Err(error),
        }
    }

    /// Drops the scratch database.
    ///
    /// # Errors
    /// The server refuses, or is gone.
    pub(crate) async fn discard(mut self) -> Result<()> {
        let dropped = marked::drop_database(&mut self.maintenance, &self.scratch.name);
        deadline::without_changes(self.scratch.target, dropped).await?;
        session::close(self.maintenance).await;
        Ok(())
    }
}

/// Does work with an empty scratch database on the server of `target`, which is dropped afterwards.
///
/// # Errors
/// The errors of the work, the URL's role may not make databases, or the server is silent.
pub(crate) async fn with<'t, T>(
    target: &'t Target<'t>,
    run: &'t str,
    work: impl AsyncFnOnce(&Scratch<'t>) -> Result<T>,
) -> Result<T> {
    let mut holder = Holder::create(target, run).await?;
    let result = holder.watched(work).await;
    if result.as_ref().is_err_and(deadline::is_unavailable) {
        // The server would have to be waited for once more.
        return result;
    }
    let discarded = holder.discard().await;
    let value = result?;
    discarded?;
    Ok(value)
}

impl<'t> Scratch<'t> {
    /// Watches from another session until the server is silent, or has answered without the answer arriving.
    async fn watch(&self, maintenance: &mut PgConnection) -> anyhow::Error {
        let Target { url, limit, .. } = self.target;
        let statement = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = {} AND state = 'active'",
            literal(&self.name)
        );
        let mut unseen = Unseen::default();
        loop {
            tokio::time::sleep(LOOK).await;
            let look = sqlx::raw_sql(AssertSqlSafe(statement.as_str())).fetch_one(&mut *maintenance);
            let is_at_work = async { look.await?.try_get::<i64, _>(0).map(|sessions| sessions > 0) };
            let is_at_work = match deadline::without_changes(self.target, is_at_work).await {
                Err(error) => return error,
                Ok(is_at_work) => is_at_work,
            };
            if unseen.is_too_long(is_at_work, *limit) {
                return deadline::silent(&url.address, *limit, Run::Reading)
                    .detail("The server isn't working on the scratch database, but its answer hasn't arrived here.")
                    .into();
            }
        }
    }

    fn cannot_be_made(&self, error: &sqlx::Error) -> Problem {
        let url = &self.target.url;
        let may_not = error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("42501"));
        let code = if may_not { Code::MayNotMake } else { Code::DatabaseNotMade };
        let problem = Problem::failed(code, format!("A scratch database can't be made at {}: {error}.", url.address));
        let grant = format!("As a superuser of that server: ALTER ROLE {} CREATEDB;", identifier(&url.user));
        if may_not { problem.remedy(grant) } else { problem }
    }

    /// The database that it was made for.
    pub(super) fn target(&self) -> &'t Target<'t> {
        self.target
    }

    /// Whether it was made for this database.
    pub(super) fn is_of(&self, target: &Target<'_>) -> bool {
        self.target.database.name == target.database.name
    }

    /// Its name on the server.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The options for a connection to it.
    pub(crate) fn options(&self) -> PgConnectOptions {
        self.target.url.options(self.run).database(&self.name)
    }

    /// Opens a session in it.
    ///
    /// # Errors
    /// The session can't be opened.
    pub(crate) async fn open(&self) -> Result<PgConnection> {
        match session::open(self.options()).await {
            Opened::Session(mut connection) => {
                working::settle(&mut connection).await?;
                Ok(connection)
            }
            Opened::Missing => {
                let what = "A scratch database was dropped as soon as it was made.";
                Err(Problem::unavailable(Code::DatabaseUnreachable, what)
                    .remedy("Another program drops databases on this server. When it has ended, run the same command again.")
                    .into())
            }
            Opened::Failed(answer) => {
                let address = &self.target.url.address;
                let what = format!("A scratch database at {address} can't be opened: {answer}.");
                Err(Run::Reading.describe(Problem::unavailable(Code::DatabaseUnreachable, what)).into())
            }
        }
    }

    /// Opens a session in it and applies all migrations.
    ///
    /// # Errors
    /// The session can't be opened, or a migration fails.
    pub(crate) async fn migrated(&self) -> Result<PgConnection> {
        self.migrated_by(&self.target.database.migrations).await
    }

    /// Does the same with other migrations than those of the files.
    ///
    /// # Errors
    /// The session can't be opened, or a migration fails.
    pub(super) async fn migrated_by(&self, migrations: &[MigrationFile]) -> Result<PgConnection> {
        let mut connection = self.open().await?;
        reach::refuse(migrations, false)?;
        let all: Vec<_> = migrations.iter().collect();
        apply::pending(&mut connection, self.target.database, &all, None, |_| {}).await.1?;
        Ok(connection)
    }

    /// The variable of the database's URL, and the URL that leads to the scratch database, with the password.
    pub(crate) fn variable(&self) -> (&'t str, String) {
        (&self.target.database.url_variable, self.target.url.of_database(&self.name, self.run))
    }
}

/// What [`sweep`] found, by the names of the databases.
#[derive(Default)]
pub(crate) struct Swept {
    pub(crate) dropped: Vec<String>,
    /// Named like scratch databases, but without the mark of one.
    pub(crate) unmarked: Vec<String>,
}

/// Drops the scratch databases of these databases that no run uses any more.
///
/// # Errors
/// The server refuses, or is gone.
pub(crate) async fn sweep(connection: &mut PgConnection, targets: &[Target<'_>]) -> Result<Swept> {
    let mut found = named(connection, targets).await?;
    let mut swept = Swept::default();
    for round in 0..2 {
        // The server may not know yet that a run was killed a moment ago.
        if round > 0 && !found.is_empty() {
            tokio::time::sleep(NOTICED).await;
        }
        let mut held = Vec::new();
        for named in found {
            let Named { name, key, is_marked, .. } = &named;
            if !try_lock(connection, *key).await? {
                // Another step of this process uses it, so its lock isn't about to be given up.
                if !InUse::all().contains(key) {
                    held.push(named);
                }
                continue;
            }
            let dropped = if *is_marked { marked::drop_database(connection, name).await } else { Ok(()) };
            unlock(connection, *key).await?;
            dropped?;
            if *is_marked { &mut swept.dropped } else { &mut swept.unmarked }.push(named.name);
        }
        found = held;
    }
    Ok(swept)
}

/// Returns the names of the databases that [`sweep`] would drop. Nothing is dropped.
///
/// # Errors
/// The query fails.
pub(crate) async fn left_behind(connection: &mut PgConnection, targets: &[Target<'_>]) -> Result<Vec<String>> {
    let named = named(connection, targets).await?.into_iter();
    Ok(named.filter(|named| named.is_marked && !named.is_in_use).map(|named| named.name).collect())
}

/// Returns the scratch databases that are there, and whether a run uses them. No lock is taken.
///
/// # Errors
/// The query fails.
pub(crate) async fn list(connection: &mut PgConnection, targets: &[Target<'_>]) -> Result<Vec<report::Scratch>> {
    let named = named(connection, targets).await?.into_iter().filter(|named| named.is_marked);
    Ok(named.map(|named| report::Scratch { database: named.name, in_use: named.is_in_use }).collect())
}

/// A database that is named like a scratch database of ours.
struct Named {
    name: String,
    key: i64,
    /// Whether it has the mark of one.
    is_marked: bool,
    /// Whether a session holds its lock.
    is_in_use: bool,
}

async fn named(connection: &mut PgConnection, targets: &[Target<'_>]) -> Result<Vec<Named>, sqlx::Error> {
    // pg_locks shows the halves of a lock's key. The key is made of the digits, as in `key`.
    let statement = format!(
        "SELECT datname::text, datconnlimit, EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted \
         AND objsubid = 1 AND (classid::bigint << 32) + objid::bigint \
         = {KEY_SPACE} + ('x' || right(datname, 12))::bit({BITS})::bigint) \
         FROM pg_database WHERE datname ~ {} AND pg_has_role(current_user, datdba, 'MEMBER') ORDER BY datname",
        SCRATCH.pattern()
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(&mut *connection).await?;
    let mut found = Vec::new();
    for row in rows {
        let (name, limit): (String, i32) = (row.try_get(0)?, row.try_get(1)?);
        let is_marked = limit == SCRATCH.mark || limit == HALF_DROPPED;
        let is_in_use = row.try_get(2)?;
        found.extend(key_of(&name, targets).map(|key| Named { name, key, is_marked, is_in_use }));
    }
    Ok(found)
}

async fn try_lock(connection: &mut PgConnection, key: i64) -> Result<bool, sqlx::Error> {
    sqlx::query("SELECT pg_try_advisory_lock($1)").bind(key).fetch_one(connection).await?.try_get(0)
}

async fn unlock(connection: &mut PgConnection, key: i64) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_advisory_unlock($1)").bind(key).execute(connection).await.map(drop)
}

/// The key of a scratch database's lock, if it belongs to one of these databases.
fn key_of(name: &str, targets: &[Target<'_>]) -> Option<i64> {
    targets.iter().find_map(|target| SCRATCH.digits(name, &target.url.database)).map(key)
}

#[expect(clippy::cast_possible_wrap, reason = "48 bits fit")]
fn key(digits: u64) -> i64 {
    KEY_SPACE | digits as i64
}
