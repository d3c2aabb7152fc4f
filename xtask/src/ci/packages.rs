//! The packages of the workspace, as cargo describes them.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Its edition of Rust, such as `2024`.
    pub(crate) edition: String,
    /// The arguments with which cargo selects other features than the default ones, once for each selection to try.
    pub(crate) features: Vec<Vec<String>>,
    /// The programs that have the name of the library. Cargo documents the library in their place.
    pub(crate) hidden_programs: Vec<String>,
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
    /// Whether they have databases of the workspace, on its server if that runs (the library's `test_databases`).
    #[serde(default)]
    pub(crate) databases: bool,
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

    /// Returns the folder of the package that a file belongs to.
    pub(crate) fn folder_of(&self, file: &Path) -> Option<&Path> {
        self.package_of(file).map(|package| package.folder.as_path())
    }

    /// Returns the package that a file belongs to. It is the nearest one above the file.
    pub(crate) fn package_of(&self, file: &Path) -> Option<&Package> {
        let above = self.all.iter().filter(|package| file.starts_with(&package.folder));
        above.max_by_key(|package| package.folder.components().count())
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
    edition: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    features: BTreeMap<String, Vec<String>>,
    dependencies: Vec<Dependency>,
    #[serde(default)]
    metadata: Option<Tables>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    doc: bool,
    test: bool,
}

impl Target {
    fn is_program(&self) -> bool {
        self.kind.iter().any(|kind| kind == "bin")
    }

    /// Returns whether it can be a library. Tests, examples, benchmarks and build scripts can't.
    fn is_library(&self) -> bool {
        self.kind.iter().any(|kind| kind.ends_with("lib") || kind == "proc-macro")
    }
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
    /// Selections of features, each as names with spaces between them. They take the place of the default ones, and of
    /// each feature by itself. A package needs them if some of its features exclude each other.
    features: Option<Vec<String>>,
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
            features: self.feature_selections(),
            hidden_programs: self.hidden_programs(),
            tests: self.metadata.unwrap_or_default().xtask.tests,
            depends_on: self.dependencies.iter().filter_map(|other| relative(other.path.as_deref()?)).collect(),
            edition: self.edition,
            name: self.name,
        })
    }

    /// Every other step compiles the default features only. So the others are selected here, each with the default ones.
    /// The package is also selected without the default features, if there are any.
    fn feature_selections(&self) -> Vec<Vec<String>> {
        let owned = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
        if let Some(chosen) = self.metadata.as_ref().and_then(|tables| tables.xtask.features.as_ref()) {
            let only = |features: &String| owned(&["--no-default-features", "--features", features]);
            return chosen.iter().map(only).collect();
        }
        let mut on = BTreeSet::from(["default"]);
        let mut open = vec!["default"];
        while let Some(feature) = open.pop() {
            let others = self.features.get(feature).into_iter().flatten();
            open.extend(
                others.map(String::as_str).filter(|other| self.features.contains_key(*other) && on.insert(other)),
            );
        }
        let without =
            self.features.get("default").filter(|on| !on.is_empty()).map(|_| owned(&["--no-default-features"]));
        let off = self.features.keys().filter(|feature| !on.contains(feature.as_str()));
        without.into_iter().chain(off.map(|feature| owned(&["--features", feature]))).collect()
    }

    /// Cargo documents a library in place of a program of the same name, because the pages of both have one folder.
    fn hidden_programs(&self) -> Vec<String> {
        let library = self.targets.iter().find(|target| target.is_library() && target.doc);
        let is_hidden = |target: &&Target| {
            let name = target.name.replace('-', "_");
            target.is_program() && target.doc && library.is_some_and(|library| library.name.replace('-', "_") == name)
        };
        self.targets.iter().filter(is_hidden).map(|target| target.name.clone()).collect()
    }
}
