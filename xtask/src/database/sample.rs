//! The sample rows of a database, which the round trip loads: `sample.sql` in the folder of its migrations.
//!
//! The file is written for the newest schema. A statement is loaded at the first step whose schema allows it, so that the
//! migrations after it meet rows.

use anyhow::Result;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};

use super::statements;
use crate::migrations::SampleFile;
use crate::problem::{Code, Problem};

/// The statements of a sample, as far as they aren't loaded.
pub(super) struct Sample<'a> {
    file: &'a SampleFile,
    open: Vec<Open<'a>>,
}

/// A statement that no step has allowed yet.
struct Open<'a> {
    /// The offset of the statement, in bytes.
    start: usize,
    text: &'a str,
    /// What the server said last.
    refused: String,
}

impl<'a> Sample<'a> {
    pub(super) fn new(file: &'a SampleFile) -> Self {
        let open = statements::each(&file.text);
        let open = open.map(|(start, text)| Open { start, text: text.trim_end(), refused: String::new() });
        Self { file, open: open.collect() }
    }

    /// Loads the statements that the schema allows now.
    ///
    /// # Errors
    /// The connection fails. A statement that the server refuses is tried again at the next step.
    pub(super) async fn load(&mut self, connection: &mut PgConnection) -> Result<()> {
        for mut statement in std::mem::take(&mut self.open) {
            let mut transaction = connection.begin().await?;
            let result = sqlx::raw_sql(AssertSqlSafe(statement.text)).execute(&mut *transaction).await;
            let result = match result {
                Ok(_) => transaction.commit().await,
                Err(error) => transaction.rollback().await.and(Err(error)),
            };
            match result {
                Ok(()) => {}
                Err(sqlx::Error::Database(error)) => {
                    error.message().clone_into(&mut statement.refused);
                    self.open.push(statement);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Returns a problem for each statement that no step allowed.
    pub(super) fn refused(&self) -> impl Iterator<Item = Problem> {
        self.open.iter().map(|Open { start, refused, .. }| {
            let position = self.file.text[..*start].chars().count() + 1;
            let (line, column) = statements::line_and_column(&self.file.text, position);
            Problem::failed(Code::Sample, format!("The sample can't be loaded: {refused}."))
                .at(&self.file.file, line, Some(column))
                .detail("The schema of no migration allows this statement.")
                .remedy("Write it for the newest schema, then: cargo xtask ci --only migrations")
        })
    }
}
