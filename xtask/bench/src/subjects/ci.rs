//! Compares `cargo xtask ci` with its steps, which run alone, one after the other.
//!
//! The share of the cores that is busy while the steps run alone shows how much a better schedule could gain at most.

use std::cell::RefCell;
use std::fs;

use anyhow::Result;

use super::{Setting, cargo, listed};
use crate::bench::{Bench, Took};
use crate::checkout::Checkout;
use crate::cli::Condition;
use crate::comparison::{Candidate, Comparison, Cpu, Results, Row};
use crate::problem::Problem;

const SUBJECT: &str = "ci";

/// The beginning of the names of steps that compile nothing that other steps don't compile.
const TEST: &str = "test:";

/// The pipeline in a clone.
struct Pipeline<'a> {
    bench: &'a Bench,
    checkout: Checkout<'a>,
    steps: Vec<String>,
    /// The arguments for a run of all steps.
    whole: Vec<String>,
}

pub(super) fn run(setting: &Setting<'_>, conditions: &[Condition], only: &[String]) -> Result<()> {
    let bench = setting.bench;
    setting.where_possible((SUBJECT, "all"), || {
        let checkout = setting.checkout("ci")?;
        // This variable overrides the target folder in cargo's configuration.
        bench.shell.set_var("CARGO_TARGET_DIR", checkout.root.join("target"));
        let xtask = checkout.root.join("target/debug/xtask");
        let checkout = checkout.with_xtask(xtask);
        build(&checkout, setting)?;
        checkout.set_up("local")?;
        // Steps that have passed would not be run again.
        let mut whole = vec!["ci".to_owned(), "--all".to_owned()];
        if !only.is_empty() {
            whole.extend(["--only".to_owned(), only.join(",")]);
        }
        let steps = steps(&checkout, &whole, bench)?;
        let pipeline = Pipeline { bench, checkout, steps, whole };
        let all = [Condition::Warm, Condition::Cold];
        for condition in if conditions.is_empty() { &all } else { conditions } {
            pipeline.measure(*condition, setting)?;
        }
        pipeline.checkout.stop()
    })
}

/// Compiles the clone's own xtask.
fn build(checkout: &Checkout<'_>, setting: &Setting<'_>) -> Result<()> {
    let mut build = cargo(setting.bench, &["build", "--quiet", "--package", "xtask"]);
    setting.bench.measure(build.current_dir(&checkout.root)).map(drop)
}

fn steps(checkout: &Checkout<'_>, whole: &[String], bench: &Bench) -> Result<Vec<String>> {
    let mut list = checkout.xtask(&[]);
    list.args(whole).args(["--list", "--format", "json"]);
    let steps: Vec<_> = listed::steps(&bench.read(list)?).into_iter().map(|step| step.step).collect();
    if steps.is_empty() { Err(Problem::failed("`cargo xtask ci --list` lists no step.").into()) } else { Ok(steps) }
}

/// Returns the arguments for a run of one step.
fn alone_of(step: &str) -> Vec<String> {
    ["ci", "--all", "--only", step].map(str::to_owned).to_vec()
}

impl Pipeline<'_> {
    fn measure(&self, condition: Condition, setting: &Setting<'_>) -> Result<()> {
        let (case, title) = match condition {
            Condition::Warm => ("warm", "warm, everything is compiled, and every step runs"),
            Condition::Cold => ("cold", "cold, only xtask itself is compiled"),
        };
        let prepare = || match condition {
            Condition::Warm => Ok(()),
            Condition::Cold => self.empty(setting),
        };
        if condition == Condition::Warm {
            setting.reporter.note("Running ci and each of its steps once, so that everything is compiled.");
            self.warm_up()?;
        }
        // The times of each step alone, run by run.
        let each = RefCell::new(vec![Vec::new(); self.steps.len()]);
        let alone = || {
            self.steps.iter().zip(each.borrow_mut().iter_mut()).try_fold(Took::default(), |sum, (step, samples)| {
                let took = self.busy(&alone_of(step))?;
                samples.push(took);
                Ok(Took { wall: sum.wall + took.wall, cpu: sum.cpu + took.cpu })
            })
        };
        let candidates = vec![
            Candidate::work("cargo xtask ci", || self.busy(&self.whole)).prepared(prepare),
            Candidate::work("its steps alone, one after the other", alone).prepared(prepare),
        ];
        let comparison = setting.comparison((SUBJECT, case), title, candidates);
        let comparison = Comparison { cpu: Cpu::Share, ..comparison };
        let runs = comparison.runs;
        comparison.make(setting.reporter)?;

        let each = each.take();
        let rows = self.steps.iter().zip(&each);
        setting.reporter.results(&Results {
            subject: SUBJECT,
            case: format!("{case}-steps"),
            title: format!("{case}, each step alone"),
            revision: setting.revision.shown.clone(),
            runs,
            cpu: Cpu::Share,
            compared: false,
            rows: rows.filter_map(|(step, samples)| Row::of(step, false, samples)).collect(),
            budget: None,
            missing: Vec::new(),
        });
        Ok(())
    }

    /// Runs each step alone once, because a step may compile other things when it is alone.
    fn warm_up(&self) -> Result<()> {
        self.busy(&self.whole)?;
        for step in self.steps.iter().filter(|step| !step.starts_with(TEST)) {
            self.busy(&alone_of(step))?;
        }
        Ok(())
    }

    /// Empties the target folder, and keeps xtask itself.
    fn empty(&self, setting: &Setting<'_>) -> Result<()> {
        self.bench.shell.remove_path(self.checkout.root.join("target"))?;
        build(&self.checkout, setting)
    }

    /// Runs xtask. The processor time is that of all cores meanwhile, because servers do much of the work.
    fn busy(&self, words: &[String]) -> Result<Took> {
        let mut command = self.checkout.xtask(&[]);
        command.args(words).args(["--format", "plain"]);
        let before = busy_seconds();
        let took = self.bench.measure(&mut command)?;
        let cpu = before.zip(busy_seconds()).map_or(0.0, |(before, after)| after - before);
        Ok(Took { cpu, ..took })
    }
}

/// The time that all cores together were busy since the machine started. Only Linux reports it.
fn busy_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok()??;
    #[allow(clippy::cast_precision_loss, reason = "it is a hundred")]
    Some(busy_ticks(text.lines().next()?)? / ticks as f64)
}

/// The sum of user, nice, system, irq, softirq and steal in a line of `/proc/stat` (proc_stat(5)). The host of a
/// virtual machine gave the time `steal` to other machines, so no schedule could have used it.
fn busy_ticks(line: &str) -> Option<f64> {
    let numbers: Vec<f64> = line.strip_prefix("cpu ")?.split_whitespace().map_while(|word| word.parse().ok()).collect();
    [0, 1, 2, 5, 6, 7].into_iter().map(|at| numbers.get(at)).sum()
}

#[cfg(test)]
mod tests {
    use super::busy_ticks;

    #[test]
    fn idle_and_waiting_are_not_busy() {
        assert_eq!(busy_ticks("cpu  1 2 4 1000 2000 8 16 32 64 128"), Some(63.0));
        assert_eq!(busy_ticks("cpu0 1 2 3 4 5 6 7 8"), None);
        assert_eq!(busy_ticks("cpu 1 2 3"), None);
    }
}
