//! The checks that run the migrations on scratch databases: the round trips, the committed schema files, and the
//! page that shows the schemas.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use sqlx::postgres::PgConnection;

use super::{Passed, Setting, order};
use crate::database::accepted_rows::AcceptedRows;
use crate::database::side_by_side::on_each;
use crate::database::{deep, page, proof, round_trip};
use crate::interrupt;
use crate::problem::{Code, Problem, Problems};
use crate::target::Target;
use crate::workspace::Workspace;

/// Applies, reverts and applies each migration.
pub(super) async fn round_trips(setting: &Setting<'_>) -> Result<Passed> {
    let accepted = AcceptedRows::read(&setting.context.workspace.root)?;
    let mut problems = Problems(order::late(setting.context));
    let outcomes = match on_scratch(setting, async |target, run| round_trip::run(target, run, &accepted).await).await {
        Ok(outcomes) => outcomes,
        Err(error) if interrupt::is_interruption(&error) => return Err(error),
        Err(error) => {
            problems.0.extend(Problems::of(error).0);
            Vec::new()
        }
    };
    problems.into_result()?;
    let rows: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.rows).collect();
    let reversed: usize = outcomes.iter().map(|outcome| outcome.reversed).sum();
    let irreversible: Vec<_> = outcomes.into_iter().flat_map(|outcome| outcome.irreversible).collect();
    let mut what = format!("{reversed} went up, down without a trace, and up again");
    if !rows.is_empty() {
        what.push_str(&format!(", with {} sample rows", rows.iter().sum::<usize>()));
    }
    if !irreversible.is_empty() {
        what.push_str(&format!("; no way down: {}", irreversible.join(", ")));
    }
    Ok(Passed::With(what))
}

/// Compares the committed schema files, and the page that shows the schemas, with the result of the migrations. If `live`, the
/// catalogs of the live databases are compared with it as well. Without `db-setup` in the same run, a developer may have made
/// tables of their own there.
pub(super) async fn schema_files(setting: &Setting<'_>, live: bool) -> Result<Passed> {
    let workspace = setting.context.workspace;
    let page = page::committed(&workspace.root)?;
    let check = async |target: &Target<'_>, run: &str| {
        let database = target.database;
        // What is wrong with the live database mustn't hide what is wrong with the files.
        let live = if live { Some(deep::open_live(target).await) } else { None };
        let read = async |connection: &mut PgConnection| {
            let measured = proof::measure(connection, database).await?;
            let outline = if page.is_some() { Some(page::outline(connection, database).await?) } else { None };
            let deep = match &live {
                Some(Ok(live)) => Some(deep::read_fresh(target, connection, live).await?),
                _ => None,
            };
            Ok((measured, deep, outline))
        };
        let (fresh, deep, outline) = proof::in_fresh(target, run, read).await?;
        let compared = match (proof::file_is_current(target, &fresh), live, deep) {
            (Ok(()), Some(Ok(live)), Some(deep)) => deep::compare(target, deep, live).await.map(drop),
            (Ok(()), Some(Err(error)), _) => Err(error),
            (compared, ..) => compared.map_err(Into::into),
        };
        let without = if fresh.lacks_privileges() { " (without owners and privileges)" } else { "" };
        let file = compared.map(|()| format!("{}{without}", database.schema_file.display()));
        Ok((file, outline.map(|outline| (database.name.clone(), outline))))
    };
    let (files, mut problems) = match on_scratch(setting, check).await {
        Ok(checked) => {
            let (compared, outlines): (Vec<_>, Vec<_>) = checked.into_iter().unzip();
            let (files, mut problems) = Problems::split(compared);
            let outlines: Vec<_> = outlines.into_iter().flatten().collect();
            problems.0.extend(page.as_ref().and_then(|page| page::compare(page, &page::of(&outlines)).err()));
            (files, problems)
        }
        Err(error) if interrupt::is_interruption(&error) => return Err(error),
        Err(error) => (Vec::new(), Problems::of(error)),
    };
    problems.0.extend(strays(workspace));
    problems.into_result()?;
    let are = if files.len() == 1 { "is" } else { "are" };
    let also = if live { ", and so are all catalogs of the databases" } else { "" };
    let shown = page.map(|_| format!("; {} is current", page::FILE)).unwrap_or_default();
    Ok(Passed::With(format!("{} {are} the result of the migrations{also}{shown}", files.join(" and "))))
}

/// Reports the files with SQL that belong to no database: schema files, and migrations. They look as if somebody checked
/// them.
fn strays(workspace: &Workspace) -> Vec<Problem> {
    let root = workspace.root.as_path();
    let databases = &workspace.databases;
    let known: Vec<_> = databases.iter().map(|database| database.schema_file.as_path()).collect();
    let folders: Vec<_> = databases.iter().map(|database| database.migrations_dir.as_path()).collect();
    let names: Vec<_> = databases.iter().map(|database| database.name.as_str()).collect();
    let beside = |paths: &[&Path]| -> BTreeSet<PathBuf> {
        paths
            .iter()
            .filter_map(|path| path.parent())
            .filter(|folder| !folder.as_os_str().is_empty())
            .map(Path::to_owned)
            .collect()
    };
    let mut problems = Vec::new();
    for folder in beside(&known) {
        for file in entries(root, &folder).filter(|file| is_sql(file) && !known.contains(&file.as_path())) {
            problems.push(
                Problem::failed(Code::UnknownSql, format!("{} is the schema of no database.", file.display()))
                    .at(file, 1, None)
                    .detail(format!("The databases of this workspace: {}.", names.join(", ")))
                    .remedy("Delete it, or name its database: a sqlx.toml whose migrations folder has the same name."),
            );
        }
    }
    for folder in beside(&folders) {
        for dir in entries(root, &folder).filter(|dir| !folders.contains(&dir.as_path())) {
            if let Some(file) = entries(root, &dir).find(|file| is_sql(file)) {
                problems.push(
                    Problem::failed(
                        Code::UnknownSql,
                        format!("The migrations in {} belong to no database.", dir.display()),
                    )
                    .at(file, 1, None)
                    .detail(format!("The sqlx.toml files name these folders: {}.", shown(&folders)))
                    .remedy("Delete the folder, or name it in a sqlx.toml: [migrate] migrations-dir."),
                );
            }
        }
    }
    problems
}

/// Returns what a folder holds, in the order of the names. Nothing is in a folder that isn't there.
fn entries(root: &Path, folder: &Path) -> impl Iterator<Item = PathBuf> {
    let found = std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten();
    found.map(|entry| folder.join(entry.file_name())).collect::<BTreeSet<_>>().into_iter()
}

fn is_sql(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "sql")
}

fn shown(paths: &[&Path]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Does the work for all databases side by side.
async fn on_scratch<T>(setting: &Setting<'_>, work: impl AsyncFn(&Target<'_>, &str) -> Result<T>) -> Result<Vec<T>> {
    on_each(&setting.context, setting.allow_remote, "cargo xtask ci", work).await
}
