//! The events of a run of `ci --format json`: the outcome of each step, and the problems that were found in it.

use std::cmp::Ordering;

use serde_json::Value;

use super::Outcome;

/// The step that runs the tests, as it is called after `--only` and in the table.
pub(crate) const TESTS: &str = "test";

/// A run that has ended.
pub(crate) struct Pipeline {
    outcome: Outcome,
    steps: Vec<Step>,
}

/// The result of one step of a run.
pub(crate) struct Step {
    name: String,
    /// `done`, `failed`, `skipped` or `not-run`.
    pub(crate) outcome: String,
    /// The summary of the step, in a few words.
    pub(crate) what: String,
    /// The output of the step's programs, which a run shows if the step failed.
    pub(crate) output: String,
    problems: Vec<Value>,
}

impl Pipeline {
    /// Reads the events of a run. The event `pipeline` is the table of the results. Output and problems name their
    /// step. The steps with the tests of the packages count as one step, [`TESTS`].
    #[track_caller]
    pub(crate) fn of(outcome: Outcome) -> Self {
        let events = outcome.events();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let table = events.iter().find(|event| event["event"] == "pipeline");
        let table = table.unwrap_or_else(|| panic!("no event \"pipeline\": {outcome}"));
        let mut steps: Vec<Step> = Vec::new();
        for row in table["steps"].as_array().unwrap() {
            let row = Step {
                name: group(&text(&row["step"])).to_owned(),
                outcome: text(&row["outcome"]),
                what: text(&row["what"]),
                output: String::new(),
                problems: Vec::new(),
            };
            match steps.iter_mut().find(|step| step.name == row.name) {
                Some(step) => step.add(row),
                None => steps.push(row),
            }
        }
        for event in &events {
            let name = group(event["step"].as_str().unwrap_or_default());
            let Some(step) = steps.iter_mut().find(|step| step.name == name) else { continue };
            match event["event"].as_str() {
                Some("output") => step.output.push_str(&text(&event["text"])),
                Some("problem") => step.problems.push(event.clone()),
                _ => {}
            }
        }
        Self { outcome, steps }
    }

    /// Fails unless the exit code is `expected`.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Self {
        assert!(self.outcome.status.code() == Some(expected), "expected exit code {expected}: {}", self.outcome);
        self
    }

    /// Fails unless the run has a problem with this word.
    #[track_caller]
    pub(crate) fn problem(self, word: &str) -> Self {
        Self { outcome: self.outcome.problem(word), ..self }
    }

    /// Fails unless exactly the steps `failed` failed, and exactly the steps `not_run` were not run.
    #[track_caller]
    pub(crate) fn fails(self, failed: &[&str], not_run: &[&str]) -> Self {
        for (outcome, expected) in [("failed", failed), ("not-run", not_run)] {
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            assert!(self.with(outcome) == expected, "expected exactly {expected:?} as {outcome}: {}", self.outcome);
        }
        self
    }

    /// Fails unless exactly the steps `skipped` were skipped, and all others passed.
    #[track_caller]
    pub(crate) fn passes_but(self, skipped: &[&str]) -> Self {
        let this = self.code(0).fails(&[], &[]);
        assert!(this.with("skipped") == skipped, "expected exactly {skipped:?} as skipped: {}", this.outcome);
        this
    }

    /// Returns the names of the steps with this outcome, sorted.
    pub(crate) fn with(&self, outcome: &str) -> Vec<&str> {
        let mut names: Vec<_> =
            self.steps.iter().filter(|step| step.outcome == outcome).map(|step| step.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// Returns a step that was part of the run.
    #[track_caller]
    pub(crate) fn step(&self, name: &str) -> &Step {
        self.steps.iter().find(|step| step.name == name).unwrap_or_else(|| panic!("no step {name}: {}", self.outcome))
    }

    /// Returns the step that ran the tests.
    #[track_caller]
    pub(crate) fn tests(&self) -> &Step {
        self.step(TESTS)
    }

    /// Fails unless tests failed at exactly these places. Returns the texts of the problems, as [`Pipeline::at`] does.
    #[track_caller]
    pub(crate) fn tests_at(&self, places: &[&str]) -> Vec<String> {
        self.at(TESTS, places)
    }

    /// Fails unless another run had the same results, and found the same problems.
    #[track_caller]
    pub(crate) fn same_as(&self, other: &Self) {
        for (step, expected) in self.steps.iter().zip(&other.steps) {
            let [found, expected] = [step, expected].map(|step| {
                let mut problems: Vec<_> = step.problems.iter().map(Value::to_string).collect();
                problems.sort();
                format!("{} {}: {}\n{}", step.outcome, step.name, step.what, problems.join("\n"))
            });
            assert!(found == expected, "{found}\n--- and not ---\n{expected}\n{}\n{}", self.outcome, other.outcome);
        }
        assert_eq!(self.steps.len(), other.steps.len(), "{}\n{}", self.outcome, other.outcome);
    }

    /// Fails unless a step's problems are at exactly these places. A place is `file:line:column`, or `file:line`, or an
    /// empty string for a problem without a place. Returns the texts of the problems in the order of the places.
    #[track_caller]
    pub(crate) fn at(&self, step: &str, places: &[&str]) -> Vec<String> {
        let mut found: Vec<_> =
            self.step(step).problems.iter().map(|problem| (place(problem), text(problem))).collect();
        found.sort();
        let mut expected = places.to_vec();
        expected.sort_unstable();
        let at: Vec<_> = found.iter().map(|(place, _)| place.as_str()).collect();
        assert!(at == expected, "expected problems of {step} at {expected:?}, not at {at:?}: {}", self.outcome);
        let mut text_at = |place: &&str| found.remove(found.iter().position(|(at, _)| at == place).unwrap()).1;
        places.iter().map(&mut text_at).collect()
    }

    /// Returns the run.
    pub(crate) fn outcome(&self) -> &Outcome {
        &self.outcome
    }
}

/// Returns the name of a step, which is [`TESTS`] for the tests of every package.
pub(crate) fn group(step: &str) -> &str {
    step.split(':').next().unwrap_or_default()
}

impl Step {
    /// Adds the row of another package's tests. The worse of two outcomes counts.
    fn add(&mut self, other: Self) {
        let worst = ["failed", "not-run", "done", "skipped", "unchanged"];
        let rank = |step: &Self| worst.iter().position(|outcome| *outcome == step.outcome);
        match rank(&other).cmp(&rank(self)) {
            Ordering::Less => *self = other,
            Ordering::Greater => {}
            Ordering::Equal => {
                if let (Some(own), Some(others)) = (totals(&self.what), totals(&other.what)) {
                    let [passed, failed, skipped] = [0, 1, 2].map(|index| own[index] + others[index]);
                    self.what = format!("{passed} passed, {failed} failed, {skipped} skipped");
                }
            }
        }
    }
}

/// Reads the numbers of tests that passed, failed and were skipped.
fn totals(what: &str) -> Option<[u32; 3]> {
    let mut numbers = what.split(", ").map(|part| part.split(' ').next()?.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

fn place(problem: &Value) -> String {
    let location = &problem["location"];
    let number = |value: &Value| value.as_u64().map_or_else(String::new, |number| format!(":{number}"));
    let file = location["file"].as_str().unwrap_or_default();
    format!("{file}{}{}", number(&location["line"]), number(&location["column"]))
}

/// Returns the word with the sentence, the details and the remedies of a problem, each on its own line.
fn text(problem: &Value) -> String {
    let lines = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let all = [&problem["details"], &problem["remedies"]].into_iter().flat_map(lines);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let first = format!("error[{}]: {}", text(&problem["code"]), text(&problem["what"]));
    [first].into_iter().chain(all.map(|line| text(&line))).collect::<Vec<_>>().join("\n")
}
