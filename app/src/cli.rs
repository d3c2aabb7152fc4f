//! The arguments of the command line, with their help texts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// QuickCart sells digital goods through a Telegram bot.
#[derive(Debug, Parser)]
#[command(name = "quickcart", version)]
pub struct Cli {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands of `quickcart`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the settings and both databases, and change nothing
    ///
    /// Exit codes: 0 everything is fine; 1 the settings or a database's tables are wrong; 2 usage; 6 a database
    /// can't be reached.
    Check(CheckArguments),
}

/// The arguments of `quickcart check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// How long to wait for the answer of each database
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,

    /// Check only the settings in FILE. The environment, `.env` and the databases are not read
    #[arg(long, value_name = "FILE", conflicts_with = "timeout")]
    settings: Option<PathBuf>,
}

impl CheckArguments {
    /// Returns the time within which each database must answer.
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(self.timeout.into())
    }

    /// Returns the file to check alone, if one was given.
    pub fn settings(&self) -> Option<&Path> {
        self.settings.as_deref()
    }
}
