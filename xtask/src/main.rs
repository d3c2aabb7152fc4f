//! The workspace's automation: `cargo xtask --help`.

#[cfg(unix)]
mod account;
mod checkout;
mod ci;
mod cli;
mod commands;
mod compiler;
mod connection;
mod context;
mod database;
mod database_url;
mod doctor;
mod env_file;
mod interrupt;
mod main_branch;
mod migrations;
mod problem;
mod process;
mod queries;
mod question;
mod report;
mod runtime;
mod server;
mod setup;
mod stamp;
mod system;
mod target;
mod tool;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::report::Reporter;

fn main() -> ExitCode {
    if let Some(code) = queries::rustc_wrapper() {
        return code;
    }
    #[cfg(unix)]
    if let Some(code) = process::keeper::keep() {
        return code;
    }
    let cli = Cli::parse();
    let reporter = Reporter::new(cli.format, cli.quiet);
    ExitCode::from(commands::run(&cli, &reporter))
}
