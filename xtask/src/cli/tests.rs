//! The examples of the help are command lines that this program takes.

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
