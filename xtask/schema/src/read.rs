//! Reads the rows of the catalog from the server.

use futures_util::TryStreamExt;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::ReadError;
use super::rows::{Oid, Rows, class};

const COMMON: &str = concat!(include_str!("listed.sql"), include_str!("settings.sql"), include_str!("catalog.sql"));
const UNUSUAL: &str = concat!(
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\n",
    include_str!("settings.sql"),
    include_str!("unusual.sql")
);

/// Reads all rows in one round trip. A second one follows if the first has found unusual objects.
pub(super) async fn rows(connection: &mut PgConnection) -> Result<Rows, ReadError> {
    let mut rows = Rows::default();
    query(connection, COMMON, &mut rows).await?;
    if has_unusual(&rows) {
        query(connection, UNUSUAL, &mut rows).await?;
    }
    ensure_still_there(&rows)?;
    Ok(rows)
}

/// Runs the statements of one file, which are one transaction, and adds the rows that they return.
async fn query(connection: &mut PgConnection, statements: &'static str, rows: &mut Rows) -> Result<(), ReadError> {
    let ends = rows.ends;
    let answer = add_all(connection, statements, rows).await;
    if answer.is_err() {
        // The server has skipped the other statements and the COMMIT, so the session is in a failed transaction. An
        // error of the ROLLBACK would only repeat the first one.
        let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await;
    }
    answer?;
    // An incomplete answer must never look like an empty database.
    if rows.ends == ends + 1 && !rows.schemas.is_empty() { Ok(()) } else { Err(ReadError::Partial) }
}

/// Adds the rows of each statement while the server executes the next one.
async fn add_all(connection: &mut PgConnection, statements: &'static str, rows: &mut Rows) -> Result<(), ReadError> {
    let mut answers = sqlx::raw_sql(statements).fetch(connection);
    while let Some(answer) = answers.try_next().await? {
        let (kind, text): (&str, Option<&str>) = (answer.try_get(0)?, answer.try_get(1)?);
        rows.add(kind, text.unwrap_or_default())?;
    }
    Ok(())
}

/// Fails if a name is gone. The statements see the database as it was when they began, but the functions that write
/// definitions see it as it is now.
fn ensure_still_there(rows: &Rows) -> Result<(), ReadError> {
    let gone = |signature: &str| signature.bytes().all(|byte| byte.is_ascii_digit());
    let is_part = |schema: Oid| rows.schemas.iter().any(|known| known.oid == schema);
    let changed = rows.routines.iter().any(|routine| gone(&routine.signature) && is_part(routine.schema));
    if changed { Err(ReadError::Changed) } else { Ok(()) }
}

/// Returns whether the database has an object of a kind that `unusual.sql` reads.
fn has_unusual(rows: &Rows) -> bool {
    const READ: [u32; 8] = [
        class::RELATION,
        class::TYPE,
        class::PROC,
        class::CONSTRAINT,
        class::DEFAULT,
        class::TRIGGER,
        class::SCHEMA,
        class::EXTENSION,
    ];
    rows.unusual.iter().any(|unusual| unusual.found)
        || !rows.extensions.is_empty()
        || rows.relations.iter().any(|relation| relation.kind == 'f')
        || rows
            .relations
            .iter()
            .any(|relation| relation.method > 0 && relation.method != 2 && "rm".contains(relation.kind))
        || rows.types.iter().any(|of_type| "erm".contains(of_type.kind))
        || rows.routines.iter().any(|routine| routine.kind == 'a')
        || rows.dependencies().any(|dependency| {
            dependency.kind != 'e' && dependency.class != class::DEFAULT_PRIVILEGES && !READ.contains(&dependency.class)
        })
}
