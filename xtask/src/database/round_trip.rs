//! The round trip: each migration goes up, down and up again on a scratch database.
//!
//! The way down must restore exactly the catalog from before, and the second way up must restore the catalog from
//! after. At the end all migrations go down, and nothing may be left.

use std::path::Path;

use anyhow::Result;
use sqlx::postgres::PgConnection;
use xtask_schema::{Catalog, Difference};

use super::scratch::Scratch;
use super::{apply, proof};
use crate::connection::session;
use crate::migrations::{DownFile, MigrationFile};
use crate::problem::{Problem, Problems};
use crate::target::Target;
use crate::workspace::Database;

/// The result for the migrations of a database.
pub(crate) struct Outcome {
    /// How many went up, down and up again.
    pub(crate) reversed: usize,
    /// The files that have no way down.
    pub(crate) irreversible: Vec<String>,
}

/// The result of the attempt on one scratch database.
enum Attempt {
    /// The attempt reached the last migration.
    Whole(Outcome),
    /// The attempt ended at a migration that doesn't reverse. The scratch database can't be used any more.
    Broken { version: i64, problem: Problem },
}

/// Makes the round trip on scratch databases on the server of `target`.
///
/// # Errors
/// Every migration that doesn't reverse, and the first one that fails on its way up.
pub(crate) async fn run(target: &Target<'_>, run: &str) -> Result<Outcome> {
    let mut problems = Problems::default();
    let mut broken = Vec::new();
    loop {
        let scratch = Scratch::create(target, run).await?;
        let attempt = attempt(&scratch, target.database, &broken).await;
        let discarded = scratch.discard().await;
        match attempt {
            Ok(Attempt::Whole(outcome)) => {
                problems.into_result()?;
                discarded?;
                return Ok(outcome);
            }
            // The migrations after it are tried on a new scratch database, where this one is not reversed.
            Ok(Attempt::Broken { version, problem }) => {
                problems.0.push(problem);
                broken.push(version);
            }
            Err(error) => {
                problems.0.extend(Problems::of(error).0);
                return Err(problems.into());
            }
        }
        discarded?;
    }
}

async fn attempt(scratch: &Scratch<'_>, database: &Database, broken: &[i64]) -> Result<Attempt> {
    let mut connection = scratch.open().await?;
    let attempt = Trip { database, broken, connection: &mut connection }.make().await?;
    session::close(connection).await;
    Ok(attempt)
}

struct Trip<'a> {
    database: &'a Database,
    /// Versions that are known not to reverse.
    broken: &'a [i64],
    connection: &'a mut PgConnection,
}

impl Trip<'_> {
    async fn make(mut self) -> Result<Attempt> {
        let database = self.database;
        let empty = self.catalog().await?;
        let mut outcome = Outcome { reversed: 0, irreversible: Vec::new() };
        let mut before = empty.clone();
        for file in &database.migrations {
            self.up(file).await?;
            let after = self.catalog().await?;
            let known = self.broken.contains(&file.migration.version);
            match &file.down {
                Some(down) if !known => {
                    if let Err(problem) = self.down_and_up(file, down, &before, &after).await? {
                        return Ok(Attempt::Broken { version: file.migration.version, problem });
                    }
                    outcome.reversed += 1;
                }
                Some(_) => {}
                None => outcome.irreversible.push(file.file.display().to_string()),
            }
            before = after;
        }
        if self.broken.is_empty()
            && outcome.irreversible.is_empty()
            && let Some(problem) = self.all_the_way_down(&empty).await?
        {
            return Err(problem.into());
        }
        Ok(Attempt::Whole(outcome))
    }

    /// Reverses a migration and applies it again. The inner error is a migration that doesn't reverse.
    async fn down_and_up(
        &mut self,
        file: &MigrationFile,
        down: &DownFile,
        before: &Catalog,
        after: &Catalog,
    ) -> Result<Result<(), Problem>> {
        if let Err(error) = self.down(down).await {
            return broken_by(error);
        }
        let back = self.catalog().await?;
        if back != *before {
            let what = format!("{} doesn't restore the schema from before its migration.", name(&down.file));
            return Ok(Err(differ(&down.file, what, before, &back)
                .remedy("It has to undo everything that its migration does, and nothing else.")));
        }
        if let Err(error) = self.up(file).await {
            return broken_by(error);
        }
        let again = self.catalog().await?;
        if again != *after {
            let what = format!("{} produces another schema the second time, after its way down.", name(&file.file));
            return Ok(Err(
                differ(&file.file, what, after, &again).remedy(format!("See what {} leaves behind.", name(&down.file)))
            ));
        }
        Ok(Ok(()))
    }

    /// Reverses all migrations, from the newest to the oldest.
    async fn all_the_way_down(&mut self, empty: &Catalog) -> Result<Option<Problem>> {
        for down in self.database.migrations.iter().rev().filter_map(|file| file.down.as_ref()) {
            self.down(down).await?;
        }
        let left = self.catalog().await?;
        let first = self.database.migrations.first().and_then(|file| file.down.as_ref());
        Ok(first.filter(|_| left != *empty).map(|first| {
            let what = format!("{}: the whole way down leaves something behind.", self.database.name);
            differ(&first.file, what, empty, &left)
                .remedy("Each file alone restores the schema from before it, but all of them together don't.")
        }))
    }

    async fn up(&mut self, file: &MigrationFile) -> Result<()> {
        apply::pending(self.connection, self.database, &[file], |_| {}).await.1
    }

    async fn down(&mut self, down: &DownFile) -> Result<()> {
        apply::revert(self.connection, &self.database.history, down).await
    }

    async fn catalog(&mut self) -> Result<Catalog> {
        Ok(proof::measure(self.connection, &self.database.history).await?.catalog)
    }
}

/// Tells two errors apart: a statement that fails is the file's fault, but a connection that fails isn't.
fn broken_by(error: anyhow::Error) -> Result<Result<(), Problem>> {
    match error.downcast::<Problem>() {
        Ok(problem) => Ok(Err(problem)),
        Err(error) => Err(error),
    }
}

fn differ(file: &Path, what: String, expected: &Catalog, found: &Catalog) -> Problem {
    let without_repair = |difference: Difference| Difference { repair: None, ..difference }.to_string();
    let differences = xtask_schema::compare(expected, found).into_iter().map(without_repair);
    Problem::failed(what).at(file, 1, None).details(differences)
}

fn name(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
