//! Databases that are as the repository describes them, and what is said about them.

use std::time::Duration;

use super::privileges;
use super::proof::Measured;
use crate::report::{Outcome, Reporter, count};
use crate::target::Target;

/// Databases that are proven.
pub(crate) struct Ready {
    /// The server, such as `PostgreSQL 15.18 at localhost:5432`.
    pub(crate) server: String,
    pub(super) databases: Vec<Proven>,
    /// The databases that got this checkout's stamp, although nothing else was to be done.
    pub(crate) stamped: Vec<String>,
}

/// A database that is proven.
pub(super) struct Proven {
    /// The name in the repository.
    pub(super) name: String,
    /// The name on the server.
    pub(super) database: String,
    pub(super) applied: usize,
    pub(super) measured: Measured,
    pub(super) took: Duration,
    /// A summary of the changes, if there were any.
    pub(super) done: Option<String>,
}

impl Proven {
    fn describe(&self) -> String {
        let Self { database, applied, measured, .. } = self;
        as_it_should_be(database, *applied, measured.proven())
    }
}

/// Says that a database needs nothing. `proof` says in a few words what is proven.
pub(super) fn as_it_should_be(database: &str, applied: usize, proof: &str) -> String {
    format!("{database} is as it should be: {} applied, {proof}", count(applied, "migration"))
}

impl Ready {
    /// The name of each database in the repository, with a few words about it.
    pub(crate) fn describe(&self) -> impl Iterator<Item = (&str, String)> {
        self.databases.iter().map(|proven| (proven.name.as_str(), proven.describe()))
    }

    /// Whether a role that a database declares is missing, or the URL's role may not act as it.
    pub(crate) fn lacks_roles(&self) -> bool {
        self.databases.iter().flat_map(|proven| &proven.measured.declared).any(|role| !role.is_usable())
    }

    /// Shows what was done with the databases.
    pub(crate) fn show_done(&self, reporter: &Reporter) {
        for Proven { name, done, took, .. } in &self.databases {
            if let Some(done) = done {
                reporter.step_took(name, Outcome::Done, done, *took);
            }
        }
    }

    /// Shows the databases that needed no change, says what isn't proven, and lists the tables of all databases.
    pub(crate) fn show(&self, targets: &[Target<'_>], reporter: &Reporter) {
        for proven in self.databases.iter().filter(|proven| proven.done.is_none()) {
            reporter.step_took(&proven.name, Outcome::Unchanged, &proven.describe(), proven.took);
        }
        for proven in &self.databases {
            for target in targets.iter().filter(|target| target.database.name == proven.name) {
                privileges::warn(target, &proven.measured.declared, reporter);
            }
        }
        for proven in &self.databases {
            reporter.tables(&proven.database, &proven.measured.listed());
        }
    }
}
