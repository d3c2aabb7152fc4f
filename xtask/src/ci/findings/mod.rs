//! Turns the output of programs into problems with their place in a file.

mod actionlint;
mod lint;
mod nextest;
mod rustfmt;
mod test_run;
mod zizmor;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) use nextest::{ALLOW, Watch};
pub(super) use test_run::Totals;

use super::command::Reading;
use crate::compiler::{self, Compiled};
use crate::problem::Problems;
use crate::process::Ended;

/// The findings in a program's output.
#[derive(Default)]
pub(super) struct Found {
    pub(super) problems: Problems,
    /// The text that is not part of a problem.
    pub(super) text: String,
    /// The numbers of tests that passed, failed and so on, if tests ran.
    pub(super) totals: Option<Totals>,
    /// The programs that were built.
    pub(super) executables: BTreeMap<String, PathBuf>,
    /// The source files that were read, relative to the root, if the program tells them.
    pub(super) sources: Vec<PathBuf>,
}

/// Reads a program's output. `log` is what cargo's own test runner has written about the results of the tests.
pub(super) fn read(reading: Reading, root: &Path, ended: &Ended, log: Option<&str>) -> Found {
    let Ended { stdout, stderr, .. } = ended;
    match reading {
        Reading::Text => Found { text: format!("{stdout}{stderr}"), ..Found::default() },
        Reading::Compiler => {
            let Compiled { problems, text, executables } = compiler::read(stdout, stderr);
            Found { problems, text, executables, ..Found::default() }
        }
        Reading::Format => rustfmt::read(root, stdout, stderr),
        Reading::Nextest => nextest::read(stdout, stderr),
        Reading::Tests => test_run::read(stdout, stderr, log),
        Reading::Examples => Found { totals: None, ..test_run::read(stdout, stderr, log) },
        Reading::Findings => lint::read(stdout, stderr),
        Reading::Zizmor => zizmor::read(root, stdout, stderr),
        Reading::Actionlint => actionlint::read(stdout, stderr),
    }
}
