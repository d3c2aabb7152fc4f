//! What programs print, made into problems with their place in a file.

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

/// What was found in a program's output.
#[derive(Default)]
pub(super) struct Found {
    pub(super) problems: Problems,
    /// What is not part of a problem.
    pub(super) text: String,
    /// How many tests ended in which way, if there were any.
    pub(super) totals: Option<Totals>,
    /// Programs that were built.
    pub(super) executables: BTreeMap<String, PathBuf>,
}

/// Reads what a program printed.
pub(super) fn read(reading: Reading, root: &Path, ended: &Ended) -> Found {
    let Ended { stdout, stderr, .. } = ended;
    match reading {
        Reading::Text => Found { text: format!("{stdout}{stderr}"), ..Found::default() },
        Reading::Compiler => {
            let Compiled { problems, text, executables } = compiler::read(stdout, stderr);
            Found { problems, text, executables, totals: None }
        }
        Reading::Format => rustfmt::read(root, stdout, stderr),
        Reading::Nextest => nextest::read(stdout, stderr),
        Reading::Tests => test_run::read(stdout, stderr),
        Reading::Examples => Found { totals: None, ..test_run::read(stdout, stderr) },
        Reading::Findings => lint::read(stdout, stderr),
        Reading::Zizmor => zizmor::read(root, stdout, stderr),
        Reading::Actionlint => actionlint::read(stdout, stderr),
    }
}
