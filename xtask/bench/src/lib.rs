//! Measures the workspace's commands, and compares them with the programs that people would use without them.
//!
//! All clones of the checkout, target folders and data of servers are in a temporary folder. The servers listen on free
//! ports. A separate process, the `keeper`, removes everything when the benchmarks end, however they end.

#![cfg(unix)]

mod bench;
mod checkout;
mod cli;
mod comparison;
mod interrupt;
mod keeper;
mod problem;
mod programs;
mod report;
mod statistics;
mod subjects;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::bench::Bench;
use crate::cli::{Cli, Subject};
use crate::interrupt::Interrupt;
use crate::problem::Problem;
use crate::report::Reporter;

/// Reads the command line, measures, and returns the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Subject::CleanUp { folder }) = &cli.subject {
        return keeper::keep(folder);
    }
    let reporter = Reporter::new(&cli);
    match measure(&cli, &reporter) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let problem = Problem::of(error);
            reporter.problem(&problem);
            ExitCode::from(problem.exit)
        }
    }
}

fn measure(cli: &Cli, reporter: &Reporter) -> Result<()> {
    let workspace = cli.workspace.as_ref().ok_or_else(|| {
        Problem::usage("This program needs the description of the workspace that `cargo xtask bench` passes to it.")
            .remedy("cargo xtask bench --help")
    })?;
    let bench = Bench::set_up(Interrupt::listen()?, subjects::in_memory(cli.subject.as_ref()))?;
    let measured = subjects::run(cli, workspace, &bench, reporter);
    // After an interruption, the error of the command that was ended doesn't matter.
    let measured = bench.interrupt.check().map_err(anyhow::Error::from).and(measured);
    bench.clear_away().and(measured)
}
