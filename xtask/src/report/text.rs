//! Events as lines of text, with or without a terminal's colours and spinner.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use console::Style;
use indicatif::{ProgressBar, ProgressStyle};

use super::event::{Event, Outcome};
use super::foreign::{has_command, in_one_line, unknown_word, visible};
use super::{Running, checks, count, human, pipeline, snapshots};
use crate::problem::Problem;

/// Shows events as lines.
pub(super) struct Text {
    /// Whether lines have the marks and colours of a terminal. Otherwise they have plain words.
    styled: bool,
    /// The spinner, if there is a terminal.
    spinner: Option<RefCell<Spinner>>,
    /// The lines that are kept, if lines are kept and not shown.
    kept: Option<RefCell<String>>,
    /// The word around lines that GitHub's runner must not obey, if it reads the lines.
    unknown_word: Option<String>,
}

#[derive(Default)]
struct Spinner {
    bar: Option<ProgressBar>,
    /// The current work of each step that is under way.
    doing: BTreeMap<String, String>,
}

impl Text {
    pub(super) fn plain() -> Self {
        Self { styled: false, spinner: None, kept: None, unknown_word: None }
    }

    /// Makes a renderer of plain lines for GitHub's runner.
    pub(super) fn for_runner() -> Self {
        Self { unknown_word: Some(unknown_word()), ..Self::plain() }
    }

    /// Makes a renderer that keeps plain lines.
    pub(super) fn keeping() -> Self {
        Self { kept: Some(RefCell::default()), ..Self::plain() }
    }

    /// Returns the lines that were kept.
    pub(super) fn kept(&self) -> String {
        self.kept.as_ref().map_or_else(String::new, |kept| kept.borrow().clone())
    }

    /// Returns whether there is a terminal, where a line can be shown for a moment.
    pub(super) fn is_live(&self) -> bool {
        self.spinner.is_some()
    }

    /// `spinner` says whether stderr is a terminal. A `NO_COLOR` that isn't empty means no colours,
    /// <https://no-color.org>. A terminal that calls itself dumb can neither show colours nor take a line back.
    pub(super) fn for_terminal(spinner: bool) -> Self {
        let capable = std::env::var_os("TERM").is_none_or(|value| value != "dumb");
        let styled = capable && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { styled, spinner: (spinner && capable).then(RefCell::default), ..Self::plain() }
    }

    pub(super) fn show(&self, event: &Event<'_>) {
        match event {
            Event::Doing { step, what } => self.doing(step, what),
            Event::Step { step, outcome, what, seconds } => {
                self.done(step);
                self.err(&self.step_line(step, *outcome, what, *seconds));
            }
            Event::Note { text } => self.err(&format!("  {}", visible(text))),
            Event::Warning { text } => {
                self.err(&format!("{} {}", self.paint("warning:", &Style::new().yellow()), visible(text)));
            }
            Event::Tables { database, tables } => {
                let rows = tables.iter().map(|t| [t.schema, t.name, t.kind, t.owner].map(in_one_line));
                let title = format!("List of tables in {database}");
                self.out(&listing(&title, ["Schema", "Name", "Type", "Owner"], &rows.collect::<Vec<_>>()));
            }
            Event::Snapshots { snapshots } => self.out(&snapshots::lines(snapshots)),
            Event::Question { text } => {
                self.stop_spinner();
                self.err(&visible(text));
            }
            Event::Started { .. } | Event::Finished { silent: true, .. } => {}
            Event::Problem { problem: Problem { code, what, location, details, remedies, .. }, .. } => {
                let word = format!("error[{}]:", code.entry().word);
                let mut lines = self.paint(&word, &Style::new().red().bold());
                if let Some(location) = location {
                    lines.push_str(&format!(" {location}:"));
                }
                lines.push_str(&format!(" {}", visible(what)));
                for line in details.iter().flat_map(|detail| detail.lines()) {
                    lines.push_str(&format!("\n    {}", visible(line)));
                }
                for remedy in remedies {
                    for (index, line) in remedy.lines().enumerate() {
                        lines.push_str(if index == 0 { "\n  → " } else { "\n    " });
                        lines.push_str(&visible(line));
                    }
                }
                self.err(&lines);
            }
            Event::Checks { checks } => {
                self.stop_spinner();
                self.out(&checks::lines(checks, self.styled));
            }
            Event::Steps { steps, explained } => {
                self.out(&if *explained { pipeline::explanation(steps) } else { pipeline::list(steps) });
            }
            Event::Running { steps } => self.running(steps),
            Event::Output { text, .. } => self.err(&visible(&console::strip_ansi_codes(text.trim_end()))),
            Event::Ended { row, .. } => self.err(&row.styled_line(self.styled)),
            Event::Pipeline { steps } => {
                self.stop_spinner();
                self.out(&format!("\n{}\n", pipeline::table(steps, self.styled)));
            }
            Event::Status { status, brief: true } => status.line().iter().for_each(|line| self.out(line)),
            Event::Status { status, .. } => self.out(&status.lines(self.styled)),
            Event::Url { url, .. } => self.out(url),
            Event::Finished { command, exit_code, seconds, next, .. } => {
                self.stop_spinner();
                let time = human(Duration::from_secs_f64(*seconds));
                let end = if *exit_code == 0 {
                    format!("{} {command} took {time}.", self.paint("Done:", &Style::new().green().bold()))
                } else {
                    let failed = self.paint("Failed:", &Style::new().red().bold());
                    format!("{failed} {command} ended after {time} with exit code {exit_code}.")
                };
                let next = next.iter().map(|line| format!("\n  {line}")).collect::<String>();
                self.err(&format!("{end}{next}"));
            }
        }
    }

    /// Shows the running steps: on a terminal in a line that is replaced later, elsewhere in a line that stays.
    fn running(&self, steps: &[Running<'_>]) {
        let parts = steps.iter().map(|Running { step, what, progress, seconds }| {
            let seconds = *seconds as u64;
            let time = if seconds < 60 { format!("{seconds} s") } else { human(Duration::from_secs(seconds)) };
            match progress {
                Some(progress) => format!("{step}: {progress} ({time})"),
                None if steps.len() == 1 => format!("{step}: {what} ({time})"),
                None => format!("{step} ({time})"),
            }
        });
        let line = in_one_line(&parts.collect::<Vec<_>>().join(", "));
        if self.is_live() {
            self.spin(&line);
        } else {
            self.err(&format!("  running: {line}"));
        }
    }

    fn step_line(&self, step: &str, outcome: Outcome, what: &str, seconds: f64) -> String {
        let (mark, word, style) = match outcome {
            Outcome::Done => ("✓", "done", Style::new().green()),
            Outcome::Unchanged => ("✓", "ok", Style::new().green()),
            Outcome::Failed => ("✗", "FAILED", Style::new().red()),
            Outcome::Skipped | Outcome::NotRun => ("-", "skip", Style::new().yellow()),
        };
        let mark = if self.styled { self.paint(mark, &style) } else { format!("{word:<6}") };
        let time = self.paint(&format!("({})", human(Duration::from_secs_f64(seconds))), &Style::new().dim());
        format!("{mark} {step:<9} {} {time}", visible(what))
    }

    fn paint(&self, text: &str, style: &Style) -> String {
        style.clone().force_styling(self.styled).apply_to(text).to_string()
    }

    fn doing(&self, step: &str, what: &str) {
        let Some(spinner) = &self.spinner else { return };
        let mut spinner = spinner.borrow_mut();
        spinner.doing.insert(step.to_owned(), in_one_line(what));
        let message = spinner.message();
        drop(spinner);
        self.spin(&message);
    }

    fn spin(&self, message: &str) {
        let Some(spinner) = &self.spinner else { return };
        let mut spinner = spinner.borrow_mut();
        let bar = spinner.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>3} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        bar.set_message(message.to_owned());
    }

    fn done(&self, step: &str) {
        let Some(spinner) = &self.spinner else { return };
        let mut spinner = spinner.borrow_mut();
        spinner.doing.remove(step);
        if spinner.doing.is_empty() {
            if let Some(bar) = spinner.bar.take() {
                bar.finish_and_clear();
            }
        } else if let Some(bar) = &spinner.bar {
            bar.set_message(spinner.message());
        }
    }

    fn stop_spinner(&self) {
        if let Some(bar) = self.spinner.as_ref().and_then(|spinner| spinner.borrow_mut().bar.take()) {
            bar.finish_and_clear();
        }
    }

    /// Writes lines to stderr, around the spinner. If the reader of stderr is gone, the work goes on without it.
    fn err(&self, lines: &str) {
        if self.keep(lines) {
            return;
        }
        let guarded = match &self.unknown_word {
            Some(word) if has_command(lines) => format!("::stop-commands::{word}\n{lines}\n::{word}::"),
            _ => lines.to_owned(),
        };
        self.around_spinner(|| drop(writeln!(std::io::stderr().lock(), "{guarded}")));
    }

    /// Writes lines to stdout. The runner reads both streams at once, so what it must not obey is all on one of them.
    fn out(&self, lines: &str) {
        if self.unknown_word.is_some() && has_command(lines) {
            return self.err(lines);
        }
        if self.keep(lines) {
            return;
        }
        self.around_spinner(|| drop(writeln!(std::io::stdout().lock(), "{lines}")));
    }

    fn keep(&self, lines: &str) -> bool {
        let Some(kept) = &self.kept else { return false };
        let mut kept = kept.borrow_mut();
        kept.push_str(lines);
        kept.push('\n');
        true
    }

    fn around_spinner(&self, write: impl FnOnce()) {
        match self.spinner.as_ref().and_then(|spinner| spinner.borrow().bar.clone()) {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

impl Spinner {
    fn message(&self) -> String {
        self.doing.iter().map(|(step, what)| format!("{step}: {what}")).collect::<Vec<_>>().join(" · ")
    }
}

/// A listing as psql prints one: a title, the columns, and the number of rows.
pub(super) fn listing<const N: usize>(title: &str, header: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].as_str()).chain([header[column]]).map(|c| c.chars().count()).max()
    };
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = format!("\n {title}\n");
    let centred = |cell: &str, width: usize| format!("{cell:^width$}");
    let line: Vec<String> = header.iter().zip(&widths).map(|(cell, width)| centred(cell, *width)).collect();
    text.push_str(&format!(" {}\n", line.join(" | ").trim_end()));
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
    text.push_str(&format!("{}\n", rule.join("+")));
    for row in rows {
        let line: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(&format!(" {}\n", line.join(" | ").trim_end()));
    }
    text.push_str(&format!("({})", count(rows.len(), "row")));
    text
}
