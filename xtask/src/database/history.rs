//! The comparison of the applied migrations with the files: the pending migrations, and the differences.

mod differences;
mod states;

use std::time::Duration;

use anyhow::Result;
use futures_util::StreamExt;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use self::differences::{Difference, Seen};
use super::{statements, texts};
use crate::interrupt::Interrupt;
use crate::migrations::MigrationFile;
use crate::problem::{Code, Exit, Problem};
use crate::report::count;
use crate::stamp::{COMMENT, Found};
use crate::target::Target;
use crate::workspace::{Database, HistoryTable};

/// A row of the history.
pub(crate) struct Applied {
    pub(super) version: i64,
    pub(super) description: String,
    pub(super) checksum: Vec<u8>,
    /// False while a migration runs outside a transaction, and after it was cut off.
    pub(super) finished: bool,
    /// When it was applied, in UTC.
    at: String,
    /// How long it took, if that was written down.
    took: Option<Duration>,
}

/// The history of a database, compared with the files.
pub(crate) struct History<'a> {
    /// The migrations to apply, in order.
    pub(crate) pending: Vec<&'a MigrationFile>,
    /// How many migrations are applied.
    pub(crate) applied: usize,
    differences: Vec<Difference<'a>>,
}

/// Reads the history, which is empty in a database that was never migrated, and the comment of the database.
///
/// # Errors
/// The table exists but isn't sqlx's, or it can't be read.
pub(crate) async fn read(connection: &mut PgConnection, table: &HistoryTable) -> Result<(Vec<Applied>, Found)> {
    // The simple protocol takes one round trip for both, and sends values as text.
    let statements = format!(
        "{COMMENT}; SELECT version, description, encode(checksum, 'hex'), success, \
         to_char(installed_on AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), execution_time FROM {} ORDER BY version",
        table.name
    );
    let mut answers = sqlx::raw_sql(AssertSqlSafe(statements)).fetch(connection);
    let found = Found::of(&answers.next().await.ok_or(sqlx::Error::RowNotFound)??)?;
    let mut rows = Vec::new();
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(row) => rows.push(row),
            // The table or its schema doesn't exist.
            Err(sqlx::Error::Database(error)) if matches!(error.code().as_deref(), Some("42P01" | "3F000")) => break,
            Err(error @ sqlx::Error::Io(_)) => return Err(error.into()),
            Err(error) => {
                return Err(Problem::failed(
                    Code::HistoryUnreadable,
                    format!("The history table {} can't be read: {error}.", table.name),
                )
                .detail("It has to be the table that sqlx makes: version, description, installed_on, success, checksum, execution_time.")
                .into());
            }
        }
    }
    let applied: Result<_> = rows
        .iter()
        .map(|row| {
            let checksum: String = row.try_get(2)?;
            Ok(Applied {
                version: row.try_get(0)?,
                description: row.try_get(1)?,
                checksum: bytes(&checksum),
                finished: row.try_get(3)?,
                at: row.try_get(4)?,
                // sqlx writes nanoseconds, and -1 until it knows them.
                took: u64::try_from(row.try_get::<i64, _>(5)?).ok().map(Duration::from_nanos),
            })
        })
        .collect();
    Ok((applied?, found))
}

impl<'a> History<'a> {
    /// Compares the rows with the files.
    pub(crate) fn compare(database: &'a Database, rows: &[Applied]) -> Self {
        let row_of = |file: &MigrationFile| rows.iter().find(|row| row.version == file.migration.version);
        let newest = rows.iter().filter(|row| row.finished).map(|row| row.version).max();
        let mut history = Self { pending: Vec::new(), applied: 0, differences: Vec::new() };
        for file in &database.migrations {
            match (row_of(file), newest) {
                (Some(row), _) if row.finished => {
                    history.applied += 1;
                    history.differences.extend(differences::of_content(file, row));
                }
                // It was cut off while it ran outside a transaction, so it is applied again.
                (Some(_), _) if file.migration.no_tx => history.pending.push(file),
                (Some(row), _) => {
                    history.differences.push(Difference::Unfinished(row.version, row.description.clone()));
                }
                (None, Some(newest)) if file.migration.version < newest => {
                    history.differences.push(Difference::Late(file, newest));
                }
                (None, _) => history.pending.push(file),
            }
        }
        let has_no_file =
            |row: &&Applied| !database.migrations.iter().any(|file| file.migration.version == row.version);
        let missing = rows.iter().filter(has_no_file);
        history.differences.extend(missing.map(|row| Difference::Missing(row.version, row.description.clone())));
        history
    }

    /// Whether the history differs from the files, other than by pending migrations.
    pub(crate) fn differs(&self) -> bool {
        !self.differences.is_empty()
    }

    /// The problem that migrations are pending, if some are.
    pub(crate) fn pending_problem(&self, target: &Target<'_>) -> Option<Problem> {
        let Target { database, url, .. } = target;
        let pending = count(self.pending.len(), "migration");
        let problem = Problem::new(
            Code::MigrationsPending,
            Exit::Pending,
            format!("{}: {pending} pending in {}.", database.name, url.database),
        )
        .details(self.pending.iter().map(|file| file.file.display().to_string()))
        .remedy("cargo xtask db-setup");
        (!self.pending.is_empty()).then_some(problem)
    }

    /// The problems of pending migrations without a statement. If one was applied, nothing could be written into it later,
    /// because its checksum would differ.
    pub(super) fn empty(&self) -> impl Iterator<Item = Problem> {
        let has_none = |file: &&&MigrationFile| statements::starts(file.migration.sql.as_str()).is_empty();
        self.pending.iter().filter(has_none).map(|file| {
            Problem::failed(
                Code::MigrationEmpty,
                format!("{} has no statement yet, so nothing was applied.", file.stem()),
            )
            .at(&file.file, 1, None)
            .remedy("Write the migration or delete it, then run: cargo xtask db-setup")
        })
    }

    /// The problem with all differences, if there are any. Only then git is asked whose migrations are published, and the
    /// database what is recorded of them.
    ///
    /// # Errors
    /// What is recorded can't be read.
    pub(crate) async fn problem(
        &self,
        target: &Target<'_>,
        rows: &[Applied],
        connection: &mut PgConnection,
        interrupt: &Interrupt,
    ) -> Result<Option<Problem>> {
        if !self.differs() {
            return Ok(None);
        }
        let recorded = &texts::read(connection, &target.database.history).await?;
        Ok(Some(Seen { target, rows, recorded, interrupt, differences: &self.differences }.problem()))
    }
}

/// Turns hexadecimal digits into bytes. It stops at the first other character, and the result then equals no checksum.
fn bytes(hex: &str) -> Vec<u8> {
    let digits = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    hex.as_bytes().chunks(2).map_while(digits).collect()
}
