//! Checks GitHub's workflows and composite actions, for `cargo xtask ci`.
//!
//! `cargo xtask ci` starts it and hands over what it alone knows: the names of its steps and commands. A workflow that
//! names a step which doesn't exist is found on a laptop, and not by a red run after the push.

mod checks;
mod document;
mod expression;
mod finding;
mod matrix;
mod shell;
mod text;
mod yaml;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::builder::NonEmptyStringValueParser;
use clap::{Parser, ValueEnum};

use crate::checks::Known;
use crate::document::Document;
use crate::finding::Finding;

/// Checks the workflows in .github/workflows and the composite actions in .github/actions
#[derive(Parser)]
#[command(name = "xtask-workflow-lint", max_term_width = 100)]
#[command(after_help = "Exit codes: 0 nothing found, 1 something found, 2 usage, or a file that can't be read.")]
struct Cli {
    /// The root of the checkout
    #[arg(long, value_name = "FOLDER")]
    root: PathBuf,

    /// The steps of `cargo xtask ci`
    #[arg(long, value_name = "NAMES", value_delimiter = ',', required = true)]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    steps: Vec<String>,

    /// The commands of `cargo xtask`
    #[arg(long, value_name = "NAMES", value_delimiter = ',', required = true)]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    commands: Vec<String>,

    /// How to show what was found
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How findings are shown.
#[derive(Clone, Copy, Default, ValueEnum)]
enum Format {
    /// Lines for people.
    #[default]
    Plain,
    /// One JSON object a line.
    Json,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Returns the number of findings.
fn run(cli: &Cli) -> Result<usize> {
    let sources = document::sources(&cli.root)?;
    let number = sources.len();
    let mut findings = Vec::new();
    let documents: Vec<Document> = sources.into_iter().map(|source| Document::parse(source, &mut findings)).collect();
    let known = Known { steps: &cli.steps, commands: &cli.commands };
    checks::all(&documents, &known, &mut findings);
    // An anchor's content is met at each of its aliases, and a script in each combination of its matrix.
    findings.sort();
    findings.dedup();
    show(&findings, number, cli).context("The findings can't be written to stdout")?;
    Ok(findings.len())
}

fn show(findings: &[Finding], files: usize, cli: &Cli) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match cli.format {
        Format::Json => {
            for finding in findings {
                writeln!(out, "{}", serde_json::to_string(finding)?)?;
            }
        }
        Format::Plain if files == 0 => {
            writeln!(
                out,
                "There are no workflows in {}: nothing to check.",
                cli.root.join(document::WORKFLOWS).display()
            )?;
        }
        Format::Plain if findings.is_empty() => {
            writeln!(out, "Nothing found in {files} {}.", if files == 1 { "file" } else { "files" })?;
        }
        Format::Plain => {
            for finding in findings {
                writeln!(out, "{finding}")?;
            }
        }
    }
    Ok(())
}
