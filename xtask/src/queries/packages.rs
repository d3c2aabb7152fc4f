//! The packages whose queries sqlx's macros check.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Deserialize;

use super::DEADLINE;
use crate::context::Context;
use crate::problem::{Code, Problem, Problems};
use crate::process::Child;

/// The variable that sqlx's macros use where no sqlx.toml names one.
const UNSAID: &str = "DATABASE_URL";

/// The macros that check a query. Each has a form with `_unchecked` at the end.
const MACROS: [&str; 6] = ["query", "query_as", "query_scalar", "query_file", "query_file_as", "query_file_scalar"];

/// The folders in which cargo looks for the sources of a package.
const SOURCES: [&str; 4] = ["src", "tests", "examples", "benches"];

/// A package with queries.
pub(super) struct Package {
    pub(super) name: String,
    /// Relative to the root.
    pub(super) dir: PathBuf,
    /// The main source file of each target.
    pub(super) sources: Vec<PathBuf>,
}

/// The part of `cargo metadata` that matters here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<MetadataTarget>,
    dependencies: Vec<MetadataDependency>,
}

#[derive(Deserialize)]
struct MetadataTarget {
    src_path: PathBuf,
}

#[derive(Deserialize)]
struct MetadataDependency {
    name: String,
}

/// Returns the packages whose queries sqlx checks, and the target folder. These depend on sqlx and have a `sqlx.toml` or a
/// checked query. If no package has a `sqlx.toml`, all packages that depend on sqlx are meant, except this one.
///
/// # Errors
/// A package has queries for a database that no `sqlx.toml` describes.
pub(super) fn packages(context: Context<'_>) -> Result<(Vec<Package>, PathBuf)> {
    let root = &context.workspace.root;
    let list = Child::cargo(DEADLINE).dir(root).args(["metadata", "--no-deps", "--format-version", "1"]);
    let ended = list.run(context.interrupt)?;
    let metadata: Metadata = serde_json::from_str(&ended.stdout).map_err(|error| {
        Problem::failed(Code::ProgramFailed, format!("The output of `{list}` can't be read: {error}."))
            .details(ended.stderr.lines().map(str::to_owned))
    })?;
    let dirs: Vec<_> = context.workspace.databases.iter().map(|database| &database.package_dir).collect();
    let mut problems = Problems::default();
    let found = metadata.packages.into_iter().filter_map(|package| {
        let dir = package.manifest_path.parent().unwrap_or(root);
        let dir = dir.strip_prefix(root).unwrap_or(dir).to_owned();
        let described = root.join(&dir).join("sqlx.toml").is_file();
        let plain = dirs.iter().all(|dir| !root.join(dir).join("sqlx.toml").is_file());
        let uses_sqlx = package.dependencies.iter().any(|dependency| dependency.name == "sqlx");
        let is_this = package.name == env!("CARGO_PKG_NAME");
        let query = if uses_sqlx && !described && !plain && !is_this { first_query(root, &dir) } else { None };
        let wanted = uses_sqlx && !is_this && (described || plain || query.is_some());
        // Without a sqlx.toml beside the manifest, sqlx's macros use this variable.
        if let Some((file, line)) = query.filter(|_| !context.workspace.url_variables().contains(&UNSAID)) {
            let what = format!("{} has queries for a database that isn't known here.", package.name);
            problems.0.push(
                Problem::failed(Code::QueriesUnknown, what)
                    .at(file, line, None)
                    .detail(format!(
                        "{} has no sqlx.toml, so sqlx's macros use {UNSAID}. No database has this variable.",
                        dir.display()
                    ))
                    .remedy(format!(
                        "Name the database in {}: [common] database-url-var, and [migrate] migrations-dir.",
                        dir.join("sqlx.toml").display()
                    )),
            );
        }
        let sources = package.targets.into_iter().map(|target| target.src_path).collect();
        wanted.then_some(Package { name: package.name, dir, sources })
    });
    let found = found.collect();
    problems.into_result()?;
    Ok((found, metadata.target_directory))
}

/// Returns the place of the first query in a package's sources that sqlx's macros check.
fn first_query(root: &Path, dir: &Path) -> Option<(PathBuf, usize)> {
    let is_query = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        let names = code
            .split('!')
            .rev()
            .skip(1)
            .map(|before| before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next());
        names.flatten().any(|name| MACROS.contains(&name.trim_end_matches("_unchecked")))
    };
    let folder = glob::Pattern::escape(&root.join(dir).to_string_lossy());
    let patterns = SOURCES.map(|sources| format!("{folder}/{sources}/**/*.rs"));
    let files = patterns.iter().flat_map(|pattern| glob::glob(pattern).into_iter().flatten().flatten());
    let places = files.filter_map(|file| {
        let line = std::fs::read_to_string(&file).ok()?.lines().position(is_query)?;
        Some((file.strip_prefix(root).map(Path::to_owned).unwrap_or(file), line + 1))
    });
    places.min()
}
