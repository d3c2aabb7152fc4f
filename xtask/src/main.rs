//! The workspace's automation: `cargo xtask --help`.

mod checkout;
mod ci;
mod cli;
mod commands;
mod database;
mod database_url;
mod env_file;
mod interrupt;
mod migrations;
mod problem;
mod process;
mod report;
mod runtime;
mod schema;
mod server;
mod tool;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::report::Reporter;

fn main() -> ExitCode {
    if let Some(code) = ci::queries::rustc_wrapper() {
        return code;
    }
    let cli = Cli::parse();
    let reporter = Reporter::new(cli.format, cli.quiet);
    ExitCode::from(commands::run(&cli, &reporter))
}
