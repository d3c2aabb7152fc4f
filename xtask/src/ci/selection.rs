//! The selection of steps.

use super::packages::Packages;
use super::steps::{NAMES, test_of};
use crate::problem::{Code, Problem, Problems};

/// The steps that the user selected.
pub(crate) struct Selection {
    only: Vec<String>,
    skip: Vec<String>,
}

impl Selection {
    /// Reads the values of `--only` and `--skip`. If the packages aren't given, the tests of any package can be named.
    ///
    /// # Errors
    /// No step has one of the names: the error lists all of these names, and the names of the steps. Or the selection is
    /// empty.
    pub(crate) fn new(only: &[String], skip: &[String], packages: Option<&Packages>) -> Result<Self, Problems> {
        let selection = Self { only: only.to_vec(), skip: skip.to_vec() };
        let is_known = |name: &str| {
            let is_test = || match packages {
                Some(packages) => packages.iter().any(|package| test_of(package) == name),
                None => name.split_once(':').is_some_and(|(step, _)| NAMES.contains(&step)),
            };
            NAMES.contains(&name) || is_test()
        };
        let mut problems: Vec<Problem> = only
            .iter()
            .chain(skip)
            .filter(|name| !is_known(name))
            .map(|name| Problem::usage(Code::Usage, format!("There is no step \"{name}\".")))
            .collect();
        if let Some(last) = problems.last_mut() {
            last.remedies.push(format!("The steps: {}", NAMES.join(", ")));
            if let Some(package) = packages.and_then(|packages| packages.iter().next()) {
                last.remedies.push(format!("The tests of one package: {}", test_of(package)));
            }
            last.remedies.push("What each proves: cargo xtask ci --list".to_owned());
        } else if !NAMES.iter().map(|name| (*name).to_owned()).chain(only.to_vec()).any(|name| selection.has(&name)) {
            let asked = format!("--only {} without --skip {}.", only.join(","), skip.join(","));
            let problem = Problem::usage(Code::Usage, "No step is left to run.").detail(asked);
            problems.push(problem.remedy("To see all steps: cargo xtask ci --list"));
        }
        if problems.is_empty() { Ok(selection) } else { Err(Problems(problems)) }
    }

    /// Returns whether a step was selected. A name such as `test` selects every step `test:PACKAGE` as well.
    pub(crate) fn has(&self, name: &str) -> bool {
        let group = name.split(':').next();
        let in_list = |list: &[String]| list.iter().any(|other| other == name || Some(other.as_str()) == group);
        (self.only.is_empty() || in_list(&self.only)) && !in_list(&self.skip)
    }
}
