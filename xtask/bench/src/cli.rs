//! Declares every argument once, with its help.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::workspace::{self, Workspace};

/// Measure the workspace's commands, beside the programs that people would use without them
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", max_term_width = 100)]
#[command(after_long_help = JSON)]
#[command(long_about = "Measure the workspace's commands, beside the programs that people would use without them. \
                  The commands of a comparison are measured in turn, so that a busy machine is busy for all. \
                  The benchmarks work in clones in a temporary folder (TMPDIR names another one). They start servers \
                  on free ports. At the end, they remove everything that they made. For each program that isn't \
                  installed, they name the command that installs it.")]
pub(crate) struct Cli {
    /// What to measure [default: peers]
    #[command(subcommand)]
    pub(crate) subject: Option<Subject>,

    /// How many times to measure each command [default: depends on the subject]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) runs: Option<u32>,

    /// Show the results as JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// How to show the results; json is the same as --json
    #[arg(long, global = true, value_name = "FORMAT", overrides_with = "format")]
    pub(crate) format: Option<Format>,

    /// Show results and problems only
    #[arg(long, short, global = true, overrides_with = "quiet")]
    pub(crate) quiet: bool,

    /// The description of the workspace, which `cargo xtask` passes
    #[arg(long, hide = true, value_name = "JSON", value_parser = workspace::parse)]
    pub(crate) workspace: Option<Workspace>,
}

const JSON: &str = "\
With --json, or with --format json, each line of the output is one object:

  {\"event\": \"result\", ...}   one command of one comparison
    subject, case     what was measured: \"db-setup\", \"nothing\"
    command           the command, as the table shows it
    peer              whether people would use the command without `cargo xtask`
    revision          the revision that was checked out
    runs              how many times it was measured
    seconds           {\"min\", \"median\", \"max\"}: wall time
    cpu_seconds       the same: user and system time of the command and its children, without
                      servers; for ci: how long all cores together were busy
    ratio             the command's median divided by that of compared_to; absent if it is alone
    cpu_ratio         the same for cpu_seconds
    compared_to       the other command of the ratios, which is the comparison's last one
    budget            scale only: the ratio that the command may have
    busy              ci only: the share of the cores that was busy, from 0 to 1
  {\"event\": \"test\", ...}     flakes only: one test
    name, runs, failed
  {\"event\": \"missing\", ...}  a command that could not be measured
    subject, case, command, what, remedies
  {\"event\": \"problem\", ...}  the problem that ended the benchmarks
    what, details, remedies, exit_code

Exit codes: 0 done, 1 failed, 2 usage, 6 nothing could be measured without a server that this
machine lacks, 130 interrupted.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables, and on a terminal the progress
    Terminal,
    /// Tables
    Plain,
    /// One JSON object a line
    Json,
}

#[derive(Subcommand)]
pub(crate) enum Subject {
    /// `cargo xtask db-setup` beside sqlx-cli, psql, initdb and `docker compose up --wait`
    DbSetup {
        /// The states in which db-setup begins [default: all]
        #[arg(value_enum)]
        cases: Vec<Start>,
    },
    /// `cargo xtask ci` beside its steps, run alone one after the other
    Ci {
        /// The states of the target folder [default: both]
        #[arg(value_enum)]
        conditions: Vec<Condition>,

        /// Only these steps (without the tests, the pipeline takes little time)
        #[arg(long, value_name = "STEPS", value_delimiter = ',')]
        steps: Vec<String>,
    },
    /// The wall time and the CPU time of the compilation of xtask, from nothing and after a change
    Build {
        /// Another revision to compare with, such as main or HEAD~3
        #[arg(long, value_name = "REV")]
        base: Option<String>,

        /// The files to change, one for each comparison, relative to the root
        #[arg(long, value_name = "FILES", value_delimiter = ',', default_value = "xtask/src/lib.rs")]
        change: Vec<PathBuf>,

        /// Compare with `cargo install sqlx-cli` too, which takes minutes
        #[arg(long)]
        sqlx_cli: bool,
    },
    /// `cargo xtask db-verify` beside `pg_dump -s`, on schemas of several sizes
    Scale {
        /// The numbers of tables
        #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "10,100,1000")]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
        tables: Vec<u32>,

        /// 10,000 tables as well
        #[arg(long)]
        large: bool,
    },
    /// `cargo xtask db-switch` and `db-snapshot` beside `pg_dump | psql`, on two databases
    Branches {
        /// The size of each database, in megabytes
        #[arg(long, value_name = "NUMBER", default_value_t = 100)]
        #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
        megabytes: u32,
    },
    /// The databases of a test with `xtask::test_databases`, beside those of `#[sqlx::test]`
    TestDatabases,
    /// The tests that fail only now and then: all tests several times, and those that wait, kill or race many times alone
    #[command(
        after_help = "The tests that wait, kill or race are those of the profile \"races\" in .config/nextest.toml."
    )]
    Flakes {
        /// How often all tests run, in two runs side by side
        #[arg(long, value_name = "N", default_value_t = 10)]
        rounds: u32,

        /// How often each test that waits, kills or races runs alone
        #[arg(long, value_name = "N", default_value_t = 200)]
        repeats: u32,
    },
    /// Everything that has a peer, in one table
    Peers,
    /// Wait until standard input closes, and remove everything that the benchmarks made
    #[command(hide = true)]
    CleanUp {
        /// The folder of the benchmarks
        folder: PathBuf,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Start {
    /// The databases are set up already, so db-setup has nothing to do
    Nothing,
    /// A running server without the databases
    Cold,
    /// No server, so db-setup makes a private cluster
    Local,
    /// No container, and then a container that was stopped
    Compose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Condition {
    /// Everything is compiled, and nothing has changed since
    Warm,
    /// The target folder has only xtask itself
    Cold,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::{CommandFactory, Parser};

    use super::{Cli, Condition, Format, Start, Subject};

    fn parse(line: &str) -> Cli {
        Cli::try_parse_from(std::iter::once("bench").chain(line.split_whitespace())).unwrap()
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_stand_before_or_after_the_subject() {
        for line in ["--runs 3 --json db-setup nothing cold", "db-setup nothing cold --json --runs 3"] {
            let cli = parse(line);
            assert_eq!((cli.runs, cli.json), (Some(3), true), "{line}");
            let Some(Subject::DbSetup { cases }) = cli.subject else { panic!("{line}") };
            assert_eq!(cases, [Start::Nothing, Start::Cold]);
        }
    }

    /// xtask passes the format before `bench` on, and puts it first.
    #[test]
    fn the_last_format_counts() {
        assert_eq!(parse("--format plain --quiet peers --format json -q").format, Some(Format::Json));
    }

    #[test]
    fn lists_are_separated_by_commas() {
        let Some(Subject::Scale { tables, large }) = parse("scale --tables 5,50 --large").subject else { panic!() };
        assert_eq!((tables, large), (vec![5, 50], true));
        let Some(Subject::Ci { conditions, steps }) = parse("ci warm --steps build,lint").subject else { panic!() };
        assert_eq!((conditions, steps.join(" ").as_str()), (vec![Condition::Warm], "build lint"));
    }

    #[test]
    fn arguments_without_sense_are_refused() {
        for line in ["--runs 0", "db-setup hot", "scale --tables 0", "everything"] {
            assert!(Cli::try_parse_from(std::iter::once("bench").chain(line.split(' '))).is_err(), "{line}");
        }
    }
}
