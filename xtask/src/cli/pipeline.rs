//! The options of the pipeline, of doctor, and of what stands around them.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::seconds;

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
pub(crate) struct Bench {
    /// The arguments for the benchmarks: `cargo xtask bench --help` lists them
    #[arg(num_args = 0.., trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    pub(crate) words: Vec<OsString>,
}

#[derive(Subcommand)]
pub(crate) enum Hooks {
    /// Make hooks in this repository. One that exists already is never changed
    #[command(after_help = "Examples:
  cargo xtask hooks install pre-push
  cargo xtask hooks install post-checkout post-merge")]
    Install(HooksInstall),
}

#[derive(Args)]
pub(crate) struct HooksInstall {
    /// The hooks
    #[arg(value_enum, required = true, value_name = "HOOKS")]
    pub(crate) hooks: Vec<Hook>,
}

/// The hooks that can be made.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Hook {
    /// Runs `cargo xtask ci` before each push, and stops the push if it fails
    PrePush,
    /// Says after `git switch` if the databases have other migrations than the branch
    PostCheckout,
    /// Says after `git merge` and `git pull` if migrations are to be applied
    PostMerge,
}
