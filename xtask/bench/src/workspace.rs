//! What `cargo xtask` tells of the workspace.

use std::path::PathBuf;

use serde::Deserialize;

/// The workspace whose commands are measured.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// The program that is measured.
    pub(crate) xtask: PathBuf,
    pub(crate) databases: Vec<Database>,
}

/// One of its databases.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Database {
    pub(crate) name: String,
    /// The variable that holds its URL.
    pub(crate) url_variable: String,
    /// Relative to the root.
    pub(crate) migrations_dir: PathBuf,
    /// Those that go up, in their order, relative to the root.
    pub(crate) migrations: Vec<PathBuf>,
}

/// The description as it stands on the command line.
pub(crate) fn parse(json: &str) -> Result<Workspace, serde_json::Error> {
    serde_json::from_str(json)
}
