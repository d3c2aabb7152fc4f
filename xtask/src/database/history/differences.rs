//! What is wrong with a history, in words, and what to do about it.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::texts::{self, Recorded};
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
    /// The file isn't applied, but later ones are, of which this is the newest version.
    Late(&'a MigrationFile, i64),
    /// There is no file of this number.
    Missing(i64, String),
    /// It was begun in a transaction's place and not finished.
    Unfinished(i64, String),
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

/// A history that differs from the files, with all that is known about it.
pub(super) struct Seen<'a> {
    pub(super) target: &'a Target<'a>,
    pub(super) rows: &'a [Applied],
    pub(super) recorded: &'a BTreeMap<i64, Recorded>,
    pub(super) interrupt: &'a Interrupt,
    pub(super) differences: &'a [Difference<'a>],
}

/// The way on by taking migrations back.
struct Way {
    /// The names of those that are taken back.
    names: String,
    /// What to type.
    command: String,
}

impl Seen<'_> {
    /// The problem with all differences.
    pub(super) fn problem(&self) -> Problem {
        let target = self.target;
        let what = format!(
            "{}: the history of {} doesn't agree with the migration files, so nothing was applied.",
            target.database.name, target.url.database
        );
        let mut problem = Problem::new(Code::HistoryDiffers, Exit::HistoryDiffers, what);
        let mut remedies = Remedies::default();
        let way = self.way();
        for difference in self.differences {
            let (detail, advice) = self.explain(difference, way.as_ref());
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

    /// The command that takes back what differs, with all that was applied after it. There is none if something of that can't
    /// be taken back, if others have the migrations as they were applied, or if that isn't what differs.
    fn way(&self) -> Option<Way> {
        let database = self.target.database;
        let (mut first, mut is_missing) = (i64::MAX, false);
        for difference in self.differences {
            first = first.min(match difference {
                Difference::Modified(file) | Difference::Another(file, _) => {
                    let is_published = main_branch::has_another(self.target.root, &file.file, self.interrupt);
                    if is_published == Some(true) {
                        return None;
                    }
                    file.migration.version
                }
                Difference::Late(file, _) => {
                    if self.is_published(&file.file) == Some(false) {
                        return None;
                    }
                    self.rows.iter().map(|row| row.version).filter(|version| *version > file.migration.version).min()?
                }
                Difference::Missing(version, _) => {
                    is_missing = true;
                    *version
                }
                Difference::LineEndings(_) | Difference::Unfinished(..) => return None,
            });
        }
        let (back, stay): (Vec<_>, Vec<_>) = self.rows.iter().partition(|row| row.version >= first);
        let mut names = Vec::new();
        for row in back.iter().rev() {
            let applied = texts::as_applied(database, row, self.recorded).filter(|_| row.finished)?;
            applied.down.as_ref()?;
            names.push(applied.stem());
        }
        let name = &database.name;
        let command = if is_missing {
            let newest = stay.iter().map(|row| row.version).max().unwrap_or(0);
            format!("cargo xtask migrate down {name} --to {newest}, then cargo xtask db-setup")
        } else if back.len() == 1 {
            format!("cargo xtask migrate redo {name}")
        } else {
            format!("cargo xtask migrate redo {name} --from {first}")
        };
        Some(Way { names: names.join(", "), command })
    }

    /// A difference in one line, and what to do about it.
    fn explain(&self, difference: &Difference<'_>, way: Option<&Way>) -> (String, Vec<String>) {
        let database = self.target.database;
        let of_version = |version: i64| {
            let stem = texts::stem_of(database, version, "*");
            database.migrations_dir.join(stem).display().to_string()
        };
        let take_back = way.map(|Way { names, command }| {
            format!("Take {names} back as recorded, and apply what the files say now: {command}")
        });
        match difference {
            Difference::Modified(file) => {
                let path = file.file.display();
                let version = file.migration.version;
                let unknown = if self.recorded.contains_key(&version) { "" } else { ", of which nothing is recorded" };
                (
                    format!("modified: {path} differs from the file applied as version {version}{unknown}"),
                    take_back
                        .into_iter()
                        .chain([
                            format!("See what changed: git log -p -- {path}, and git diff HEAD -- {path}"),
                            "Put the change into a new migration, and restore this file.".to_owned(),
                        ])
                        .collect(),
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
                let owner = match self.is_published(&file.file) {
                    Some(true) => {
                        format!("The main branch has {path}, so it is the other one that needs the next number.")
                    }
                    Some(false) => {
                        format!("{path} isn't on the main branch yet. If the other one is, give yours the next number.")
                    }
                    None => "If both are to stay, the one that others don't have yet needs the next number.".to_owned(),
                };
                (
                    format!(
                        "another file: version {version} was applied as \"{applied}\"{}, but {path} is another \
                         migration of the same number",
                        self.origin(version)
                    ),
                    [
                        format!(
                            "See which branch \"{applied}\" comes from: git log --all --oneline -- '{}'",
                            of_version(version)
                        ),
                        owner,
                    ]
                    .into_iter()
                    .chain(take_back)
                    .collect(),
                )
            }
            Difference::Late(file, newest) => self.late(file, *newest, way),
            Difference::Missing(version, description) => (
                format!(
                    "missing: version {version} \"{description}\" was applied{}, but has no file",
                    self.origin(*version)
                ),
                std::iter::once(format!(
                    "See which branch has it: git log --all --oneline -- '{}'. Then restore the file, or go to that \
                     branch.",
                    of_version(*version)
                ))
                .chain(take_back)
                .collect(),
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

    /// Where an applied migration came from, if that is recorded.
    fn origin(&self, version: i64) -> String {
        let of = |recorded: &Recorded| match (&recorded.branch, &recorded.commit) {
            (Some(branch), _) => format!(" from the branch {branch}"),
            (None, Some(commit)) => format!(" from the commit {}", commit.get(..12).unwrap_or(commit)),
            (None, None) => String::new(),
        };
        self.recorded.get(&version).map(of).unwrap_or_default()
    }

    fn is_published(&self, file: &Path) -> Option<bool> {
        main_branch::has(self.target.root, file, self.interrupt)
    }

    /// A file that isn't applied although a later one is. Whoever has published nothing yet makes room for the other.
    fn late(&self, file: &MigrationFile, newest: i64, way: Option<&Way>) -> (String, Vec<String>) {
        let detail = format!("out of order: {} isn't applied, but the later version {newest} is", file.file.display());
        let files = self.target.database.migrations.iter().map(|file| file.migration.version);
        let next = files.max().unwrap_or(newest).max(newest) + 1;
        let renumber = format!(
            "Give {} the next number, {next:03}, because this database already has a later migration.",
            file.stem()
        );
        let advice = match (self.is_published(&file.file), way) {
            // Others have the late one already, under its number.
            (Some(true), Some(Way { names, command })) => vec![format!(
                "The main branch has {}. Take {names} back as recorded, and apply all in order: {command}",
                file.stem()
            )],
            (Some(true), None) => vec![format!(
                "The main branch has {}, so its number has to stay. This database can only begin anew.",
                file.stem()
            )],
            (Some(false), _) | (None, None) => vec![renumber],
            (None, Some(Way { names, command })) => vec![
                format!("If others have {} already, take {names} back, and apply all in order: {command}", file.stem()),
                format!("or, if nobody else has {}: {}", file.stem(), renumber.replacen("Give", "give", 1)),
            ],
        };
        (detail, advice)
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
