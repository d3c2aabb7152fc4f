//! `cargo xtask migrate add DATABASE NAME`: makes the files of a database's next migration.
//!
//! It asks no server. The number is the one after the highest number in the folder.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use sqlx::config::migrate::{DefaultMigrationType, DefaultVersioning};

use crate::checkout;
use crate::cli::MigrateAdd;
use crate::context::Context;
use crate::problem::{Code, Problem, Problems};
use crate::report::Outcome;
use crate::workspace::Database;

/// The text of a new up file.
const UP: &str = "-- Runs in a transaction. A statement that can't, such as CREATE INDEX CONCURRENTLY, needs its own \
                  file that begins with: -- no-transaction\n";

/// How many digits the first number of a folder has.
const WIDTH: usize = 3;

/// The first number that is a date or a time, and not a count: 1 January 1970 as `19700101`.
const FIRST_DAY: i64 = 19_700_101;

/// How often the next number is tried. Other programs may make files at the same time, and take a number first.
const ATTEMPTS: usize = 20;

/// Runs the command. Returns lines that say what to type next.
pub(crate) fn add(options: &MigrateAdd, context: Context<'_>) -> Result<Vec<String>> {
    let step = context.reporter.step("migration");
    // Problems with other migrations don't matter for a new one.
    let workspace = context.workspace;
    let mut problems = Problems::default();
    let name = plain_name(&options.name).map_err(|problem| problems.0.push(problem)).ok();
    let database = workspace.database(&options.database).map_err(|unknown| problems.0.extend(unknown.0));
    let (Some(name), Ok(database)) = (name, database) else { return Err(problems.into()) };

    let made = Folder { root: &workspace.root, database }.add(&name)?;
    let shown: Vec<_> = made.iter().map(|file| file.display().to_string()).collect();
    step.end(Outcome::Done, &format!("{} made", shown.join(" and ")));
    let (write, schema) = (if made.len() > 1 { "write both files" } else { "write the file" }, &database.schema_file);
    Ok(vec![
        format!("Next: {write}, then"),
        "      cargo xtask db-setup             applies it, and ends with exit code 4, because the schema file is stale"
            .into(),
        format!("      cargo xtask db-verify --write    regenerates {}; commit it as well", schema.display()),
        "      cargo xtask ci --only migrations,migration-lint,schema    checks it as CI does".into(),
    ])
}

/// Turns the given name into the form that file names have.
///
/// # Errors
/// The name has characters that don't belong in it, it has no letter and no digit, or it begins with a number.
fn plain_name(given: &str) -> Result<String, Problem> {
    let name: String = given.trim().chars().map(|c| if matches!(c, ' ' | '-') { '_' } else { c }).collect();
    let mut strange: Vec<char> = name.chars().filter(|c| !c.is_ascii_alphanumeric() && *c != '_').collect();
    strange.sort_unstable();
    strange.dedup();
    let problem = if !strange.is_empty() {
        let strange: Vec<_> = strange.iter().map(|c| format!("{c:?}")).collect();
        format!("The name {given:?} contains {}.", strange.join(", "))
    } else if !name.contains(|c: char| c.is_ascii_alphanumeric()) {
        format!("The name {given:?} has no letter and no digit.")
    } else if number_of(&name).is_some() {
        format!("The name {given:?} begins with a number, but this command chooses the number.")
    } else {
        return Ok(name);
    };
    Err(Problem::usage(Code::Usage, problem)
        .detail("A migration's name has letters from a to z, digits and _. Spaces and hyphens become _.")
        .remedy("For example: cargo xtask migrate add DATABASE add_users_email"))
}

/// The number that a file's name begins with, and how many digits it is written with.
fn number_of(name: &str) -> Option<(i64, usize)> {
    let (digits, _) = name.split_once('_')?;
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    Some((digits.parse().ok().filter(|_| all_digits)?, digits.len()))
}

/// A database's migrations folder.
struct Folder<'a> {
    root: &'a Path,
    database: &'a Database,
}

/// The file with the highest number in a folder.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Newest {
    number: i64,
    /// How many digits it is written with.
    width: usize,
    /// Whether it is one of a pair.
    reversible: bool,
}

impl Folder<'_> {
    /// Makes the files of the next migration. Returns their paths, relative to the root.
    fn add(&self, name: &str) -> Result<Vec<PathBuf>> {
        let dir = self.database.migrations_dir.display();
        let failed = |error| {
            Problem::failed(Code::FileUnwritable, format!("No migration can be made in {dir}: {error}."))
                .see_who_may(&self.database.migrations_dir)
        };
        std::fs::create_dir_all(self.root.join(&self.database.migrations_dir)).map_err(failed)?;
        // Two runs at the same time would give one number to two names. The system releases the lock when this run
        // ends.
        let lock = checkout::make_state_dir(self.root)?.join("migrate-lock");
        let _lock = File::create(lock).and_then(|file| file.lock().map(|()| file)).map_err(failed)?;
        for _ in 0..ATTEMPTS {
            let newest = self.newest().map_err(failed)?;
            let files = self.next(newest, name)?;
            match self.make(&files) {
                Ok(()) => return Ok(files.into_iter().map(|(file, _)| file).collect()),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error).into()),
            }
        }
        Err(Problem::failed(Code::CheckoutBusy, format!("Another program makes migrations in {dir} at the same time."))
            .remedy(format!("When it has ended, run this again: cargo xtask migrate add {} {name}", self.database.name))
            .into())
    }

    /// Finds the file with the highest number. A file that isn't named like a migration counts too.
    fn newest(&self) -> std::io::Result<Option<Newest>> {
        let mut newest = None;
        for entry in std::fs::read_dir(self.root.join(&self.database.migrations_dir))? {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            let reversible = name.ends_with(".up.sql") || name.ends_with(".down.sql");
            newest = newest.max(number_of(&name).map(|(number, width)| Newest { number, width, reversible }));
        }
        Ok(newest)
    }

    /// The paths and the texts of the next files.
    fn next(&self, newest: Option<Newest>, name: &str) -> Result<Vec<(PathBuf, String)>> {
        let Database { name: database, migrations_dir: dir, migration_defaults: defaults, .. } = self.database;
        // The first migration of a folder is a pair of files, unless sqlx.toml says otherwise.
        let newest = newest.unwrap_or(Newest { number: 0, width: WIDTH, reversible: true });
        let times = match defaults.migration_versioning {
            DefaultVersioning::Timestamp => true,
            DefaultVersioning::Sequential => false,
            DefaultVersioning::Inferred => newest.number >= FIRST_DAY,
        };
        if times {
            return Err(Problem::failed(
                Code::MigrationNumbers,
                format!("The migrations in {} have times as numbers.", dir.display()),
            )
            .remedy(format!("Make the files with sqlx-cli: cargo xtask sqlx {database} migrate add {name}"))
            .into());
        }
        let Some(number) = newest.number.checked_add(1) else {
            let what = format!("{} has the highest possible number, so no number comes after it.", dir.display());
            return Err(Problem::failed(Code::MigrationNumbers, what)
                .remedy(format!("Give that file a smaller number, then: cargo xtask migrate add {database} {name}"))
                .into());
        };
        let stem = format!("{number:0width$}_{name}", width = newest.width);
        let reversible = match defaults.migration_type {
            DefaultMigrationType::Simple => false,
            DefaultMigrationType::Reversible => true,
            DefaultMigrationType::Inferred => newest.reversible,
        };
        Ok(if reversible {
            let down =
                format!("-- Undoes {stem}.up.sql, the last statement first, so that the schema is as it was before.\n");
            vec![(dir.join(format!("{stem}.up.sql")), UP.into()), (dir.join(format!("{stem}.down.sql")), down)]
        } else {
            vec![(dir.join(format!("{stem}.sql")), UP.into())]
        })
    }

    /// Makes all files or none. It makes none if one of them exists already.
    fn make(&self, files: &[(PathBuf, String)]) -> std::io::Result<()> {
        let mut made = Vec::new();
        let result = files.iter().try_for_each(|(file, text)| {
            let file = self.root.join(file);
            let mut opened = OpenOptions::new().write(true).create_new(true).open(&file)?;
            made.push(file);
            opened.write_all(text.as_bytes())
        });
        if result.is_err() {
            // The files were made a moment ago, so no user has written into them yet.
            made.iter().for_each(|file| drop(std::fs::remove_file(file)));
        }
        result
    }
}
