//! Where PostgreSQL comes from: a ladder of providers.
//!
//! A server that answers at the URLs' address is used. If there is none, compose starts one. If compose can't be used,
//! PostgreSQL's binaries run as a private cluster of this checkout: those of this machine, or else those that are fetched
//! for it. Each rung that is skipped is reported, with the reason and the way to fix it.

pub(crate) mod compose;
mod known;
mod ladder;
#[cfg(unix)]
pub(crate) mod local;
mod look;
mod no_server;
pub(crate) mod psql;
mod record;
mod roles;

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use self::compose::Unusable;
pub(crate) use self::ladder::Ladder;
pub(crate) use self::look::Look;
pub(crate) use self::no_server::own_server;
pub(crate) use self::record::Record;
use crate::database_url::Address;
use crate::problem::Problem;

/// The oldest major version of PostgreSQL that migrations are written for.
pub(crate) const OLDEST: u32 = 15;

/// How many ports above the wanted one are tried.
const PORTS: u16 = 100;

/// The provider that the user wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    /// A server that answers at the URLs' address, else compose, else local, else fetched.
    #[default]
    Auto,
    /// Only a server that answers at the URLs' address.
    Running,
    /// The container of compose.yaml.
    Compose,
    /// PostgreSQL's binaries on this machine, as a private cluster of this checkout.
    Local,
    /// PostgreSQL's binaries, fetched once for this user, as a private cluster of this checkout.
    Fetched,
}

/// What the ladder tries, as `--server` names it. Two rungs make a private cluster. They differ in where its binaries come
/// from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rung {
    Running,
    Compose,
    Local,
    Fetched,
}

/// Where a server comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    /// It ran already. This program didn't start it.
    Running,
    /// The container of this checkout.
    Compose,
    /// The private cluster of this checkout.
    Local,
}

/// A server that is ready.
pub(crate) struct Server {
    pub(crate) provider: Provider,
    pub(crate) address: Address,
    /// The version, such as `15.18`. It is empty if the server wasn't asked yet.
    pub(crate) version: String,
    /// Whether it belongs to this checkout, which may have started it in an earlier run.
    pub(crate) is_own: bool,
    /// The checkouts that the databases there belong to, if this one shares them from now on.
    pub(crate) others: Vec<PathBuf>,
}

impl Server {
    /// A few words about it.
    pub(crate) fn describe(&self) -> String {
        let Self { provider, address, version, .. } = self;
        let space = if version.is_empty() { "" } else { " " };
        match provider {
            Provider::Running => format!("PostgreSQL{space}{version} answers at {address}"),
            Provider::Compose => format!("PostgreSQL{space}{version} at {address}, in a container"),
            Provider::Local => format!("PostgreSQL{space}{version} at {address}, a private cluster of this checkout"),
        }
    }
}

/// The reason why a provider started no server.
pub(crate) enum StartError {
    /// Another program listens on the port.
    PortTaken,
    /// The provider can't be used here. Another one may be usable.
    Unusable(Unusable),
    /// The provider can be used, but it failed.
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

impl Rung {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fetched => "fetched",
            other => other.provider().name(),
        }
    }

    pub(crate) fn provider(self) -> Provider {
        match self {
            Self::Running => Provider::Running,
            Self::Compose => Provider::Compose,
            Self::Local | Self::Fetched => Provider::Local,
        }
    }
}

impl Provider {
    /// The name of the provider, as the record has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Compose => "compose",
            Self::Local => "local",
        }
    }
}

/// Returns the first port above the address's one that nothing listens on.
pub(crate) fn free_port(address: &Address) -> Option<u16> {
    let from = address.port.saturating_add(1);
    #[cfg(unix)]
    let is_free = |port: &u16| local::port_is_free(&Address { host: address.host.clone(), port: *port });
    #[cfg(not(unix))]
    let is_free = |_: &u16| true;
    (from..from.saturating_add(PORTS)).find(is_free)
}

/// Returns whether this checkout has a private cluster, whether its server runs or not.
pub(crate) fn has_cluster(root: &Path) -> bool {
    #[cfg(unix)]
    return local::Cluster::locate(root).is_ok_and(|cluster| cluster.exists());
    #[cfg(not(unix))]
    return false;
}
