//! Applies and reverts migrations. Each file runs in one transaction together with its row in the history, unless the
//! file says `-- no-transaction` or ends its transaction by itself. What is recorded of its text goes with that row.
//!
//! Each file starts from the same state of the session, so it doesn't matter whether the files before it were applied in
//! the same run, or in which database they are applied.

mod one;
mod replacement;

use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::migrate::Migrate;
use sqlx::postgres::PgConnection;

use self::one::{Guard, One, Step};
pub(super) use self::replacement::{Replaced, Replacement};
use super::lock::Holder;
use super::reach::Watch;
use super::texts::{self, Origin};
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
    if guard.live.is_some() { texts::prepare(connection, database).await } else { Ok(()) }
}
