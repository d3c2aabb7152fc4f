//! The arguments of every command, with their help texts.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::report::Format;
use crate::server::Choice;

/// The workspace's automation: sets up its databases and proves them, and runs everything that CI runs.
// Clap breaks lines only with a feature that other packages of a workspace may ask for. The texts must not depend on that.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", term_width = 0)]
#[command(after_help = "Examples:
  cargo xtask db-setup          from a fresh clone to proven databases
  cargo xtask ci                everything that CI runs
  cargo xtask db-setup --help   more about one command

Exit codes: 0 done, 1 failed, 2 usage, 3 migrations pending, 4 schema differs, 5 history differs,
6 server or database not there, 130 interrupted.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Show problems only
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,

    /// The format of the output [default: terminal on a terminal, else plain]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Set up a fresh clone, until every database is migrated and proven
    #[command(
        long_about = "Set up a fresh clone, until every database is migrated and proven. The command makes .env from \
                            .env.ci, finds or starts PostgreSQL, makes the databases, applies the migrations, and \
                            proves that each schema is the one in the repository. A second run changes nothing.",
        after_help = "Examples:
  cargo xtask db-setup
  cargo xtask db-setup --dry-run                says what would be done
  cargo xtask db-setup --server local           only a server of PostgreSQL's own binaries
  cargo xtask db-setup --timeout 5 --format json"
    )]
    DbSetup(DbSetup),
    /// Stop the PostgreSQL that db-setup started, and keep its data
    #[command(after_help = "Examples:
  cargo xtask db-stop")]
    DbStop,
    /// Prove, object by object, that each database has the committed schema
    #[command(after_help = "Examples:
  cargo xtask db-verify
  cargo xtask db-verify --deep     every column of every catalog
  cargo xtask db-verify --write    after a new migration: makes the schema files anew")]
    DbVerify(DbVerify),
    /// Write docs/schema.md, which shows the tables of each database with a diagram
    #[command(
        long_about = "Write docs/schema.md, which shows the tables of each database with a diagram, as freshly migrated \
                            scratch databases have them. GitHub shows the diagram as a picture. If the file exists, the \
                            step `schema` of `cargo xtask ci` fails when it is stale.",
        after_help = "Examples:
  cargo xtask db-diagram"
    )]
    DbDiagram(DbDiagram),
    /// Regenerate sqlx's offline query data from freshly migrated scratch databases
    #[command(after_help = "Examples:
  cargo xtask db-prepare    after a new or changed query")]
    DbPrepare(DbPrepare),
    /// Find out what is wrong on this machine, and which command mends it
    #[command(
        long_about = "Find out what is wrong on this machine, and which command mends it. The command changes nothing. Its \
                            exit code is 0 if db-setup would succeed, as far as that can be known: what a migration does \
                            when it runs and what is in a server that doesn't run isn't known.",
        after_help = "Examples:
  cargo xtask doctor
  cargo xtask doctor --fix              also puts right what needs no question
  cargo xtask doctor --format json      for programs"
    )]
    Doctor(Doctor),
    /// Run everything that CI runs
    #[command(
        long_about = "Run everything that CI runs, the same on a laptop and on GitHub. Steps run at the same time \
                            where they can. A step that fails is shown in full, and does not stop the others. A step that passed \
                            isn't run again while the files, programs and settings that it reads stay the same. Your \
                            databases are changed only as db-setup changes them. Experiments use scratch databases.",
        after_help = "Examples:
  cargo xtask ci
  cargo xtask ci --list                       what each step proves
  cargo xtask ci --only format,lint           two steps
  cargo xtask ci --only test --fail-fast      the tests of all packages, up to the first failure
  cargo xtask ci --skip docs --all            every other step, even if nothing has changed"
    )]
    Ci(Ci),
    /// Run sqlx-cli for one of the databases
    #[command(
        after_help = "sqlx-cli receives everything after DATABASE: `cargo xtask sqlx DATABASE --help` lists its\n\
                      commands. It runs in the folder of the database's package, with the URL from .env.\n\
                      `prepare` checks all targets, unless -- and other arguments for cargo follow. If it fails,\n\
                      the query data is lost. `cargo xtask db-prepare` uses scratch databases, and loses no data.

Examples:
  cargo xtask sqlx main migrate info
  cargo xtask sqlx main --help"
    )]
    Sqlx(Sqlx),
    /// Measure these commands, beside the programs that people would use without them
    #[command(disable_help_flag = true)]
    Bench(Bench),
    /// Make migration files
    #[command(subcommand)]
    Migrate(Migrate),
    /// Make git call these commands
    #[command(subcommand)]
    Hooks(Hooks),
    /// Print the completions of `cargo xtask` for a shell
    #[command(
        long_about = "Print a script that lets a shell complete `cargo xtask`: commands, options, databases and steps. It \
                            asks the program that cargo has compiled in the checkout, and compiles nothing.",
        after_help = "Examples:
  cargo xtask completions bash > ~/.cargo-xtask.bash
  cargo xtask completions zsh > ~/.cargo-xtask.zsh
  cargo xtask completions fish > ~/.config/fish/conf.d/cargo-xtask.fish
  cargo xtask completions powershell > cargo-xtask.ps1

A line `source FILE` in ~/.bashrc, or in ~/.zshrc after compinit, makes it permanent. In $PROFILE it is `. FILE`.
Fish needs no line. In PowerShell, other commands of cargo aren't completed then.
Nobody has tried it there yet."
    )]
    Completions(Completions),
    /// Print what could stand in place of the last word. The scripts of `completions` ask it
    #[command(hide = true)]
    Complete(Complete),
}

#[derive(Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// The shells that can complete the command line.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

#[derive(Args)]
pub(crate) struct Complete {
    /// The words behind `cargo xtask`. The last one may be empty or unfinished
    #[arg(num_args = 0.., trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORDS")]
    pub(crate) words: Vec<OsString>,
}

#[derive(Args)]
pub(crate) struct DbSetup {
    /// Where PostgreSQL comes from. With any value but auto, no other place is tried
    #[arg(long, value_enum, default_value_t)]
    pub(crate) server: Choice,

    /// How long to wait for a server, and for another run, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Also make and migrate databases on a host that isn't this machine
    #[arg(long)]
    pub(crate) allow_remote: bool,

    /// Use databases that belong to another checkout, from now on
    #[arg(long)]
    pub(crate) share: bool,

    /// Fetch nothing from the network
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Args)]
pub(crate) struct DbVerify {
    /// Regenerate the schema files from freshly migrated scratch databases
    #[arg(long)]
    pub(crate) write: bool,

    /// Also compare every column of every catalog with a scratch database migrated from nothing
    #[arg(long, conflicts_with = "write")]
    pub(crate) deep: bool,

    /// How long an answer of the server may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// Also make scratch databases on a host that isn't this machine
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

#[derive(Args)]
pub(crate) struct DbDiagram {
    /// Also make scratch databases on a host that isn't this machine
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

#[derive(Args)]
pub(crate) struct DbPrepare {
    /// Also make scratch databases on a host that isn't this machine
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

#[derive(Args)]
pub(crate) struct Doctor {
    /// Put right what can be put right without a question, and say what was done
    #[arg(long)]
    pub(crate) fix: bool,

    /// How long to wait for something that doesn't answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) timeout: Duration,
}

#[derive(Args)]
pub(crate) struct Ci {
    /// Run only these steps
    #[arg(long, value_name = "STEPS", value_delimiter = ',')]
    pub(crate) only: Vec<String>,

    /// Skip these steps
    #[arg(long, value_name = "STEPS", value_delimiter = ',')]
    pub(crate) skip: Vec<String>,

    /// Run every step, even if what it reads hasn't changed since it passed
    #[arg(long)]
    pub(crate) all: bool,

    /// Stop at the first step that fails
    #[arg(long)]
    pub(crate) fail_fast: bool,

    /// List the steps with what each one proves, and run nothing
    #[arg(long, conflicts_with = "explain")]
    pub(crate) list: bool,

    /// Show the command lines of the steps, and run nothing
    #[arg(long)]
    pub(crate) explain: bool,

    /// Also make databases and scratch databases on a host that isn't this machine
    #[arg(long)]
    pub(crate) allow_remote: bool,
}

#[derive(Args)]
pub(crate) struct Sqlx {
    /// Also use a host that isn't this machine. This option stands before DATABASE
    #[arg(long)]
    pub(crate) allow_remote: bool,

    /// The database, and the arguments for sqlx-cli
    #[arg(required = true, num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true)]
    #[arg(value_names = ["DATABASE", "ARGS"])]
    pub(crate) words: Vec<OsString>,
}

#[derive(Args)]
pub(crate) struct Bench {
    /// The arguments for the benchmarks: `cargo xtask bench --help` lists them
    #[arg(num_args = 0.., trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    pub(crate) words: Vec<OsString>,
}

#[derive(Subcommand)]
pub(crate) enum Migrate {
    /// Make the files of a database's next migration
    #[command(
        long_about = "Make the files of a database's next migration, NNN_NAME.up.sql and NNN_NAME.down.sql. NNN is the \
                      number after the highest one. The command never changes a file that exists.",
        after_help = "Examples:
  cargo xtask migrate add main add_users_phone
  cargo xtask migrate add main \"add users phone\""
    )]
    Add(MigrateAdd),
}

#[derive(Args)]
pub(crate) struct MigrateAdd {
    /// The name of the database, which is the name of its migrations folder
    pub(crate) database: String,

    /// What the migration does, in letters, digits and _. Spaces and hyphens become _
    pub(crate) name: String,
}

#[derive(Subcommand)]
pub(crate) enum Hooks {
    /// Make a hook in this repository. One that exists already is never changed
    #[command(after_help = "Examples:
  cargo xtask hooks install pre-push")]
    Install(HooksInstall),
}

#[derive(Args)]
pub(crate) struct HooksInstall {
    /// The hook
    #[arg(value_enum)]
    pub(crate) hook: Hook,
}

/// The hooks that can be made.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Hook {
    /// Runs `cargo xtask ci` before each push, and stops the push if it fails
    PrePush,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("it must be a whole number of seconds from 1 to 86400".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory, Parser};

    use super::Cli;

    /// Collects the help that follows the options, for each command that can be run.
    fn helps(command: &Command, path: &str, found: &mut Vec<(String, String)>) {
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set()) {
            helps(sub, &format!("{path} {}", sub.get_name()), found);
        }
        // The help of bench is the tool's.
        if !path.ends_with("bench") && !command.is_subcommand_required_set() {
            found.push((path.to_owned(), command.get_after_help().map(ToString::to_string).unwrap_or_default()));
        }
    }

    /// Each example is a command line that this program takes, followed by two spaces and words about it.
    #[test]
    fn every_command_has_examples_and_each_can_be_parsed() {
        let mut found = Vec::new();
        let mut cli = Cli::command();
        cli.build();
        helps(&cli, "cargo xtask", &mut found);
        found.push(("cargo xtask".to_owned(), cli.get_after_help().map(ToString::to_string).unwrap_or_default()));
        assert!(found.len() > 10, "{found:?}");
        for (path, help) in found {
            let examples: Vec<_> = help.lines().filter_map(|line| line.strip_prefix("  cargo xtask ")).collect();
            assert!(!examples.is_empty(), "{path} has no examples");
            for example in examples {
                let line = example.split("  ").next().and_then(|line| line.split(" > ").next()).unwrap_or_default();
                // A word in quotes is one word.
                let words = line.split('"').enumerate().flat_map(|(at, part)| match at % 2 {
                    0 => part.split_whitespace().collect(),
                    _ => vec![part],
                });
                let parsed = Cli::try_parse_from(["cargo xtask"].into_iter().chain(words));
                let is_help = |error: &clap::Error| error.kind() == clap::error::ErrorKind::DisplayHelp;
                assert!(parsed.is_ok() || parsed.as_ref().is_err_and(is_help), "{path}: {line}: {:?}", parsed.err());
            }
        }
    }
}
