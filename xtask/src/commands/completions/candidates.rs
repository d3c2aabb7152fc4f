//! Finds what could stand in place of the last word, from clap's description of the command line.

use clap::{Arg, Command, CommandFactory};

use crate::cli::Cli;

/// A word that could stand there.
#[derive(Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) value: String,
    /// A few words about it, on one line. They may be empty.
    pub(super) meaning: String,
}

impl Candidate {
    pub(super) fn new(value: &str, meaning: &str) -> Self {
        Self { value: value.to_owned(), meaning: meaning.lines().next().unwrap_or_default().to_owned() }
    }
}

/// What only the workspace knows. It is asked only where it is needed.
pub(super) struct Known<'a> {
    pub(super) databases: &'a dyn Fn() -> Vec<Candidate>,
    pub(super) steps: &'a dyn Fn() -> Vec<Candidate>,
}

/// Returns the candidates for the last of the words behind `cargo xtask`. It may be empty.
pub(super) fn of(words: &[String], known: &Known<'_>) -> Vec<Candidate> {
    let mut cli = Cli::command();
    cli.build();
    let Some((last, before)) = words.split_last() else { return Vec::new() };
    let place = Place::after(&cli, before);
    // What stands before the part that is completed.
    let mut base = "";
    let found = if let Some(arg) = place.value_of {
        base = listed(arg, last);
        values(arg, known)
    } else if let (Some((option, _)), false) = (last.split_once('='), place.only_values)
        && let Some(arg) = place.option(option)
    {
        let value = &last[option.len() + 1..];
        base = &last[..option.len() + 1 + listed(arg, value).len()];
        values(arg, known)
    } else if last.starts_with('-') && !place.only_values {
        place.options()
    } else {
        let arg = place.command.get_positionals().find(|arg| arg.get_index() == Some(place.position));
        match arg {
            Some(arg) => values(arg, known),
            None if place.position == 1 => place.commands(),
            None => Vec::new(),
        }
    };
    let full = found.into_iter().map(|found| Candidate { value: format!("{base}{}", found.value), ..found });
    full.filter(|found| found.value.starts_with(last.as_str())).collect()
}

/// The part of a list that is finished: up to its last comma.
fn listed<'w>(arg: &Arg, word: &'w str) -> &'w str {
    let end = arg.get_value_delimiter().and_then(|comma| word.rfind(comma)).map_or(0, |at| at + 1);
    &word[..end]
}

/// The place where a word is to be completed.
struct Place<'c> {
    command: &'c Command,
    /// The option whose value it is.
    value_of: Option<&'c Arg>,
    /// The position that it has among the arguments of the command that aren't options. They count from one.
    position: usize,
    /// Whether no option can stand there.
    only_values: bool,
}

impl<'c> Place<'c> {
    fn after(cli: &'c Command, words: &[String]) -> Self {
        let mut place = Self { command: cli, value_of: None, position: 1, only_values: false };
        for word in words {
            if place.value_of.take().is_some() {
                continue;
            }
            if word == "--" {
                place.only_values = true;
            } else if word.starts_with('-') && !place.only_values {
                place.value_of = place.option(word).filter(|arg| arg.get_action().takes_values());
            } else if let Some(command) = place.command.find_subcommand(word) {
                place.command = command;
            } else {
                // What follows the first word that is passed on to another program is that program's.
                place.only_values |= place.command.get_positionals().any(Arg::is_trailing_var_arg_set);
                place.position += 1;
            }
        }
        place
    }

    fn option(&self, word: &str) -> Option<&'c Arg> {
        self.command
            .get_arguments()
            .find(|arg| arg.get_long().is_some_and(|long| word.strip_prefix("--") == Some(long)))
    }

    fn options(&self) -> Vec<Candidate> {
        let shown = self.command.get_arguments().filter(|arg| !arg.is_hide_set());
        let named = shown.filter_map(|arg| Some((arg.get_long()?, arg.get_help())));
        named
            .map(|(long, help)| {
                Candidate::new(&format!("--{long}"), &help.map(ToString::to_string).unwrap_or_default())
            })
            .collect()
    }

    fn commands(&self) -> Vec<Candidate> {
        let shown = self.command.get_subcommands().filter(|command| !command.is_hide_set());
        let about = |command: &Command| command.get_about().map(ToString::to_string).unwrap_or_default();
        shown.map(|command| Candidate::new(command.get_name(), &about(command))).collect()
    }
}

/// The values that an argument may have, as far as they are known.
fn values(arg: &Arg, known: &Known<'_>) -> Vec<Candidate> {
    match arg.get_value_names().and_then(|names| names.first()).map(clap::builder::Str::as_str) {
        Some("DATABASE") => (known.databases)(),
        Some("STEPS") => (known.steps)(),
        _ => {
            let values = arg.get_possible_values();
            let meaning = |help: Option<&clap::builder::StyledStr>| help.map(ToString::to_string).unwrap_or_default();
            values.iter().map(|value| Candidate::new(value.get_name(), &meaning(value.get_help()))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Candidate, Known, of};

    fn named(names: &[&str]) -> Vec<Candidate> {
        names.iter().map(|name| Candidate::new(name, "")).collect()
    }

    #[test]
    fn every_place_of_a_command_line() {
        let databases = || named(&["journal", "library"]);
        let steps = || named(&["lint", "test", "test:library"]);
        let known = Known { databases: &databases, steps: &steps };
        for (line, expected) in [
            ("db-se", "db-setup"),
            ("migrate ", "add down help redo"),
            ("migrate redo ", "journal library"),
            ("migrate add ", "journal library"),
            ("migrate add library ", ""),
            ("sqlx li", "library"),
            ("sqlx library ", ""),
            ("sqlx library --f", ""),
            ("ci --on", "--only"),
            ("ci --only ", "lint test test:library"),
            ("ci --only test:", "test:library"),
            ("ci --only lint,te", "lint,test lint,test:library"),
            ("ci --only=lint,test:l", "--only=lint,test:library"),
            ("--quiet ci --skip lint --f", "--fail-fast --format"),
            ("db-setup --server r", "running"),
            ("db-setup --timeout ", ""),
            ("db-setup -- --", ""),
            ("--format=j", "--format=json"),
            ("hooks install ", "post-checkout post-merge pre-push"),
            ("db-shell j", "journal"),
            ("db-shell library -", "--allow-remote --format --help --quiet"),
            ("db-url ", "journal library"),
            ("completions ", "bash fish powershell zsh"),
            ("compl", "completions"),
            ("no-such-command ", ""),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let mut found: Vec<_> = of(&words, &known).into_iter().map(|found| found.value).collect();
            found.sort_unstable();
            assert_eq!(found.join(" "), expected, "{line}");
        }
        let meanings: Vec<_> = of(&["db-setup".to_owned()], &known).into_iter().map(|found| found.meaning).collect();
        assert_eq!(meanings, ["Set up a fresh clone, until every database is migrated and proven"]);
    }
}
