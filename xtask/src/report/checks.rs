//! The results of checks, as groups of lines.

use console::Style;
use serde::Serialize;

use super::foreign::{in_one_line, visible};
use crate::problem::Problem;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Status {
    Ok,
    /// Something is wrong, but nothing fails because of it.
    Warning,
    Failed,
    /// There is nothing to check here.
    NotApplicable,
}

/// The result of a check.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Checked {
    /// The name of the check, which never changes.
    pub(crate) check: &'static str,
    pub(crate) group: &'static str,
    /// What it finds out.
    pub(crate) about: &'static str,
    /// The database, for a check that is done for each of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database: Option<String>,
    pub(crate) status: Status,
    /// What was found, or why there is nothing to check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) what: Option<String>,
    pub(crate) problems: Vec<Problem>,
}

impl Status {
    fn shown(self, styled: bool) -> String {
        let (mark, word, style) = match self {
            Self::Ok => ("✓", "ok", Style::new().green()),
            Self::Warning => ("!", "warning", Style::new().yellow()),
            Self::Failed => ("✗", "FAILED", Style::new().red().bold()),
            Self::NotApplicable => ("-", "-", Style::new().dim()),
        };
        if styled { style.force_styling(true).apply_to(mark).to_string() } else { format!("{word:<7}") }
    }
}

/// The lines for people: a heading for each group, a line for each check, and below it what is wrong.
pub(super) fn lines(checks: &[Checked], styled: bool) -> String {
    let name = |checked: &Checked| checked.database.clone().unwrap_or_else(|| checked.check.to_owned());
    let width = checks.iter().map(|checked| name(checked).chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    let mut group = "";
    for checked in checks {
        if checked.group != group {
            group = checked.group;
            text.push_str(&format!("{}{group}\n", if text.is_empty() { "" } else { "\n" }));
        }
        let first = checked.what.clone().or_else(|| checked.problems.first().map(with_word));
        let first = first.unwrap_or_default();
        let mut what = first.lines();
        let line = format!(
            "  {} {:<width$}  {}",
            checked.status.shown(styled),
            name(checked),
            visible(what.next().unwrap_or_default())
        );
        text.push_str(line.trim_end());
        text.push('\n');
        what.for_each(|line| text.push_str(&format!("        {}\n", visible(line))));
        for (index, problem) in checked.problems.iter().enumerate() {
            text.push_str(&below(problem, index > 0 || checked.what.is_some()));
        }
    }
    text.trim_end().to_owned()
}

/// The lines about a problem below something that has it. `with_head` says whether they begin with what is wrong.
pub(super) fn below(problem: &Problem, with_head: bool) -> String {
    let mut text = String::new();
    if with_head {
        let place = problem.location.as_ref().map_or_else(String::new, |place| format!("{place}: "));
        text.push_str(&format!("      {place}{}\n", in_one_line(&with_word(problem))));
    }
    for line in problem.details.iter().flat_map(|detail| detail.lines()) {
        text.push_str(&format!("        {}\n", visible(line)));
    }
    for remedy in &problem.remedies {
        for (index, line) in remedy.lines().enumerate() {
            let arrow = if index == 0 { "→ " } else { "  " };
            text.push_str(&format!("      {arrow}{}\n", visible(line)));
        }
    }
    text
}

/// What is wrong, with the word by which the problem is known.
fn with_word(problem: &Problem) -> String {
    format!("{} [{}]", problem.what, problem.code.entry().word)
}
