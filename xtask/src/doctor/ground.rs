//! The checks of the machine and of the files, which need nothing from each other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::{Finding, Fix};
use crate::checkout;
use crate::env_file::{CONTRACT, FILE, secrecy};
use crate::interrupt::Interrupt;
use crate::problem::{Code, Problem, Problems};
use crate::process::Child;
use crate::report::count;
use crate::server::compose::{Compose, Unusable};
#[cfg(unix)]
use crate::server::local::{Cluster, Found};
#[cfg(unix)]
use crate::server::{Record, Rung};
use crate::workspace::Workspace;

/// How long a program may take that only reads files.
const SHORT: Duration = Duration::from_secs(10);

/// The room that a server and the compiled crates of the whole workspace need at least, in bytes.
#[cfg(unix)]
const ROOM: u64 = 4 << 30;

/// What these checks look at.
pub(super) struct Ground<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) interrupt: &'a Interrupt,
    /// How long something silent is waited for.
    pub(super) patience: Duration,
}

pub(super) fn toolchain(ground: &Ground<'_>) -> Result<Finding> {
    let Some(cargo) = std::env::var_os("CARGO").map(PathBuf::from) else {
        return Ok(Finding::NotApplicable("cargo didn't run this program, so no toolchain is known".to_owned()));
    };
    let ended = Child::cargo(SHORT).args(["--version"]).run(ground.interrupt)?;
    let version = ended.stdout.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let suffix = std::env::consts::EXE_SUFFIX;
    // On PATH, rustup has a program of each name, whether the toolchain has it or not.
    let has_rustup = std::env::var_os("RUSTUP_TOOLCHAIN").is_some();
    let is_there = |program: &str| {
        let is_beside = cargo.with_file_name(format!("{program}{suffix}")).is_file();
        is_beside || !has_rustup && which::which(program).is_ok()
    };
    let parts = [("rustfmt", "rustfmt"), ("clippy", "clippy-driver")];
    let missing: Vec<_> = parts.iter().filter(|(_, program)| !is_there(program)).map(|(part, _)| *part).collect();
    if missing.is_empty() {
        return Ok(Finding::Well(format!("{version}, with rustfmt and clippy")));
    }
    let what = format!("{version} is there, but {} isn't. ci needs it.", missing.join(" and "));
    Ok(Finding::wrong(
        Problem::failed(Code::Toolchain, what).remedy(format!("rustup component add {}", missing.join(" "))),
    ))
}

/// Files that git stores with LF and that have CRLF here, and a setting that makes such files at the next checkout.
pub(super) fn line_endings(ground: &Ground<'_>) -> Result<Finding> {
    let Ground { workspace, interrupt, .. } = ground;
    let git = |args: &[&str]| Child::new("git", SHORT).dir(&workspace.root).args(args.iter().copied()).run(interrupt);
    let folders = workspace.databases.iter().map(|database| database.migrations_dir.as_path());
    let folders: Vec<_> = folders.filter_map(Path::to_str).collect();
    let list = [&["ls-files", "--eol", "--"], folders.as_slice()].concat();
    let listed = if which::which("git").is_ok() { Some(git(&list)?) } else { None };
    let Some(listed) = listed.filter(|ended| ended.status.success()) else {
        return Ok(Finding::NotApplicable("this is no git checkout".to_owned()));
    };
    let mut problems = Problems::default();
    // i/lf    w/crlf  attr/text eol=lf        migrations/main/001_users.up.sql
    let (mut crlf, mut open, mut files) = (Vec::new(), 0, 0);
    for (facts, file) in listed.stdout.lines().filter_map(|line| line.split_once('\t')) {
        files += 1;
        if facts.starts_with("i/lf") && !facts.contains(" w/lf") && !facts.contains(" w/none") {
            crlf.push(file);
        }
        open += usize::from(!facts.contains("eol=") && !facts.contains("attr/-text"));
    }
    if let Some(first) = crlf.first() {
        let what = format!("{} of the migrations have other line endings here than in git.", count(crlf.len(), "file"));
        problems.0.push(
            Problem::failed(Code::LineEndings, what)
                .details(crlf.iter().map(ToString::to_string))
                .detail("The checksum of a migration covers these bytes, so it would differ from everybody else's.")
                .remedy(format!(
                    "git config core.autocrlf false; then for each of them: rm {first} && git checkout -- {first}"
                )),
        );
    }
    let converts = git(&["config", "--get", "core.autocrlf"])?.stdout.trim() == "true";
    if !converts || open == 0 {
        return Ok(if problems.0.is_empty() {
            Finding::Well(format!("git leaves those of {} as they are", count(files, "file")))
        } else {
            Finding::Wrong(problems, None)
        });
    }
    problems.0.push(
        Problem::failed(
            Code::LineEndings,
            "Git writes CRLF into SQL files when it checks them out: core.autocrlf is true.",
        )
        .detail("Nothing in .gitattributes says that migrations have eol=lf.")
        .remedy("git config core.autocrlf false (cargo xtask doctor --fix does it, for this checkout)")
        .remedy("For everybody: echo '*.sql text eol=lf' >> .gitattributes"),
    );
    Ok(Finding::Wrong(problems, Some(Fix::LineEndings)))
}

#[cfg(unix)]
pub(super) fn disk(ground: &Ground<'_>) -> Result<Finding> {
    let dir = checkout::state_dir(&ground.workspace.root);
    let existing = dir.ancestors().find(|dir| dir.exists()).unwrap_or(&dir);
    let found = nix::sys::statvfs::statvfs(existing)?;
    // The number of blocks has 32 bits on macOS.
    #[allow(clippy::useless_conversion)]
    let free = u64::from(found.blocks_available()) * u64::from(found.fragment_size());
    let shown = format!("{:.1} GB free at {}", free as f64 / 1e9, existing.display());
    if free >= ROOM {
        return Ok(Finding::Well(shown));
    }
    let what = format!("The disk is nearly full: {shown}.");
    Ok(Finding::wrong(
        Problem::failed(Code::DiskFull, what).remedy("Make room. What cargo has compiled is removed by: cargo clean"),
    ))
}

#[cfg(not(unix))]
pub(super) fn disk(_ground: &Ground<'_>) -> Result<Finding> {
    Ok(Finding::NotApplicable("this system isn't asked".to_owned()))
}

pub(super) fn env_private(ground: &Ground<'_>) -> Result<Finding> {
    let root = &ground.workspace.root;
    if !root.join(FILE).exists() {
        return Ok(Finding::NotApplicable(format!("there is no {FILE} yet")));
    }
    Ok(match secrecy::open_to_others(root) {
        Some(problem) => Finding::Wrong(Problems(vec![problem]), Some(Fix::PrivateEnv)),
        None => Finding::Well(format!("only you can read {FILE}")),
    })
}

pub(super) fn env_in_git(ground: &Ground<'_>) -> Result<Finding> {
    Ok(match secrecy::in_git(&ground.workspace.root, ground.interrupt)? {
        Some(()) => Finding::Well(format!("git ignores {FILE}")),
        None => Finding::NotApplicable("this is no git checkout".to_owned()),
    })
}

pub(super) fn env_production(ground: &Ground<'_>) -> Result<Finding> {
    let Workspace { root, metadata, .. } = ground.workspace;
    let Some(marker) = &metadata.production else {
        let why = "Cargo.toml doesn't say what marks it ([workspace.metadata.xtask] production)";
        return Ok(Finding::NotApplicable(why.to_owned()));
    };
    secrecy::still_public(root, marker)?;
    Ok(Finding::Well(format!("no secret of production is one of {CONTRACT}")))
}

pub(super) fn docker(ground: &Ground<'_>) -> Result<Finding> {
    let Ground { workspace, interrupt, patience } = ground;
    Ok(match Compose::find(&workspace.root, *patience, interrupt)? {
        Ok(compose) => Finding::Well(format!("can run {}", compose.describe())),
        Err(Unusable { why, problem, .. }) => problem.map_or(Finding::NotApplicable(why), Finding::wrong),
    })
}

#[cfg(unix)]
pub(super) fn binaries(ground: &Ground<'_>) -> Result<Finding> {
    let Ground { workspace: Workspace { root, .. }, interrupt, .. } = ground;
    let cluster = Cluster::locate(root)?;
    if cluster.exists() && Record::read(root).cluster_rung() == Rung::Fetched {
        return Ok(Finding::Well(match cluster.fetched(false, interrupt)? {
            Found::Ready(binaries) => {
                format!("PostgreSQL {}, fetched into {}", binaries.version(), binaries.dir.display())
            }
            Found::ToFetch(build) => format!("db-setup would fetch {}", build.describe()),
        }));
    }
    let binaries = cluster.binaries(interrupt)?;
    Ok(Finding::Well(format!("PostgreSQL {} in {}", binaries.version(), binaries.dir.display())))
}

#[cfg(not(unix))]
pub(super) fn binaries(_ground: &Ground<'_>) -> Result<Finding> {
    Ok(Finding::NotApplicable("a private cluster needs a Unix system".to_owned()))
}
