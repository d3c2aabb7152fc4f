//! What a run of `ci --format json` says: how each step ended, and what was found in it.

use serde_json::Value;

use super::Outcome;

/// A run that has ended.
pub(crate) struct Pipeline {
    outcome: Outcome,
    steps: Vec<Step>,
}

/// How one of its steps ended.
pub(crate) struct Step {
    name: String,
    /// `done`, `failed`, `skipped` or `not-run`.
    pub(crate) outcome: String,
    /// What there is to know about it, in a few words.
    pub(crate) what: String,
    /// What it printed, which is shown if it failed.
    pub(crate) output: String,
    problems: Vec<Value>,
}

impl Pipeline {
    /// The last event that names the steps is the table; what belongs to a step comes after its end.
    #[track_caller]
    pub(crate) fn of(outcome: Outcome) -> Self {
        let events = outcome.events();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let table = events.iter().find(|event| event["event"] == "pipeline");
        let table = table.unwrap_or_else(|| panic!("no event \"pipeline\": {outcome}"));
        let rows = table["steps"].as_array().unwrap().iter();
        let mut steps: Vec<Step> = rows
            .map(|row| Step {
                name: text(&row["step"]),
                outcome: text(&row["outcome"]),
                what: text(&row["what"]),
                output: String::new(),
                problems: Vec::new(),
            })
            .collect();
        let mut last = None;
        for event in &events {
            match event["event"].as_str() {
                Some("ended") => last = steps.iter().position(|step| event["step"] == step.name.as_str()),
                Some("output") => steps[last.unwrap()].output.push_str(&text(&event["text"])),
                Some("problem") => {
                    if let Some(step) = last.and_then(|last| steps.get_mut(last)) {
                        step.problems.push(event.clone());
                    }
                }
                Some("pipeline") => last = None,
                _ => {}
            }
        }
        Self { outcome, steps }
    }

    /// Fails unless the exit code is this one.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Self {
        assert!(self.outcome.status.code() == Some(expected), "exit code {expected} expected: {}", self.outcome);
        self
    }

    /// Fails unless these steps failed and no others, and these weren't run and no others.
    #[track_caller]
    pub(crate) fn fails(self, failed: &[&str], not_run: &[&str]) -> Self {
        for (outcome, expected) in [("failed", failed), ("not-run", not_run)] {
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            assert!(self.with(outcome) == expected, "{outcome}: {expected:?} expected: {}", self.outcome);
        }
        self
    }

    /// Fails unless all steps passed but for these, which were skipped.
    #[track_caller]
    pub(crate) fn passes_but(self, skipped: &[&str]) -> Self {
        let this = self.code(0).fails(&[], &[]);
        assert!(this.with("skipped") == skipped, "{skipped:?} skipped expected: {}", this.outcome);
        this
    }

    /// The names of the steps that ended like this, sorted.
    pub(crate) fn with(&self, outcome: &str) -> Vec<&str> {
        let mut names: Vec<_> =
            self.steps.iter().filter(|step| step.outcome == outcome).map(|step| step.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// A step that was selected.
    #[track_caller]
    pub(crate) fn step(&self, name: &str) -> &Step {
        self.steps.iter().find(|step| step.name == name).unwrap_or_else(|| panic!("no {name}: {}", self.outcome))
    }

    /// Fails unless a step's problems are at exactly these places, each `file:line:column` or `file:line`; empty for a
    /// problem without one. Returns the problems' texts, in the order of the places.
    #[track_caller]
    pub(crate) fn at(&self, step: &str, places: &[&str]) -> Vec<String> {
        let mut found: Vec<_> =
            self.step(step).problems.iter().map(|problem| (place(problem), text(problem))).collect();
        found.sort();
        let mut expected = places.to_vec();
        expected.sort_unstable();
        let at: Vec<_> = found.iter().map(|(place, _)| place.as_str()).collect();
        assert!(at == expected, "{step} at {expected:?} expected, not {at:?}: {}", self.outcome);
        let mut text_at = |place: &&str| found.remove(found.iter().position(|(at, _)| at == place).unwrap()).1;
        places.iter().map(&mut text_at).collect()
    }

    /// The run.
    pub(crate) fn outcome(&self) -> &Outcome {
        &self.outcome
    }
}

fn place(problem: &Value) -> String {
    let location = &problem["location"];
    let number = |value: &Value| value.as_u64().map_or_else(String::new, |number| format!(":{number}"));
    let file = location["file"].as_str().unwrap_or_default();
    format!("{file}{}{}", number(&location["line"]), number(&location["column"]))
}

/// What it says, with details and remedies, a line each.
fn text(problem: &Value) -> String {
    let lines = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let all =
        [problem["what"].clone()].into_iter().chain(lines(&problem["details"])).chain(lines(&problem["remedies"]));
    all.filter_map(|line| line.as_str().map(str::to_owned)).collect::<Vec<_>>().join("\n")
}
