//! PostgreSQL's binaries on this machine: the newest version, 15 or later.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::interrupt::Interrupt;
use crate::problem::{Code, Problem};
use crate::process::Child;
use crate::server::OLDEST;
use crate::system::System;

/// The variable that names the folder of PostgreSQL's binaries, if they are in none of the usual places.
const VARIABLE: &str = "XTASK_PG_BINDIR";

/// The folders of the distributions: Debian, Red Hat, PostgreSQL's own `make install`, Homebrew on ARM and on Intel,
/// MacPorts, Postgres.app. Most of these folders are not on PATH.
const USUAL: [&str; 7] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/opt/local/lib/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// A folder with `postgres` and `initdb`.
#[derive(Clone, Debug)]
pub(crate) struct Binaries {
    pub(crate) dir: PathBuf,
    /// Major and minor version.
    version: (u32, u32),
    /// The whole output of `postgres --version`. It tells two packages of one version apart.
    pub(crate) full_version: String,
    /// Whether this program has fetched them.
    pub(crate) is_fetched: bool,
}

impl Binaries {
    /// Finds the newest binaries. If a cluster exists, `required` is the major version that made it, and only that
    /// version fits.
    ///
    /// # Errors
    /// `XTASK_PG_BINDIR` names a folder without binaries, or no binaries fit. The error then lists the places that were
    /// searched.
    pub(crate) fn find(required: Option<u32>, interrupt: &Interrupt) -> Result<Self> {
        if let Some(dir) = std::env::var_os(VARIABLE).filter(|dir| !dir.is_empty()) {
            let dir = PathBuf::from(dir);
            return Self::inspect(&dir, interrupt)?.ok_or_else(|| {
                Problem::unavailable(
                    Code::NoBinaries,
                    format!("{VARIABLE} is {}, but postgres and initdb aren't there.", dir.display()),
                )
                .remedy(format!("Name the folder that has them, or remove {VARIABLE} from the environment."))
                .into()
            });
        }
        let mut found = Vec::new();
        for dir in candidates() {
            found.extend(Self::inspect(&dir, interrupt)?);
        }
        let seen: Vec<_> = found.iter().map(|b| format!("{} in {}", b.version(), b.dir.display())).collect();
        let fits = |binaries: &Self| match required {
            Some(major) => binaries.version.0 == major,
            None => binaries.version.0 >= OLDEST,
        };
        found.into_iter().filter(fits).max_by_key(|binaries| binaries.version).ok_or_else(|| {
            let what = match required {
                Some(major) => {
                    format!("This checkout's cluster was made by PostgreSQL {major}, which isn't installed.")
                }
                None => format!("PostgreSQL {OLDEST} or newer isn't installed here."),
            };
            let mut problem = Problem::unavailable(Code::NoBinaries, what);
            if !seen.is_empty() {
                problem = problem.detail(format!("Found: {}.", seen.join(", ")));
            }
            problem
                .detail(format!("PATH and these folders were searched: {}.", usual().join(", ")))
                .remedy(format!("Install it: {}", System::this().install_postgresql()))
                .remedy(format!("or name the folder of its binaries: {VARIABLE}=/some/bin"))
                .into()
        })
    }

    /// Whether the user has named the binaries to use.
    pub(crate) fn are_named() -> bool {
        std::env::var_os(VARIABLE).is_some_and(|dir| !dir.is_empty())
    }

    /// Looks at a folder. Returns `None` if it doesn't hold PostgreSQL's binaries, or if they don't run here.
    pub(super) fn inspect(dir: &Path, interrupt: &Interrupt) -> Result<Option<Self>> {
        let postgres = dir.join("postgres");
        if !postgres.is_file() || !dir.join("initdb").is_file() {
            return Ok(None);
        }
        let Ok(ended) = Child::new(postgres, Duration::from_secs(10)).args(["--version"]).run(interrupt) else {
            interrupt.check()?;
            return Ok(None);
        };
        let full_version = ended.stdout.trim().to_owned();
        Ok(parse_version(&full_version).map(|version| Self {
            dir: dir.to_owned(),
            version,
            full_version,
            is_fetched: false,
        }))
    }

    /// The same binaries, as ones that this program has fetched.
    pub(super) fn fetched(self) -> Self {
        Self { is_fetched: true, ..self }
    }

    /// The version, such as `15.18`.
    pub(crate) fn version(&self) -> String {
        format!("{}.{}", self.version.0, self.version.1)
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// The folders that this system may have.
fn usual() -> &'static [&'static str] {
    if cfg!(target_os = "macos") { &USUAL } else { &USUAL[..3] }
}

/// The folders to search, each once. Several links to one folder count as one.
fn candidates() -> BTreeSet<PathBuf> {
    let on_path = which::which_all("postgres").into_iter().flatten().filter_map(|program| program.canonicalize().ok());
    let on_path = on_path.filter_map(|program| program.parent().map(Path::to_owned));
    let usual = usual().iter().filter_map(|pattern| glob::glob(pattern).ok()).flatten().flatten();
    on_path.chain(usual.filter_map(|dir| dir.canonicalize().ok())).collect()
}

/// Parses a version: `postgres (PostgreSQL) 15.18 (Debian …)` gives 15 and 18, and `19beta1` gives 19 and 0.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let version = text.split("(PostgreSQL) ").nth(1)?.split_whitespace().next()?;
    let number = |text: &str| {
        let digits = text.find(|c: char| !c.is_ascii_digit()).map_or(text, |end| &text[..end]);
        digits.parse().ok()
    };
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    Some((number(major)?, number(minor).unwrap_or(0)))
}
