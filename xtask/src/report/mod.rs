//! Shows events. Every event goes to one renderer: text for a terminal, plain text, JSON lines, or lines for GitHub's
//! runner. A new format is a file with a renderer, a variant of [`Format`], and a variant of `Renderer`.
//!
//! Progress and problems go to stderr, and results go to stdout. With `--format json`, every event is a line on stdout.
//! A step that passed is one line with its time. A step that failed is shown in full.

mod checks;
mod event;
mod foreign;
mod github;
mod json;
mod pipeline;
mod snapshots;
pub(crate) mod status;
mod text;

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::problem::{Problem, Problems};
pub(crate) use checks::{Checked, Status};
use event::Event;
pub(crate) use event::{ListedSnapshot, ListedTable, Outcome};
use github::GitHub;
pub(crate) use pipeline::{Listed, Row, Running};
use text::Text;

/// How events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines with colours and a spinner (the default on a terminal).
    Terminal,
    /// Lines without colours and without a spinner (the default elsewhere).
    Plain,
    /// JSON on stdout, one object on each line.
    Json,
    /// Plain lines with annotations, folded groups and a summary (the default on GitHub's runners).
    Github,
}

/// Shows events.
pub(crate) struct Reporter {
    renderer: Renderer,
    quiet: bool,
    started: Instant,
    /// The time when the last event was shown.
    spoke: Cell<Instant>,
}

enum Renderer {
    Text(Text),
    Json,
    GitHub(GitHub),
}

/// How often a log lists the steps that are under way. A terminal shows them all the time, in a line that changes.
const HEARTBEAT: Duration = Duration::from_secs(10);

impl Reporter {
    /// Makes a reporter for the format that the user asked for, or else for the format that fits stderr.
    pub(crate) fn new(format: Option<Format>, quiet: bool) -> Self {
        let on_github = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        let terminal = std::io::stderr().is_terminal();
        let format = format.unwrap_or(match (on_github, terminal) {
            (true, _) => Format::Github,
            (false, true) => Format::Terminal,
            (false, false) => Format::Plain,
        });
        let renderer = match format {
            Format::Terminal => Renderer::Text(Text::for_terminal(terminal)),
            Format::Plain => Renderer::Text(Text::plain()),
            Format::Json => Renderer::Json,
            Format::Github => Renderer::GitHub(GitHub::new()),
        };
        Self::with(renderer, quiet)
    }

    /// Makes a reporter that keeps the events as plain lines, to be shown only if they are needed.
    pub(crate) fn keeping() -> Self {
        Self::with(Renderer::Text(Text::keeping()), false)
    }

    fn with(renderer: Renderer, quiet: bool) -> Self {
        let now = Instant::now();
        Self { renderer, quiet, started: now, spoke: Cell::new(now) }
    }

    /// Returns the lines that this reporter has kept.
    pub(crate) fn kept(&self) -> String {
        match &self.renderer {
            Renderer::Text(text) => text.kept(),
            Renderer::Json | Renderer::GitHub(_) => String::new(),
        }
    }

    /// Begins a step. A step that is dropped without an end shows nothing.
    pub(crate) fn step<'a>(&'a self, name: &'a str) -> Step<'a> {
        Step { reporter: self, name, started: Instant::now(), took: None }
    }

    /// Shows a step that ended some time ago.
    pub(crate) fn step_took(&self, step: &str, outcome: Outcome, what: &str, took: Duration) {
        self.show(&Event::Step { step, outcome, what, seconds: took.as_secs_f64() });
    }

    pub(crate) fn note(&self, text: &str) {
        self.show(&Event::Note { text });
    }

    /// Whether a user sees the notes at once, and can answer a question in one.
    pub(crate) fn can_ask(&self) -> bool {
        let is_seen = matches!(&self.renderer, Renderer::Text(text) if text.is_live()) && !self.quiet;
        is_seen && std::io::stdin().is_terminal()
    }

    pub(crate) fn warning(&self, text: &str) {
        self.show(&Event::Warning { text });
    }

    pub(crate) fn tables(&self, database: &str, tables: &[ListedTable<'_>]) {
        self.show(&Event::Tables { database, tables });
    }

    /// Shows a question that is about to be asked, even with `--quiet`.
    pub(crate) fn question(&self, text: &str) {
        self.show(&Event::Question { text });
    }

    /// Shows the snapshots of the databases, which are the command's result.
    pub(crate) fn snapshots(&self, snapshots: &[ListedSnapshot]) {
        self.show(&Event::Snapshots { snapshots });
    }

    /// Shows all problems, even with `--quiet`.
    pub(crate) fn problems(&self, problems: &Problems) {
        problems.0.iter().for_each(|problem| self.show(&Event::Problem { step: None, problem }));
    }

    /// Shows the results of checks, which are the command's result.
    pub(crate) fn checks(&self, checks: &[Checked]) {
        self.show(&Event::Checks { checks });
    }

    /// Shows the state of the databases. With `brief`, people see at most one line.
    pub(crate) fn status(&self, status: &status::Status, brief: bool) {
        self.show(&Event::Status { status, brief });
    }

    /// Shows the URL of a database, which is the command's result.
    pub(crate) fn url(&self, database: &str, url: &str) {
        self.show(&Event::Url { database, url });
    }

    /// Shows the steps of the pipeline, which are the command's result.
    pub(crate) fn steps(&self, steps: &[Listed], explained: bool) {
        self.show(&Event::Steps { steps, explained });
    }

    /// Shows that a step of the pipeline begins.
    pub(crate) fn started(&self, step: &str) {
        self.show(&Event::Started { step });
    }

    /// Shows a problem that a step of the pipeline found, even with `--quiet`.
    pub(crate) fn problem_in(&self, step: &str, problem: &Problem) {
        self.show(&Event::Problem { step: Some(step), problem });
    }

    /// Shows the steps of the pipeline that are under way: on a terminal at every call, in a log now and then.
    pub(crate) fn running(&self, steps: &[Running<'_>]) {
        let live = matches!(&self.renderer, Renderer::Text(text) if text.is_live());
        if !steps.is_empty() && (live || self.spoke.get().elapsed() >= HEARTBEAT) {
            self.show(&Event::Running { steps });
        }
    }

    /// Shows that a step of the pipeline ended. If it failed, its whole output and all of its problems are shown.
    pub(crate) fn ended(&self, row: &Row, commands: &[String], output: &str, problems: &Problems) {
        self.show(&Event::Ended { row, commands });
        if row.outcome == Outcome::Failed {
            if !output.trim().is_empty() {
                self.show(&Event::Output { step: &row.step, text: output });
            }
            problems.0.iter().for_each(|problem| self.problem_in(&row.step, problem));
        }
    }

    /// Shows the results of the steps of the pipeline. They are the command's result, so they are shown even with
    /// `--quiet`. On GitHub they are also on the page of the run.
    pub(crate) fn pipeline(&self, rows: &[Row]) {
        self.show(&Event::Pipeline { steps: rows });
    }

    /// Shows the last event of a command: its exit code, and lines that say what to type next. With `silent`, only programs
    /// get it.
    pub(crate) fn finished(&self, command: &str, exit_code: u8, next: &[String], silent: bool) {
        let seconds = self.started.elapsed().as_secs_f64();
        self.show(&Event::Finished { command, exit_code, seconds, next, silent });
    }

    fn show(&self, event: &Event<'_>) {
        self.spoke.set(Instant::now());
        let is_shown = event.is_loud() || !self.quiet;
        match &self.renderer {
            // A program that reads the events chooses among them by itself.
            Renderer::Json => json::show(event),
            Renderer::Text(text) if is_shown => text.show(event),
            Renderer::GitHub(github) if is_shown => github.show(event),
            Renderer::Text(_) | Renderer::GitHub(_) => {}
        }
    }
}

/// A step under way.
pub(crate) struct Step<'a> {
    reporter: &'a Reporter,
    name: &'a str,
    started: Instant,
    took: Option<Duration>,
}

impl Step<'_> {
    /// Shows the work that the step does now, as the text of the spinner.
    pub(crate) fn doing(&self, what: &str) {
        self.reporter.show(&Event::Doing { step: self.name, what });
    }

    /// Stops the step's clock. The time from now to its end doesn't count.
    pub(crate) fn stop_clock(&mut self) {
        self.took = Some(self.started.elapsed());
    }

    /// Ends the step.
    pub(crate) fn end(self, outcome: Outcome, what: &str) {
        let seconds = self.took.unwrap_or_else(|| self.started.elapsed()).as_secs_f64();
        self.reporter.show(&Event::Step { step: self.name, outcome, what, seconds });
    }
}

/// A time as people read it: `8 ms`, `1.32 s`, `2 min 5 s`.
pub(crate) fn human(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.9995 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 60.0 {
        format!("{seconds:.2} s")
    } else {
        format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60)
    }
}

/// A number of things, as people read it: `1 table`, `2 tables`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
