//! Reads the output of the test runners, nextest and cargo's own.
//!
//! The number of tests is reported, and the number of those that skipped themselves: a run that tested nothing must not
//! look like a success.

use std::fmt;
use std::ops::Add;

use super::Found;
use crate::problem::Problem;

/// The output of one test.
struct Block<'a> {
    test: &'a str,
    passed: bool,
    lines: Vec<&'a str>,
}

/// Reads the output of a run. The text that is kept is the output of the failed tests, and everything that belongs to no
/// test.
pub(super) fn read(stdout: &str, stderr: &str) -> Found {
    let mut found = Found::default();
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let (mut in_block, mut closing, mut skipped) = (false, Vec::new(), 0_u64);
    for line in stdout.lines().chain(stderr.lines()) {
        let trimmed = line.trim();
        let nextest_ends = trimmed.starts_with("Summary [");
        if nextest_ends || (trimmed.starts_with("test result: ") && !line.starts_with(' ')) {
            closing.push(trimmed);
        }
        if nextest_ends || line.starts_with('─') || line == "failures:" {
            in_block = false;
        }
        // After its summary, nextest lists the failed tests again.
        let ended = closing.iter().any(|line| line.starts_with("Summary ["));
        if let Some((test, passed)) = begins(trimmed).filter(|_| !ended) {
            in_block = true;
            blocks.push(Block { test, passed, lines: Vec::new() });
        } else if let (true, Some(block)) = (in_block, blocks.last_mut()) {
            block.lines.push(trimmed);
        }
        skipped += u64::from(trimmed.starts_with("skipped:"));
        if !in_block || blocks.last().is_none_or(|block| !block.passed) {
            found.text.push_str(line);
            found.text.push('\n');
        }
    }
    found.problems.0.extend(blocks.iter().filter(|block| !block.passed).map(Block::problem));
    found.totals = totals(&closing).map(|totals| Totals { skipped_themselves: skipped, ..totals });
    found
}

/// Makes a problem of a test that failed, with the place of the panic if its output has one.
pub(super) fn problem(test: &str, output: &str) -> Problem {
    Block { test, passed: false, lines: output.lines().map(str::trim).collect() }.problem()
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

/// Reads the first line of a test's output, and returns the test's name and whether it passed: nextest's `PASS [   0.010s] (1/4) program test`,
/// and `---- test stdout ----`, which cargo's own runner prints for tests that failed.
fn begins(line: &str) -> Option<(&str, bool)> {
    if let Some(test) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
        return Some((test, false));
    }
    let (status, rest) = line.split_once(" [")?;
    let passed = match status {
        "PASS" | "LEAK" => true,
        "FAIL" | "ABORT" | "TIMEOUT" | "LEAK-FAIL" => false,
        _ if status.starts_with("SIG") => false,
        // The test isn't over: SLOW, or an attempt that isn't the last one.
        _ => return None,
    };
    let (_, test) = rest.split_once("] ")?;
    let test = test.strip_prefix('(').and_then(|rest| rest.split_once(") ")).map_or(test, |(_, test)| test);
    Some((test.trim_start(), passed))
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
                error.map_or_else(|| format!("{test} failed."), |error| format!("{test} failed: {error}")),
            );
        };
        let is_message = |line: &&&str| !line.is_empty() && !line.starts_with("note: ") && **line != "stack backtrace:";
        let message: Vec<&str> = lines[at + 1..].iter().take_while(is_message).copied().collect();
        let first = message.first().copied().unwrap_or("it panicked");
        Problem::failed(format!("{test} failed: {first}"))
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

/// From nextest's `Summary [  1.2s] 3 tests run: 3 passed, 0 skipped`, and where there is none from cargo's own
/// `test result: ok. 3 passed; 0 failed; 0 ignored; …`.
fn totals(closing: &[&str]) -> Option<Totals> {
    let nextest = closing.iter().any(|line| line.starts_with("Summary ["));
    let mut totals = Totals::default();
    for line in closing.iter().filter(|line| !nextest || line.starts_with("Summary [")) {
        let words: Vec<&str> = line.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let count = pair[0].parse::<u64>().unwrap_or(0);
            match pair[1] {
                "passed" => totals.passed += count,
                "failed" => totals.failed += count,
                "skipped" | "ignored" => totals.skipped += count,
                _ => {}
            }
        }
    }
    (!closing.is_empty()).then_some(totals)
}

#[cfg(test)]
mod tests {
    use super::read;

    const NEXTEST: &str = "\
    Starting 3 tests across 1 binary
        PASS [   0.010s] (1/3) shop lends
  stdout ───

    running 1 test
    skipped: no docker
    test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.00s

  stderr ───

    thread 'lends' (7) panicked at src/lib.rs:2:34:
    wanted

        SLOW [> 60.000s] (───) shop lends
        FAIL [   0.285s] (2/3) shop::it counts::books
  stderr ───

    thread 'counts::books' (21727) panicked at src/lib.rs:3:38:
    assertion `left == right` failed: one is not two
      left: 1
     right: 2
    note: run with `RUST_BACKTRACE=1`

        FAIL [   0.061s] (3/3) shop reads
  stderr ───
    Error: \"bad\"

────────────
     Summary [   0.294s] 3 tests run: 1 passed, 2 failed, 0 skipped
        FAIL [   0.285s] (2/3) shop::it counts::books
        FAIL [   0.061s] (3/3) shop reads
";

    const LIBTEST: &str = "\
running 2 tests
test counts::books ... FAILED
test lends ... ok

failures:

---- counts::books stdout ----
before

thread 'counts::books' panicked at src/lib.rs:3:38:
one is not two
note: run with `RUST_BACKTRACE=1`


failures:
    counts::books

test result: FAILED. 1 passed; 1 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.13s
";

    fn problems(stdout: &str) -> Vec<String> {
        read(stdout, "")
            .problems
            .0
            .iter()
            .map(|problem| problem.to_string().lines().next().unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn nextest_is_read() {
        let found = read("", NEXTEST);
        assert_eq!(
            found.totals.map(|totals| totals.to_string()).as_deref(),
            Some("1 passed, 2 failed, 0 skipped (1 of the passed tests skipped themselves)")
        );
        assert!(found.text.contains("one is not two") && !found.text.contains("wanted"), "{}", found.text);
        assert_eq!(
            problems(NEXTEST),
            [
                "src/lib.rs:3:38: shop::it counts::books failed: assertion `left == right` failed: one is not two",
                "shop reads failed: Error: \"bad\"",
            ]
        );
    }

    #[test]
    fn cargos_own_runner_is_read() {
        assert_eq!(
            read(LIBTEST, "").totals.map(|totals| totals.to_string()).as_deref(),
            Some("1 passed, 1 failed, 3 skipped")
        );
        assert_eq!(problems(LIBTEST), ["src/lib.rs:3:38: counts::books failed: one is not two"]);
    }
}
