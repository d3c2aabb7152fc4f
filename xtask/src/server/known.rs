//! What a checkout knows about the server at an address. Nothing is started or written, and Docker isn't asked, because that
//! takes longer than everything else.

use super::ladder::Ladder;
#[cfg(unix)]
use super::local::Cluster;
use super::{Provider, no_server};
use crate::database_url::Address;
use crate::env_file::Settings;
use crate::problem::{Code, Problem};

impl Ladder<'_> {
    /// Whether this checkout's private cluster is the server at the address.
    pub(crate) fn has_cluster_at(&self, address: &Address) -> bool {
        #[cfg(unix)]
        return address.is_loopback()
            && Cluster::locate(self.root()).is_ok_and(|cluster| cluster.seems_to_run_at(address.port));
        #[cfg(not(unix))]
        return false;
    }

    /// The provider of the server at the address, as this checkout has written it down.
    pub(crate) fn known(&self, settings: &Settings<'_>, address: &Address, answers: bool) -> Option<Provider> {
        if self.has_cluster_at(address) {
            return Some(Provider::Local);
        }
        let is_ours_to_start = settings.first_url().address.same_server(address);
        match self.record().uses.filter(|_| is_ours_to_start) {
            Some(Provider::Compose) => Some(Provider::Compose),
            // The cluster doesn't run, so another server has taken its port.
            Some(Provider::Local) if !answers => Some(Provider::Local),
            Some(Provider::Running) if self.record().uses_running(address) => Some(Provider::Running),
            _ => answers.then_some(Provider::Running),
        }
    }

    /// Where a provider that this program starts keeps the data.
    pub(crate) fn keeps(&self, provider: Provider) -> Option<String> {
        (provider != Provider::Running).then(|| self.place(provider))
    }

    /// The problem that nothing listens at the address.
    pub(crate) fn absent(&self, provider: Option<Provider>, address: &Address, said: &str) -> Problem {
        match provider {
            Some(Provider::Running) => no_server::data_is_elsewhere(address, said),
            Some(provider) => Problem::unavailable(
                Code::DataServerStopped,
                format!("The server at {address} has this checkout's databases, and doesn't answer: {said}."),
            )
            .detail(format!("They are in {}.", self.place(provider)))
            .remedy("Start it: cargo xtask db-setup"),
            None => Problem::unavailable(Code::DatabaseUnreachable, format!("{address} can't be reached: {said}."))
                .remedy("cargo xtask db-setup"),
        }
    }
}
