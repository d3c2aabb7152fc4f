//! The texts of the applied migrations, recorded beside sqlx's history, so that a migration can be taken back when its file
//! is gone or changed.
//!
//! The table `<history>_texts` has a row for each migration that this program applied. A row is written with the row of
//! the history, in one transaction, and removed with it. sqlx's own tools know nothing of the table: what they apply has no
//! row, and what they revert leaves one. So a row counts only for the row of the history with the same checksum.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use sha2::{Digest, Sha384};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::history::Applied;
use crate::checkout;
use crate::connection::sql::literal;
use crate::migrations::MigrationFile;
use crate::problem::{Code, Problem};
use crate::workspace::{Database, HistoryTable};

/// What is recorded of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) up: String,
    /// Absent if there was no way down.
    pub(crate) down: Option<String>,
    /// What was checked out when it was applied, as far as git knew.
    pub(crate) branch: Option<String>,
    pub(crate) commit: Option<String>,
}

/// What a checkout had checked out. A file needn't be committed to be applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) branch: Option<String>,
    pub(crate) commit: Option<String>,
}

impl Origin {
    /// Asks git's files about the checkout at `root`.
    pub(crate) fn of(root: &Path) -> Self {
        Self { branch: checkout::branch(root), commit: checkout::commit(root) }
    }
}

/// Returns a migration as it was applied: by the recorded texts, or else by its file, if that is still the same. Returns
/// `None` if neither is known.
pub(super) fn as_applied(
    database: &Database,
    row: &Applied,
    recorded: &BTreeMap<i64, Recorded>,
) -> Option<MigrationFile> {
    let Applied { version, description, checksum, .. } = row;
    let file = database.migrations.iter().find(|file| file.migration.version == *version);
    let Some(Recorded { up, down, .. }) = recorded.get(version) else {
        return file.filter(|file| *file.migration.checksum == **checksum).cloned();
    };
    let path = database.migrations_dir.join(stem_of(database, *version, description));
    Some(MigrationFile::as_applied(&path, *version, description, checksum, up, down.as_deref()))
}

/// The name that the file of an applied migration had, or has.
pub(super) fn stem_of(database: &Database, version: i64, description: &str) -> String {
    // Files are named by hand, so a number may have zeros before it.
    let digits = |file: &MigrationFile| file.stem().split('_').next().map_or(0, str::len);
    let width = database.migrations.first().map_or(0, digits);
    format!("{version:0width$}_{}", description.replace(' ', "_"))
}

/// The columns, with their types as the server shows them.
const COLUMNS: &str = "version bigint NOT NULL, checksum bytea NOT NULL, up text NOT NULL, down text, branch text, \
                       commit text, recorded_at timestamp with time zone NOT NULL, sum bytea NOT NULL";

/// Makes the table if it is missing. The session may be in a transaction.
///
/// Default privileges that a migration has set reach a table that is made after it. They are taken back, so that the table is
/// the same whenever it is made.
///
/// # Errors
/// The session may not make it, or a table of that name is there and isn't the one that this program makes.
pub(super) async fn make(connection: &mut PgConnection, history: &HistoryTable) -> Result<()> {
    if is_there(connection, history).await? {
        return Ok(());
    }
    let table = history.texts();
    let statements = format!(
        "CREATE TABLE {table} (version bigint PRIMARY KEY, checksum bytea NOT NULL, up text NOT NULL, \
         down text, branch text, commit text, recorded_at timestamptz NOT NULL DEFAULT now(), sum bytea NOT NULL); \
         SELECT string_agg(format('REVOKE ALL ON TABLE %s FROM %s', pg_class.oid::regclass, \
         CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE grantee::regrole::text END), '; ') \
         FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = to_regclass({}) AND grantee <> relowner",
        literal(&table)
    );
    let row = sqlx::raw_sql(AssertSqlSafe(statements)).fetch_one(&mut *connection).await?;
    if let Some(revoke) = row.try_get::<Option<String>, _>(0)? {
        sqlx::raw_sql(AssertSqlSafe(revoke)).execute(connection).await?;
    }
    Ok(())
}

/// The statement that records a migration. It means the same whatever the session's settings are.
pub(super) fn record(history: &HistoryTable, file: &MigrationFile, origin: &Origin) -> String {
    let migration = &file.migration;
    let up = migration.sql.as_str();
    let down = file.down.as_ref().map(|down| down.migration.sql.as_str());
    let Origin { branch, commit } = origin;
    let sum = sum(migration.version, &migration.checksum, up, down, origin);
    let text = |text: &str| format!("convert_from({}, 'UTF8')", bytes(text.as_bytes()));
    let optional = |value: Option<&str>| value.map_or_else(|| "NULL".to_owned(), text);
    format!(
        "INSERT INTO {} (version, checksum, up, down, branch, commit, sum) VALUES ({}, {}, {}, {}, {}, {}, {}) \
         ON CONFLICT (version) DO UPDATE SET checksum = excluded.checksum, up = excluded.up, down = excluded.down, \
         branch = excluded.branch, commit = excluded.commit, recorded_at = excluded.recorded_at, sum = excluded.sum",
        history.texts(),
        migration.version,
        bytes(&migration.checksum),
        text(up),
        optional(down),
        optional(branch.as_deref()),
        optional(commit.as_deref()),
        bytes(&sum),
    )
}

/// The statement that removes what is recorded of a migration.
pub(super) fn forget(history: &HistoryTable, version: i64) -> String {
    format!("DELETE FROM {} WHERE version = {version}", history.texts())
}

/// A value of type bytea.
pub(super) fn bytes(value: &[u8]) -> String {
    format!("decode('{}', 'hex')", hex(value))
}

fn hex(value: &[u8]) -> String {
    value.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The checksum of a row's content. Somebody may have edited the row by hand, and its texts are run as they are.
fn sum(version: i64, checksum: &[u8], up: &str, down: Option<&str>, origin: &Origin) -> Vec<u8> {
    let mut digest = Sha384::new();
    let parts = [Some(up), down, origin.branch.as_deref(), origin.commit.as_deref()];
    digest.update(format!("{version} {}", hex(checksum)));
    for part in parts {
        // The lengths keep the parts apart.
        digest.update(part.map_or_else(|| " -".to_owned(), |part| format!(" {}:{part}", part.len())));
    }
    digest.finalize().to_vec()
}

/// Makes the table if it is missing, and records the files that other programs have applied, as far as they are still the
/// same. It isn't known where those came from. Only a run that has something to apply does this, because a run with nothing
/// to do writes nothing.
///
/// # Errors
/// The history or the texts can't be read or written.
pub(super) async fn prepare(connection: &mut PgConnection, database: &Database) -> Result<()> {
    let history = &database.history;
    make(connection, history).await?;
    let recorded = read(connection, history).await?;
    let statement = format!("SELECT version, checksum FROM {} WHERE success", history.name);
    let rows = sqlx::query(AssertSqlSafe(statement)).persistent(false).fetch_all(&mut *connection).await?;
    let mut statements = Vec::new();
    for row in rows {
        let (version, checksum): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
        let is_same = |file: &&MigrationFile| {
            file.migration.version == version
                && *file.migration.checksum == *checksum
                && !recorded.contains_key(&version)
        };
        let file = database.migrations.iter().find(is_same);
        statements.extend(file.map(|file| record(history, file, &Origin::default())));
    }
    if !statements.is_empty() {
        sqlx::raw_sql(AssertSqlSafe(statements.join("; "))).execute(connection).await?;
    }
    Ok(())
}

/// Returns whether the database has the table.
///
/// # Errors
/// A table of that name is there, and isn't the one that this program makes.
pub(crate) async fn is_there(connection: &mut PgConnection, history: &HistoryTable) -> Result<bool> {
    let table = history.texts();
    let statement = format!(
        "SELECT (SELECT relkind = 'r' FROM pg_class WHERE oid = found), (SELECT string_agg(attname || ' ' || \
         format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END, ', ' ORDER BY attnum) \
         FROM pg_attribute WHERE attrelid = found AND attnum > 0 AND NOT attisdropped) \
         FROM to_regclass({}) AS found",
        literal(&table)
    );
    let row = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_one(&mut *connection).await?;
    let Some(is_table) = row.try_get::<Option<bool>, _>(0)? else { return Ok(false) };
    let columns: Option<String> = row.try_get(1)?;
    if is_table && columns.as_deref() == Some(COLUMNS) {
        return Ok(true);
    }
    Err(Problem::failed(
        Code::HistoryUnreadable,
        format!("{table} isn't the table in which the texts of the applied migrations are recorded."),
    )
    .detail(format!("Its columns are: {}", columns.unwrap_or_default()))
    .detail(format!("They have to be: {COLUMNS}"))
    .detail("Nothing was changed.")
    .remedy(format!("Give it another name: ALTER TABLE {table} RENAME TO …; then: cargo xtask db-setup"))
    .into())
}

/// Returns what is recorded of the applied migrations, by their versions. Nothing is recorded of what other programs applied,
/// and a row that doesn't fit the history, or that somebody has changed, doesn't count.
///
/// # Errors
/// A table of that name is there and isn't the one that this program makes, or it can't be read.
pub(crate) async fn read(connection: &mut PgConnection, history: &HistoryTable) -> Result<BTreeMap<i64, Recorded>> {
    let mut found = BTreeMap::new();
    if !is_there(connection, history).await? {
        return Ok(found);
    }
    let statement = format!(
        "SELECT version, texts.checksum, texts.sum, up, down, branch, commit FROM {} AS texts \
         JOIN {} AS history USING (version) WHERE texts.checksum = history.checksum",
        history.texts(),
        history.name
    );
    // The simple protocol, because a pooler may give each message of the other one another session.
    let rows = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(connection).await;
    let rows = rows.map_err(|error| match error {
        sqlx::Error::Database(error) => Problem::failed(
            Code::HistoryUnreadable,
            format!("The texts of the applied migrations can't be read from {}: {error}.", history.texts()),
        )
        .into(),
        error => anyhow::Error::from(error),
    })?;
    for row in rows {
        let version = row.try_get(0)?;
        let (checksum, known): (Vec<u8>, Vec<u8>) = (row.try_get(1)?, row.try_get(2)?);
        let (up, down): (String, Option<String>) = (row.try_get(3)?, row.try_get(4)?);
        let origin = Origin { branch: row.try_get(5)?, commit: row.try_get(6)? };
        if known == sum(version, &checksum, &up, down.as_deref(), &origin) {
            let Origin { branch, commit } = origin;
            found.insert(version, Recorded { up, down, branch, commit });
        }
    }
    Ok(found)
}
