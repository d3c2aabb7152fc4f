//! What the work of a step reads, as data. Results are kept between runs by it, and a test holds it against what the
//! work opens.

use crate::workspace::Workspace;

/// What cargo reads whatever it is asked to do: the manifest of every package, and its settings.
const CARGO: [&str; 6] =
    ["Cargo.lock", "**/Cargo.toml", ".cargo/config.toml", ".cargo/config", "rust-toolchain.toml", "rust-toolchain"];

/// What a piece of work reads. Two runs of the work on equal inputs have equal results.
#[derive(Clone, Default)]
pub(crate) struct Reads {
    /// The names of packages. The work reads the files of these packages and of the packages that they depend on.
    pub(crate) packages: Vec<String>,
    /// Patterns of further files, relative to the root.
    pub(crate) files: Vec<String>,
    /// The programs that do the work, as they are found on PATH. `postgres` is PostgreSQL as this program finds it.
    pub(crate) programs: Vec<String>,
    /// Whether the version of the databases' server matters, and which of the declared roles it has.
    pub(crate) server: bool,
    /// Whether it matters which migrations the main branch has.
    pub(crate) main_branch: bool,
}

impl Reads {
    /// Files only.
    pub(crate) fn files<T: Into<String>>(patterns: impl IntoIterator<Item = T>) -> Self {
        Self::default().and_files(patterns)
    }

    /// The files of packages, and what cargo and the compiler need besides.
    pub(crate) fn packages(names: impl IntoIterator<Item = String>) -> Self {
        let programs = ["cargo", "rustc"];
        Self { packages: names.into_iter().collect(), ..Self::files(CARGO) }.and_programs(programs)
    }

    /// What makes databases from nothing: the files that describe them, their migrations, the settings, and the server.
    pub(crate) fn databases(workspace: &Workspace) -> Self {
        let folders = workspace.databases.iter().map(|database| database.migrations_dir.display());
        let reads = Self { server: true, ..Self::files(["**/Cargo.toml", "**/sqlx.toml", ".env", ".env.ci"]) };
        reads.and_files(folders.map(|folder| format!("{folder}/**")))
    }

    pub(crate) fn and_files<T: Into<String>>(mut self, patterns: impl IntoIterator<Item = T>) -> Self {
        self.files.extend(patterns.into_iter().map(Into::into));
        self
    }

    pub(crate) fn and_programs<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.programs.extend(names.into_iter().map(Into::into));
        self
    }

    /// Everything that either of the two reads.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.packages.extend(other.packages);
        self.server |= other.server;
        self.main_branch |= other.main_branch;
        self.and_files(other.files).and_programs(other.programs)
    }
}
