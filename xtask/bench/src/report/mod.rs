//! Shows results as tables, or as JSON, one object a line.
//!
//! Results go to standard output. Problems and the progress go to standard error.

mod json;
mod table;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::{Cli, Format};
use crate::comparison::Results;
use crate::problem::Problem;
use crate::programs::Missing;

/// Shows results.
pub(crate) struct Reporter {
    format: Format,
    quiet: bool,
    /// Whether the results are kept for one table at the end.
    short: Cell<bool>,
    kept: RefCell<Vec<Results>>,
    /// The number of results so far.
    count: Cell<usize>,
}

/// The display of the command that is measured at the moment.
pub(crate) struct Progress(Option<ProgressBar>);

impl Reporter {
    pub(crate) fn new(cli: &Cli) -> Self {
        let usual = if stderr().is_terminal() { Format::Terminal } else { Format::Plain };
        let format = if cli.json { Format::Json } else { cli.format.unwrap_or(usual) };
        Self { format, quiet: cli.quiet, short: Cell::new(false), kept: RefCell::default(), count: Cell::new(0) }
    }

    /// Keeps all further results for one short table. Results as JSON are still shown one by one.
    pub(crate) fn keep(&self) {
        self.short.set(self.format != Format::Json);
    }

    /// Shows the short table of all results that were kept.
    pub(crate) fn show_kept(&self) {
        let kept = self.kept.take();
        if !kept.is_empty() {
            print(&table::short(&kept));
        }
        for missing in kept.iter().flat_map(|results| &results.missing) {
            print(&table::missing(missing));
        }
    }

    /// Announces a comparison.
    pub(crate) fn progress(&self, title: &str, runs: u64) -> Progress {
        if self.quiet || self.format == Format::Json {
            return Progress(None);
        }
        if self.format == Format::Plain || !stderr().is_terminal() {
            eprintln!("Measuring: {title}");
            return Progress(None);
        }
        let bar = ProgressBar::new(runs);
        // The template is a valid constant. If the library still refused it, the library's default would be shown.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}, run {pos} of {len}: {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(title.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress(Some(bar))
    }

    /// Announces work that takes time before anything is measured.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet && self.format != Format::Json {
            eprintln!("{text}");
        }
    }

    pub(crate) fn results(&self, results: &Results) {
        self.count.set(self.count.get() + results.rows.len());
        if self.format == Format::Json {
            results.rows.iter().for_each(|row| print(&json::result(results, row)));
            results.missing.iter().for_each(|missing| print(&json::missing(results.subject, &results.case, missing)));
        } else if self.short.get() {
            self.kept.borrow_mut().push(results.clone());
        } else {
            print(&table::long(results));
            results.missing.iter().for_each(|missing| print(&table::missing(missing)));
        }
    }

    /// Shows how often tests failed. The map has how often each test passed and failed. `races` of the tests ran alone.
    pub(crate) fn flakes(&self, found: &BTreeMap<String, (u32, u32)>, races: usize) {
        self.count.set(self.count.get() + found.len());
        let failed = found.iter().filter(|(_, (_, failed))| *failed > 0);
        if self.format == Format::Json {
            found.iter().for_each(|(name, (passed, failed))| print(&json::test(name, passed + failed, *failed)));
            return;
        }
        let runs: u32 = found.values().map(|(passed, failed)| passed + failed).sum();
        print(&format!("{} tests, {races} of them alone as well, {runs} runs", found.len()));
        if failed.clone().count() == 0 {
            print("No test failed.");
        }
        failed.for_each(|(name, (passed, failed))| print(&format!("failed {failed} of {}: {name}", passed + failed)));
    }

    /// Reports a whole comparison that can't be made.
    pub(crate) fn missing(&self, subject: &str, case: &str, missing: &Missing) {
        match self.format {
            Format::Json => print(&json::missing(subject, case, missing)),
            _ => print(&table::missing(missing)),
        }
    }

    /// Whether anything was measured.
    pub(crate) fn has_results(&self) -> bool {
        self.count.get() > 0
    }

    pub(crate) fn problem(&self, problem: &Problem) {
        match self.format {
            Format::Json => print(&json::problem(problem)),
            _ => eprintln!("{problem}"),
        }
    }
}

impl Progress {
    /// Shows the command that is measured next.
    pub(crate) fn measures(&self, name: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(name.to_owned());
        }
    }

    /// Counts one more run of all commands.
    pub(crate) fn advances(&self) {
        if let Some(bar) = &self.0 {
            bar.inc(1);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Prints a text. If the reader has closed the pipe, only the output ends. The benchmarks go on.
fn print(text: &str) {
    let _ = writeln!(stdout().lock(), "{text}");
}
