//! Reads nextest's machine-readable events, line by line while the tests run, and all of them at the end.
//!
//! What a test prints can't change them: it stands inside of the events. The format is libtest's, with additions:
//! <https://nexte.st/docs/machine-readable/libtest-json/>.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::Found;
use super::test_run::{self, Totals};
use crate::ci::setting::Told;
use crate::problem::Problem;

/// The variable that lets nextest write the events, which it calls experimental.
pub(in crate::ci) const ALLOW: (&str, &str) = ("NEXTEST_EXPERIMENTAL_LIBTEST_JSON", "1");

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line {
    Test {
        event: Event,
        /// `package::binary$module::test`.
        name: String,
        /// Both outputs of a test that failed.
        #[serde(default)]
        stdout: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Event {
    Ok,
    Failed,
    Ignored,
    #[serde(other)]
    Other,
}

/// Counts the tests while they run.
#[derive(Default)]
pub(in crate::ci) struct Watch {
    total: Option<u64>,
    done: u64,
    failed: u64,
}

impl Watch {
    /// Takes a line of either output. A failure is told at once, and so is the count.
    pub(in crate::ci) fn line(&mut self, line: &str, tell: &dyn Fn(Told)) {
        // nextest says this before any test runs. Later, it may be the text of a test.
        if self.total.is_none()
            && let Some(total) = line.trim().strip_prefix("Starting ").and_then(|rest| rest.split_once(" test"))
        {
            self.total = total.0.parse().ok();
        }
        match serde_json::from_str(line) {
            Ok(Line::Test { event: Event::Failed, name, stdout }) => {
                self.failed += 1;
                tell(Told::Problem(problem(&name, &stdout)));
            }
            Ok(Line::Test { event: Event::Ok, .. }) => {}
            _ => return,
        }
        self.done += 1;
        let total = self.total.map_or_else(String::new, |total| format!(" of {total}"));
        let failed = if self.failed == 0 { String::new() } else { format!(", {} failed", self.failed) };
        tell(Told::Progress(format!("test {}{total}{failed}", self.done)));
    }
}

/// Reads a whole run. The text that is kept is what the failed tests have printed. Without a failed test, it is all that
/// nextest says to people.
pub(super) fn read(stdout: &str, stderr: &str) -> Found {
    let (mut totals, mut passed) = (Totals::default(), BTreeSet::new());
    let mut found = Found::default();
    for line in stdout.lines() {
        match serde_json::from_str(line) {
            Ok(Line::Test { event: Event::Ok, name, .. }) => {
                totals.passed += 1;
                passed.insert(shown(&name));
            }
            Ok(Line::Test { event: Event::Ignored, .. }) => totals.skipped += 1,
            Ok(Line::Test { event: Event::Failed, name, stdout }) => {
                totals.failed += 1;
                found.text.push_str(&format!("{}:\n{}\n\n", shown(&name), stdout.trim_end()));
                found.problems.0.push(problem(&name, &stdout));
            }
            Ok(Line::Test { event: Event::Other, .. } | Line::Other) => {}
            Err(_) => found.text.push_str(&format!("{line}\n")),
        }
    }
    if totals.failed == 0 {
        found.text.push_str(stderr);
    }
    totals.skipped_themselves = skipped_themselves(stderr, &passed);
    found.totals = Some(totals);
    found
}

/// Returns how many of the passed tests have printed why they can't run here. The events don't have what a passed test has
/// printed, so it is read from the text for people, below a line with the test's name.
fn skipped_themselves(people: &str, passed: &BTreeSet<String>) -> u64 {
    let (mut current, mut skipped) = (None, BTreeSet::new());
    for line in people.lines().map(str::trim) {
        if let Some(test) = line.strip_prefix("PASS [").and_then(|rest| rest.split_once(") ")).map(|(_, test)| test) {
            current = passed.get(test);
        } else if line.starts_with("skipped:") {
            skipped.extend(current);
        }
    }
    u64::try_from(skipped.len()).unwrap_or_default()
}

/// Returns a test's name as nextest shows it to people: `package::binary module::test`.
fn shown(name: &str) -> String {
    let (binary, test) = name.split_once('$').unwrap_or(("", name));
    let package = package_of(name);
    // The library's own tests have the package's name twice.
    let binary = binary
        .strip_prefix(package)
        .and_then(|rest| rest.strip_prefix("::"))
        .filter(|binary| binary.replace('-', "_") != package.replace('-', "_"));
    binary.map_or_else(|| format!("{package} {test}"), |binary| format!("{package}::{binary} {test}"))
}

fn package_of(name: &str) -> &str {
    name.split("::").next().unwrap_or_default()
}

/// A test that failed, with the command that repeats only this test.
fn problem(name: &str, output: &str) -> Problem {
    let test = name.split_once('$').map_or(name, |(_, test)| test);
    let repeat = format!("cargo nextest run --package {} -E 'test(={test})'", package_of(name));
    test_run::problem(&shown(name), output).remedy(format!("To repeat only this test: {repeat}"))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::{Watch, read};
    use crate::ci::setting::Told;

    const EVENTS: &str = r#"{"type":"suite","event":"started","test_count":4,"nextest":{"crate":"shop","test_binary":"it"}}
{"type":"test","event":"started","name":"shop::it$counts"}
{"type":"test","event":"ignored","name":"shop::it$slow"}
{"type":"test","event":"ok","name":"shop::shop$lends","exec_time":0.07}
{"type":"test","event":"failed","name":"shop::it$counts","exec_time":0.06,"stdout":"FAIL [   0.1s] (1/1) a lie\n\nthread 'counts' (7) panicked at tests/it.rs:3:38:\none is not two\n"}
{"type":"suite","event":"failed","passed":1,"failed":1,"ignored":1}
"#;

    const PEOPLE: &str = "\
    Starting 2 tests across 2 binaries (1 test skipped)
        PASS [   0.070s] (1/2) shop lends
  output ───

    running 1 test
    Summary [   9.999s] 99 tests run: 99 passed, 0 skipped
    Starting 77 tests across 1 binary
        FAIL [   0.1s] (1/1) a lie
    skipped: no docker
    skipped: no docker, as I said

        FAIL [   0.060s] (2/2) shop::it counts
────────────
     Summary [   0.294s] 2 tests run: 1 passed, 1 failed, 1 skipped
";

    #[test]
    fn counts_and_failures_come_from_the_events() {
        let found = read(EVENTS, PEOPLE);
        let totals = found.totals.map(|totals| totals.to_string());
        assert_eq!(totals.as_deref(), Some("1 passed, 1 failed, 1 skipped (1 of the passed tests skipped themselves)"));
        let problems: Vec<_> = found.problems.0.iter().map(ToString::to_string).collect();
        let expected = "tests/it.rs:3:38: shop::it counts failed: one is not two\n  \
                        → To repeat only this test: cargo nextest run --package shop -E 'test(=counts)'";
        assert_eq!(problems, [expected]);
        assert!(found.text.contains("one is not two") && !found.text.contains("77 tests"), "{}", found.text);
    }

    #[test]
    fn a_failure_is_told_at_once() {
        let (mut watch, told) = (Watch::default(), RefCell::new(Vec::new()));
        for line in PEOPLE.lines().chain(EVENTS.lines()) {
            watch.line(line, &|message| {
                told.borrow_mut().push(match message {
                    Told::Progress(text) => text,
                    Told::Problem(problem) => problem.what,
                });
            });
        }
        let expected = ["test 1 of 2", "shop::it counts failed: one is not two", "test 2 of 2, 1 failed"];
        assert_eq!(told.into_inner(), expected);
    }
}
