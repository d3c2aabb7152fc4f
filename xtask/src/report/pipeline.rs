//! The steps of the pipeline as lists and tables.

use std::path::PathBuf;
use std::time::Duration;

use console::Style;
use serde::Serialize;

use super::foreign::in_one_line;
use super::{Outcome, human};

/// A step that is under way.
#[derive(Debug, Serialize)]
pub(crate) struct Running<'a> {
    pub(crate) step: &'a str,
    /// The work that the step does now.
    pub(crate) what: &'a str,
    /// How far it is, if it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) progress: Option<&'a str>,
    pub(crate) seconds: f64,
}

/// The result of a step.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) step: String,
    pub(crate) outcome: Outcome,
    /// `None` for a step that never began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<f64>,
    /// A few words about the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) what: Option<String>,
    /// The command that repeats only this step, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repeat: Option<String>,
}

/// A step in the list of steps.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    pub(crate) step: String,
    pub(crate) proves: String,
    /// The steps that must have passed before, if they are part of the run.
    pub(crate) needs: &'static [&'static str],
    /// The commands that it runs, as lines for a shell.
    pub(crate) runs: Vec<String>,
    /// The reason why it runs nothing here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nothing: Option<String>,
    /// The files that it reads. It is `None` for a step whose result is never kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reads: Option<Vec<PathBuf>>,
}

/// The list for people, with a line for each step.
pub(super) fn list(steps: &[Listed]) -> String {
    let width = steps.iter().map(|step| step.step.len()).max().unwrap_or(0);
    let line = |step: &Listed| {
        let needs = if step.needs.is_empty() { String::new() } else { format!(" (after {})", step.needs.join(", ")) };
        format!("{:<width$}  {}{needs}", step.step, step.proves)
    };
    steps.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The commands of each step, as a script.
pub(super) fn explanation(steps: &[Listed]) -> String {
    let block = |step: &Listed| {
        let nothing = step.nothing.as_ref().map(|why| format!("# nothing: {why}"));
        let lines: Vec<_> = step.runs.iter().cloned().chain(nothing).collect();
        format!("# {}: {}\n{}", step.step, step.proves, lines.join("\n"))
    };
    steps.iter().map(block).collect::<Vec<_>>().join("\n\n")
}

/// The columns of the table.
const HEADER: [&str; 4] = ["step", "result", "time", ""];

impl Row {
    /// A row without time.
    pub(crate) fn new(step: &str, outcome: Outcome, what: Option<String>) -> Self {
        Self { step: step.to_owned(), outcome, seconds: None, what, repeat: None }
    }

    /// The word for the outcome.
    fn result(&self) -> &'static str {
        match self.outcome {
            Outcome::Done | Outcome::Unchanged => "passed",
            Outcome::Failed => "FAILED",
            Outcome::Skipped => "skipped",
            Outcome::NotRun => "not run",
        }
    }

    fn style(&self) -> Style {
        match self.outcome {
            Outcome::Done | Outcome::Unchanged => Style::new().green(),
            Outcome::Failed => Style::new().red().bold(),
            Outcome::Skipped | Outcome::NotRun => Style::new().yellow(),
        }
    }

    fn time(&self) -> String {
        self.seconds.map_or_else(String::new, |seconds| human(Duration::from_secs_f64(seconds)))
    }

    fn remark(&self) -> String {
        let repeat = self.repeat.as_ref().map(|repeat| format!("to repeat just that: {}", in_one_line(repeat)));
        [self.what.as_deref().map(in_one_line), repeat].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// The row as a single line.
    pub(super) fn line(&self) -> String {
        let times = if self.seconds.is_some() { format!(" ({})", self.time()) } else { String::new() };
        let what = self.what.as_ref().map_or_else(String::new, |what| format!(": {}", in_one_line(what)));
        format!("{} {}{what}{times}", self.result(), self.step)
    }

    /// The row as a single line, with a terminal's colours.
    pub(super) fn styled_line(&self, styled: bool) -> String {
        let result = self.style().force_styling(styled).apply_to(format!("{:<7}", self.result())).to_string();
        let what = self.what.as_deref().map(in_one_line).unwrap_or_default();
        let time = if self.seconds.is_some() { format!("({})", self.time()) } else { String::new() };
        let time = Style::new().dim().force_styling(styled).apply_to(time).to_string();
        format!("{result} {:<14} {what}{}{time}", self.step, if what.is_empty() { "" } else { " " })
            .trim_end()
            .to_owned()
    }
}

/// The table for people.
pub(super) fn table(rows: &[Row], styled: bool) -> String {
    let cells: Vec<[String; 4]> =
        rows.iter().map(|row| [row.step.clone(), row.result().to_owned(), row.time(), row.remark()]).collect();
    let width = |column: usize| {
        cells.iter().map(|row| row[column].chars().count()).chain([HEADER[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..4).map(width).collect();
    let line = |cells: [&str; 4], style: &Style| {
        let result = style.clone().force_styling(styled).apply_to(format!("{:<1$}", cells[1], widths[1])).to_string();
        let [step, _, time, remark] = cells;
        format!("{step:<0$}  {result}  {time:>1$}  {remark}", widths[0], widths[2]).trim_end().to_owned()
    };
    let header = line(HEADER, &Style::new());
    let rows = rows.iter().zip(&cells).map(|(row, [step, result, time, remark])| {
        line([step.as_str(), result.as_str(), time.as_str(), remark.as_str()], &row.style())
    });
    std::iter::once(header).chain(rows).collect::<Vec<_>>().join("\n")
}

/// The table in GitHub's Markdown.
pub(super) fn markdown(rows: &[Row]) -> String {
    let mut text = "| step | result | time | |\n|---|---|---:|---|\n".to_owned();
    for row in rows {
        let mark = match row.outcome {
            Outcome::Done | Outcome::Unchanged => "✅",
            Outcome::Failed => "❌",
            Outcome::Skipped | Outcome::NotRun => "⚪",
        };
        let what = row.what.as_deref().map(in_one_line).unwrap_or_default().replace('|', "\\|");
        let repeat = row.repeat.as_ref().map_or_else(String::new, |repeat| format!("`{repeat}`"));
        let space = if what.is_empty() || repeat.is_empty() { "" } else { " " };
        text.push_str(&format!(
            "| {} | {mark} {} | {} | {what}{space}{repeat} |\n",
            row.step,
            row.result(),
            row.time()
        ));
    }
    text
}
