//! Events, as data: the interface between the commands and the renderers.

use serde::Serialize;

use super::checks::Checked;
use super::pipeline::{Listed, Row, Running};
use super::status::Status;
use crate::problem::Problem;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// The step did something.
    Done,
    /// There was nothing to do.
    Unchanged,
    /// The step failed.
    Failed,
    /// The step was skipped, because the user asked for that or because this machine lacks something that it needs.
    Skipped,
    /// The step never began, because a step that it needs failed or because the run ended before.
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

/// A set of snapshots.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ListedSnapshot {
    pub(crate) name: String,
    /// The branch that its databases were made or migrated on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) branch: Option<String>,
    /// When it was made: `2026-11-28T18:44:00Z`.
    pub(crate) at: String,
    pub(crate) bytes: i64,
    /// Its databases, by their names in the repository.
    pub(crate) databases: Vec<String>,
    /// The databases whose snapshots aren't there any more.
    pub(crate) missing: Vec<String>,
    /// The checkout that it belongs to, if it is another one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) other_checkout: Option<String>,
}

/// Something that happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Event<'a> {
    /// A step of the pipeline begins.
    Started { step: &'a str },
    /// A step begins work that takes time.
    Doing { step: &'a str, what: &'a str },
    /// A step ended.
    Step { step: &'a str, outcome: Outcome, what: &'a str, seconds: f64 },
    /// A fact worth knowing.
    Note { text: &'a str },
    /// A fact that may surprise the user later.
    Warning { text: &'a str },
    /// The tables of a database.
    Tables { database: &'a str, tables: &'a [ListedTable<'a>] },
    /// The snapshots of the databases.
    Snapshots { snapshots: &'a [ListedSnapshot] },
    /// A question that the user of a terminal has to answer.
    Question { text: &'a str },
    /// An error.
    Problem {
        /// The step of the pipeline that found it.
        #[serde(skip_serializing_if = "Option::is_none")]
        step: Option<&'a str>,
        #[serde(flatten)]
        problem: &'a Problem,
    },
    /// The steps of the pipeline. People see either the proof or the commands of each step.
    Steps {
        steps: &'a [Listed],
        #[serde(skip)]
        explained: bool,
    },
    /// The steps of the pipeline that are under way.
    Running { steps: &'a [Running<'a>] },
    /// The output of a step of the pipeline that failed.
    Output { step: &'a str, text: &'a str },
    /// A step of the pipeline ended. It ran these command lines.
    Ended {
        #[serde(flatten)]
        row: &'a Row,
        #[serde(skip)]
        commands: &'a [String],
    },
    /// The results of checks.
    Checks { checks: &'a [Checked] },
    /// The state of the servers and the databases. People see all of it, or at most one line.
    Status {
        #[serde(flatten)]
        status: &'a Status,
        #[serde(skip)]
        brief: bool,
    },
    /// The URL of a database.
    Url { database: &'a str, url: &'a str },
    /// The results of the steps of the pipeline.
    Pipeline { steps: &'a [Row] },
    /// The command ended. People aren't told if the command has nothing to say beside its result.
    Finished {
        command: &'a str,
        exit_code: u8,
        seconds: f64,
        next: &'a [String],
        #[serde(skip)]
        silent: bool,
    },
}

impl Event<'_> {
    /// Returns whether the event is shown even with `--quiet`. It is a problem, or the result that the user asked for.
    pub(super) fn is_loud(&self) -> bool {
        matches!(
            self,
            Self::Problem { .. }
                | Self::Question { .. }
                | Self::Snapshots { .. }
                | Self::Output { .. }
                | Self::Checks { .. }
                | Self::Pipeline { .. }
                | Self::Steps { .. }
                | Self::Url { .. }
        )
    }
}
