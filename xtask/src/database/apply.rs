//! Applies and reverts migrations. Each file runs in one transaction together with its row in the history, unless the
//! file says `-- no-transaction` or ends its transaction by itself. What is recorded of its text goes with that row.
//!
//! Each file starts from the same state of the session, so it doesn't matter whether the files before it were applied in
//! the same run, or in which database they are applied.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::TryStreamExt;
use sqlx::migrate::{Migrate, Migration};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::failure::{Failed, Failure};
use super::lock::Holder;
use super::reach::Watch;
use super::texts::{self, Origin};
use super::transaction::{self, Left};
use super::{remains, statements};
use crate::connection::working;
use crate::migrations::{DownFile, MigrationFile};
use crate::workspace::{Database, HistoryTable};

/// A migration that was applied.
pub(crate) struct Done {
    pub(crate) stem: String,
    pub(crate) took: Duration,
}

/// What the work in a database of the user's needs, and that in a scratch database doesn't.
#[derive(Clone, Copy)]
pub(crate) struct Live<'a> {
    /// The session that has the setup lock.
    pub(crate) holder: &'a Holder,
    /// What is checked out, to be recorded with the texts.
    pub(crate) origin: &'a Origin,
}

/// Applies one migration to a scratch database, unless it reaches beyond the database. Then it is rolled back.
///
/// # Errors
/// The migration fails, or reaches beyond the database.
pub(super) async fn watched(
    connection: &mut PgConnection,
    database: &Database,
    file: &MigrationFile,
    watch: &Watch<'_>,
) -> Result<()> {
    let guard = Guard { watch: Some(watch), ..Guard::default() };
    each(connection, database, &[file], guard, |_| {}).await.1
}

/// Applies migrations, in order, and stops at the first one that fails.
///
/// `progress` is called with each file before the file is applied.
///
/// # Errors
/// A migration fails, or the session of `holder` has lost the lock. The error holds the server's message, the file, line
/// and column, and the state of the database.
pub(crate) async fn pending(
    connection: &mut PgConnection,
    database: &Database,
    pending: &[&MigrationFile],
    live: Option<Live<'_>>,
    progress: impl FnMut(&str),
) -> (Vec<Done>, Result<()>) {
    each(connection, database, pending, Guard { live, watch: None }, progress).await
}

async fn each(
    connection: &mut PgConnection,
    database: &Database,
    pending: &[&MigrationFile],
    guard: Guard<'_>,
    mut progress: impl FnMut(&str),
) -> (Vec<Done>, Result<()>) {
    let mut done = Vec::new();
    let history = &database.history;
    if let Err(error) = prepare(connection, database, guard).await {
        return (done, Err(error));
    }
    for file in pending {
        progress(&file.stem());
        let started = Instant::now();
        let one = One { connection, history, guard, step: Step::Up(file), started };
        if let Err(error) = one.run().await {
            return (done, Err(error));
        }
        done.push(Done { stem: file.stem(), took: started.elapsed() });
    }
    (done, Ok(()))
}

/// Reverts a migration that was applied: runs its down file, and removes its row from the history.
///
/// # Errors
/// The down file fails, or reaches beyond the database. The error holds the server's message, and the file, line and column.
pub(super) async fn revert(
    connection: &mut PgConnection,
    history: &HistoryTable,
    down: &DownFile,
    watch: &Watch<'_>,
) -> Result<()> {
    let guard = Guard { watch: Some(watch), ..Guard::default() };
    One { connection, history, guard, step: Step::Down(down), started: Instant::now() }.run().await
}

/// Makes the history table and its schemas. In a database of the user's, the texts of what is applied are recorded as well.
async fn prepare(connection: &mut PgConnection, database: &Database, guard: Guard<'_>) -> Result<()> {
    let history = &database.history;
    for schema in &history.create_schemas {
        connection.create_schema_if_not_exists(schema).await?;
    }
    connection.ensure_migrations_table(&history.name).await?;
    if guard.live.is_some() {
        texts::make(connection, history).await?;
        texts::catch_up(connection, database).await?;
    }
    Ok(())
}

/// What fails if a statement of this program fails.
const NO_TRANSACTION: &str = "its transaction couldn't be begun or ended";
const NO_ROW: &str = "the history couldn't be written";
const NOT_CLEARED: &str = "the index that an earlier run left couldn't be removed";
const NOT_ASKED: &str = "the server couldn't be asked for the state of things";

/// A file, and the direction in which it leads.
#[derive(Clone, Copy)]
enum Step<'a> {
    Up(&'a MigrationFile),
    Down(&'a DownFile),
}

impl<'a> Step<'a> {
    fn file(self) -> &'a Path {
        match self {
            Self::Up(up) => &up.file,
            Self::Down(down) => &down.file,
        }
    }

    fn migration(self) -> &'a Migration {
        match self {
            Self::Up(up) => &up.migration,
            Self::Down(down) => &down.migration,
        }
    }
}

/// What has to be true before a file's transaction is committed.
#[derive(Clone, Copy, Default)]
struct Guard<'a> {
    /// The setup lock is held, where one is needed.
    live: Option<Live<'a>>,
    /// The file hasn't reached beyond its scratch database.
    watch: Option<&'a Watch<'a>>,
}

/// One file that is run.
struct One<'a> {
    connection: &'a mut PgConnection,
    history: &'a HistoryTable,
    guard: Guard<'a>,
    step: Step<'a>,
    started: Instant,
}

impl One<'_> {
    /// Runs the file, and leaves the session as it was before.
    async fn run(mut self) -> Result<()> {
        let migration = self.step.migration();
        let as_a_whole = !migration.no_tx && statements::end_of_transaction(migration.sql.as_str()).is_none();
        let result = if as_a_whole { self.in_transaction().await } else { self.in_steps().await };
        if let Err((failure, left)) = result {
            let (file, history, is_on_scratch) = (self.step.file(), self.history, self.guard.live.is_none());
            return Err(Failed { file, migration, history, failure, left, is_on_scratch }.problem().into());
        }
        Ok(working::start_anew(self.connection).await?)
    }

    /// Runs the file and writes the history, or does neither.
    async fn in_transaction(&mut self) -> Result<(), (Failure, Left)> {
        let number = match transaction::begin(self.connection).await {
            Ok(number) => number,
            Err(error) => return Err((Failure::InOwn { what: NO_TRANSACTION, error }, Left::Unknown)),
        };
        let result = async {
            self.send().await?;
            self.settle_transaction().await?;
            if !self.look().await?.is_locked {
                self.own("ROLLBACK", NO_TRANSACTION).await?;
                return Err(Failure::LockLost);
            }
            if let Some(watch) = self.guard.watch
                && let Err(problem) = watch.refuse_changes(self.connection).await
            {
                self.own("ROLLBACK", NO_TRANSACTION).await?;
                return Err(Failure::Refused(problem));
            }
            let row = match self.step {
                Step::Up(file) => self.row(file, None),
                Step::Down(_) => self.no_row(),
            };
            self.own(&row, NO_ROW).await?;
            self.execute("COMMIT").await.map_err(Failure::AtCommit)
        };
        match result.await {
            Ok(()) => Ok(()),
            Err(failure) => Err((failure, transaction::after_failure(self.connection, number).await)),
        }
    }

    /// Runs a file that isn't one transaction. Its row is added first, as not finished, and shows if the run is cut off.
    async fn in_steps(&mut self) -> Result<(), (Failure, Left)> {
        let is_done = match self.begin_steps().await {
            Ok(is_done) => is_done,
            Err(failure) => return Err((failure, self.left_if_lost(Left::Nothing).await)),
        };
        if !is_done {
            let first = if self.step.migration().no_tx {
                transaction::next(self.connection).await
            } else {
                transaction::begin(self.connection).await
            };
            let first = match first {
                Ok(first) => first,
                Err(error) => return Err((Failure::InOwn { what: NO_TRANSACTION, error }, Left::Unknown)),
            };
            if let Err(failure) = self.send().await {
                let left = transaction::after_failure(self.connection, first).await;
                if left == Left::Nothing {
                    // If the row can't be removed, the next run finds it.
                    drop(self.execute(&self.no_row()).await);
                }
                return Err((failure, left));
            }
        }
        match self.end_steps().await {
            Ok(()) => Ok(()),
            Err(failure) => Err((failure, self.left_if_lost(Left::Part).await)),
        }
    }

    /// Returns whether nothing is left to do, because an earlier run has done it all.
    async fn begin_steps(&mut self) -> Result<bool, Failure> {
        if !self.look().await?.is_locked {
            return Err(Failure::LockLost);
        }
        if let Step::Up(file) = self.step {
            let cleared = remains::clear(self.connection, self.history, &file.migration).await;
            if cleared.map_err(|error| Failure::InOwn { what: NOT_CLEARED, error })? {
                return Ok(true);
            }
            let replaced = "ON CONFLICT (version) DO UPDATE SET description = excluded.description, success = FALSE, \
                            checksum = excluded.checksum, installed_on = now(), execution_time = excluded.execution_time";
            let row = self.row(file, Some(replaced));
            self.own(&row, NO_ROW).await?;
        }
        Ok(false)
    }

    async fn end_steps(&mut self) -> Result<(), Failure> {
        self.settle_transaction().await?;
        let is_open = self.look().await?.is_open;
        let row = match self.step {
            Step::Up(file) => format!(
                "UPDATE {} SET success = TRUE, execution_time = {} WHERE version = {}",
                self.history.name,
                self.started.elapsed().as_nanos(),
                file.migration.version
            ),
            Step::Down(_) => self.no_row(),
        };
        self.own(&row, NO_ROW).await?;
        // The file may have begun a transaction that it doesn't end.
        if is_open { self.execute("COMMIT").await.map_err(Failure::AtCommit) } else { Ok(()) }
    }

    /// Sends the file as it is, and counts the statements that are done.
    async fn send(&mut self) -> Result<(), Failure> {
        let mut statements_done = 0;
        let mut results = sqlx::raw_sql(self.step.migration().sql.clone()).execute_many(&mut *self.connection);
        loop {
            match results.try_next().await {
                Ok(Some(_)) => statements_done += 1,
                Ok(None) => return Ok(()),
                Err(error) => return Err(Failure::InFile { statements_done, error }),
            }
        }
    }

    /// Ends what the file has deferred and set, so that the settings of the file don't affect the statements of this
    /// program. What is deferred is checked under the settings of the file.
    async fn settle_transaction(&mut self) -> Result<(), Failure> {
        let statements = format!("SET CONSTRAINTS ALL IMMEDIATE; {}", working::restore_settings(self.connection));
        self.execute(&statements).await.map_err(Failure::AtCommit)
    }

    /// Asks the server for the state of things.
    async fn look(&mut self) -> Result<Looked, Failure> {
        let is_locked = self.guard.live.map_or_else(|| "TRUE".to_owned(), |live| live.holder.condition());
        // A transaction that the same message has begun is as old as its statement.
        let statement = format!("SELECT {is_locked}, now() < statement_timestamp()");
        let looked = async {
            let row = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_one(&mut *self.connection).await?;
            Ok(Looked { is_locked: row.try_get(0)?, is_open: row.try_get(1)? })
        };
        looked.await.map_err(|error| Failure::InOwn { what: NOT_ASKED, error })
    }

    async fn own(&mut self, statement: &str, what: &'static str) -> Result<(), Failure> {
        self.execute(statement).await.map_err(|error| Failure::InOwn { what, error })
    }

    async fn execute(&mut self, statements: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut *self.connection).await.map(drop)
    }

    /// The statements that add the row of a migration, and what is recorded of it. They mean the same whatever the session's
    /// settings are. `replaced` says what becomes of a row that is there; the row is then one of a migration that isn't
    /// finished.
    fn row(&self, file: &MigrationFile, replaced: Option<&str>) -> String {
        let took = if replaced.is_some() { -1 } else { i64::try_from(self.started.elapsed().as_nanos()).unwrap_or(-1) };
        let Migration { version, description, checksum, .. } = &file.migration;
        let row = format!(
            "INSERT INTO {} (version, description, success, checksum, execution_time) VALUES \
             ({version}, convert_from({}, 'UTF8'), {}, {}, {took}) {}",
            self.history.name,
            texts::bytes(description.as_bytes()),
            replaced.is_none(),
            texts::bytes(checksum),
            replaced.unwrap_or_default()
        );
        match self.guard.live {
            Some(live) => format!("{row}; {}", texts::record(self.history, file, live.origin)),
            None => row,
        }
    }

    /// The statements that remove the row of a migration, and what is recorded of it.
    fn no_row(&self) -> String {
        let version = self.step.migration().version;
        let row = format!("DELETE FROM {} WHERE version = {version}", self.history.name);
        if self.guard.live.is_some() { format!("{row}; {}", texts::forget(self.history, version)) } else { row }
    }

    /// Returns what is left if the session still answers.
    async fn left_if_lost(&mut self, left: Left) -> Left {
        transaction::next(self.connection).await.map_or(Left::Unknown, |_| left)
    }
}

/// What the server says before the history is written.
struct Looked {
    /// Whether the run still holds the setup lock.
    is_locked: bool,
    /// Whether a transaction is under way.
    is_open: bool,
}
