//! The list of rules that are off and of findings that are accepted, each with its reason.
//!
//! A finding is recognised by its file, its rule and the text of the line where it begins, not by the line's number. So
//! it stays accepted when other lines are added or deleted. A new finding of the same rule in the same file is not
//! accepted with it. A mistake in the list, or an entry that matches nothing, is a finding too.

use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use crate::finding::{Finding, Position};
use crate::rule::{NameError, Rule};

/// The entries of the list that can be used, and the mistakes in the others. Without a file, the list is empty.
#[derive(Default)]
pub(crate) struct List {
    /// The path of the list's file, in the form that is shown.
    path: String,
    text: String,
    off: Vec<Off>,
    accepted: Vec<Accepted>,
    mistakes: Vec<Finding>,
}

/// A rule that is off.
struct Off {
    rule: Rule,
    /// The direction, if the rule is off in one direction only.
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

/// The direction of a migration.
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

/// The content of the file. Every field of an entry may be missing, so that each gap can be reported at its place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    off: Vec<Spanned<OffEntry>>,
    #[serde(default)]
    accepted: Vec<Spanned<AcceptedEntry>>,
    /// The accepted changes of sample rows. They are for the round trip of the migrations, which checks them.
    #[serde(default, rename = "rows")]
    _rows: Vec<toml::Value>,
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
    /// Reads the list from the text of a file.
    ///
    /// # Errors
    /// A finding, if the text isn't TOML or doesn't have this form.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self, Finding> {
        let mut list = Self { path: path.to_owned(), text: text.to_owned(), ..Self::default() };
        let document: Document = toml::from_str(text).map_err(|error| {
            let why = error.message().trim().replace('\n', "; ");
            let message = format!("The list can't be read, so nothing was linted: {why}.");
            let help = "The list consists of [[off]], with rules, reason and optionally direction = \"up\" or \"down\", \
                        and of [[accepted]], with file, rule, lines and reason.";
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

    /// Returns the rules that are off in a file.
    pub(crate) fn off_in(&self, file: &str) -> impl Iterator<Item = Rule> {
        let direction = Direction::of(file);
        self.off.iter().filter(move |off| off.direction.is_none_or(|only| only == direction)).map(|off| off.rule)
    }

    /// Returns the findings in a file that the list doesn't accept. Each line of an entry accepts one finding.
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
            // PostgreSQL refuses the statement even if the finding is accepted.
            if !self.path.is_empty() && finding.rule != Rule::NeedsNoTransaction {
                finding.help.push(format!("Or accept it, with a reason, in {}.", self.path));
            }
            remaining.push(finding);
        }
        remaining
    }

    /// Returns the mistakes in the list itself. [`Self::not_accepted`] must have seen each file's findings before. An
    /// unused entry is no mistake if its file exists but wasn't linted.
    pub(crate) fn mistakes(mut self, root: &Path, linted: impl Fn(&str) -> bool) -> Vec<Finding> {
        let mut mistakes = std::mem::take(&mut self.mistakes);
        for Accepted { file, rule, line, .. } in self.accepted.iter().filter(|accepted| !accepted.used) {
            let name = file.get_ref();
            let stale = |span, message, help| self.finding(Rule::AcceptedStale, span, message, help);
            if self.off_in(name).any(|off| off == *rule) {
                let message = format!("{rule} is off for {name}, so there is nothing to accept.");
                mistakes.push(stale(line.span(), message, "Delete the entry."));
            } else if linted(name) {
                let message = format!("{rule} finds nothing in {name} on a line that reads {:?}.", line.get_ref());
                mistakes.push(stale(
                    line.span(),
                    message,
                    "Delete the line. If it is the last one of the entry, delete the entry.",
                ));
            } else if !root.join(name).is_file() {
                let message = format!("{name:?} isn't a file below the root.");
                mistakes.push(stale(file.span(), message, "Correct the path, or delete the entry."));
            }
        }
        // All lines of an entry share its file, so a wrong path would be reported once for each line.
        mistakes.sort_by_key(|finding| finding.position);
        mistakes.dedup_by(|a, b| a.position == b.position && a.message == b.message);
        mistakes
    }

    fn add_off(&mut self, entry: Spanned<OffEntry>) {
        let place = entry.span();
        let OffEntry { rules, direction, reason } = entry.into_inner();
        self.check_reason(&place, reason);
        if rules.is_empty() {
            self.invalid(place, "The entry names no rule.".into(), "Add the rules: rules = [\"…\"].");
        }
        for name in rules {
            let Some(rule) = self.rule(&name) else { continue };
            // An entry above already switches the rule off for all files of this entry.
            let twice = |off: &Off| off.rule == rule && (off.direction.is_none() || off.direction == direction);
            if self.off.iter().any(twice) {
                self.invalid(name.span(), format!("{rule} is already off."), "Delete it here or above.");
            }
            self.off.push(Off { rule, direction });
        }
    }

    fn add_accepted(&mut self, entry: Spanned<AcceptedEntry>) {
        let place = entry.span();
        let AcceptedEntry { file, rule, lines, reason } = entry.into_inner();
        self.check_reason(&place, reason);
        if file.is_none() {
            self.invalid(place.clone(), "The entry names no file.".into(), "Add its path from the root: file = \"…\".");
        }
        if rule.is_none() {
            self.invalid(place.clone(), "The entry names no rule.".into(), "Add the rule: rule = \"…\".");
        }
        if lines.is_empty() {
            let help = "Add the text of each line where a finding begins: lines = [\"…\"].";
            self.invalid(place, "The entry names no line.".into(), help);
        }
        let rule = rule.and_then(|name| self.rule(&name));
        if let (Some(file), Some(rule)) = (file, rule) {
            let accepted = |line| Accepted { file: file.clone(), rule, line, used: false };
            self.accepted.extend(lines.into_iter().map(accepted));
        }
    }

    /// Reports an entry without a reason. The entry still has its effect, so that its findings aren't reported as well.
    fn check_reason(&mut self, entry: &Range<usize>, reason: Option<Spanned<String>>) {
        let help = "Add the reason, for the next reader of the list: reason = \"…\".";
        match reason {
            None => self.invalid(entry.clone(), "The entry gives no reason.".into(), help),
            Some(reason) if reason.get_ref().trim().is_empty() => {
                self.invalid(reason.span(), "The reason is empty.".into(), help);
            }
            Some(_) => {}
        }
    }

    /// Returns the rule of this name. Reports a name that can't be used in the list.
    fn rule(&mut self, name: &Spanned<String>) -> Option<Rule> {
        let (message, help) = match name.get_ref().parse() {
            Ok(rule) => return Some(rule),
            Err(NameError::Unknown) => (
                format!("{:?} isn't a rule.", name.get_ref()),
                "Each finding names its rule. squawk's rules are listed at https://squawkhq.com/docs/rules.".into(),
            ),
            Err(NameError::NotRun { instead }) if instead.is_empty() => {
                (format!("The rule {} isn't run here.", name.get_ref()), "Delete the name.".into())
            }
            Err(NameError::NotRun { instead }) => (
                format!("No finding is reported under the name {}.", name.get_ref()),
                format!("Write instead: {}.", instead.join(", ")),
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
