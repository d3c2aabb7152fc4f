//! Compares commands. They are measured in turn, so that a machine that is busy for a while is busy for all of them.

use std::process::Command;

use anyhow::Result;

use crate::bench::{Bench, Took};
use crate::programs::Missing;
use crate::report::Reporter;
use crate::statistics::Summary;

/// A comparison to make.
pub(crate) struct Comparison<'a> {
    /// The subject, for example `db-setup`.
    pub(crate) subject: &'static str,
    /// The case, for example `nothing`.
    pub(crate) case: String,
    /// A title of the comparison for people.
    pub(crate) title: String,
    /// The revision that is checked out.
    pub(crate) revision: String,
    pub(crate) runs: u32,
    /// The number of runs of each command before the measured runs.
    pub(crate) warmups: u32,
    pub(crate) cpu: Cpu,
    /// The commands. All others are compared with the last one.
    pub(crate) candidates: Vec<Candidate<'a>>,
    /// The highest ratio of the first command's time that is good enough.
    pub(crate) budget: Option<f64>,
    pub(crate) missing: Vec<Missing>,
}

/// The way in which the processors' time is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cpu {
    Hidden,
    /// The user and system time of the commands and their children.
    Time,
    /// The share of all cores that was busy.
    Share,
}

/// A command that is compared with others.
pub(crate) struct Candidate<'a> {
    /// The command's name in the results.
    pub(crate) name: String,
    /// Whether people would use this command without `cargo xtask`.
    pub(crate) peer: bool,
    /// The work before each run, which isn't measured.
    pub(crate) prepare: Box<dyn FnMut() -> Result<()> + 'a>,
    /// The work that is measured.
    pub(crate) work: Box<dyn FnMut() -> Result<Took> + 'a>,
}

/// The results of a comparison.
#[derive(Clone, Debug)]
pub(crate) struct Results {
    pub(crate) subject: &'static str,
    pub(crate) case: String,
    pub(crate) title: String,
    pub(crate) revision: String,
    pub(crate) runs: u32,
    pub(crate) cpu: Cpu,
    /// Whether the commands are compared with the last one.
    pub(crate) compared: bool,
    pub(crate) rows: Vec<Row>,
    /// The highest ratio of the first command's time that is good enough.
    pub(crate) budget: Option<f64>,
    pub(crate) missing: Vec<Missing>,
}

/// The results of one command.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) peer: bool,
    pub(crate) wall: Summary,
    pub(crate) cpu: Summary,
}

impl<'a> Candidate<'a> {
    /// A candidate that runs these commands one after the other.
    pub(crate) fn commands(name: impl Into<String>, mut commands: Vec<Command>, bench: &'a Bench) -> Self {
        Self::work(name, move || {
            commands.iter_mut().try_fold(Took::default(), |sum, command| {
                let took = bench.measure(command)?;
                Ok(Took { wall: sum.wall + took.wall, cpu: sum.cpu + took.cpu })
            })
        })
    }

    /// A candidate whose work measures itself.
    pub(crate) fn work(name: impl Into<String>, work: impl FnMut() -> Result<Took> + 'a) -> Self {
        Self { name: name.into(), peer: false, prepare: Box::new(|| Ok(())), work: Box::new(work) }
    }

    /// Marks the command as one that people would use without `cargo xtask`.
    pub(crate) fn peer(self) -> Self {
        Self { peer: true, ..self }
    }

    /// Adds work that is done before each run.
    pub(crate) fn prepared(self, prepare: impl FnMut() -> Result<()> + 'a) -> Self {
        Self { prepare: Box::new(prepare), ..self }
    }
}

impl Comparison<'_> {
    /// Measures, and shows the results.
    ///
    /// # Errors
    /// A command fails, or the user interrupts the benchmarks.
    pub(crate) fn make(mut self, reporter: &Reporter) -> Result<()> {
        let mut samples = vec![Vec::new(); self.candidates.len()];
        let progress = reporter.progress(&self.title, u64::from(self.warmups + self.runs));
        for run in 0..self.warmups + self.runs {
            for (candidate, samples) in self.candidates.iter_mut().zip(&mut samples) {
                progress.measures(&candidate.name);
                (candidate.prepare)()?;
                let took = (candidate.work)()?;
                if run >= self.warmups {
                    samples.push(took);
                }
            }
            progress.advances();
        }
        drop(progress);
        let rows = self
            .candidates
            .iter()
            .zip(&samples)
            .filter_map(|(candidate, samples)| Row::of(&candidate.name, candidate.peer, samples));
        reporter.results(&Results {
            rows: rows.collect(),
            subject: self.subject,
            case: self.case,
            title: self.title,
            revision: self.revision,
            runs: self.runs,
            cpu: self.cpu,
            compared: true,
            budget: self.budget,
            missing: self.missing,
        });
        Ok(())
    }
}

impl Row {
    /// Summarizes the samples. Returns `None` if nothing was measured.
    pub(crate) fn of(name: &str, peer: bool, samples: &[Took]) -> Option<Self> {
        let wall = Summary::of(samples.iter().map(|took| took.wall))?;
        let cpu = Summary::of(samples.iter().map(|took| took.cpu))?;
        Some(Self { name: name.to_owned(), peer, wall, cpu })
    }

    /// The share of all cores that was busy.
    pub(crate) fn share(&self) -> Option<f64> {
        let cores = std::thread::available_parallelism().ok()?.get();
        #[allow(clippy::cast_precision_loss, reason = "no machine has that many cores")]
        let available = self.wall.median * cores as f64;
        (available > 0.0 && self.cpu.median > 0.0).then(|| self.cpu.median / available)
    }
}

impl Results {
    /// The last command, with which the others are compared. Returns `None` if there is only one command.
    pub(crate) fn compared_to(&self) -> Option<&Row> {
        if self.compared && self.rows.len() > 1 { self.rows.last() } else { None }
    }
}
