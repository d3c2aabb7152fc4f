//! One file that is run: its transaction or its steps, its row in the history, and what is recorded of its text.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use futures_util::TryStreamExt;
use sqlx::migrate::Migration;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::super::failure::{Failed, Failure, Whole};
use super::super::reach::Watch;
use super::super::transaction::{self, Left};
use super::super::{remains, statements, texts};
use super::Live;
use crate::connection::working;
use crate::migrations::{DownFile, MigrationFile};
use crate::workspace::HistoryTable;

/// What fails if a statement of this program fails.
pub(super) const NO_TRANSACTION: &str = "its transaction couldn't be begun or ended";
pub(super) const NO_ROW: &str = "the history couldn't be written";
const NOT_CLEARED: &str = "the index that an earlier run left couldn't be removed";
const NOT_ASKED: &str = "the server couldn't be asked for the state of things";

/// A file, and the direction in which it leads.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Up(&'a MigrationFile),
    Down(&'a DownFile),
}

impl<'a> Step<'a> {
    pub(super) fn file(self) -> &'a Path {
        match self {
            Self::Up(up) => &up.file,
            Self::Down(down) => &down.file,
        }
    }

    pub(super) fn migration(self) -> &'a Migration {
        match self {
            Self::Up(up) => &up.migration,
            Self::Down(down) => &down.migration,
        }
    }

    /// Whether the file can be a part of one transaction.
    pub(super) fn is_whole(self) -> bool {
        let migration = self.migration();
        !migration.no_tx && statements::end_of_transaction(migration.sql.as_str()).is_none()
    }
}

/// What has to be true before a file's transaction is committed.
#[derive(Clone, Copy, Default)]
pub(super) struct Guard<'a> {
    /// The setup lock is held, where one is needed.
    pub(super) live: Option<Live<'a>>,
    /// The file hasn't reached beyond its scratch database.
    pub(super) watch: Option<&'a Watch<'a>>,
}

/// One file that is run.
pub(super) struct One<'a> {
    pub(super) connection: &'a mut PgConnection,
    pub(super) history: &'a HistoryTable,
    pub(super) guard: Guard<'a>,
    pub(super) step: Step<'a>,
    pub(super) started: Instant,
}

impl One<'_> {
    /// Runs the file, and leaves the session as it was before.
    pub(super) async fn run(mut self) -> Result<()> {
        let result = if self.step.is_whole() { self.in_transaction().await } else { self.in_steps().await };
        if let Err((failure, left)) = result {
            return Err(self.failed(failure, left, Whole::File).problem().into());
        }
        Ok(working::start_anew(self.connection).await?)
    }

    /// The file as one that failed. `whole` says what the transaction that it was in consisted of.
    pub(super) fn failed(&self, failure: Failure, left: Left, whole: Whole) -> Failed<'_> {
        let (file, migration, history) = (self.step.file(), self.step.migration(), self.history);
        Failed { file, migration, history, failure, left, whole, is_on_scratch: self.guard.live.is_none() }
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
            self.write_history().await?;
            self.execute("COMMIT").await.map_err(Failure::AtCommit)
        };
        match result.await {
            Ok(()) => Ok(()),
            Err(failure) => Err((failure, transaction::after_failure(self.connection, number).await)),
        }
    }

    /// Runs the file as a part of a transaction that is under way, and writes the history.
    pub(super) async fn within(&mut self) -> Result<(), Failure> {
        self.send().await?;
        self.settle_transaction().await?;
        self.write_history().await?;
        let anew = working::start_anew_within(self.connection).await;
        anew.map_err(|error| Failure::InOwn { what: NO_TRANSACTION, error })
    }

    /// Commits the transaction that is under way, unless the setup lock is lost.
    pub(super) async fn commit(&mut self) -> Result<(), Failure> {
        if !self.look().await?.is_locked {
            self.own("ROLLBACK", NO_TRANSACTION).await?;
            return Err(Failure::LockLost);
        }
        self.execute("COMMIT").await.map_err(Failure::AtCommit)
    }

    async fn write_history(&mut self) -> Result<(), Failure> {
        let row = match self.step {
            Step::Up(file) => self.row(file, None),
            Step::Down(_) => self.no_row(),
        };
        self.own(&row, NO_ROW).await
    }

    /// Runs a file that isn't one transaction. Its row says first that it isn't finished, and shows if the run is cut off.
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
                    // If the row can't be put right, the next run finds it.
                    let as_before = match self.step {
                        Step::Up(_) => self.no_row(),
                        Step::Down(_) => self.finished(true),
                    };
                    drop(self.execute(&as_before).await);
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
        let Step::Up(file) = self.step else {
            self.own(&self.finished(false), NO_ROW).await?;
            return Ok(false);
        };
        let cleared = remains::clear(self.connection, self.history, &file.migration).await;
        if cleared.map_err(|error| Failure::InOwn { what: NOT_CLEARED, error })? {
            return Ok(true);
        }
        let replaced = "ON CONFLICT (version) DO UPDATE SET description = excluded.description, success = FALSE, \
                        checksum = excluded.checksum, installed_on = now(), execution_time = excluded.execution_time";
        let row = self.row(file, Some(replaced));
        self.own(&row, NO_ROW).await?;
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

    pub(super) async fn own(&mut self, statement: &str, what: &'static str) -> Result<(), Failure> {
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

    /// The statement that says in the history whether a migration is finished.
    fn finished(&self, is_finished: bool) -> String {
        let version = self.step.migration().version;
        format!("UPDATE {} SET success = {is_finished} WHERE version = {version}", self.history.name)
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
