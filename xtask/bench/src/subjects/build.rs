//! Measures the compilation of xtask from nothing and after a change of one file. Every newcomer waits for it.
//!
//! The toolchain that runs the benchmarks compiles all revisions.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Setting, cargo};
use crate::bench::Bench;
use crate::checkout::{Checkout, Revision};
use crate::comparison::{Candidate, Comparison, Cpu};
use crate::problem::Problem;
use anyhow::Result;

const SUBJECT: &str = "build";

/// The number of measurements of the compilation after a change.
const CHANGES: u32 = 5;

/// A revision to compile, with its own target folder.
struct Source<'a> {
    bench: &'a Bench,
    name: String,
    checkout: Checkout<'a>,
    target: PathBuf,
}

pub(super) fn run(setting: &Setting<'_>, base: Option<&str>, change: &[PathBuf], sqlx_cli: bool) -> Result<()> {
    let bench = setting.bench;
    let mut sources = vec![Source::of("head", &setting.revision, setting)?];
    if let Some(base) = base {
        sources.push(Source::of("base", &Revision::named(base, setting.workspace, bench)?, setting)?);
    }
    for file in change {
        if let Some(source) = sources.iter().find(|source| !source.checkout.root.join(file).is_file()) {
            return Err(Problem::usage(format!("{} has no file {}.", source.name, file.display()))
                .remedy("Name a file that exists in both revisions: --change FILE")
                .into());
        }
    }
    setting.reporter.note("Downloading the crates, so that no download is measured.");
    for source in &sources {
        bench.measure(&mut source.cargo(&["fetch", "--quiet"]))?;
    }

    let mut candidates: Vec<_> = sources
        .iter()
        .map(|source| {
            Candidate::commands(&source.name, vec![source.build()], bench)
                .prepared(|| Ok(bench.shell.remove_path(&source.target)?))
        })
        .collect();
    if sqlx_cli {
        candidates.push(install_sqlx_cli(bench));
    }
    let comparison = setting.comparison((SUBJECT, "nothing"), "from an empty target folder", candidates);
    Comparison { cpu: Cpu::Time, ..comparison }.make(setting.reporter)?;

    for file in change {
        let candidates = sources.iter().map(|source| {
            Candidate::commands(&source.name, vec![source.build()], bench).prepared(|| source.change(file))
        });
        let title = format!("after a change of {}", file.display());
        let comparison = setting.comparison((SUBJECT, "change"), title, candidates.collect());
        let runs = setting.runs.unwrap_or(CHANGES);
        Comparison { cpu: Cpu::Time, runs, ..comparison }.make(setting.reporter)?;
    }
    Ok(())
}

impl<'a> Source<'a> {
    fn of(folder: &str, revision: &Revision, setting: &Setting<'a>) -> Result<Self> {
        let checkout = Checkout::clone(folder, revision, setting.workspace, setting.bench)?;
        let name = format!("cargo build -p xtask, {}", revision.shown);
        let target = setting.bench.folder.join(format!("target-{folder}"));
        Ok(Self { bench: setting.bench, name, checkout, target })
    }

    fn build(&self) -> Command {
        self.cargo(&["build", "--quiet", "--offline", "--package", "xtask"])
    }

    fn cargo(&self, words: &[&str]) -> Command {
        let mut command = cargo(self.bench, words);
        // Without this, a wrapper like sccache would be measured in place of the compiler.
        command.env("RUSTC_WRAPPER", "").env("CARGO_TARGET_DIR", &self.target).current_dir(&self.checkout.root);
        command
    }

    /// Adds a line at the file's beginning, so that the line numbers of all code in the file change.
    fn change(&self, file: &Path) -> Result<()> {
        let (shell, path) = (&self.bench.shell, self.checkout.root.join(file));
        let text = shell.read_file(&path)?;
        Ok(shell.write_file(&path, format!("// Changed.\n{text}"))?)
    }
}

/// The compilation of sqlx-cli, which people without xtask would wait for.
fn install_sqlx_cli(bench: &Bench) -> Candidate<'_> {
    let (root, target) = (bench.folder.join("sqlx-cli"), bench.folder.join("target-sqlx-cli"));
    let mut install = cargo(bench, &["install", "sqlx-cli", "--version", "=0.9.0", "--locked", "--quiet", "--force"]);
    install.arg("--root").arg(root).env("RUSTC_WRAPPER", "").env("CARGO_TARGET_DIR", &target);
    Candidate::commands("cargo install sqlx-cli", vec![install], bench)
        .peer()
        .prepared(move || Ok(bench.shell.remove_path(&target)?))
}
