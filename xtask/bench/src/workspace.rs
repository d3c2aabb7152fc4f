//! The description of the workspace, which `cargo xtask` passes to this program.

use std::path::PathBuf;

use serde::Deserialize;

/// The workspace whose commands are measured.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// The path of the program that is measured.
    pub(crate) xtask: PathBuf,
    pub(crate) databases: Vec<Database>,
}

/// A database of the workspace.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Database {
    pub(crate) name: String,
    /// The variable that holds the database's URL.
    pub(crate) url_variable: String,
    /// The folder of the migrations, relative to the root.
    pub(crate) migrations_dir: PathBuf,
    /// The files of the up migrations in their order, relative to the root.
    pub(crate) migrations: Vec<PathBuf>,
}

/// Reads the description from the command line's argument.
pub(crate) fn parse(json: &str) -> Result<Workspace, serde_json::Error> {
    serde_json::from_str(json)
}
