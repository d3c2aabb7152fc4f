//! What happens, as events, and the three ways to show them: on a terminal, as plain lines, as JSON lines.
//! On GitHub, plain lines with its own commands between them.
//!
//! Progress and problems go to stderr, results to stdout; with `--format json` every event is a line on stdout.
//! Quiet on success, whole on failure: what a step did is one line with its time.

mod github;
mod pipeline;
mod text;

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::Serialize;

use crate::problem::{Location, Problem, Problems};
pub(crate) use pipeline::{Listed, Row, Running};
use text::Text;

/// How events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines with colours and a spinner; the default on a terminal.
    Terminal,
    /// Lines without either; the default elsewhere.
    Plain,
    /// One JSON object a line, on stdout.
    Json,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// It did something.
    Done,
    /// There was nothing to do.
    Unchanged,
    /// It failed.
    Failed,
    /// It was left out, since it was asked for or because this machine lacks what it needs.
    Skipped,
    /// It never began: what it needs failed, or the run was ended before.
    NotRun,
}

/// A table as psql's `\dt` lists it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ListedTable<'a> {
    pub(crate) schema: &'a str,
    pub(crate) name: &'a str,
    #[serde(rename = "type")]
    pub(crate) kind: &'a str,
    pub(crate) owner: &'a str,
}

/// Something that happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Event<'a> {
    /// A step has something to do that takes time.
    Doing { step: &'a str, what: &'a str },
    /// A step ended.
    Step { step: &'a str, outcome: Outcome, what: &'a str, seconds: f64 },
    /// Something worth knowing.
    Note { text: &'a str },
    /// Something that may surprise later.
    Warning { text: &'a str },
    /// The tables of a database.
    Tables { database: &'a str, tables: &'a [ListedTable<'a>] },
    /// Something that is wrong.
    Problem {
        what: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        location: Option<&'a Location>,
        details: &'a [String],
        remedies: &'a [String],
        exit_code: i32,
    },
    /// The steps of the pipeline; for people either what each proves or what it runs.
    Steps {
        steps: &'a [Listed],
        #[serde(skip)]
        explained: bool,
    },
    /// Steps of the pipeline that are under way.
    Running { steps: &'a [Running<'a>] },
    /// What a step of the pipeline that failed printed.
    Output { step: &'a str, text: &'a str },
    /// A step of the pipeline ended.
    Ended(&'a Row),
    /// How the steps of the pipeline ended.
    Pipeline { steps: &'a [Row] },
    /// The command ended.
    Finished { command: &'a str, exit_code: u8, seconds: f64, next: &'a [String] },
}

/// Shows events.
pub(crate) struct Reporter {
    renderer: Renderer,
    quiet: bool,
    github: bool,
    started: Instant,
    /// When something was shown last.
    spoke: Cell<Instant>,
}

enum Renderer {
    Text(Text),
    Json,
}

/// On runners without a terminal, how often is said what is under way. Logs are followed there as well.
const HEARTBEAT: Duration = Duration::from_secs(10);

impl Reporter {
    /// `format` as the user asked for it, else what fits the place where stderr goes.
    pub(crate) fn new(format: Option<Format>, quiet: bool) -> Self {
        let on_github = std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        let terminal = std::io::stderr().is_terminal() && !on_github;
        let format = format.unwrap_or(if terminal { Format::Terminal } else { Format::Plain });
        let renderer = match format {
            Format::Terminal => Renderer::Text(Text::for_terminal(terminal)),
            Format::Plain => Renderer::Text(Text::plain()),
            Format::Json => Renderer::Json,
        };
        let github = on_github && format != Format::Json;
        Self { renderer, quiet, github, started: Instant::now(), spoke: Cell::new(Instant::now()) }
    }

    /// One that keeps what it is told, as plain lines, to be shown if it is wanted.
    pub(crate) fn keeping() -> Self {
        let (renderer, now) = (Renderer::Text(Text::keeping()), Instant::now());
        Self { renderer, quiet: false, github: false, started: now, spoke: Cell::new(now) }
    }

    /// What a reporter that keeps its lines has kept.
    pub(crate) fn kept(&self) -> String {
        match &self.renderer {
            Renderer::Text(text) => text.kept(),
            Renderer::Json => String::new(),
        }
    }

    /// A step begins. Dropped without an end, it shows nothing.
    pub(crate) fn step<'a>(&'a self, name: &'a str) -> Step<'a> {
        Step { reporter: self, name, started: Instant::now(), took: None }
    }

    /// A step that ended some time ago.
    pub(crate) fn step_took(&self, step: &str, outcome: Outcome, what: &str, took: Duration) {
        self.show(&Event::Step { step, outcome, what, seconds: took.as_secs_f64() });
    }

    pub(crate) fn note(&self, text: &str) {
        self.show(&Event::Note { text });
    }

    pub(crate) fn warning(&self, text: &str) {
        self.show(&Event::Warning { text });
        if self.github {
            github::warning(text);
        }
    }

    pub(crate) fn tables(&self, database: &str, tables: &[ListedTable<'_>]) {
        self.show(&Event::Tables { database, tables });
    }

    /// Shows all problems, also when quiet.
    pub(crate) fn problems(&self, problems: &Problems) {
        for problem in &problems.0 {
            let Problem { exit, what, location, details, remedies } = problem;
            let exit_code = *exit as i32;
            self.show(&Event::Problem { what, location: location.as_ref(), details, remedies, exit_code });
            if self.github {
                github::error(problem);
            }
        }
    }

    /// The steps of the pipeline: the command's result.
    pub(crate) fn steps(&self, steps: &[Listed], explained: bool) {
        self.show(&Event::Steps { steps, explained });
    }

    /// Steps of the pipeline under way. A terminal shows them at every call, logs now and then.
    pub(crate) fn running(&self, steps: &[Running<'_>]) {
        let live = matches!(&self.renderer, Renderer::Text(text) if text.is_live());
        if !steps.is_empty() && (live || self.spoke.get().elapsed() >= HEARTBEAT) {
            self.show(&Event::Running { steps });
        }
    }

    /// A step of the pipeline ended; if it failed, with all that it printed and all that it found.
    pub(crate) fn ended(&self, row: &Row, commands: &[String], output: &str, problems: &Problems) {
        let failed = row.outcome == Outcome::Failed;
        if self.github && !self.quiet {
            // What passed is folded. GitHub shows nothing of a folded group, so what failed isn't.
            github::group(&row.line(), commands, !failed);
        } else {
            self.show(&Event::Ended(row));
        }
        if failed {
            if !output.trim().is_empty() {
                self.show(&Event::Output { step: &row.step, text: output });
            }
            self.problems(problems);
        }
    }

    /// How the steps of the pipeline ended: the command's result, shown also when quiet, and on GitHub's page of
    /// the run as well.
    pub(crate) fn pipeline(&self, rows: &[Row]) {
        self.show(&Event::Pipeline { steps: rows });
        if self.github {
            github::summary(rows);
        }
    }

    /// The last event of a command: how it ended, and what may be typed next.
    pub(crate) fn finished(&self, command: &str, exit_code: u8, next: &[String]) {
        let seconds = self.started.elapsed().as_secs_f64();
        self.show(&Event::Finished { command, exit_code, seconds, next });
    }

    fn show(&self, event: &Event<'_>) {
        self.spoke.set(Instant::now());
        let problem = matches!(
            event,
            Event::Problem { .. } | Event::Output { .. } | Event::Pipeline { .. } | Event::Steps { .. }
        );
        match &self.renderer {
            Renderer::Json => {
                if let Ok(line) = serde_json::to_string(event) {
                    // A reader that went away ends the lines, not the work.
                    let _ = writeln!(std::io::stdout().lock(), "{line}");
                }
            }
            Renderer::Text(text) if problem || !self.quiet => text.show(event),
            Renderer::Text(_) => {}
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
    /// What it does now, if that takes time: the spinner's text.
    pub(crate) fn doing(&self, what: &str) {
        self.reporter.show(&Event::Doing { step: self.name, what });
    }

    /// What comes between now and its end is not its own time.
    pub(crate) fn stop_clock(&mut self) {
        self.took = Some(self.started.elapsed());
    }

    /// It ended.
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
