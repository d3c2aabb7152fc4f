//! The results of tests, and those of cargo's own test runner.
//!
//! The number of tests is reported, and the number of those that skipped themselves: a run that tested nothing must not
//! look like a success.

use std::fmt;
use std::ops::Add;

use super::Found;
use crate::problem::{Code, Problem};

/// The runner says this about the option that makes it write its log. There is no other one: its JSON is for Rust's own
/// developers only.
const DEPRECATED: &str = "warning: `--logfile` is deprecated";

/// The output of one test.
struct Block<'a> {
    test: &'a str,
    lines: Vec<&'a str>,
}

/// Reads a run of cargo's own runner. The results come from the runner's log. What a failed test has printed is found in
/// the output, below a line with the test's name.
pub(super) fn read(stdout: &str, stderr: &str, log: Option<&str>) -> Found {
    let mut found = Found { text: format!("{stdout}{}", stderr.replace(DEPRECATED, "")), ..Found::default() };
    let results = results(log.unwrap_or_default());
    let count =
        |wanted| u64::try_from(results.iter().filter(|(status, _)| *status == wanted).count()).unwrap_or_default();
    let (passed, failed, skipped) = (count(Status::Ok), count(Status::Failed), count(Status::Ignored));
    found.totals = log.map(|_| Totals { passed, failed, skipped, ..Totals::default() });
    let names: Vec<_> = results.iter().filter(|(status, _)| *status == Status::Failed).map(|(_, name)| *name).collect();
    let mut blocks = blocks(stdout, &names);
    for test in names {
        // Tests of two programs may have one name, so each block is used once.
        let block = blocks.iter().position(|block| block.test == test).map(|index| blocks.remove(index));
        found.problems.0.push(block.unwrap_or(Block { test, lines: Vec::new() }).problem());
    }
    found
}

/// The result of a test.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Ok,
    Failed,
    Ignored,
}

/// Reads the runner's log. A line has a result and the test's name. Between them there may be a reason, which may have
/// several lines.
fn results(log: &str) -> Vec<(Status, &str)> {
    let known = [("ok", Status::Ok), ("failed", Status::Failed), ("ignored", Status::Ignored)];
    let begins = |line: &str| {
        let (status, rest) = known.into_iter().find_map(|(word, status)| Some((status, line.strip_prefix(word)?)))?;
        rest.starts_with([' ', ':']).then_some(status)
    };
    let mut results: Vec<(Status, &str)> = Vec::new();
    for line in log.lines().filter(|line| !line.is_empty()) {
        let last_word = line.rsplit(' ').next().unwrap_or(line);
        match (begins(line), line.split_once(' ')) {
            (Some(status), Some((word, name))) if !word.ends_with(':') => results.push((status, name)),
            (Some(status), _) => results.push((status, last_word)),
            (None, _) => results.last_mut().into_iter().for_each(|(_, name)| *name = last_word),
        }
    }
    results
}

/// Returns the outputs of the failed tests.
fn blocks<'a>(stdout: &'a str, failed: &[&str]) -> Vec<Block<'a>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for line in stdout.lines() {
        let begins = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"));
        // A failed test may print such a line, but hardly with the name of another failed test.
        if let Some(test) = begins.filter(|test| failed.contains(test)) {
            blocks.push(Block { test, lines: Vec::new() });
        } else if let Some(block) = blocks.last_mut() {
            block.lines.push(line.trim());
        }
    }
    blocks
}

/// Makes a problem of a test that failed, with the place of the panic if its output has one.
pub(super) fn problem(test: &str, output: &str) -> Problem {
    Block { test, lines: output.lines().map(str::trim).collect() }.problem()
}

/// The numbers of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::ci) struct Totals {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
    /// The number of passed tests that only printed why they can't run here.
    pub(super) skipped_themselves: u64,
}

impl Totals {
    /// Returns how many tests ran to their ends.
    pub(in crate::ci) fn ran(self) -> u64 {
        self.passed + self.failed
    }
}

impl Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
            skipped_themselves: self.skipped_themselves + other.skipped_themselves,
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped, skipped_themselves } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")?;
        match skipped_themselves {
            0 => Ok(()),
            number => write!(f, " ({number} of the passed tests skipped themselves)"),
        }
    }
}

impl Block<'_> {
    /// Makes a problem with the place of the panic. rustdoc compiles an example in a temporary file, so the place of an
    /// example is the one in its name.
    fn problem(&self) -> Problem {
        let problem = self.problem_of_test();
        match example_at(self.test) {
            Some((file, line)) => problem.at(file, line, None),
            None => problem,
        }
    }

    fn problem_of_test(&self) -> Problem {
        let Self { test, lines, .. } = self;
        let panic = lines.iter().enumerate().find_map(|(at, line)| Some((at, panic_at(line)?)));
        let Some((at, (file, line, column))) = panic else {
            let error = lines.iter().find(|line| line.starts_with("Error: "));
            return Problem::failed(
                Code::TestFailed,
                error.map_or_else(|| format!("{test} failed."), |error| format!("{test} failed: {error}")),
            );
        };
        let is_message = |line: &&&str| !line.is_empty() && !line.starts_with("note: ") && **line != "stack backtrace:";
        let message: Vec<&str> = lines[at + 1..].iter().take_while(is_message).copied().collect();
        let first = message.first().copied().unwrap_or("it panicked");
        Problem::failed(Code::TestFailed, format!("{test} failed: {first}"))
            .at(file, line, Some(column))
            .details(message.iter().skip(1).map(ToString::to_string))
    }
}

/// `FILE - ITEM (line NUMBER)`, as rustdoc names an example.
fn example_at(test: &str) -> Option<(&str, usize)> {
    let (file, rest) = test.split_once(" - ")?;
    let (_, line) = rest.strip_suffix(')')?.rsplit_once("(line ")?;
    Some((file, line.parse().ok()?))
}

/// `thread 'NAME' (ID) panicked at FILE:LINE:COLUMN:`, with the number of the thread or without.
fn panic_at(line: &str) -> Option<(&str, usize, usize)> {
    let (_, place) = line.strip_prefix("thread '")?.split_once("panicked at ")?;
    let mut parts = place.strip_suffix(':')?.rsplitn(3, ':');
    let (column, line) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some((parts.next()?, line, column))
}

#[cfg(test)]
mod tests {
    use super::read;

    /// The second test prints what could be taken for results.
    const LIBTEST: &str = "\
running 3 tests
test counts::books ... FAILED
test lends ... FAILED
test returns ... ok

failures:

---- lends stdout ----
running 9 tests
test result: ok. 99 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

failures:
---- nobody stdout ----
     Summary [   0.1s] 99 tests run: 99 passed, 0 skipped

thread 'lends' panicked at src/lib.rs:9:1:
no book

---- counts::books stdout ----
before

thread 'counts::books' panicked at src/lib.rs:3:38:
one is not two
note: run with `RUST_BACKTRACE=1`


failures:
    counts::books
    lends

test result: FAILED. 1 passed; 2 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.13s
";

    const LOG: &str = "\
failed counts::books
failed lends
ok returns
ignored slow
ignored: there is no server reads
failed: panic did not contain expected string
      panic message: `\"ok\"` panics
";

    fn problems(stdout: &str, log: &str) -> Vec<String> {
        let first = |problem: String| problem.lines().next().unwrap_or_default().to_owned();
        read(stdout, "", Some(log)).problems.0.iter().map(|problem| first(problem.to_string())).collect()
    }

    #[test]
    fn what_tests_print_changes_no_result() {
        let totals = read(LIBTEST, "", Some(LOG)).totals.map(|totals| totals.to_string());
        assert_eq!(totals.as_deref(), Some("1 passed, 3 failed, 2 skipped"));
        assert_eq!(
            problems(LIBTEST, LOG),
            [
                "src/lib.rs:3:38: counts::books failed: one is not two",
                "src/lib.rs:9:1: lends failed: no book",
                "panics failed.",
            ]
        );
        assert_eq!(problems("", "failed lends\n"), ["lends failed."]);
        assert!(read(LIBTEST, "", None).totals.is_none());
    }
}
