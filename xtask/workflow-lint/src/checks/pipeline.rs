//! `cargo xtask` in scripts: that the pipeline is called at all, and that what is named exists.

use crate::document::{Document, Kind, Step};
use crate::finding::{Finding, Rule};
use crate::matrix::{self, Combination};
use crate::shell;
use crate::text::Text;

use super::Known;

/// A call of `cargo xtask`.
struct Call<'a> {
    command: &'a Text,
    arguments: &'a [Text],
}

/// Checks every call of `cargo xtask` in every file, and that one of them runs the pipeline.
pub(crate) fn check(documents: &[Document], known: &Known<'_>, findings: &mut Vec<Finding>) {
    let mut runs = false;
    for document in documents {
        for step in document.steps() {
            for command in commands(step) {
                let Some(call) = call(&command) else { continue };
                runs |= call.runs_pipeline();
                findings.extend(call.unknown_command(document, known));
                findings.extend(call.unknown_steps(document, known));
            }
        }
    }
    // In a file that couldn't be understood it may well stand.
    let workflows = || documents.iter().filter(|document| document.kind == Kind::Workflow);
    if !runs && documents.iter().all(|document| document.start().is_some()) {
        let by_name =
            workflows().find(|document| document.file.ends_with("/ci.yml") || document.file.ends_with("/ci.yaml"));
        let place = |document: &Document| document.entry("jobs").map(|jobs| jobs.place);
        findings.extend(by_name.or_else(|| workflows().next()).and_then(|document| {
            let message = "No workflow calls `cargo xtask ci`: what runs here isn't what runs on a laptop.";
            let help = "Add it to a job, behind the checkout: run: cargo xtask ci";
            Some(document.finding(place(document)?, Rule::PipelineNotCalled, message).help(help))
        }));
    }
}

/// The commands of a step's script, in every combination of its job's matrix.
fn commands(step: Step<'_>) -> Vec<shell::Command> {
    let Some(script) = step.script() else { return Vec::new() };
    let combinations = step.job.map_or_else(|| vec![Combination::default()], |job| matrix::combinations(job.node));
    combinations.iter().flat_map(|combination| shell::commands(&matrix::resolve(script, combination))).collect()
}

/// What `cargo xtask` is asked for in this command, if it is one.
fn call(command: &[Text]) -> Option<Call<'_>> {
    if ["echo", "printf"].iter().any(|shown| command.first().is_some_and(|word| word == *shown)) {
        return None;
    }
    let cargo = command.iter().position(|word| word == "cargo")?;
    let rest = behind_options(&command[cargo + 1..], &["--color", "--config", "-C", "-Z"]);
    let (xtask, rest) = rest.split_first()?;
    let (command, arguments) = behind_options(rest, &["--format"]).split_first()?;
    (xtask == "xtask").then_some(Call { command, arguments })
}

/// The words behind the options, of which some have a value.
fn behind_options<'a>(mut words: &'a [Text], with_value: &[&str]) -> &'a [Text] {
    while let Some((word, rest)) =
        words.split_first().filter(|(word, _)| word.starts_with("-") || word.starts_with("+"))
    {
        let values = usize::from(with_value.iter().any(|option| word == *option));
        words = rest.get(values..).unwrap_or_default();
    }
    words
}

impl Call<'_> {
    /// Whether it does so, and doesn't only tell about it.
    fn runs_pipeline(&self) -> bool {
        let tells = |word: &Text| ["--list", "--explain", "--help", "-h"].iter().any(|option| word == *option);
        self.command == "ci" && !self.arguments.iter().any(tells)
    }

    fn unknown_command(&self, document: &Document, known: &Known<'_>) -> Option<Finding> {
        let is_known = |command: &str| self.command == command;
        if !is_resolved(self.command) || is_known("help") || known.commands.iter().any(|command| is_known(command)) {
            return None;
        }
        let message = format!("`{}` is no command of `cargo xtask`.", self.command);
        let help = format!("The commands are: {}.", known.commands.join(", "));
        Some(document.finding(self.command.place()?, Rule::UnknownCommand, message).help(help))
    }

    fn unknown_steps(&self, document: &Document, known: &Known<'_>) -> Vec<Finding> {
        if self.command != "ci" {
            return Vec::new();
        }
        let is_known = |name: &Text| known.steps.iter().any(|step| name == step.as_str());
        let names = self.step_lists().into_iter().flat_map(|list| list.split_at_commas().collect::<Vec<_>>());
        let unknown = names.filter(|name| is_resolved(name) && !is_known(name));
        let finding = |name: Text| {
            let message = format!("`{name}` is no step of `cargo xtask ci`.");
            let help = format!("The steps are: {}.", known.steps.join(", "));
            Some(document.finding(name.place()?, Rule::UnknownStep, message).help(help))
        };
        unknown.filter_map(finding).collect()
    }

    /// What stands behind `--only` and `--skip`.
    fn step_lists(&self) -> Vec<Text> {
        let mut lists = Vec::new();
        let mut words = self.arguments.iter();
        while let Some(word) = words.next() {
            if word == "--only" || word == "--skip" {
                lists.extend(words.next().cloned());
            } else if word.starts_with("--only=") || word.starts_with("--skip=") {
                lists.push(Text(word.0["--only=".len()..].to_vec()));
            }
        }
        lists
    }
}

/// Whether it is what it will be when it runs: variables, and expressions that aren't of a written-out matrix, are not.
fn is_resolved(text: &Text) -> bool {
    !text.0.is_empty() && !text.0.iter().any(|(character, _)| *character == '$')
}
