//! The list of the changes of sample rows that are accepted, each with its reason: `[[rows]]` in the file with the accepted
//! findings of the linter.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::rows::{Change, Loss};
use crate::migrations::ACCEPTED;
use crate::problem::{Code, Problem, Problems};

/// The accepted changes.
#[derive(Default)]
pub(crate) struct AcceptedRows {
    entries: Vec<Entry>,
}

struct Entry {
    line: usize,
    file: PathBuf,
    table: String,
    change: Change,
    columns: BTreeSet<String>,
}

/// The linter reads the rest of the file.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    rows: Vec<Spanned<Written>>,
}

/// An entry as it is written. Every field may be missing, so that each gap can be reported at its place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    file: Option<PathBuf>,
    table: Option<String>,
    change: Option<String>,
    #[serde(default)]
    columns: BTreeSet<String>,
    reason: Option<String>,
}

impl AcceptedRows {
    /// Reads the list. It is empty if there is no file.
    ///
    /// # Errors
    /// The file isn't valid, or an entry lacks something.
    pub(crate) fn read(root: &Path) -> Result<Self, Problems> {
        let Ok(text) = std::fs::read_to_string(root.join(ACCEPTED)) else { return Ok(Self::default()) };
        let line_of = |offset: usize| text.get(..offset).unwrap_or_default().matches('\n').count() + 1;
        let document: Document = toml::from_str(&text).map_err(|error| {
            let line = line_of(error.span().unwrap_or_default().start);
            Problems(vec![
                Problem::failed(Code::AcceptedRows, format!("{ACCEPTED} can't be read: {}.", error.message().trim()))
                    .at(ACCEPTED, line, None),
            ])
        })?;
        let (mut entries, mut problems) = (Vec::new(), Problems::default());
        for written in document.rows {
            let line = line_of(written.span().start);
            let Written { file, table, change, columns, reason } = written.into_inner();
            let change = match change.as_deref() {
                Some("deleted") => Some(Change::Deleted),
                Some("changed") => Some(Change::Changed),
                _ => None,
            };
            let mut lacks = |is_missing: bool, what: &str| {
                if is_missing {
                    problems.0.push(
                        Problem::failed(Code::AcceptedRows, format!("The entry lacks {what}."))
                            .at(ACCEPTED, line, None),
                    );
                }
            };
            lacks(file.is_none(), "the migration: file = \"migrations/…\"");
            lacks(table.is_none(), "the table, with its schema: table = \"public.…\"");
            lacks(change.is_none(), "the change: change = \"deleted\" or \"changed\"");
            lacks(change == Some(Change::Changed) && columns.is_empty(), "the changed columns: columns = [\"…\"]");
            lacks(
                reason.is_none_or(|reason| reason.trim().is_empty()),
                "the reason, for the next reader: reason = \"…\"",
            );
            if let (Some(file), Some(table), Some(change)) = (file, table, change) {
                entries.push(Entry { line, file, table, change, columns });
            }
        }
        problems.into_result()?;
        Ok(Self { entries })
    }

    /// Returns a problem for each change that isn't accepted, and for each entry for `migrations` that nothing matches.
    pub(super) fn judge(&self, losses: &[(PathBuf, Loss)], migrations: &[&Path]) -> Vec<Problem> {
        let matches = |entry: &Entry, (file, loss): &(PathBuf, Loss)| {
            entry.file == *file
                && entry.table == loss.table
                && entry.change == loss.change
                && (loss.change == Change::Deleted || entry.columns == loss.columns)
        };
        let is_new = |loss: &&(PathBuf, Loss)| !self.entries.iter().any(|entry| matches(entry, loss));
        let mut problems: Vec<_> = losses.iter().filter(is_new).map(|(file, loss)| problem(file, loss)).collect();
        let is_stale = |entry: &&Entry| {
            migrations.contains(&entry.file.as_path()) && !losses.iter().any(|loss| matches(entry, loss))
        };
        problems.extend(self.entries.iter().filter(is_stale).map(|Entry { line, file, table, .. }| {
            Problem::failed(
                Code::AcceptedRows,
                format!("{} does nothing of this kind to the sample rows of {table}.", file.display()),
            )
            .at(ACCEPTED, *line, None)
            .remedy("Delete the entry.")
        }));
        problems
    }
}

fn problem(file: &Path, loss: &Loss) -> Problem {
    let Loss { table, change, columns, rows, of, examples } = loss;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let quoted: Vec<_> = columns.iter().map(|column| format!("{column:?}")).collect();
    let names = columns.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let (what, entry) = match change {
        Change::Deleted => {
            (format!("{name} deletes {rows} of the {of} sample rows of {table}."), "change = \"deleted\"".to_owned())
        }
        Change::Changed => (
            format!("{name} changes {rows} of the {of} sample rows of {table}, in {names}."),
            format!("change = \"changed\"\ncolumns = [{}]", quoted.join(", ")),
        ),
    };
    Problem::failed(Code::RowsLost, what)
        .at(file, 1, None)
        .details(examples.iter().cloned())
        .remedy(format!("If that is meant, accept it in {ACCEPTED}, with the reason:"))
        .remedy(format!("[[rows]]\nfile = \"{}\"\ntable = \"{table}\"\n{entry}\nreason = \"…\"", file.display()))
}
