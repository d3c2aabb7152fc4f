//! The packages of the workspace, as cargo describes them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use serde::Deserialize;

use crate::interrupt::Interrupt;
use crate::process::Child;

/// The time that cargo may take. It reads the manifests only.
const CARGO: Duration = Duration::from_secs(60);

/// The packages of the workspace. The list is empty if cargo can't read the manifests. The steps that call cargo then
/// fail with cargo's message.
#[derive(Default)]
pub(crate) struct Packages {
    all: Vec<Package>,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
}

/// A package of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    /// Relative to the root. It is empty for the root package.
    pub(crate) folder: PathBuf,
    /// Whether cargo makes a test program for it.
    pub(crate) has_tests: bool,
    /// What its manifest says about its tests.
    pub(crate) tests: Tests,
    /// The folders of the packages in the workspace that it depends on.
    depends_on: Vec<PathBuf>,
}

/// What the tests of a package use besides the files of the package and its dependencies: the table
/// `[package.metadata.xtask.tests]`.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tests {
    /// Patterns of the files that they read, relative to the root.
    #[serde(default)]
    pub(crate) read: Vec<String>,
    /// The programs that they run.
    #[serde(default)]
    pub(crate) run: Vec<String>,
}

impl Packages {
    /// Asks cargo.
    ///
    /// # Errors
    /// The user pressed Ctrl-C.
    pub(crate) fn find(root: &Path, interrupt: &Interrupt) -> Result<Self> {
        let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
        let ended = Child::cargo(CARGO).args(arguments).dir(root).run(interrupt);
        interrupt.check()?;
        let found = ended.ok().filter(|ended| ended.status.success());
        let metadata: Option<Metadata> = found.and_then(|ended| serde_json::from_str(&ended.stdout).ok());
        let Some(Metadata { packages, target_directory: target }) = metadata else { return Ok(Self::default()) };
        Ok(Self { all: packages.into_iter().filter_map(|package| package.below(root)).collect(), target })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Package> {
        self.all.iter()
    }

    /// Returns whether cargo told the packages.
    pub(crate) fn are_known(&self) -> bool {
        !self.all.is_empty()
    }

    /// Returns the folders of these packages, and of all packages in the workspace that they depend on.
    pub(crate) fn with_dependencies<'a>(&'a self, names: &[String]) -> BTreeSet<&'a Path> {
        let mut folders = BTreeSet::new();
        let mut open: Vec<&Package> = self.all.iter().filter(|package| names.contains(&package.name)).collect();
        while let Some(package) = open.pop() {
            if folders.insert(package.folder.as_path()) {
                open.extend(self.all.iter().filter(|other| package.depends_on.contains(&other.folder)));
            }
        }
        folders
    }

    /// Returns the folder of the package that a file belongs to. It is the nearest one above the file.
    pub(crate) fn folder_of(&self, file: &Path) -> Option<&Path> {
        let above = self.all.iter().map(|package| package.folder.as_path()).filter(|folder| file.starts_with(folder));
        above.max_by_key(|folder| folder.components().count())
    }
}

/// The part of cargo's answer that matters here.
/// <https://doc.rust-lang.org/cargo/commands/cargo-metadata.html#json-format>
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Described>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Described {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    dependencies: Vec<Dependency>,
    #[serde(default)]
    metadata: Option<Tables>,
}

#[derive(Deserialize)]
struct Target {
    test: bool,
}

#[derive(Deserialize)]
struct Dependency {
    path: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
struct Tables {
    #[serde(default)]
    xtask: Table,
}

#[derive(Default, Deserialize)]
struct Table {
    #[serde(default)]
    tests: Tests,
}

impl Described {
    /// Returns the package with folders relative to the root, unless it lies elsewhere.
    fn below(self, root: &Path) -> Option<Package> {
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let relative = |path: &Path| {
            let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            path.strip_prefix(&root).map(Path::to_owned).ok()
        };
        Some(Package {
            folder: relative(self.manifest_path.parent()?)?,
            has_tests: self.targets.iter().any(|target| target.test),
            tests: self.metadata.unwrap_or_default().xtask.tests,
            depends_on: self.dependencies.iter().filter_map(|other| relative(other.path.as_deref()?)).collect(),
            name: self.name,
        })
    }
}
