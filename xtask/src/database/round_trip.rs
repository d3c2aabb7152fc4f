//! The round trip: each migration goes up, down and up again on a scratch database.
//!
//! The way down must restore exactly the catalog from before, and the second way up must restore the catalog from
//! after. At the end all migrations go down, and nothing may be left.
//!
//! If the database has sample rows, they are loaded meanwhile. The rows that a migration deletes or changes are reported.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use sqlx::postgres::PgConnection;
use xtask_schema::{Catalog, Difference};

use super::accepted_rows::AcceptedRows;
use super::reach::{self, Reader, Watch};
use super::rows::{Loss, Part, Rows};
use super::sample::Sample;
use super::scratch::{self, Scratch};
use super::{apply, proof};
use crate::connection::session;
use crate::migrations::{DownFile, MigrationFile};
use crate::problem::{Code, Problem, Problems};
use crate::target::Target;
use crate::workspace::Database;

/// The result for the migrations of a database.
pub(crate) struct Outcome {
    /// How many went up, down and up again.
    pub(crate) reversed: usize,
    /// The files that have no way down.
    pub(crate) irreversible: Vec<String>,
    /// The number of the sample rows at the end, if there is a sample.
    pub(crate) rows: Option<usize>,
    /// What became of sample rows, with the files that did it.
    losses: Vec<(PathBuf, Loss)>,
    /// The statements of the sample that no step allowed.
    refused: Vec<Problem>,
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
/// Every migration that reaches beyond the database. Otherwise, every migration that doesn't reverse, the first one that
/// fails on its way up, and every change of sample rows that isn't accepted.
pub(crate) async fn run(target: &Target<'_>, run: &str, accepted: &AcceptedRows) -> Result<Outcome> {
    reach::refuse(&target.database.migrations, true)?;
    let mut problems = Problems::default();
    let mut broken = Vec::new();
    loop {
        let attempt = scratch::with(target, run, async |scratch| attempt(scratch, target, run, &broken).await);
        match attempt.await {
            Ok(Attempt::Whole(mut outcome)) => {
                let files: Vec<_> = target.database.all_files().collect();
                problems.0.append(&mut outcome.refused);
                if outcome.rows.is_some() {
                    problems.0.extend(accepted.judge(&outcome.losses, &files));
                }
                problems.into_result()?;
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
    }
}

async fn attempt(scratch: &Scratch<'_>, target: &Target<'_>, run: &str, broken: &[i64]) -> Result<Attempt> {
    let mut connection = scratch.open().await?;
    let reader = Reader::new(&mut connection).await?;
    let database = target.database;
    let sample = database.sample.as_ref().map(Sample::new);
    let trip = Trip { database, target, run, broken, reader, sample, losses: Vec::new(), connection: &mut connection };
    let attempt = trip.make().await?;
    session::close(connection).await;
    Ok(attempt)
}

struct Trip<'a> {
    database: &'a Database,
    target: &'a Target<'a>,
    /// The name of the sessions.
    run: &'a str,
    /// Versions that are known not to reverse.
    broken: &'a [i64],
    reader: Reader,
    sample: Option<Sample<'a>>,
    losses: Vec<(PathBuf, Loss)>,
    connection: &'a mut PgConnection,
}

impl Trip<'_> {
    async fn make(mut self) -> Result<Attempt> {
        let database = self.database;
        let empty = self.catalog().await?;
        let mut reversed = 0;
        let mut irreversible = Vec::new();
        let mut before = empty.clone();
        // What each migration made, by its version.
        let mut made = BTreeMap::new();
        for file in &database.migrations {
            let version = file.migration.version;
            let rows = self.rows().await?;
            self.up(file).await?;
            self.compare(&file.file, &rows, &BTreeSet::new()).await?;
            let after = self.catalog().await?;
            let known = self.broken.contains(&version);
            match &file.down {
                Some(down) if !known => {
                    match self.down_and_up(file, down, &before, &after).await? {
                        Ok(rows) => drop(made.insert(version, self.rows().await?.made_since(&rows))),
                        Err(problem) => return Ok(Attempt::Broken { version, problem }),
                    }
                    reversed += 1;
                }
                Some(_) => {}
                None => irreversible.push(file.file.display().to_string()),
            }
            if let Some(sample) = &mut self.sample {
                sample.load(self.connection).await?;
            }
            before = after;
        }
        let rows = if self.sample.is_some() { Some(self.rows().await?.count()) } else { None };
        if self.broken.is_empty()
            && irreversible.is_empty()
            && let Some(problem) = self.all_the_way_down(&empty, &made).await?
        {
            return Err(problem.into());
        }
        let refused = self.sample.iter().flat_map(Sample::refused).collect();
        Ok(Attempt::Whole(Outcome { reversed, irreversible, rows, losses: self.losses, refused }))
    }

    /// Reverses a migration and applies it again. Returns the rows in between. The inner error is a migration that doesn't
    /// reverse.
    async fn down_and_up(
        &mut self,
        file: &MigrationFile,
        down: &DownFile,
        before: &Catalog,
        after: &Catalog,
    ) -> Result<Result<Rows, Problem>> {
        if let Err(error) = self.down(down).await {
            return broken_by(error);
        }
        let rows = self.rows().await?;
        let back = self.catalog().await?;
        if back != *before {
            let what = format!("{} doesn't restore the schema from before its migration.", name(&down.file));
            return Ok(Err(differ(&down.file, what, before, &back).remedy(
                "Let it undo all that its migration does, and nothing else; then: cargo xtask ci --only migrations",
            )));
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
        Ok(Ok(rows))
    }

    /// Reverses all migrations, from the newest to the oldest. Each one may drop what it has made, and no other rows.
    async fn all_the_way_down(
        &mut self,
        empty: &Catalog,
        made: &BTreeMap<i64, BTreeSet<Part>>,
    ) -> Result<Option<Problem>> {
        for down in self.database.migrations.iter().rev().filter_map(|file| file.down.as_ref()) {
            let rows = self.rows().await?;
            self.down(down).await?;
            let own = made.get(&down.migration.version).cloned().unwrap_or_default();
            self.compare(&down.file, &rows, &own).await?;
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
        let before = self.reader.read(self.connection).await?;
        let watch = Watch { reader: &self.reader, before, target: self.target, run: self.run, file: &file.file };
        apply::watched(self.connection, self.database, file, &watch).await
    }

    async fn down(&mut self, down: &DownFile) -> Result<()> {
        let before = self.reader.read(self.connection).await?;
        let watch = Watch { reader: &self.reader, before, target: self.target, run: self.run, file: &down.file };
        apply::revert(self.connection, &self.database.history, down, &watch).await
    }

    async fn catalog(&mut self) -> Result<Catalog> {
        Ok(proof::measure(self.connection, self.database).await?.catalog)
    }

    /// Reads the rows, if the database has sample rows.
    async fn rows(&mut self) -> Result<Rows> {
        match self.sample {
            Some(_) => Rows::read(self.connection, &self.database.history).await,
            None => Ok(Rows::default()),
        }
    }

    /// Takes note of the rows that a file has deleted or changed.
    async fn compare(&mut self, file: &Path, before: &Rows, own: &BTreeSet<Part>) -> Result<()> {
        let after = self.rows().await?;
        self.losses.extend(before.losses(&after, own).into_iter().map(|loss| (file.to_owned(), loss)));
        Ok(())
    }
}

/// Tells two errors apart: a statement that fails is the file's fault, but a connection that fails isn't.
fn broken_by(error: anyhow::Error) -> Result<Result<Rows, Problem>> {
    match error.downcast::<Problem>() {
        Ok(problem) => Ok(Err(problem)),
        Err(error) => Err(error),
    }
}

fn differ(file: &Path, what: String, expected: &Catalog, found: &Catalog) -> Problem {
    let without_repair = |difference: Difference| Difference { repair: None, ..difference }.to_string();
    let differences = xtask_schema::compare(expected, found).into_iter().map(without_repair);
    Problem::failed(Code::NotReversible, what).at(file, 1, None).details(differences)
}

fn name(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
