//! The list of rules that are off and of findings that are accepted, each with its reason.
//!
//! A finding is recognised by its file, its rule and the text of the line where it begins, not by the line's number:
//! it stays accepted when other lines come or go, and the next finding of the same rule in the same file does not pass
//! along with it. What the list gets wrong, or says in vain, is a finding of its own.

use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use crate::finding::{Finding, Position};
use crate::rule::{NameError, Rule};

/// The list, as far as it can be used; without a file, an empty one.
#[derive(Default)]
pub(crate) struct List {
    /// As it is shown.
    path: String,
    text: String,
    off: Vec<Off>,
    accepted: Vec<Accepted>,
    mistakes: Vec<Finding>,
}

/// A rule that is off.
struct Off {
    rule: Rule,
    /// Only in the files of one direction.
    direction: Option<Direction>,
}

/// One finding that is accepted.
struct Accepted {
    file: Spanned<String>,
    rule: Rule,
    /// The text of the line where the finding begins.
    line: Spanned<String>,
    used: bool,
}

/// Which way a migration goes.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Up,
    Down,
}

impl Direction {
    fn of(file: &str) -> Self {
        if file.ends_with(".down.sql") { Self::Down } else { Self::Up }
    }
}

/// What stands in the file. All that an entry needs may be missing, so that each gap can be reported at its place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    off: Vec<Spanned<OffEntry>>,
    #[serde(default)]
    accepted: Vec<Spanned<AcceptedEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OffEntry {
    #[serde(default)]
    rules: Vec<Spanned<String>>,
    direction: Option<Direction>,
    reason: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AcceptedEntry {
    file: Option<Spanned<String>>,
    rule: Option<Spanned<String>>,
    #[serde(default)]
    lines: Vec<Spanned<String>>,
    reason: Option<Spanned<String>>,
}

impl List {
    /// The list in a file; a finding if it isn't TOML, or not of this form.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self, Finding> {
        let mut list = Self { path: path.to_owned(), text: text.to_owned(), ..Self::default() };
        let document: Document = toml::from_str(text).map_err(|error| {
            let why = error.message().trim().replace('\n', "; ");
            let message = format!("The list can't be read, so nothing was linted: {why}.");
            let help = "It holds [[off]] with rules, reason and perhaps direction = \"up\" or \"down\", and [[accepted]] \
                        with file, rule, lines and reason.";
            list.finding(Rule::AcceptedInvalid, error.span().unwrap_or_default(), message, help)
        })?;
        for entry in document.off {
            list.add_off(entry);
        }
        for entry in document.accepted {
            list.add_accepted(entry);
        }
        Ok(list)
    }

    /// The rules that are off in a file.
    pub(crate) fn off_in(&self, file: &str) -> impl Iterator<Item = Rule> {
        let direction = Direction::of(file);
        self.off.iter().filter(move |off| off.direction.is_none_or(|only| only == direction)).map(|off| off.rule)
    }

    /// The findings in a file that the list doesn't accept. Each line of it accepts one.
    pub(crate) fn not_accepted(&mut self, file: &str, text: &str, findings: Vec<Finding>) -> Vec<Finding> {
        let mut remaining = Vec::new();
        for mut finding in findings {
            let line = finding.position.line_of(text);
            let accepted = self.accepted.iter_mut().find(|accepted| {
                !accepted.used
                    && accepted.file.get_ref() == file
                    && accepted.rule == finding.rule
                    && accepted.line.get_ref().trim() == line
            });
            if let Some(accepted) = accepted {
                accepted.used = true;
                continue;
            }
            // What PostgreSQL refuses isn't a matter of opinion.
            if !self.path.is_empty() && finding.rule != Rule::NeedsNoTransaction {
                finding.help.push(format!("Or accept it, with a reason, in {}.", self.path));
            }
            remaining.push(finding);
        }
        remaining
    }

    /// What is wrong with the list itself, once each file's findings were held against it. An entry for a file that
    /// is there, and wasn't to be linted, may be right.
    pub(crate) fn mistakes(mut self, root: &Path, linted: impl Fn(&str) -> bool) -> Vec<Finding> {
        let mut mistakes = std::mem::take(&mut self.mistakes);
        for Accepted { file, rule, line, .. } in self.accepted.iter().filter(|accepted| !accepted.used) {
            let name = file.get_ref();
            let stale = |span, message, help| self.finding(Rule::AcceptedStale, span, message, help);
            if self.off_in(name).any(|off| off == *rule) {
                let message = format!("{rule} is off for {name}, so there is nothing to accept.");
                mistakes.push(stale(line.span(), message, "Delete the entry."));
            } else if linted(name) {
                let message =
                    format!("Nothing in {name} is found by {rule} on a line that reads {:?}.", line.get_ref());
                mistakes.push(stale(line.span(), message, "Delete the line, and the entry if it was the last one."));
            } else if !root.join(name).is_file() {
                let message = format!("{name:?} isn't a file below the root.");
                mistakes.push(stale(file.span(), message, "Correct the path, or delete the entry."));
            }
        }
        // Several lines of one entry share its file.
        mistakes.sort_by_key(|finding| finding.position);
        mistakes.dedup_by(|a, b| a.position == b.position && a.message == b.message);
        mistakes
    }

    fn add_off(&mut self, entry: Spanned<OffEntry>) {
        let place = entry.span();
        let OffEntry { rules, direction, reason } = entry.into_inner();
        self.check_reason(&place, reason);
        if rules.is_empty() {
            self.invalid(place, "The entry names no rule.".into(), "Add them: rules = [\"…\"].");
        }
        for name in rules {
            let Some(rule) = self.rule(&name) else { continue };
            // Off for the same files, or for some of them already.
            let twice = |off: &Off| off.rule == rule && (off.direction.is_none() || off.direction == direction);
            if self.off.iter().any(twice) {
                self.invalid(name.span(), format!("{rule} is off already."), "Delete it here or above.");
            }
            self.off.push(Off { rule, direction });
        }
    }

    fn add_accepted(&mut self, entry: Spanned<AcceptedEntry>) {
        let place = entry.span();
        let AcceptedEntry { file, rule, lines, reason } = entry.into_inner();
        self.check_reason(&place, reason);
        if file.is_none() {
            self.invalid(place.clone(), "The entry names no file.".into(), "Add it: file = \"…\", from the root.");
        }
        if rule.is_none() {
            self.invalid(place.clone(), "The entry names no rule.".into(), "Add it: rule = \"…\".");
        }
        if lines.is_empty() {
            let help = "Add them: lines = [\"…\"], the text of each line where a finding begins.";
            self.invalid(place, "The entry names no line.".into(), help);
        }
        let rule = rule.and_then(|name| self.rule(&name));
        if let (Some(file), Some(rule)) = (file, rule) {
            let accepted = |line| Accepted { file: file.clone(), rule, line, used: false };
            self.accepted.extend(lines.into_iter().map(accepted));
        }
    }

    /// An entry without a reason is reported. It accepts all the same: what it accepts needn't be reported as well.
    fn check_reason(&mut self, entry: &Range<usize>, reason: Option<Spanned<String>>) {
        let help = "Say why, for whoever reads it next: reason = \"…\".";
        match reason {
            None => self.invalid(entry.clone(), "The entry gives no reason.".into(), help),
            Some(reason) if reason.get_ref().trim().is_empty() => {
                self.invalid(reason.span(), "The reason is empty.".into(), help);
            }
            Some(_) => {}
        }
    }

    /// The rule of a name; a name that can't stand here is reported.
    fn rule(&mut self, name: &Spanned<String>) -> Option<Rule> {
        let (message, help) = match name.get_ref().parse() {
            Ok(rule) => return Some(rule),
            Err(NameError::Unknown) => (
                format!("{:?} isn't a rule.", name.get_ref()),
                "A finding says its rule; squawk's are listed at https://squawkhq.com/docs/rules.".into(),
            ),
            Err(NameError::NotRun { instead }) if instead.is_empty() => {
                (format!("{} isn't run here.", name.get_ref()), "Delete it.".into())
            }
            Err(NameError::NotRun { instead }) => (
                format!("No finding is reported under {}.", name.get_ref()),
                format!("Name instead: {}.", instead.join(", ")),
            ),
        };
        self.invalid(name.span(), message, &help);
        None
    }

    fn invalid(&mut self, span: Range<usize>, message: String, help: &str) {
        let finding = self.finding(Rule::AcceptedInvalid, span, message, help);
        self.mistakes.push(finding);
    }

    fn finding(&self, rule: Rule, span: Range<usize>, message: String, help: &str) -> Finding {
        let position = Position::of(&self.text, span.start);
        Finding { file: self.path.clone(), position, rule, message, help: vec![help.to_owned()] }
    }
}
