//! The subjects that can be measured. Each has a file.

mod branches;
mod build;
mod ci;
mod compose;
mod db_setup;
mod flakes;
mod listed;
mod local;
mod scale;
mod test_databases;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::bench::Bench;
use crate::checkout::{Checkout, Revision};
use crate::cli::{Cli, Start, Subject};
use crate::comparison::{Candidate, Comparison, Cpu};
use crate::problem::Problem;
use crate::programs::{Missing, Postgres};
use crate::report::Reporter;
use crate::workspace::Workspace;

/// The things that all subjects need.
pub(crate) struct Setting<'a> {
    workspace: &'a Workspace,
    bench: &'a Bench,
    reporter: &'a Reporter,
    /// The revision that is checked out.
    revision: Revision,
    /// The number of measurements that the user asked for.
    runs: Option<u32>,
}

/// The number of measurements of each command in `peers`, which is the short version.
const FEW: u32 = 3;

/// The number of tables in the schema whose proof `peers` measures.
const TABLES: u32 = 100;

/// The bytes of the files of a subject that should work in memory. A server with thousands of tables has tens of
/// thousands of files. The measured commands read none of these files, but a disk needs minutes to make them.
pub(crate) fn in_memory(subject: Option<&Subject>) -> Option<u64> {
    match subject {
        Some(Subject::Scale { tables, large }) => Some(scale::room(tables, *large)),
        _ => None,
    }
}

/// Measures the subject that the command line names.
pub(crate) fn run(cli: &Cli, workspace: &Workspace, bench: &Bench, reporter: &Reporter) -> Result<()> {
    let revision = Revision::current(workspace, bench)?;
    let mut setting = Setting { workspace, bench, reporter, revision, runs: cli.runs };
    match cli.subject.as_ref().unwrap_or(&Subject::Peers) {
        Subject::DbSetup { cases } => db_setup::run(&setting, cases)?,
        Subject::Ci { conditions, steps } => ci::run(&setting, conditions, steps)?,
        Subject::Build { base, change, sqlx_cli } => build::run(&setting, base.as_deref(), change, *sqlx_cli)?,
        Subject::Scale { tables, large } => scale::run(&setting, tables, *large)?,
        Subject::Branches { megabytes } => branches::run(&setting, *megabytes)?,
        Subject::TestDatabases => test_databases::run(&setting)?,
        Subject::Flakes { rounds, repeats } => flakes::run(&setting, *rounds, *repeats)?,
        Subject::Peers => {
            setting.runs.get_or_insert(FEW);
            reporter.keep();
            let starts = [Start::Nothing, Start::Cold, Start::Local, Start::Compose];
            let measured = db_setup::run(&setting, &starts).and_then(|()| scale::run(&setting, &[TABLES], false));
            reporter.show_kept();
            measured?;
        }
        // The function `main` of this package has already handled it.
        Subject::CleanUp { .. } => {}
    }
    if reporter.has_results() {
        return Ok(());
    }
    Err(Problem::unavailable(
        "Nothing could be measured, because this machine lacks the servers. The lines above name what is missing.",
    )
    .into())
}

impl<'a> Setting<'a> {
    fn comparison<'c>(
        &self,
        (subject, case): (&'static str, &str),
        title: impl Into<String>,
        candidates: Vec<Candidate<'c>>,
    ) -> Comparison<'c> {
        Comparison {
            subject,
            case: case.to_owned(),
            title: title.into(),
            revision: self.revision.shown.clone(),
            runs: self.runs.unwrap_or(1),
            warmups: 0,
            cpu: Cpu::Hidden,
            candidates,
            budget: None,
            missing: Vec::new(),
        }
    }

    /// Makes a clone of the checkout whose URLs lead to a free port.
    fn checkout(&self, name: &str) -> Result<Checkout<'a>> {
        let checkout = Checkout::clone(name, &self.revision, self.workspace, self.bench)?;
        checkout.choose_port()?;
        Ok(checkout)
    }

    /// Measures commands that need a server. If this machine lacks the server, that is shown and is no error.
    fn where_possible(&self, (subject, case): (&str, &str), measure: impl FnOnce() -> Result<()>) -> Result<()> {
        match measure().map_err(Problem::of) {
            Err(problem) if problem.is_unavailable() => {
                let Problem { what, details, remedies, .. } = problem;
                let why = [&[what][..], &details].concat().join(" ").trim_end_matches('.').to_owned();
                let command = format!("{subject}, {case}");
                self.reporter.missing(subject, case, &Missing { command, why, remedies });
                Ok(())
            }
            result => Ok(result?),
        }
    }
}

/// The data folder of the checkout's private cluster.
fn data_folder(checkout: &Checkout<'_>) -> PathBuf {
    checkout.root.join(".xtask/postgres/data")
}

/// PostgreSQL's programs, from the folder of the private cluster's server.
fn postgres_of(checkout: &Checkout<'_>) -> Result<Postgres> {
    Postgres::of_server(&data_folder(checkout))
}

/// A call of the cargo that runs these benchmarks.
fn cargo(bench: &Bench, words: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Command::from(bench.shell.cmd(cargo).args(words))
}
