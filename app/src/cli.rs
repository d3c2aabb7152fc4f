//! The command line, declared once.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// QuickCart sells digital goods through a Telegram bot.
#[derive(Debug, Parser)]
#[command(name = "quickcart", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `quickcart` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the settings and both databases, and change nothing
    ///
    /// Exit codes: 0 all is well; 1 the settings or a database's tables are wrong; 2 usage; 6 a database can't
    /// be reached.
    Check(CheckArguments),
}

/// The arguments of `quickcart check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// How many seconds each database has to answer
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,

    /// Check the settings that FILE has, and nothing else: neither the environment nor `.env` nor a database
    #[arg(long, value_name = "FILE", conflicts_with = "timeout")]
    settings: Option<PathBuf>,
}

impl CheckArguments {
    /// How long each database has to answer.
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(self.timeout.into())
    }

    /// The file that is to be checked by itself.
    pub fn settings(&self) -> Option<&Path> {
        self.settings.as_deref()
    }
}
