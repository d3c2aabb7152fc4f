//! Runs steps. Each step has its own thread. Steps run side by side unless one needs another one, or both work in the
//! target folder.

use std::collections::BTreeMap;
use std::ops::Add as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::checks::Passed;
use super::findings::Totals;
use super::kept::{Kept, since};
use super::packages::Packages;
use super::setting::{Built, Setting, Told};
use super::step::{Step, Work};
use crate::context::Context;
use crate::interrupt::Stop;
use crate::problem::{Code, Exit, Problem, Problems};
use crate::report::{Outcome, Reporter, Row, Running};

/// The interval at which the running steps are shown.
const TICK: Duration = Duration::from_millis(250);

/// The steps' surroundings, and how a failure is treated.
pub(crate) struct Schedule<'a> {
    pub(crate) context: Context<'a>,
    pub(crate) packages: &'a Packages,
    /// The results of earlier runs.
    pub(crate) kept: &'a Kept<'a>,
    /// Whether the first failure ends the others.
    pub(crate) fail_fast: bool,
    pub(crate) allow_remote: bool,
}

/// The result of a run.
pub(crate) struct Ended {
    /// In the order of the steps.
    pub(crate) rows: Vec<Row>,
    /// The highest of the exit codes.
    pub(crate) exit: Exit,
}

/// A message of a step's thread.
enum Message {
    /// The step still runs.
    Told { index: usize, told: Told },
    /// The step has ended, and the thread as well.
    Ended(Report),
}

/// The result of a step.
struct Report {
    index: usize,
    took: Duration,
    /// The output of the step.
    output: String,
    result: Result<Passed>,
}

impl Schedule<'_> {
    /// Runs the steps to their ends. A failure is shown when it happens, and the other steps go on.
    pub(crate) fn run(&self, steps: &[Step]) -> Ended {
        let Self { context: Context { workspace, interrupt, .. }, packages, kept, allow_remote, .. } = *self;
        let (interrupt, stop) = interrupt.with_stop();
        let built = Built::default();
        let (sender, messages) = channel();
        std::thread::scope(|scope| {
            let mut progress = Progress {
                schedule: self,
                steps,
                rows: vec![None; steps.len()],
                is_needed: vec![None; steps.len()],
                under_way: BTreeMap::new(),
                told: BTreeMap::new(),
                exit: Exit::Done,
                stop,
            };
            loop {
                while let Some(index) = progress.next() {
                    progress.under_way.insert(index, Instant::now());
                    self.context.reporter.started(&steps[index].name);
                    let (step, sender) = (&steps[index], sender.clone());
                    let (interrupt, built) = (&interrupt, &built);
                    let wrong_files = step.reads_migrations.then_some(&workspace.wrong_files);
                    scope.spawn(move || {
                        let started = Instant::now();
                        let reporter = Reporter::keeping();
                        let context = Context { workspace, reporter: &reporter, interrupt };
                        let tell = |told| drop(sender.send(Message::Told { index, told }));
                        let setting = Setting { context, packages, allow_remote, built, tell: &tell };
                        let readable = wrong_files.cloned().unwrap_or_default().into_result();
                        let result = readable.map_err(Into::into).and_then(|()| guarded(step, kept, &setting));
                        let (took, output) = (started.elapsed(), reporter.kept());
                        drop(sender.send(Message::Ended(Report { index, took, output, result })));
                    });
                }
                if progress.under_way.is_empty() {
                    break;
                }
                match messages.recv_timeout(TICK) {
                    Ok(Message::Told { index, told }) => progress.told(index, told),
                    Ok(Message::Ended(report)) => progress.ended(report),
                    Err(RecvTimeoutError::Timeout) => progress.show(),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            progress.finish()
        })
    }
}

/// Turns a panic into a failure. The schedule would wait forever for a thread that ends without a message.
fn guarded(step: &Step, kept: &Kept<'_>, setting: &Setting<'_>) -> Result<Passed> {
    catch_unwind(AssertUnwindSafe(|| perform(step, kept, setting))).unwrap_or_else(|_| {
        Err(Problem::failed(Code::Unexpected, format!("The step {} panicked; that is a bug.", step.name)).into())
    })
}

/// Does the work of a step, and keeps the results of the pieces that passed.
fn perform(step: &Step, kept: &Kept<'_>, setting: &Setting<'_>) -> Result<Passed> {
    let commands = match &step.work {
        Work::Commands(commands) => commands,
        Work::Check(check, _) => {
            let result = check.run(setting);
            step.unit(0).inspect(|unit| kept.tell(unit, matches!(result, Ok(Passed::With(_)))));
            return result;
        }
        Work::Nothing(why) => return Ok(Passed::InPart(why.clone())),
    };
    let (mut totals, mut problems) = (None, Problems::default());
    for (index, command) in commands.iter().enumerate() {
        let unit = step.unit(index);
        let is_done = !step.serves && unit.as_ref().is_some_and(|unit| kept.passed(unit).is_some());
        if is_done || (command.follows() && !problems.0.is_empty()) {
            continue;
        }
        let printed = command.run(setting)?;
        totals = [totals, printed.totals].into_iter().flatten().reduce(Totals::add);
        unit.inspect(|unit| kept.tell(unit, printed.problems.0.is_empty()));
        if !printed.problems.0.is_empty() {
            setting.context.reporter.note(&format!("$ {command}\n{}", printed.text.trim_end()));
            problems.0.extend(printed.problems.0);
        }
    }
    problems.into_result()?;
    Ok(Passed::With(totals.map_or_else(String::new, |totals| totals.to_string())))
}

/// The state of all steps.
struct Progress<'a> {
    schedule: &'a Schedule<'a>,
    steps: &'a [Step],
    rows: Vec<Option<Row>>,
    /// Whether a step has to run, and isn't just reported as unchanged. It is `None` until that is asked.
    is_needed: Vec<Option<bool>>,
    /// The running steps, with the times of their starts.
    under_way: BTreeMap<usize, Instant>,
    /// What the running steps have told so far.
    told: BTreeMap<usize, Messages>,
    exit: Exit,
    /// Ends the running steps.
    stop: Stop,
}

/// The messages of a step.
#[derive(Default)]
struct Messages {
    /// How far it is.
    progress: Option<String>,
    /// The texts of the problems that were shown already.
    problems: Vec<String>,
}

impl Progress<'_> {
    /// Returns the next step that can begin. Steps that can never begin are given up.
    fn next(&mut self) -> Option<usize> {
        if self.stop.is_asked() || self.schedule.context.interrupt.check().is_err() {
            return None;
        }
        for index in 0..self.steps.len() {
            if self.rows[index].is_some() || self.under_way.contains_key(&index) {
                continue;
            }
            let step = &self.steps[index];
            if let Some(why) = self.blocked(step) {
                self.end(index, Row::new(&step.name, Outcome::NotRun, Some(why)), &Problems::default(), "");
                continue;
            }
            let waits = step.needs.iter().any(|need| self.is_open(need));
            // A step before may start the server.
            if (!waits || !step.reads_server()) && !self.is_needed(index) {
                let what = self.schedule.kept.step_passed(step).map(|time| format!("unchanged since {}", since(time)));
                self.end(index, Row::new(&step.name, Outcome::Unchanged, what), &Problems::default(), "");
                continue;
            }
            let others = self.under_way.keys().filter(|other| self.steps[**other].takes == step.takes).count();
            let is_taken = step.takes.at_once().is_some_and(|most| others >= most);
            if !waits && !is_taken {
                return Some(index);
            }
        }
        None
    }

    /// Returns whether a step has to run. A step that serves others runs if one of them does, because it makes what they use.
    fn is_needed(&mut self, index: usize) -> bool {
        if let Some(known) = self.is_needed[index] {
            return known;
        }
        let step = &self.steps[index];
        let changed = self.schedule.kept.step_passed(step).is_none();
        let serves = |other: &usize| step.serves && self.steps[*other].needs.contains(&step.name.as_str());
        let served: Vec<_> = (0..self.steps.len()).filter(serves).collect();
        let is_needed = changed || served.into_iter().any(|other| self.is_needed(other));
        self.is_needed[index] = Some(is_needed);
        is_needed
    }

    /// Returns the reason why a step can never begin.
    fn blocked(&self, step: &Step) -> Option<String> {
        let failed = |need: &&&str| {
            let row = self.position(need).and_then(|index| self.rows[index].as_ref());
            row.is_some_and(|row| matches!(row.outcome, Outcome::Failed | Outcome::NotRun))
        };
        let need = step.needs.iter().find(failed)?;
        Some(format!("it needs {need}"))
    }

    fn is_open(&self, need: &str) -> bool {
        self.position(need).is_some_and(|index| self.rows[index].is_none())
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.name == name)
    }

    fn told(&mut self, index: usize, told: Told) {
        let messages = self.told.entry(index).or_default();
        match told {
            Told::Progress(text) => messages.progress = Some(text),
            Told::Problem(problem) => {
                messages.problems.push(problem.to_string());
                self.schedule.context.reporter.problem_in(&self.steps[index].name, &problem);
            }
        }
        self.show();
    }

    fn ended(&mut self, report: Report) {
        let Report { index, took, output, result } = report;
        self.under_way.remove(&index);
        let step = &self.steps[index];
        let mut row = Row::new(&step.name, Outcome::Done, None);
        row.seconds = Some(took.as_secs_f64());
        let mut problems = Problems::default();
        match result {
            Ok(Passed::With(what)) => row.what = Some(what).filter(|what| !what.is_empty()),
            Ok(Passed::InPart(what)) => {
                row.outcome = Outcome::Skipped;
                row.what = Some(what);
            }
            Err(error) => {
                problems = Problems::of(error);
                let interrupted = problems.exit() == Exit::Interrupted;
                row.outcome = if interrupted { Outcome::NotRun } else { Outcome::Failed };
                if interrupted {
                    row.what = Some("ended before it was done".to_owned());
                } else {
                    row.repeat = Some(step.repeat());
                    self.exit = self.exit.max(problems.exit());
                }
            }
        }
        let failed = row.outcome == Outcome::Failed;
        self.end(index, row, &problems, &output);
        if failed && self.schedule.fail_fast {
            self.stop.ask();
        }
    }

    fn end(&mut self, index: usize, row: Row, problems: &Problems, output: &str) {
        let shown = self.told.remove(&index).unwrap_or_default().problems;
        let is_new = |problem: &&Problem| !shown.contains(&problem.to_string());
        let problems = Problems(problems.0.iter().filter(is_new).cloned().collect());
        self.schedule.context.reporter.ended(&row, &self.steps[index].command_lines(), output, &problems);
        self.rows[index] = Some(row);
    }

    fn show(&self) {
        let running: Vec<_> = self
            .under_way
            .iter()
            .map(|(index, started)| {
                let Step { name, doing, .. } = &self.steps[*index];
                let progress = self.told.get(index).and_then(|messages| messages.progress.as_deref());
                Running { step: name, what: doing, progress, seconds: started.elapsed().as_secs_f64() }
            })
            .collect();
        self.schedule.context.reporter.running(&running);
    }

    /// Ends the run. Steps that never began are reported as such.
    fn finish(self) -> Ended {
        let why = if self.stop.is_asked() { "another step failed before" } else { "the run was ended before" };
        let rows = self
            .rows
            .into_iter()
            .zip(self.steps)
            .map(|(row, step)| row.unwrap_or_else(|| Row::new(&step.name, Outcome::NotRun, Some(why.to_owned()))));
        Ended { rows: rows.collect(), exit: self.exit }
    }
}
