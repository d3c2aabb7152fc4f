//! The selection of steps.

use crate::problem::{Problem, Problems};

use super::steps::NAMES;

/// The steps that the user selected.
pub(crate) struct Selection {
    only: Vec<String>,
    skip: Vec<String>,
}

impl Selection {
    /// Reads the values of `--only` and `--skip`.
    ///
    /// # Errors
    /// No step has one of the names: the error lists all of these names, and the names of the steps. Or the selection is
    /// empty.
    pub(crate) fn new(only: &[String], skip: &[String]) -> Result<Self, Problems> {
        let selection = Self { only: only.to_vec(), skip: skip.to_vec() };
        let mut problems: Vec<Problem> = only
            .iter()
            .chain(skip)
            .filter(|name| !NAMES.contains(&name.as_str()))
            .map(|name| Problem::usage(format!("There is no step \"{name}\".")))
            .collect();
        if let Some(last) = problems.last_mut() {
            last.remedies.push(format!("The steps: {}", NAMES.join(", ")));
            last.remedies.push("What each proves: cargo xtask ci --list".to_owned());
        } else if !NAMES.iter().any(|name| selection.has(name)) {
            problems.push(Problem::usage("No step is left to run.").detail(format!(
                "--only {} without --skip {}.",
                only.join(","),
                skip.join(",")
            )));
        }
        if problems.is_empty() { Ok(selection) } else { Err(Problems(problems)) }
    }

    /// Returns whether a step was selected.
    pub(crate) fn has(&self, name: &str) -> bool {
        let in_list = |list: &[String]| list.iter().any(|other| other == name);
        (self.only.is_empty() || in_list(&self.only)) && !in_list(&self.skip)
    }
}
