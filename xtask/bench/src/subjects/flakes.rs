//! Runs the tests again and again, to find those that fail only now and then.
//!
//! nextest runs them, with the command lines that `cargo xtask ci --list` shows. First all tests run several times, in two
//! runs side by side, so that the machine is busy. Then each test of nextest's profile `races` runs many times, one test at
//! a time.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Setting, cargo, listed};
use crate::problem::Problem;
use crate::programs::Missing;

/// The profile in `.config/nextest.toml` with the tests that wait, kill or race.
const PROFILE: &str = "races";

/// How often each test passed and failed, by the test's name.
type Counts = BTreeMap<String, (u32, u32)>;

/// An event of nextest. <https://nexte.st/docs/machine-readable/libtest-json/>
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    event: String,
    #[serde(default)]
    name: String,
}

pub(super) fn run(setting: &Setting<'_>, rounds: u32, repeats: u32) -> Result<()> {
    if which::which("cargo-nextest").is_err() {
        let why = "cargo-nextest isn't installed".to_owned();
        let remedies = vec!["cargo install --locked cargo-nextest".to_owned()];
        setting.reporter.missing("flakes", "all", &Missing { command: "cargo nextest".to_owned(), why, remedies });
        return Ok(());
    }
    let lines = test_lines(setting)?;
    let mut found = Counts::new();
    let progress = setting.reporter.progress("all tests, two runs side by side", u64::from(rounds));
    for _ in 0..rounds {
        let all = lines.join("; ");
        both(setting, &all, &mut found)?;
        progress.advances();
    }
    drop(progress);
    let races = races(setting, &lines, repeats, &mut found)?;
    setting.reporter.flakes(&found, races);
    let flaky = found.values().filter(|(_, failed)| *failed > 0).count();
    if flaky == 0 { Ok(()) } else { Err(Problem::failed(format!("{flaky} tests failed at least once.")).into()) }
}

/// Returns the command lines that run the tests.
fn test_lines(setting: &Setting<'_>) -> Result<Vec<String>> {
    let mut list = cargo(setting.bench, &["xtask", "ci", "--list", "--format", "json", "--only", "test"]);
    // With this variable, the lines don't say how many tests run at once.
    list.env("NEXTEST_TEST_THREADS", "1");
    let steps = listed::steps(&setting.bench.read(at_root(setting, list))?);
    let tests = steps.into_iter().filter(|step| step.step.starts_with("test:"));
    let lines: Vec<_> = tests.flat_map(|step| step.runs).collect();
    if lines.is_empty() {
        return Err(Problem::failed("`cargo xtask ci --list` lists no test.").into());
    }
    Ok(lines.iter().map(|line| format!("{line} --message-format libtest-json-plus")).collect())
}

/// Makes a command work on the user's checkout, where everything is compiled.
fn at_root(setting: &Setting<'_>, mut command: Command) -> Command {
    command.current_dir(&setting.workspace.root).env("NEXTEST_EXPERIMENTAL_LIBTEST_JSON", "1");
    command
}

/// Runs a line for the shell twice at the same time, and counts the results.
fn both(setting: &Setting<'_>, line: &str, found: &mut Counts) -> Result<()> {
    let files = ["one", "two"].map(|name| setting.bench.folder.join(name));
    let shown = files.each_ref().map(|file| file.display().to_string());
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("({line}) > '{}' & ({line}) > '{}'; wait", shown[0], shown[1])]);
    setting.bench.end(at_root(setting, shell))?;
    for file in &files {
        let text = std::fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?;
        if !count(&text, found) {
            return Err(Problem::failed(format!("No test was run by: {line}")).into());
        }
    }
    Ok(())
}

/// Runs the tests of the profile many times, one at a time. Returns their number.
fn races(setting: &Setting<'_>, lines: &[String], repeats: u32, found: &mut Counts) -> Result<usize> {
    let progress = setting.reporter.progress("the tests that wait, kill or race", lines.len() as u64);
    let mut counted = Counts::new();
    for line in lines {
        let line = format!("{line} --profile {PROFILE} --test-threads 1 --stress-count {repeats}");
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]);
        let ended = setting.bench.end(at_root(setting, shell))?;
        // A package without such tests runs none. The code 100 means that a test failed.
        if !count(&ended.stdout, &mut counted) && !ended.status.success() {
            let said = ended.stderr.lines().map(str::to_owned);
            return Err(Problem::failed(format!("`{line}` failed ({}).", ended.status)).details(said).into());
        }
        progress.advances();
    }
    let number = counted.len();
    for (name, (passed, failed)) in counted {
        let sums = found.entry(name).or_default();
        *sums = (sums.0 + passed, sums.1 + failed);
    }
    Ok(number)
}

/// Counts the tests that passed and failed. Returns whether there were any.
fn count(text: &str, found: &mut Counts) -> bool {
    let mut any = false;
    for event in text.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok()) {
        if event.kind != "test" || !["ok", "failed"].contains(&event.event.as_str()) {
            continue;
        }
        any = true;
        let sums = found.entry(without_repetition(&event.name)).or_default();
        if event.event == "ok" { sums.0 += 1 } else { sums.1 += 1 }
    }
    any
}

/// Returns a test's name without the number of the repetition: `shop::it@stress-7$waits` is `shop::it$waits`.
fn without_repetition(name: &str) -> String {
    match name.split_once('@').and_then(|(binary, rest)| Some((binary, rest.split_once('$')?.1))) {
        Some((binary, test)) => format!("{binary}${test}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, count};

    #[test]
    fn results_are_counted_by_test() {
        let text = "nextest says something\n\
                    {\"type\":\"suite\",\"event\":\"started\",\"test_count\":2}\n\
                    {\"type\":\"test\",\"event\":\"started\",\"name\":\"shop::it$waits\"}\n\
                    {\"type\":\"test\",\"event\":\"failed\",\"name\":\"shop::it$waits\",\"exec_time\":0.1}\n\
                    {\"type\":\"test\",\"event\":\"ok\",\"name\":\"shop::it@stress-1$waits\",\"exec_time\":0.1}\n";
        let mut found = Counts::new();
        assert!(count(text, &mut found));
        assert_eq!(found, Counts::from([("shop::it$waits".to_owned(), (1, 1))]));
        assert!(!count("", &mut found));
    }
}
