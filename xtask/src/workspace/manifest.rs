//! The manifest of the workspace: where its root is, and which packages it has.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Metadata, Privileges};
use crate::problem::{Code, Problem};

/// The part of a `Cargo.toml` that matters here.
#[derive(Deserialize)]
pub(super) struct Manifest {
    pub(super) workspace: Option<WorkspaceTable>,
    pub(super) package: Option<toml::Table>,
}

#[derive(Deserialize)]
pub(super) struct WorkspaceTable {
    #[serde(default)]
    members: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    pub(super) metadata: MetadataTable,
}

#[derive(Default, Deserialize)]
pub(super) struct MetadataTable {
    #[serde(default)]
    pub(super) xtask: Metadata,
}

/// Finds the nearest folder, from `start` upwards, whose `Cargo.toml` has a `[workspace]`. If there is none, it finds
/// the nearest folder with a `Cargo.toml`.
pub(super) fn find_root(start: &Path) -> Result<(PathBuf, Manifest), Problem> {
    let mut nearest = None;
    for dir in start.ancestors() {
        let file = dir.join("Cargo.toml");
        if !file.is_file() {
            continue;
        }
        let text = std::fs::read_to_string(&file).map_err(|error| Problem::unreadable(&file, &error))?;
        let manifest: Manifest = toml::from_str(&text).map_err(|error| {
            Problem::failed(Code::Manifest, format!("{} isn't valid.", file.display()))
                .details(error.to_string().lines().map(str::to_owned))
        })?;
        if manifest.workspace.is_some() {
            return Ok((dir.to_owned(), manifest));
        }
        nearest.get_or_insert((dir.to_owned(), manifest));
    }
    nearest.ok_or_else(|| {
        Problem::failed(
            Code::NoWorkspace,
            format!("There is no Cargo.toml in {} or in any folder above it.", start.display()),
        )
        .remedy("Change to the folder of the checkout, then run this again: cd /path/to/the/checkout")
    })
}

/// Reads what a package's manifest says about the privileges of its database. A package that can't be read is cargo's
/// matter.
///
/// # Errors
/// The table has a mistake.
pub(super) fn privileges(root: &Path, package: &Path) -> Result<Option<Privileges>, Problem> {
    let path = package.join("Cargo.toml");
    let manifest: Option<toml::Table> = std::fs::read_to_string(&path).ok().and_then(|text| toml::from_str(&text).ok());
    let tables = ["package", "metadata", "xtask", "privileges"];
    let table = manifest.and_then(|manifest| {
        tables.iter().try_fold(toml::Value::Table(manifest), |value, name| value.as_table()?.get(*name).cloned())
    });
    let Some(table) = table else { return Ok(None) };
    let file = path.strip_prefix(root).unwrap_or(&path).to_owned();
    let wrong = |why: &str| {
        Problem::failed(
            Code::Manifest,
            format!("[package.metadata.xtask.privileges] in {} can't be used: {why}.", file.display()),
        )
        .remedy("Its only key is a list of roles: roles = [\"…\"]")
    };
    let privileges: Privileges =
        table.try_into().map_err(|error: toml::de::Error| wrong(error.message().trim_end_matches('.')))?;
    // The server refuses these names, or cuts them.
    let is_wrong = |role: &&String| role.is_empty() || role.len() > 63 || role.starts_with("pg_") || *role == "public";
    match privileges.roles.iter().find(is_wrong) {
        Some(role) => Err(wrong(&format!("{role:?} can't be the name of a role"))),
        None => Ok(Some(privileges)),
    }
}

/// The folders of the workspace's packages, the root package first, then the members in the order of the manifest.
pub(super) fn members(root: &Path, manifest: &Manifest) -> Result<Vec<PathBuf>, Problem> {
    let mut dirs = Vec::new();
    if manifest.package.is_some() {
        dirs.push(root.to_owned());
    }
    let Some(workspace) = &manifest.workspace else {
        return Ok(dirs);
    };
    for member in &workspace.members {
        // The root is escaped, because its path may hold characters that have a meaning in a pattern.
        let pattern = format!("{}/{member}", glob::Pattern::escape(&root.to_string_lossy()));
        let found = glob::glob(&pattern).map_err(|error| {
            Problem::failed(
                Code::Manifest,
                format!("The workspace member \"{member}\" isn't a valid pattern: {error}."),
            )
            .at("Cargo.toml", 1, None)
        })?;
        let excluded = |dir: &PathBuf| workspace.exclude.iter().any(|exclude| dir.starts_with(root.join(exclude)));
        let found = found.flatten().filter(|dir| dir.join("Cargo.toml").is_file() && !excluded(dir));
        dirs.extend(found.filter(|dir| !dirs.contains(dir)).collect::<Vec<_>>());
    }
    Ok(dirs)
}
