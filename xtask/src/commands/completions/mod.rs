//! `cargo xtask completions SHELL` and `cargo xtask complete`: the words that could follow on an unfinished command line.
//!
//! `cargo xtask` is an alias of `cargo run`, so no shell can complete it by a program's name. Each shell gets a short script
//! that steps in when the first argument of cargo is `xtask`. It asks the program that cargo has compiled, which knows the
//! arguments as clap does, and the databases and steps of the workspace. Nothing is compiled for that.

mod candidates;

use std::io::Write;

use anyhow::Result;

use super::Ending;
use crate::ci::packages::Packages;
use crate::ci::steps;
use crate::cli::{Complete, Completions, Shell};
use crate::context::Context;
use candidates::{Candidate, Known};

/// Prints the script of a shell.
pub(crate) fn script(options: &Completions) -> Result<Ending> {
    print(match options.shell {
        Shell::Bash => include_str!("bash.sh"),
        Shell::Zsh => include_str!("zsh.zsh"),
        Shell::Fish => include_str!("fish.fish"),
        Shell::Powershell => include_str!("powershell.ps1"),
    })
}

/// Prints what could stand in place of the last word: a line for each candidate, with its meaning behind a tab.
pub(crate) fn complete(options: &Complete, context: Context<'_>) -> Result<Ending> {
    let words: Vec<_> = options.words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let found =
        candidates::of(&words, &Known { databases: &|| databases(context), steps: &|| names_of_steps(context) });
    let lines = found.iter().map(|Candidate { value, meaning }| format!("{value}\t{meaning}\n"));
    print(&lines.collect::<String>())
}

fn print(text: &str) -> Result<Ending> {
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Ending::PassedOn(0))
}

fn databases(context: Context<'_>) -> Vec<Candidate> {
    let databases = context.workspace.databases.iter();
    databases.map(|database| Candidate::new(&database.name, &format!("on {}", database.url_variable))).collect()
}

fn names_of_steps(context: Context<'_>) -> Vec<Candidate> {
    let packages = Packages::find(&context.workspace.root, context.interrupt).unwrap_or_default();
    let tests = packages.iter().filter(|package| package.has_tests).map(steps::test_of);
    let names = steps::NAMES.iter().map(ToString::to_string);
    names.chain(tests).map(|name| Candidate::new(&name, "")).collect()
}
