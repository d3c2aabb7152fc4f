//! The record of the server that this checkout last started. `db-stop` stops that server, and the next run starts it
//! again.

use std::path::Path;

use super::Provider;
use crate::checkout;

const FILE: &str = "server";

/// Reads and writes the name of the provider in the folder of the checkout's state.
pub(crate) struct Record;

impl Record {
    pub(crate) fn read(root: &Path) -> Option<Provider> {
        let text = std::fs::read_to_string(checkout::state_dir(root).join(FILE)).ok()?;
        [Provider::Compose, Provider::Local].into_iter().find(|provider| provider.name() == text.trim())
    }

    /// Writes the record. A failure is no error: without a record, the providers are tried in their usual order.
    pub(crate) fn write(root: &Path, provider: Provider) {
        if Self::read(root) != Some(provider) {
            drop(checkout::make_state_dir(root).map(|dir| std::fs::write(dir.join(FILE), provider.name())));
        }
    }
}
