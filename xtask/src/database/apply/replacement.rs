//! Takes migrations back and applies others. All of it is one transaction if the files allow that, so that a file that fails
//! leaves the database as it was.

use std::time::Instant;

use anyhow::Result;
use sqlx::postgres::PgConnection;

use super::super::failure::{Failure, Whole};
use super::super::losses::Counts;
use super::super::texts;
use super::super::transaction::{self, Left};
use super::one::{Guard, NO_ROW, NO_TRANSACTION, One, Step};
use super::{Done, Live, each};
use crate::connection::working;
use crate::migrations::{DownFile, MigrationFile};
use crate::problem::Problem;
use crate::workspace::Database;

const NOT_COUNTED: &str = "what would be lost couldn't be counted";

/// Migrations to take back, and others to apply then.
pub(crate) struct Replacement<'a> {
    pub(crate) database: &'a Database,
    pub(crate) live: Live<'a>,
    /// The ways down, the newest first. There is at least one.
    pub(crate) back: Vec<&'a DownFile>,
    /// In the order of their versions.
    pub(crate) again: Vec<&'a MigrationFile>,
}

/// What was done.
#[derive(Default)]
pub(crate) struct Replaced {
    /// What is lost, or would be if nothing was taken back.
    pub(crate) lost: Vec<String>,
    /// How many migrations are taken back.
    pub(crate) back: usize,
    pub(crate) applied: Vec<Done>,
    /// Whether it was the way up that failed.
    pub(crate) is_up_at_fault: bool,
}

impl Replacement<'_> {
    /// Does it, if `accepts` says so of what would be lost. That is counted in the transaction that loses it. `progress` is
    /// called with each file before the file is run.
    ///
    /// # Errors
    /// A file fails, or the setup lock is lost. The error says what state the database is in.
    pub(crate) async fn run(
        &self,
        connection: &mut PgConnection,
        accepts: impl Fn(&[String]) -> bool,
        mut progress: impl FnMut(&str),
    ) -> (Replaced, Result<()>) {
        let mut done = Replaced::default();
        let is_whole = self.again.iter().all(|file| Step::Up(file).is_whole());
        let together: &[&MigrationFile] = if is_whole { &self.again } else { &[] };
        let result = if self.back.iter().all(|down| Step::Down(down).is_whole()) {
            self.in_one_transaction(connection, together, accepts, &mut progress, &mut done).await
        } else {
            self.back_in_steps(connection, accepts, &mut progress, &mut done).await
        };
        if result.is_err() || done.back == 0 {
            return (done, result);
        }
        let rest = &self.again[done.applied.len()..];
        if rest.is_empty() {
            return (done, Ok(()));
        }
        let (applied, result) = each(connection, self.database, rest, self.guard(), progress).await;
        done.applied.extend(applied);
        (done, result)
    }

    fn guard(&self) -> Guard<'_> {
        Guard { live: Some(self.live), watch: None }
    }

    fn one<'a>(&'a self, connection: &'a mut PgConnection, step: Step<'a>) -> One<'a> {
        One { connection, history: &self.database.history, guard: self.guard(), step, started: Instant::now() }
    }

    /// Takes all back and applies `again`, or does neither.
    async fn in_one_transaction(
        &self,
        connection: &mut PgConnection,
        again: &[&MigrationFile],
        accepts: impl Fn(&[String]) -> bool,
        progress: &mut impl FnMut(&str),
        done: &mut Replaced,
    ) -> Result<()> {
        let mut step = Step::Down(self.back[0]);
        // The run may have to wait for others before it can count.
        progress(&stem(step));
        let number = match transaction::begin(connection).await {
            Ok(number) => number,
            Err(error) => {
                let failure = Failure::InOwn { what: NO_TRANSACTION, error };
                return Err(self
                    .one(connection, step)
                    .failed(failure, Left::Unknown, Whole::Replacement)
                    .problem()
                    .into());
            }
        };
        let result = async {
            texts::prepare(connection, self.database).await.map_err(not_ready)?;
            let history = &self.database.history;
            let not_counted = |error| Failure::InOwn { what: NOT_COUNTED, error };
            let before = Counts::lock_and_read(connection, history).await.map_err(not_counted)?;
            for down in &self.back {
                step = Step::Down(down);
                progress(&stem(step));
                self.one(connection, step).within().await?;
            }
            done.lost = before.lost(&Counts::read(connection, history).await.map_err(not_counted)?);
            if !accepts(&done.lost) {
                return self.one(connection, step).own("ROLLBACK", NO_TRANSACTION).await;
            }
            let mut applied = Vec::new();
            for file in again {
                step = Step::Up(file);
                progress(&stem(step));
                let mut one = self.one(connection, step);
                one.within().await?;
                applied.push(Done { stem: file.stem(), took: one.started.elapsed() });
            }
            self.one(connection, step).commit().await?;
            done.back = self.back.len();
            done.applied = applied;
            Ok(())
        };
        if let Err(failure) = result.await {
            let left = transaction::after_failure(connection, number).await;
            done.is_up_at_fault = matches!(step, Step::Up(_));
            return Err(self.one(connection, step).failed(failure, left, Whole::Replacement).problem().into());
        }
        Ok(working::start_anew(connection).await?)
    }

    /// Takes all back, each by itself. It can't be tried before, so it isn't known what is lost.
    async fn back_in_steps(
        &self,
        connection: &mut PgConnection,
        accepts: impl Fn(&[String]) -> bool,
        progress: &mut impl FnMut(&str),
        done: &mut Replaced,
    ) -> Result<()> {
        let apart = self.back.iter().map(|down| Step::Down(down)).filter(|step| !step.is_whole());
        let unknown =
            |step| format!("what {} loses, which can't be tried because it isn't one transaction", stem(step));
        done.lost = apart.map(unknown).collect();
        if !accepts(&done.lost) {
            return Ok(());
        }
        texts::prepare(connection, self.database).await?;
        for down in &self.back {
            let step = Step::Down(down);
            progress(&stem(step));
            self.one(connection, step).run().await?;
            done.back += 1;
        }
        Ok(())
    }
}

fn stem(step: Step<'_>) -> String {
    crate::migrations::stem(step.file())
}

/// A failure before the first file: a statement, or a table that stands in the way.
fn not_ready(error: anyhow::Error) -> Failure {
    match error.downcast::<Problem>() {
        Ok(problem) => Failure::Refused(problem),
        Err(error) => {
            let error = error.downcast().unwrap_or_else(|error| sqlx::Error::Protocol(format!("{error:#}")));
            Failure::InOwn { what: NO_ROW, error }
        }
    }
}
