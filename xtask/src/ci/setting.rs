//! The surroundings of a step's work, and the messages that it sends while it runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use super::packages::Packages;
use crate::context::Context;
use crate::problem::Problem;

/// The programs that steps have built, by name.
pub(crate) type Built = Mutex<BTreeMap<String, PathBuf>>;

/// A message of a step that is still running.
pub(crate) enum Told {
    /// How far it is, in a few words.
    Progress(String),
    /// A problem that needn't wait for the end of the step. The step's result has it as well.
    Problem(Problem),
}

/// The surroundings of a step's work.
pub(crate) struct Setting<'a> {
    /// Its reporter keeps all events. They are shown if the step fails.
    pub(crate) context: Context<'a>,
    pub(crate) packages: &'a Packages,
    pub(crate) allow_remote: bool,
    pub(crate) built: &'a Built,
    /// Receives the messages of the step.
    pub(crate) tell: &'a dyn Fn(Told),
}
