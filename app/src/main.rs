//! The `quickcart` command.

use std::process::ExitCode;

use clap::Parser;
use quickcart::check;
use quickcart::cli::{Cli, Command};

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Check(arguments) => check::run(&arguments),
    }
}
