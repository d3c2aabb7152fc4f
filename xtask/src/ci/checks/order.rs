//! The order of the migrations of a branch that isn't merged yet. They have to come after those of the main branch, because others
//! have applied these already.

use crate::context::Context;
use crate::main_branch;
use crate::migrations::{MigrationFile, version_of};
use crate::problem::{Code, Exit, Problem};
use crate::workspace::Database;

/// Names the migrations that come before one of the main branch, and that the main branch hasn't. There are none if git
/// knows no main branch.
pub(super) fn late(context: Context<'_>) -> Vec<Problem> {
    context.workspace.databases.iter().flat_map(|database| late_of(database, context)).collect()
}

fn late_of(database: &Database, context: Context<'_>) -> Vec<Problem> {
    let Context { workspace, interrupt, .. } = context;
    let theirs = main_branch::files(&workspace.root, &database.migrations_dir, interrupt).unwrap_or_default();
    let Some((newest, name)) = theirs.iter().filter_map(|name| Some((version_of(name)?, name))).max() else {
        return Vec::new();
    };
    let highest = database.migrations.iter().map(|file| file.migration.version).max().unwrap_or(newest).max(newest);
    let is_new = |file: &&MigrationFile| {
        let is_theirs = |name: &std::ffi::OsStr| theirs.iter().any(|known| name == known.as_str());
        file.migration.version <= newest && !file.file.file_name().is_some_and(is_theirs)
    };
    let problem = |(after, file): (usize, &MigrationFile)| {
        let (stem, version) = (file.stem(), file.migration.version);
        let next = highest + 1 + i64::try_from(after).unwrap_or_default();
        let what = format!("{stem} would come before {name}, which the main branch has, or in its place.");
        Problem::new(Code::MigrationLate, Exit::HistoryDiffers, what)
            .at(&file.file, 1, None)
            .detail("Everybody who has applied that one couldn't apply this one any more.")
            .remedy(format!(
                "If it is applied in your database, take it back first: cargo xtask migrate down {} --to {}",
                database.name,
                version - 1
            ))
            .remedy(format!(
                "Give its files the next number: mv {} {}, and so on; then: cargo xtask db-setup",
                file.file.display(),
                file.file.with_file_name(renumbered(&file.file.display().to_string(), next)).display()
            ))
    };
    database.migrations.iter().filter(is_new).enumerate().map(problem).collect()
}

/// The name of a file with another number, which is written with as many digits.
fn renumbered(file: &str, number: i64) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    let (digits, rest) = name.split_once('_').unwrap_or((name, ""));
    format!("{number:0width$}_{rest}", width = digits.len())
}
