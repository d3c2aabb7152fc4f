//! `cargo xtask ci`: everything that CI runs, the same on a laptop and on GitHub.
//!
//! All steps are run, also after one has failed; what a step printed is shown only if it failed, and then all of it.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::{Context, db_setup};
use crate::cli::DbSetup;
use crate::problem::{Problem, Problems};
use crate::process::Child;
use crate::report::{Outcome, Reporter};
use crate::server::Choice;
use crate::workspace::Workspace;

/// How long a cargo command may take: the first one compiles everything, and the tests start many servers.
const CARGO: Duration = Duration::from_secs(75 * 60);

/// How long a server may take on a machine that is busy compiling.
const SERVER: Duration = Duration::from_secs(180);

/// A step, and what it runs.
struct Step {
    name: &'static str,
    /// What is said while it runs.
    doing: &'static str,
    run: Run,
}

enum Run {
    /// Cargo, with these arguments.
    Cargo(Vec<&'static str>),
    /// The databases, as `cargo xtask db-setup` makes them.
    DbSetup,
}

/// The steps, in their order.
fn steps() -> Vec<Step> {
    let all = ["--workspace", "--all-targets"];
    let clippy = [&["clippy", "--quiet"], &all[..], &["--", "--deny", "warnings"]].concat();
    let has_nextest = which::which("cargo-nextest").is_ok();
    // What nextest doesn't run, examples in documentation, this project doesn't have.
    let test = if has_nextest {
        vec!["nextest", "run", "--workspace", "--no-fail-fast", "--status-level", "fail"]
    } else {
        vec!["test", "--workspace", "--no-fail-fast"]
    };
    vec![
        Step {
            name: "format",
            doing: "comparing with rustfmt's format",
            run: Run::Cargo(vec!["fmt", "--all", "--check"]),
        },
        Step { name: "lint", doing: "compiling and linting with clippy", run: Run::Cargo(clippy) },
        Step { name: "db-setup", doing: "making, migrating and proving the databases", run: Run::DbSetup },
        Step { name: "test", doing: "compiling and running the tests, on servers of their own", run: Run::Cargo(test) },
    ]
}

/// Returns what may be typed next.
pub(crate) async fn run(context: &Context<'_>) -> Result<Vec<String>> {
    let mut problems = Problems::default();
    let workspace = Workspace::find(&mut problems)?;
    let mut failed = Problems::default();
    for step in steps() {
        let shown = context.reporter.step(step.name);
        context.reporter.note(&format!("{}: {}", step.name, step.doing));
        shown.doing(step.doing);
        let result = match &step.run {
            Run::Cargo(args) => cargo(&workspace.root, args, context),
            Run::DbSetup => db_setup::run(&setup_options(), context).await.map(|_| None),
        };
        match result {
            Ok(totals) => {
                totals.iter().for_each(|totals| context.reporter.note(totals));
                shown.end(Outcome::Done, "passed");
            }
            Err(error) => {
                context.interrupt.check()?;
                shown.end(Outcome::Failed, "failed");
                failed.0.extend(Problems::of(error).0);
            }
        }
    }
    failed.into_result()?;
    Ok(Vec::new())
}

fn setup_options() -> DbSetup {
    DbSetup { server: Choice::Auto, timeout: SERVER, dry_run: false, allow_remote: false }
}

/// Runs cargo. Returns the totals of the tests, if it ran any.
fn cargo(root: &Path, args: &[&str], context: &Context<'_>) -> Result<Option<String>> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut child = Child::new(program, CARGO).args(args.iter().copied()).dir(root);
    // What cargo says of this package to the process that it runs would have other packages built anew.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CFG_", "CARGO_BIN_"].iter().any(|prefix| text.starts_with(prefix)) {
            child = child.env_remove(name);
        }
    }
    let ended = child.run(context.interrupt)?;
    if !ended.status.success() {
        let output = [ended.stdout, ended.stderr].concat();
        return Err(Problem::failed(format!("`cargo {}` failed ({}).", args.join(" "), ended.status))
            .details(output.lines().map(str::to_owned))
            .remedy(format!("To repeat just that: cargo {}", args.join(" ")))
            .into());
    }
    Ok(test_totals(&ended.stdout, &ended.stderr, context.reporter))
}

/// The totals of a test run, whichever runner it was, and what was skipped: a run without tests has to be seen as
/// such.
fn test_totals(stdout: &str, stderr: &str, reporter: &Reporter) -> Option<String> {
    let lines = || stdout.lines().chain(stderr.lines()).map(str::trim);
    for line in lines().filter(|line| line.starts_with("skipped:")) {
        reporter.warning(line);
    }
    // "Summary [  1.2s] 3 tests run: 3 passed, 0 skipped", and "test result: ok. 3 passed; 0 failed; 0 ignored".
    let closing = |line: &&str| line.starts_with("Summary [") || line.starts_with("test result: ");
    let (mut totals, mut any) = ([0_u64; 3], false);
    for line in lines().filter(closing) {
        any = true;
        let words: Vec<&str> = line.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let at = match pair[1] {
                "passed" => 0,
                "failed" => 1,
                "skipped" | "ignored" => 2,
                _ => continue,
            };
            totals[at] += pair[0].parse::<u64>().unwrap_or(0);
        }
    }
    any.then(|| format!("{} passed, {} failed, {} skipped", totals[0], totals[1], totals[2]))
}
