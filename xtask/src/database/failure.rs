//! The problem of a migration that failed: the place in its file, the server's message, and what is left of it.

use std::path::Path;

use sqlx::migrate::{Migration, MigrationType};
use sqlx::postgres::{PgDatabaseError, PgErrorPosition};

use super::statements;
use super::transaction::Left;
use crate::connection::deadline;
use crate::migrations;
use crate::problem::{Code, Problem};
use crate::workspace::HistoryTable;

/// Where a migration failed.
pub(super) enum Failure {
    /// In its file, after this number of statements that succeeded.
    InFile { statements_done: usize, error: sqlx::Error },
    /// In a statement of this program. The text says what failed with it.
    InOwn { what: &'static str, error: sqlx::Error },
    /// At the commit, after all of its statements succeeded.
    AtCommit(sqlx::Error),
    /// The run has lost the setup lock.
    LockLost,
    /// The file has done what it must not do.
    Refused(Problem),
}

/// What the transaction of a file consisted of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// The file alone.
    File,
    /// Several files, some of them on their way down.
    Replacement,
}

/// A migration that failed.
pub(super) struct Failed<'a> {
    pub(super) file: &'a Path,
    pub(super) migration: &'a Migration,
    pub(super) history: &'a HistoryTable,
    pub(super) failure: Failure,
    pub(super) left: Left,
    pub(super) whole: Whole,
    /// Whether the database is a scratch database, in which nothing can be lost.
    pub(super) is_on_scratch: bool,
}

impl Failed<'_> {
    /// The problem, with everything that is known about it.
    pub(super) fn problem(&self) -> Problem {
        let (stem, file) = (migrations::stem(self.file), self.file.display());
        match &self.failure {
            Failure::InFile { error, .. } | Failure::InOwn { error, .. } | Failure::AtCommit(error)
                if self.left == Left::Unknown =>
            {
                let what = format!("{stem} was cut off, because the session was lost: {}.", message(error));
                let problem = Problem::unavailable(Code::ConnectionLost, what);
                if self.is_on_scratch {
                    return deadline::Run::Reading.describe(problem);
                }
                self.state(problem.remedy("Run it again: cargo xtask db-setup"))
            }
            Failure::InFile { statements_done, error } => self.in_file(*statements_done, error),
            Failure::InOwn { what, error } => {
                let what = format!("{stem} failed, because {what}: {}.", message(error));
                self.state(
                    with_details(Problem::failed(Code::MigrationFailed, what), error)
                        .detail(format!("The migration is {file}.")),
                )
            }
            Failure::AtCommit(error) => {
                let what = format!("{stem} failed when its transaction was committed: {}.", message(error));
                let problem = with_details(Problem::failed(Code::MigrationFailed, what), error).detail(format!(
                    "All statements of {file} succeeded. The server checks what is deferred at the commit."
                ));
                self.state(problem)
            }
            Failure::Refused(problem) => problem.clone(),
            Failure::LockLost => {
                let what = format!(
                    "{stem} was stopped, because the server ended the session that holds the setup lock. Another run \
                     may be at work by now."
                );
                let problem =
                    Problem::unavailable(Code::ConnectionLost, what).remedy("Run it again: cargo xtask db-setup");
                self.state(problem.remedy("If it happens again, the server's log says why it ends sessions."))
            }
        }
    }

    fn in_file(&self, statements_done: usize, error: &sqlx::Error) -> Problem {
        let sql = self.migration.sql.as_str();
        let starts = statements::starts(sql);
        let statement = starts.get(statements_done).or(starts.last()).copied().unwrap_or(0);
        let position = match of_server(error).and_then(PgDatabaseError::position) {
            Some(PgErrorPosition::Original(exact)) => exact,
            _ => sql[..statement].chars().count() + 1,
        };
        let (line, column) = statements::line_and_column(sql, position);
        let text = sql.lines().nth(line - 1).unwrap_or_default();
        let number = line.to_string();
        let mark = format!("{} | {}^", " ".repeat(number.len()), " ".repeat(column.saturating_sub(1)));
        let what = format!("{} failed: {}.", migrations::stem(self.file), message(error));
        let problem = Problem::failed(Code::MigrationFailed, what).at(self.file, line, Some(column));
        self.state(with_details(problem.detail(format!("{number} | {text}")).detail(mark), error))
    }

    /// Adds what is left of the migration, and what follows from that.
    fn state(&self, problem: Problem) -> Problem {
        let Self { migration, history, left, .. } = self;
        let sql = migration.sql.as_str();
        let end = statements::end_of_transaction(sql);
        let is_down = migration.migration_type == MigrationType::ReversibleDown;
        match left {
            Left::Nothing if self.whole == Whole::Replacement => {
                problem.detail("All of it was one transaction, which was rolled back, so the database is as it was.")
            }
            Left::Part | Left::Unknown if migration.no_tx && is_down => problem
                .detail("It says -- no-transaction: a part of it may be done. The history has its migration as not finished.")
                .remedy("Apply its migration again, or learn how to go on: cargo xtask db-setup"),
            Left::Nothing => problem.detail("Its transaction was rolled back, so nothing of it was applied."),
            Left::Unknown if migration.no_tx => problem.detail("It says -- no-transaction: the next run begins it again."),
            Left::Part if migration.no_tx => problem.detail(
                "It says -- no-transaction: the changes before the failure are still there. The next run begins it again.",
            ),
            Left::Unknown if end.is_none() => problem.detail(
                "It is applied together with its row in the history, or not at all. The next run finds out which.",
            ),
            Left::Part | Left::Unknown => {
                let mut problem = problem.detail(match end {
                    Some(start) => {
                        let (line, _) = statements::line_and_column(sql, sql[..start].chars().count() + 1);
                        let word = sql[start..].split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
                        format!(
                            "The file ends its transaction by itself ({word} in line {line}). What it has \
                             committed is still there."
                        )
                    }
                    None => "It ran in several transactions, so a part of it may still be there.".to_owned(),
                });
                problem = problem.detail(format!("The history {} has it as begun and not finished.", history.name));
                let row = format!("DELETE FROM {} WHERE version = {} AND NOT success;", history.name, migration.version);
                problem.remedy(format!("Undo by hand what it did, then: {row}")).remedy(
                    "A file without BEGIN and COMMIT is applied as a whole or not at all, because each file has a \
                     transaction of its own.",
                )
            }
        }
    }
}

fn of_server(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
}

/// The server's message, without the driver's words about it.
fn message(error: &sqlx::Error) -> String {
    of_server(error).map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

fn with_details(problem: Problem, error: &sqlx::Error) -> Problem {
    let Some(error) = of_server(error) else { return problem };
    problem
        .details(error.detail().map(|detail| format!("Detail: {detail}")))
        .details(error.hint().map(|hint| format!("Hint: {hint}")))
        .details(error.r#where().map(|place| format!("Where: {place}")))
}
