//! The inputs of the steps, as they were when the run began: files, programs, environment.
//!
//! A step that begins later may see a file that was edited meanwhile. So the inputs are taken once, before the first
//! step, and looked at again before a result is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use glob::{MatchOptions, Pattern};
use sha2::{Digest, Sha256};

use super::packages::Packages;
use super::reads::Reads;
use crate::context::Context;
use crate::interrupt::Interrupt;
use crate::main_branch;
use crate::process::{Child, said_by_cargo};
#[cfg(unix)]
use crate::server::local::Binaries;

/// The time that a program may take to tell its version, and git to list the files.
const ANSWER: Duration = Duration::from_secs(60);

/// The programs of Rust's toolchain. The files tell their versions. It takes a twentieth of a second to ask rustc.
const TOOLCHAIN: [&str; 4] = ["cargo", "rustc", "cargo-clippy", "rustfmt"];

/// The beginnings of the names of the environment variables that the steps' programs read.
const VARIABLES: [&str; 14] = [
    "CARGO",
    "CC",
    "CFLAGS",
    "CI",
    "DOCKER_",
    "LANG",
    "LC_",
    "NEXTEST",
    "PG",
    "POSTGRES_",
    "RUST",
    "SQLX_",
    "TZ",
    "XTASK_",
];

/// The settings that cargo, rustfmt and clippy look for in every folder above a file, also above the checkout.
const SETTINGS: [&str; 6] =
    [".cargo/config.toml", ".cargo/config", "rustfmt.toml", ".rustfmt.toml", "clippy.toml", ".clippy.toml"];

/// The inputs of all steps.
pub(crate) struct Inputs<'a> {
    root: &'a Path,
    packages: &'a Packages,
    /// The files of the checkout, without those that git ignores. They are relative to the root.
    files: BTreeMap<PathBuf, File>,
    /// The versions of the programs, by name.
    programs: BTreeMap<String, String>,
    /// The migrations that the main branch has, if a piece of work depends on that.
    published: String,
    /// What every step depends on: the environment, settings above the checkout, and this program.
    surroundings: String,
}

/// A file as it was.
struct File {
    /// Its digest. It is empty if the file couldn't be read.
    digest: Vec<u8>,
    stamp: Option<Stamp>,
}

/// A file with an equal stamp has equal content.
type Stamp = (u64, SystemTime);

impl<'a> Inputs<'a> {
    /// Takes the inputs of all that `reads` says. Returns `None` if git doesn't list the checkout's files. Nothing is known
    /// about a file then that a step has read last time, and that is gone.
    ///
    /// # Errors
    /// The user pressed Ctrl-C.
    pub(crate) fn take(context: Context<'a>, packages: &'a Packages, reads: &[&Reads]) -> Result<Option<Self>> {
        let Context { workspace, interrupt, .. } = context;
        let root = workspace.root.as_path();
        let Some(listed) = listed(root, interrupt)? else { return Ok(None) };
        // A file that git ignores counts if it is named. A pattern would reach into the target folder.
        let named = reads.iter().flat_map(|reads| &reads.files).map(PathBuf::from);
        let all: BTreeSet<PathBuf> = listed.into_iter().chain(named).filter(|file| root.join(file).is_file()).collect();
        let files = all.into_iter().map(|file| (file.clone(), File::read(&root.join(file)))).collect();
        let programs: BTreeSet<&str> = reads.iter().flat_map(|reads| &reads.programs).map(String::as_str).collect();
        let programs = versions(&programs, root, interrupt)?;
        let folders = workspace.databases.iter().filter(|_| reads.iter().any(|reads| reads.main_branch));
        let published = folders.filter_map(|database| main_branch::files(root, &database.migrations_dir, interrupt));
        let published = published.map(|files| files.join("\n")).collect::<Vec<_>>().join("\n\n");
        interrupt.check()?;
        Ok(Some(Self { root, packages, files, programs, published, surroundings: surroundings(root) }))
    }

    /// Returns the files that a piece of work reads, in their order.
    pub(crate) fn files_of(&self, reads: &Reads) -> impl Iterator<Item = &Path> {
        let is_read = self.is_read_by(reads);
        self.files.keys().map(PathBuf::as_path).filter(move |file| is_read(file))
    }

    /// Returns the function that tells whether a piece of work reads a file.
    fn is_read_by(&self, reads: &Reads) -> impl Fn(&Path) -> bool {
        let folders = self.packages.with_dependencies(&reads.packages);
        let patterns: Vec<_> = reads.files.iter().filter_map(|pattern| Pattern::new(pattern).ok()).collect();
        let plain = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
        move |file| {
            self.packages.folder_of(file).is_some_and(|folder| folders.contains(folder))
                || patterns.iter().any(|pattern| pattern.matches_path_with(file, plain))
        }
    }

    /// Returns a digest of the inputs of a piece of work. `what` is the work itself, such as a command line, and `server`
    /// is the version of the server.
    pub(crate) fn digest(&self, what: &str, reads: &Reads, server: &str) -> String {
        let mut hash = Sha256::new();
        // Each part ends with a byte that it can't contain, so that no two lists of parts are equal texts.
        let mut add = |part: &[u8]| {
            hash.update(part);
            hash.update([0]);
        };
        [what, server, &self.surroundings].iter().for_each(|part| add(part.as_bytes()));
        if reads.main_branch {
            add(self.published.as_bytes());
        }
        for program in &reads.programs {
            add(program.as_bytes());
            add(self.programs.get(program).map_or(&[], |version| version.as_bytes()));
        }
        for file in self.files_of(reads) {
            add(file.as_os_str().as_encoded_bytes());
            add(&self.files[file].digest);
        }
        hex(&hash.finalize())
    }

    /// Returns whether the files that a piece of work reads are still the same, and no new one has come.
    pub(crate) fn still_hold(&self, reads: &Reads, interrupt: &Interrupt) -> bool {
        let Ok(Some(now)) = listed(self.root, interrupt) else { return false };
        let is_read = self.is_read_by(reads);
        let is_new = |file: &PathBuf| !self.files.contains_key(file) && self.root.join(file).is_file();
        let is_same = |file: &Path| self.files[file].is_still(&self.root.join(file));
        !now.iter().any(|file| is_read(file) && is_new(file)) && self.files_of(reads).all(is_same)
    }
}

impl File {
    fn read(path: &Path) -> Self {
        // The stamp is taken first. If the file is edited in between, the stamp is the older one.
        let stamp = stamp(path);
        let digest = std::fs::read(path).map_or_else(|_| Vec::new(), |content| Sha256::digest(content).to_vec());
        Self { digest, stamp }
    }

    /// Returns whether the file has the same content now.
    fn is_still(&self, path: &Path) -> bool {
        (self.stamp.is_some() && stamp(path) == self.stamp) || Self::read(path).digest == self.digest
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.len(), found.modified().ok()?))
}

/// Returns the files that git tracks, and those that it would. Returns `None` if this is no git checkout of this user.
fn listed(root: &Path, interrupt: &Interrupt) -> Result<Option<Vec<PathBuf>>> {
    if which::which("git").is_err() {
        return Ok(None);
    }
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let ended = Child::new("git", ANSWER).args(arguments).dir(root).run(interrupt);
    interrupt.check()?;
    let listed = ended.ok().filter(|ended| ended.status.success());
    Ok(listed.map(|ended| ended.stdout.split_terminator('\0').map(PathBuf::from).collect()))
}

/// Asks programs for their versions, all at the same time. A program that isn't there has an empty version.
fn versions(names: &BTreeSet<&str>, root: &Path, interrupt: &Interrupt) -> Result<BTreeMap<String, String>> {
    let found = std::thread::scope(|scope| {
        let asked: Vec<_> = names.iter().map(|name| scope.spawn(|| version(name, root, interrupt))).collect();
        let answers = asked.into_iter().map(|thread| thread.join().unwrap_or_default());
        names.iter().map(|name| (*name).to_owned()).zip(answers).collect()
    });
    interrupt.check()?;
    Ok(found)
}

fn version(name: &str, root: &Path, interrupt: &Interrupt) -> String {
    #[cfg(unix)]
    if name == "postgres" {
        return Binaries::find(None, interrupt).map(|found| found.full_version).unwrap_or_default();
    }
    let Some(program) = of_toolchain(name).or_else(|| which::which(name).ok()) else { return String::new() };
    // Two builds of one version may differ.
    let file = format!("{} {:?}", program.display(), stamp(&program));
    if TOOLCHAIN.contains(&name) && !is_from_rustup(&program) {
        return file;
    }
    let told = Child::new(program, ANSWER).args(["--version"]).dir(root).run(interrupt);
    format!("{} {file}", told.map(|ended| ended.stdout).unwrap_or_default())
}

/// Returns the program that stands beside the cargo that runs this program. A toolchain has its programs in one folder.
fn of_toolchain(name: &str) -> Option<PathBuf> {
    let cargo = PathBuf::from(std::env::var_os("CARGO").filter(|_| TOOLCHAIN.contains(&name))?);
    let program = if name == "cargo" { cargo } else { cargo.with_file_name(name) };
    program.is_file().then_some(program)
}

/// Returns whether rustup put a program where it is. Such a program stands for that of any toolchain.
fn is_from_rustup(program: &Path) -> bool {
    cargo_home().is_some_and(|home| program.parent() == Some(&home.join("bin")))
}

fn cargo_home() -> Option<PathBuf> {
    std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(".cargo")))
}

/// Returns what every step depends on. Values of the environment may be secret, so nothing but a digest of them is kept.
fn surroundings(root: &Path) -> String {
    let own: BTreeSet<_> = said_by_cargo().collect();
    // rustup counts in that variable how often its programs call each other.
    let matters =
        |name: &str| name != "RUST_RECURSION_COUNT" && VARIABLES.iter().any(|beginning| name.starts_with(beginning));
    let environment: BTreeMap<_, _> =
        std::env::vars_os().filter(|(name, _)| matters(&name.to_string_lossy()) && !own.contains(name)).collect();
    let home = cargo_home();
    let at_home = home.iter().flat_map(|home| ["config.toml", "config"].map(|name| home.join(name)));
    let above = root.ancestors().skip(1).flat_map(|folder| SETTINGS.map(|name| folder.join(name)));
    let settings: Vec<_> = at_home.chain(above).filter_map(|file| Some((std::fs::read(&file).ok()?, file))).collect();
    let program = std::env::current_exe().ok().map(|program| (stamp(&program), program));
    hex(&Sha256::digest(format!("{environment:?} {settings:?} {program:?}")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
