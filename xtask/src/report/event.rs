//! What happens, as data: the interface between the commands and the renderers that show it.

use serde::Serialize;

use super::pipeline::{Listed, Row, Running};
use crate::problem::Problem;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// It did something.
    Done,
    /// There was nothing to do.
    Unchanged,
    /// It failed.
    Failed,
    /// It was left out, since it was asked for or because this machine lacks what it needs.
    Skipped,
    /// It never began: what it needs failed, or the run was ended before.
    NotRun,
}

/// A table as psql's `\dt` lists it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ListedTable<'a> {
    pub(crate) schema: &'a str,
    pub(crate) name: &'a str,
    #[serde(rename = "type")]
    pub(crate) kind: &'a str,
    pub(crate) owner: &'a str,
}

/// Something that happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Event<'a> {
    /// A step has something to do that takes time.
    Doing { step: &'a str, what: &'a str },
    /// A step ended.
    Step { step: &'a str, outcome: Outcome, what: &'a str, seconds: f64 },
    /// Something worth knowing.
    Note { text: &'a str },
    /// Something that may surprise later.
    Warning { text: &'a str },
    /// The tables of a database.
    Tables { database: &'a str, tables: &'a [ListedTable<'a>] },
    /// Something that is wrong.
    Problem(&'a Problem),
    /// The steps of the pipeline; for people either what each proves or what it runs.
    Steps {
        steps: &'a [Listed],
        #[serde(skip)]
        explained: bool,
    },
    /// Steps of the pipeline that are under way.
    Running { steps: &'a [Running<'a>] },
    /// What a step of the pipeline that failed printed.
    Output { step: &'a str, text: &'a str },
    /// A step of the pipeline ended, which ran these command lines.
    Ended {
        #[serde(flatten)]
        row: &'a Row,
        #[serde(skip)]
        commands: &'a [String],
    },
    /// How the steps of the pipeline ended.
    Pipeline { steps: &'a [Row] },
    /// The command ended.
    Finished { command: &'a str, exit_code: u8, seconds: f64, next: &'a [String] },
}

impl Event<'_> {
    /// Whether it is shown also with `--quiet`: a problem, or the result that the command was asked for.
    pub(super) fn is_loud(&self) -> bool {
        matches!(self, Self::Problem(_) | Self::Output { .. } | Self::Pipeline { .. } | Self::Steps { .. })
    }
}
