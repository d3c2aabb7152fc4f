//! A database of the workspace together with the URL that leads to it.

use std::path::Path;
use std::time::Duration;

use crate::database_url::DatabaseUrl;
use crate::problem::{Code, Problem};
use crate::workspace::Database;

/// The longest time that an answer of a server may take, unless the user says something else.
pub(crate) const LONGEST_ANSWER: Duration = Duration::from_secs(60);

/// A database of the workspace, and where it is.
#[derive(Clone)]
pub(crate) struct Target<'w> {
    /// The root of the workspace. The paths of the database's files are relative to it.
    pub(crate) root: &'w Path,
    /// The database as the repository describes it.
    pub(crate) database: &'w Database,
    /// The server, the login and the name of the database there.
    pub(crate) url: DatabaseUrl,
    /// How long an answer of the server may take.
    pub(crate) limit: Duration,
}

impl Target<'_> {
    /// Refuses to run a program in a database that isn't on this machine, unless the user has allowed it.
    ///
    /// # Errors
    /// The server is on another machine. `command` is the one that uses it all the same.
    pub(crate) fn refuse_remote(&self, is_allowed: bool, program: &str, command: &str) -> Result<(), Problem> {
        let DatabaseUrl { database, address, variable, .. } = &self.url;
        if address.is_loopback() || is_allowed {
            return Ok(());
        }
        let what = format!("{database} ({address}) isn't on this machine; {program} wasn't run.");
        Err(Problem::unavailable(Code::RemoteHost, what)
            .detail(format!("The host is named by {variable}. Nothing was asked or changed there."))
            .remedy(format!("If you mean that server: {command}")))
    }
}
