//! Lints migrations with squawk, for `cargo xtask ci`.
//!
//! squawk knows which statements lock a table that is in use, rewrite it, or break the clients of the schema. This
//! program adds what squawk can't know: how sqlx runs a migration ([`transaction`]), what lies outside of the schema
//! ([`reach`]), and which findings this repository accepts ([`accepted`]).

mod accepted;
mod finding;
mod lint;
mod reach;
mod rule;
mod transaction;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::accepted::List;
use crate::finding::Finding;

/// Find the statements in SQL migrations that would lock a table in use, break clients, or fail
#[derive(Parser)]
#[command(name = "xtask-migration-lint", max_term_width = 100)]
#[command(after_help = "Exit codes: 0 no finding, 1 findings, 2 usage, or a file that can't be read.")]
struct Cli {
    /// The folder that the files are relative to
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,

    /// The oldest PostgreSQL that the migrations have to run on, such as 15
    #[arg(long, value_name = "VERSION", value_parser = postgres_version)]
    postgres: squawk_linter::Version,

    /// The list of rules that are off and of findings that are accepted, relative to the root
    #[arg(long, value_name = "FILE")]
    accepted: Option<PathBuf>,

    /// How to show the findings
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// The migrations, relative to the root: *.up.sql, *.down.sql, or plain *.sql
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// JSON Lines: an object for each finding
    Json,
}

fn postgres_version(text: &str) -> Result<squawk_linter::Version, String> {
    text.parse().map_err(|_| "give a version of PostgreSQL, such as 15 or 15.4".into())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let (findings, unreadable) = findings(&cli);
    if let Err(error) = show(&findings, cli.format) {
        eprintln!("The findings can't be written to standard output: {error}.");
        return ExitCode::from(2);
    }
    for sentence in &unreadable {
        eprintln!("{sentence}");
    }
    match (unreadable.is_empty(), findings.is_empty()) {
        (false, _) => ExitCode::from(2),
        (true, false) => ExitCode::from(1),
        (true, true) => ExitCode::SUCCESS,
    }
}

/// Returns the findings, and a sentence for each file that can't be read.
fn findings(cli: &Cli) -> (Vec<Finding>, Vec<String>) {
    let mut unreadable = Vec::new();
    let mut read = |file: &Path| {
        let text = std::fs::read_to_string(cli.root.join(file));
        let sentence = |error| format!("{} in {} can't be read: {error}.", shown(file), cli.root.display());
        text.map_err(|error| unreadable.push(sentence(error))).ok()
    };

    // The map is keyed by name, so that a file that is given twice is linted once.
    let migrations: BTreeMap<String, String> =
        cli.files.iter().filter_map(|file| Some((shown(file), read(file)?))).collect();
    let list = match &cli.accepted {
        None => Ok(List::default()),
        Some(path) => match read(path) {
            Some(text) => List::parse(&shown(path), &text),
            // Without the list, every accepted finding would be reported.
            None => return (Vec::new(), unreadable),
        },
    };
    let mut list = match list {
        Ok(list) => list,
        Err(finding) => return (vec![finding], unreadable),
    };

    let mut findings = Vec::new();
    for (file, text) in &migrations {
        let found = lint::findings(file, text, cli.postgres, &list);
        findings.extend(list.not_accepted(file, text, found));
    }
    findings.extend(list.mistakes(&cli.root, |file| migrations.contains_key(file)));
    (findings, unreadable)
}

fn show(findings: &[Finding], format: Format) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for finding in findings {
        match format {
            Format::Text => writeln!(out, "{finding}")?,
            Format::Json => writeln!(out, "{}", serde_json::to_string(finding)?)?,
        }
    }
    out.flush()
}

/// Returns a path in the form that is shown and compared: with `/`, and without `./`.
fn shown(path: &Path) -> String {
    let parts = path.components().filter(|part| !matches!(part, Component::CurDir));
    parts.collect::<PathBuf>().to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/")
}
