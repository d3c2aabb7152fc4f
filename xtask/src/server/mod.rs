//! Where PostgreSQL comes from: a ladder of providers.
//!
//! Something answers at the URLs' address: that is used. Else compose; else PostgreSQL's binaries, as a private
//! cluster of this checkout. Each provider that is skipped is reported with the reason and with what would mend it.

pub(crate) mod compose;
mod ladder;
#[cfg(unix)]
pub(crate) mod local;
mod no_server;
mod record;
mod roles;

use clap::ValueEnum;

use self::compose::Unusable;
pub(crate) use self::ladder::{Ladder, Look};
pub(crate) use self::record::Record;
use crate::database_url::Address;
use crate::problem::Problem;

/// The oldest major version of PostgreSQL that migrations are written for.
pub(crate) const OLDEST: u32 = 15;

/// Which provider the user wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// What answers at the URLs' address, else compose, else local.
    #[default]
    Auto,
    /// What answers at the URLs' address, and nothing else.
    Running,
    /// The container of compose.yaml.
    Compose,
    /// PostgreSQL's binaries on this machine, as a private cluster of this checkout.
    Local,
}

/// Where a server comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    /// It ran already; it isn't ours.
    Running,
    /// Our container.
    Compose,
    /// Our private cluster.
    Local,
}

/// A server that is ready.
pub(crate) struct Server {
    pub(crate) provider: Provider,
    pub(crate) address: Address,
    /// Such as `15.18`; empty if nobody has asked yet.
    pub(crate) version: String,
}

/// Why a provider has no server for us.
pub(crate) enum StartError {
    /// Something else listens on the port.
    PortTaken,
    /// The provider can't be used here; another one may.
    Unusable(Unusable),
    /// It can be used, and failed.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for StartError {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Problem> for StartError {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem.into())
    }
}

impl Provider {
    /// As `--server` names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Compose => "compose",
            Self::Local => "local",
        }
    }
}
