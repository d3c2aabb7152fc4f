//! The steps of the pipeline, as `cargo xtask ci --list --format json` lists them.

use serde::Deserialize;

/// The part of an event that the benchmarks need.
#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    steps: Vec<Step>,
}

/// A step.
#[derive(Deserialize)]
pub(super) struct Step {
    pub(super) step: String,
    /// Its command lines, for a shell.
    #[serde(default)]
    pub(super) runs: Vec<String>,
}

/// Reads the steps from the events of the list.
pub(super) fn steps(events: &str) -> Vec<Step> {
    let events = events.lines().filter_map(|line| serde_json::from_str::<Listed>(line).ok());
    events.flat_map(|listed| listed.steps).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn steps_are_found_among_the_events() {
        let events = r#"{"event":"steps","steps":[{"step":"format","proves":"x"},{"step":"build","runs":["y"]}]}
{"event":"finished"}"#;
        let steps: Vec<_> = super::steps(events).into_iter().map(|step| (step.step, step.runs.len())).collect();
        assert_eq!(steps, [("format".to_owned(), 0), ("build".to_owned(), 1)]);
    }
}
