//! Applies and reverts migrations. Each file runs in one transaction together with its row in the history, unless the
//! file says `-- no-transaction`.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::TryStreamExt;
use sqlx::migrate::{Migrate, Migration};
use sqlx::postgres::{PgConnection, PgDatabaseError, PgErrorPosition};
use sqlx::{AssertSqlSafe, Connection, Row};

use super::statements;
use crate::connection::sql::identifier;
use crate::migrations::{self, DownFile, MigrationFile};
use crate::problem::Problem;
use crate::workspace::{Database, HistoryTable};

/// A migration that was applied.
pub(crate) struct Done {
    pub(crate) stem: String,
    pub(crate) took: Duration,
}

/// Applies the pending migrations in order, and stops at the first one that fails.
///
/// `progress` is called with each file before the file is applied.
///
/// # Errors
/// A migration fails. The error holds the server's message, the file, line and column, and the state of the database.
pub(crate) async fn pending(
    connection: &mut PgConnection,
    database: &Database,
    pending: &[&MigrationFile],
    mut progress: impl FnMut(&str),
) -> (Vec<Done>, Result<()>) {
    let mut done = Vec::new();
    if let Err(error) = prepare(connection, &database.history).await {
        return (done, Err(error));
    }
    for file in pending {
        progress(&file.stem());
        let started = Instant::now();
        let result = if file.migration.no_tx {
            outside_transaction(connection, &database.history, &file.migration).await
        } else {
            in_transaction(connection, &database.history, &file.migration).await
        };
        if let Err(failure) = result {
            return (done, Err(explain(&file.file, &file.migration, &failure).into()));
        }
        done.push(Done { stem: file.stem(), took: started.elapsed() });
    }
    (done, Ok(()))
}

/// Reverts a migration that was applied: runs its down file, and removes its row from the history.
///
/// # Errors
/// The down file fails. The error holds the server's message, and the file, line and column.
pub(crate) async fn revert(connection: &mut PgConnection, history: &HistoryTable, down: &DownFile) -> Result<()> {
    let result = async {
        if down.migration.no_tx {
            run(connection, &down.migration).await?;
            return forget(connection, history, &down.migration).await;
        }
        let mut transaction = connection.begin().await?;
        run(&mut transaction, &down.migration).await?;
        forget(&mut transaction, history, &down.migration).await?;
        Ok(transaction.commit().await?)
    };
    result.await.map_err(|failure| explain(&down.file, &down.migration, &failure).into())
}

async fn forget(connection: &mut PgConnection, history: &HistoryTable, migration: &Migration) -> Result<(), Failure> {
    let statement = format!("DELETE FROM {} WHERE version = $1", history.name);
    sqlx::query(AssertSqlSafe(statement)).bind(migration.version).execute(connection).await?;
    Ok(())
}

/// Makes the history table and its schemas.
async fn prepare(connection: &mut PgConnection, history: &HistoryTable) -> Result<()> {
    for schema in &history.create_schemas {
        connection.create_schema_if_not_exists(schema).await?;
    }
    connection.ensure_migrations_table(&history.name).await?;
    Ok(())
}

/// A statement that failed, and the number of statements before it that succeeded.
struct Failure {
    statements_done: usize,
    error: sqlx::Error,
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self { statements_done: 0, error }
    }
}

/// Applies the file and adds its row, or does neither.
async fn in_transaction(
    connection: &mut PgConnection,
    history: &HistoryTable,
    migration: &Migration,
) -> Result<(), Failure> {
    let started = Instant::now();
    let mut transaction = connection.begin().await?;
    run(&mut transaction, migration).await?;
    record(&mut transaction, history, migration).await?;
    // sqlx adds the time after the commit, in a second transaction. In the same transaction it costs no second flush.
    finish(&mut transaction, history, migration, started.elapsed()).await?;
    transaction.commit().await?;
    Ok(())
}

/// Adds the row first, as not finished. The row shows that a run was cut off, and the next run begins the file again.
async fn outside_transaction(
    connection: &mut PgConnection,
    history: &HistoryTable,
    migration: &Migration,
) -> Result<(), Failure> {
    let started = Instant::now();
    drop_remains(connection, history, migration).await?;
    let statement = format!(
        "INSERT INTO {} (version, description, success, checksum, execution_time) VALUES ($1, $2, FALSE, $3, -1)",
        history.name
    );
    sqlx::query(AssertSqlSafe(statement))
        .bind(migration.version)
        .bind(&*migration.description)
        .bind(&*migration.checksum)
        .execute(&mut *connection)
        .await?;
    run(connection, migration).await?;
    finish(connection, history, migration, started.elapsed()).await?;
    Ok(())
}

/// Sends the file as it is, and counts the statements that are done.
async fn run(connection: &mut PgConnection, migration: &Migration) -> Result<(), Failure> {
    let mut statements_done = 0;
    let mut results = sqlx::raw_sql(migration.sql.clone()).execute_many(connection);
    loop {
        match results.try_next().await {
            Ok(Some(_)) => statements_done += 1,
            Ok(None) => return Ok(()),
            Err(error) => return Err(Failure { statements_done, error }),
        }
    }
}

async fn record(
    connection: &mut PgConnection,
    history: &HistoryTable,
    migration: &Migration,
) -> Result<(), sqlx::Error> {
    // sqlx's "skip" adds the row without running the file. The file was run just now.
    connection.skip(&history.name, migration).await.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(error) => error,
        error => sqlx::Error::Migrate(Box::new(error)),
    })
}

async fn finish(
    connection: &mut PgConnection,
    history: &HistoryTable,
    migration: &Migration,
    took: Duration,
) -> Result<(), sqlx::Error> {
    let statement = format!("UPDATE {} SET success = TRUE, execution_time = $1 WHERE version = $2", history.name);
    sqlx::query(AssertSqlSafe(statement))
        .bind(i64::try_from(took.as_nanos()).unwrap_or(i64::MAX))
        .bind(migration.version)
        .execute(connection)
        .await?;
    Ok(())
}

/// Drops the indexes that a CREATE INDEX CONCURRENTLY left behind when it was cut off. Each is invalid, or complete but
/// not recorded. An index holds no data of its own, so it can be built again. Only two kinds are dropped: invalid
/// indexes, and the indexes of a run that is known to have been cut off.
async fn drop_remains(
    connection: &mut PgConnection,
    history: &HistoryTable,
    migration: &Migration,
) -> Result<(), sqlx::Error> {
    let statement = format!("DELETE FROM {} WHERE version = $1 AND NOT success", history.name);
    let cut_off =
        sqlx::query(AssertSqlSafe(statement)).bind(migration.version).execute(&mut *connection).await?.rows_affected()
            > 0;
    let names = statements::concurrent_indexes(migration.sql.as_str());
    let remains = sqlx::query(
        "SELECT namespace.nspname, class.relname FROM pg_index AS index \
         JOIN pg_class AS class ON class.oid = index.indexrelid \
         JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace \
         WHERE class.relname = ANY($1) AND (NOT index.indisvalid OR $2)",
    )
    .bind(&names)
    .bind(cut_off)
    .fetch_all(&mut *connection)
    .await?;
    for row in remains {
        let (schema, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let statement = format!("DROP INDEX {}.{}", identifier(&schema), identifier(&name));
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// The problem of a migration that failed, with the place in the file and the server's message.
fn explain(path: &Path, migration: &Migration, failure: &Failure) -> Problem {
    let stem = migrations::stem(path);
    let sql = migration.sql.as_str();
    let starts = statements::starts(sql);
    let statement = starts.get(failure.statements_done).or(starts.last()).copied().unwrap_or(0);
    let mut position = sql[..statement].chars().count() + 1;
    let Some(error) = failure.error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
    else {
        return in_file(path, sql, position, &format!("{stem} failed: {}.", failure.error));
    };
    if let Some(PgErrorPosition::Original(exact)) = error.position() {
        position = exact;
    }
    let mut problem = in_file(path, sql, position, &format!("{stem} failed: {}.", error.message()));
    problem = problem.details(error.detail().map(|detail| format!("Detail: {detail}")));
    problem = problem.details(error.hint().map(|hint| format!("Hint: {hint}")));
    problem = problem.details(error.r#where().map(|place| format!("Where: {place}")));
    if migration.no_tx {
        problem.detail(
            "It says -- no-transaction: the changes before the failure are still there. The next run begins it again.",
        )
    } else {
        problem.detail("Its transaction was rolled back, so nothing of it was applied.")
    }
}

/// A problem at a place in a file, with the text of that line and a mark below it.
fn in_file(file: &Path, sql: &str, position: usize, what: &str) -> Problem {
    let (line, column) = statements::line_and_column(sql, position);
    let text = sql.lines().nth(line - 1).unwrap_or_default();
    let number = line.to_string();
    let mark = format!("{} | {}^", " ".repeat(number.len()), " ".repeat(column.saturating_sub(1)));
    Problem::failed(what).at(file, line, Some(column)).detail(format!("{number} | {text}")).detail(mark)
}
