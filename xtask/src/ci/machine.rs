//! What the pipeline finds on this machine and in this workspace.

use std::path::{Path, PathBuf};

/// The folder of this program's own source: the tools behind the front door are packages beside it.
const HOME: &str = env!("CARGO_MANIFEST_DIR");

/// A package of a tool that only some commands need, so that nobody else compiles it.
pub(crate) struct Tool {
    /// The name of the package and of its program.
    pub(crate) package: &'static str,
    folder: &'static str,
}

/// Lints migrations.
pub(crate) const MIGRATION_LINT: Tool = Tool { package: "xtask-migration-lint", folder: "migration-lint" };
/// sqlx-cli.
pub(crate) const SQLX: Tool = Tool { package: "xtask-sqlx", folder: "sqlx" };
/// Checks GitHub workflows.
pub(crate) const WORKFLOW_LINT: Tool = Tool { package: "xtask-workflow-lint", folder: "workflow-lint" };

/// All of them.
pub(crate) const TOOLS: [&Tool; 3] = [&MIGRATION_LINT, &SQLX, &WORKFLOW_LINT];

impl Tool {
    /// Its manifest, if it is there: a workspace that has taken over `xtask` may have left a tool out.
    pub(crate) fn manifest(&self) -> Option<PathBuf> {
        let manifest = Path::new(HOME).join(self.folder).join("Cargo.toml");
        manifest.is_file().then_some(manifest)
    }

    /// Its manifest, for a workspace that it isn't part of.
    pub(crate) fn foreign_manifest(&self, root: &Path) -> Option<PathBuf> {
        self.manifest().filter(|manifest| !manifest.starts_with(root))
    }

    /// Whether it has tests of its own.
    pub(crate) fn has_tests(&self) -> bool {
        self.manifest().is_some_and(|manifest| manifest.with_file_name("tests").is_dir())
    }

    /// Whether it is part of the workspace.
    pub(crate) fn is_member(&self, root: &Path) -> bool {
        self.manifest().is_some_and(|manifest| manifest.starts_with(root))
    }
}

/// Whether cargo has a subcommand.
pub(crate) fn has_cargo(subcommand: &str) -> bool {
    which::which(format!("cargo-{subcommand}")).is_ok()
}
