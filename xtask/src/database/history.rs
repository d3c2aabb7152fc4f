//! The comparison of the applied migrations with the files: the pending migrations, and the differences.

use anyhow::Result;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use crate::connection::sql::identifier;
use crate::migrations::MigrationFile;
use crate::problem::{Exit, Problem};
use crate::target::Target;
use crate::workspace::{Database, HistoryTable};

/// A row of the history.
pub(crate) struct Applied {
    version: i64,
    description: String,
    checksum: Vec<u8>,
    /// False while a migration runs outside a transaction, and after it was cut off.
    finished: bool,
}

/// The history of a database, compared with the files.
pub(crate) struct History<'a> {
    /// The migrations to apply, in order.
    pub(crate) pending: Vec<&'a MigrationFile>,
    /// How many migrations are applied.
    pub(crate) applied: usize,
    /// The differences, each as one line.
    differences: Vec<String>,
    remedies: Vec<String>,
}

/// Reads the history. It is empty in a database that was never migrated.
///
/// # Errors
/// The table exists but isn't sqlx's, or it can't be read.
pub(crate) async fn read(connection: &mut PgConnection, table: &HistoryTable) -> Result<Vec<Applied>> {
    let statement =
        format!("SELECT version, description, encode(checksum, 'hex'), success FROM {} ORDER BY version", table.name);
    // The simple protocol takes one round trip, and sends values as text.
    let rows = match sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(connection).await {
        Ok(rows) => rows,
        // The table or its schema doesn't exist.
        Err(sqlx::Error::Database(error)) if matches!(error.code().as_deref(), Some("42P01" | "3F000")) => {
            return Ok(Vec::new());
        }
        Err(error @ sqlx::Error::Io(_)) => return Err(error.into()),
        Err(error) => {
            return Err(Problem::failed(format!("The history table {} can't be read: {error}.", table.name))
                .detail("It has to be the table that sqlx makes: version, description, success, checksum, …")
                .into());
        }
    };
    rows.iter()
        .map(|row| {
            let checksum: String = row.try_get(2)?;
            Ok(Applied {
                version: row.try_get(0)?,
                description: row.try_get(1)?,
                checksum: bytes(&checksum),
                finished: row.try_get(3)?,
            })
        })
        .collect()
}

impl<'a> History<'a> {
    /// Compares the rows with the files.
    pub(crate) fn compare(database: &'a Database, rows: &[Applied]) -> Self {
        let mut history = Self { pending: Vec::new(), applied: 0, differences: Vec::new(), remedies: Vec::new() };
        let row_of = |file: &MigrationFile| rows.iter().find(|row| row.version == file.migration.version);
        let newest = rows.iter().filter(|row| row.finished).map(|row| row.version).max();
        for file in &database.migrations {
            match row_of(file) {
                Some(row) if row.finished => {
                    history.applied += 1;
                    history.check_content(file, row);
                }
                // It was cut off while it ran outside a transaction, so it is applied again.
                Some(_) if file.migration.no_tx => history.pending.push(file),
                Some(row) => history.unfinished(row, &database.history),
                None => history.check_order(file, newest, database),
            }
        }
        for row in
            rows.iter().filter(|row| !database.migrations.iter().any(|file| file.migration.version == row.version))
        {
            history.missing(row);
        }
        history
    }

    fn check_content(&mut self, file: &MigrationFile, row: &Applied) {
        if *file.migration.checksum == *row.checksum {
            return;
        }
        let path = file.file.display();
        if file.differs_in_endings_only(&row.checksum) {
            self.differences.push(format!("modified: {path} (only its line endings differ from the applied file)"));
            self.remedy("Restore its line endings (.gitattributes: *.sql text eol=lf), then: git rm --cached -r . && git reset --hard");
            self.remedy("or let sqlx ignore them, in sqlx.toml: [migrate] ignored-chars = [\"\\r\"]");
        } else {
            self.differences.push(format!("modified: {path} differs from the file applied as version {}", row.version));
            self.remedy(&format!("See what changed: git log -p -- {path}"));
            self.remedy("Put the change into a new migration, and restore this file.");
        }
    }

    fn check_order(&mut self, file: &'a MigrationFile, newest: Option<i64>, database: &Database) {
        match newest {
            Some(newest) if file.migration.version < newest => {
                self.differences.push(format!(
                    "out of order: {} isn't applied, but the later version {newest} is",
                    file.file.display()
                ));
                let next =
                    database.migrations.iter().map(|file| file.migration.version).max().unwrap_or(newest).max(newest)
                        + 1;
                self.remedy(&format!(
                    "Give it the next number, {next:03}, because this database already has a later migration."
                ));
            }
            _ => self.pending.push(file),
        }
    }

    fn missing(&mut self, row: &Applied) {
        self.differences
            .push(format!("missing: version {} \"{}\" was applied, but has no file", row.version, row.description));
        self.remedy("Restore the file. It may be on another branch (git log --all -- migrations).");
    }

    fn unfinished(&mut self, row: &Applied, table: &HistoryTable) {
        self.differences
            .push(format!("unfinished: version {} \"{}\" was begun but not finished", row.version, row.description));
        self.remedy(&format!(
            "Undo its changes, then: DELETE FROM {} WHERE version = {} AND NOT success;",
            table.name, row.version
        ));
    }

    fn remedy(&mut self, text: &str) {
        if !self.remedies.iter().any(|remedy| remedy == text) {
            self.remedies.push(text.to_owned());
        }
    }

    /// The problem with all differences, if there are any.
    pub(crate) fn problem(&self, target: &Target<'_>) -> Option<Problem> {
        if self.differences.is_empty() {
            return None;
        }
        let what = format!(
            "{}: the history of {} doesn't agree with the migration files, so nothing was applied.",
            target.database.name, target.url.database
        );
        let problem = Problem::new(Exit::HistoryDiffers, what).details(self.differences.iter().cloned());
        let problem = self.remedies.iter().cloned().fold(problem, Problem::remedy);
        Some(problem.remedy(format!(
            "If you don't need the data of this database, start with an empty one: DROP DATABASE {} WITH (FORCE); \
             then cargo xtask db-setup",
            identifier(&target.url.database)
        )))
    }
}

/// Turns hexadecimal digits into bytes. It stops at the first other character, and the result then equals no checksum.
fn bytes(hex: &str) -> Vec<u8> {
    let digits = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    hex.as_bytes().chunks(2).map_while(digits).collect()
}
