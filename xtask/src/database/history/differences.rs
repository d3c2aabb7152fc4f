//! What is wrong with a history, in words, and what to do about it.

use std::path::Path;

use super::Applied;
use crate::interrupt::Interrupt;
use crate::main_branch;
use crate::migrations::MigrationFile;
use crate::problem::{Code, Exit, Problem};
use crate::target::Target;

/// A difference between the applied migrations and the files.
pub(super) enum Difference<'a> {
    /// The applied file had the same name and another content.
    Modified(&'a MigrationFile),
    /// The content differs in its line endings only.
    LineEndings(&'a MigrationFile),
    /// The applied file had the same number and another name.
    Another(&'a MigrationFile, String),
    /// The file isn't applied, but a later one is.
    Late(&'a MigrationFile, Later<'a>),
    /// There is no file of this number.
    Missing(i64, String),
    /// It was begun in a transaction's place and not finished.
    Unfinished(i64, String),
}

/// What was applied although a file before it isn't.
pub(super) struct Later<'a> {
    /// The newest version that is applied.
    pub(super) newest: i64,
    /// The newest version below the late file that is applied.
    pub(super) before: i64,
    /// The files of the applied versions above the late one.
    pub(super) files: Vec<&'a MigrationFile>,
}

/// The remedies so far. None is given twice.
#[derive(Default)]
struct Remedies(Vec<String>);

impl Remedies {
    fn add(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.0.contains(&text) {
            self.0.push(text);
        }
    }
}

/// The problem with all differences.
pub(super) fn problem(differences: &[Difference<'_>], target: &Target<'_>, interrupt: &Interrupt) -> Problem {
    let what = format!(
        "{}: the history of {} doesn't agree with the migration files, so nothing was applied.",
        target.database.name, target.url.database
    );
    let mut problem = Problem::new(Code::HistoryDiffers, Exit::HistoryDiffers, what);
    let mut remedies = Remedies::default();
    for difference in differences {
        let (detail, advice) = explain(difference, target, interrupt);
        problem = problem.detail(detail);
        advice.into_iter().for_each(|text| remedies.add(text));
    }
    remedies.add(format!(
        "If you don't need the data of this database, start with an empty one (the old one is kept as a snapshot): \
         cargo xtask db-reset {}",
        target.database.name
    ));
    remedies.0.into_iter().fold(problem, Problem::remedy)
}

/// A difference in one line, and what to do about it.
fn explain(difference: &Difference<'_>, target: &Target<'_>, interrupt: &Interrupt) -> (String, Vec<String>) {
    let database = target.database;
    // Files are named by hand, so a number may have zeros before it.
    let digits = |file: &MigrationFile| file.stem().split('_').next().map_or(0, str::len);
    let width = database.migrations.first().map_or(0, digits);
    let of_version = |version: i64| database.migrations_dir.join(format!("{version:0width$}_*")).display().to_string();
    match difference {
        Difference::Modified(file) => {
            let path = file.file.display();
            let version = file.migration.version;
            (
                format!("modified: {path} differs from the file applied as version {version}"),
                vec![
                    format!("See what changed: git log -p -- {path}, and git diff HEAD -- {path}"),
                    "Put the change into a new migration, and restore this file.".to_owned(),
                ],
            )
        }
        Difference::LineEndings(file) => (
            format!("modified: {} (only its line endings differ from the applied file)", file.file.display()),
            vec![
                "Restore its line endings (.gitattributes: *.sql text eol=lf), then: \
                 git rm --cached -r . && git reset --hard"
                    .to_owned(),
                "or let sqlx ignore them, in sqlx.toml: [migrate] ignored-chars = [\"\\r\"]".to_owned(),
            ],
        ),
        Difference::Another(file, applied) => {
            let (path, version) = (file.file.display(), file.migration.version);
            let owner = match main_branch::has(target.root, &file.file, interrupt) {
                Some(true) => format!("The main branch has {path}, so it is the other one that needs the next number."),
                Some(false) => {
                    format!("{path} isn't on the main branch yet. If the other one is, give yours the next number.")
                }
                None => "If both are to stay, the one that others don't have yet needs the next number.".to_owned(),
            };
            (
                format!(
                    "another file: version {version} was applied as \"{applied}\", but {path} is another migration of \
                     the same number"
                ),
                vec![
                    format!(
                        "See which branch \"{applied}\" comes from: git log --all --oneline -- '{}'",
                        of_version(version)
                    ),
                    owner,
                ],
            )
        }
        Difference::Late(file, later) => late(file, later, target, interrupt),
        Difference::Missing(version, description) => (
            format!("missing: version {version} \"{description}\" was applied, but has no file"),
            vec![format!(
                "See which branch has it: git log --all --oneline -- '{}'. Then restore the file, or go to that branch.",
                of_version(*version)
            )],
        ),
        Difference::Unfinished(version, description) => (
            format!("unfinished: version {version} \"{description}\" was begun but not finished"),
            vec![format!(
                "Undo its changes, then: DELETE FROM {} WHERE version = {version} AND NOT success;",
                database.history.name
            )],
        ),
    }
}

/// A file that isn't applied although a later one is. Whoever has published nothing yet makes room for the other.
fn late(file: &MigrationFile, later: &Later<'_>, target: &Target<'_>, interrupt: &Interrupt) -> (String, Vec<String>) {
    let database = target.database;
    let Later { newest, before, files } = later;
    let detail = format!("out of order: {} isn't applied, but the later version {newest} is", file.file.display());
    let next = database.migrations.iter().map(|file| file.migration.version).max().unwrap_or(*newest).max(*newest) + 1;
    let renumber = format!(
        "Give {} the next number, {next:03}, because this database already has a later migration.",
        file.stem()
    );
    let is_published = |file: &Path| main_branch::has(target.root, file, interrupt);
    let names = files.iter().map(|file| file.stem()).collect::<Vec<_>>().join(", ");
    let revert = format!(
        "cargo xtask sqlx {} migrate revert --target-version {before}, then cargo xtask db-setup",
        database.name
    );
    let own_can_go = files.iter().all(|file| file.down.is_some() && is_published(&file.file) != Some(true));
    match is_published(&file.file) {
        // Others have the late one already, under its number.
        Some(true) if own_can_go && !files.is_empty() => {
            let way = format!(
                "The main branch has {}, and not yet {names}. Take that back, and apply all in order: {revert}",
                file.stem()
            );
            (detail, vec![way])
        }
        Some(true) => (
            detail,
            vec![format!(
                "The main branch has {}, so its number has to stay. This database can only begin anew.",
                file.stem()
            )],
        ),
        Some(false) => (detail, vec![renumber]),
        None if own_can_go && !files.is_empty() => (
            detail,
            vec![
                format!("If others have {} already, take {names} back, and apply all in order: {revert}", file.stem()),
                format!("or, if nobody else has {}: {}", file.stem(), renumber.replacen("Give", "give", 1)),
            ],
        ),
        None => (detail, vec![renumber]),
    }
}

/// The difference between a file and the row of the same number.
pub(super) fn of_content<'a>(file: &'a MigrationFile, row: &Applied) -> Option<Difference<'a>> {
    if *file.migration.checksum == *row.checksum {
        None
    } else if file.differs_in_endings_only(&row.checksum) {
        Some(Difference::LineEndings(file))
    } else if *file.migration.description != *row.description {
        Some(Difference::Another(file, row.description.clone()))
    } else {
        Some(Difference::Modified(file))
    }
}
