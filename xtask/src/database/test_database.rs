//! A database of one test: a copy of its template ([`super::template`]), dropped when the test ends.
//!
//! Its name is `<database>_test_<12 hex digits>`, and the test's process holds a lock as for a scratch database
//! ([`super::held`]). The server gives up the lock of a process that is killed, and the next test drops the database.

use anyhow::Result;
use sqlx::postgres::PgConnection;

use super::held::{self, InUse, Name, Patience};
use super::marked::{self, TEST};
use super::{create, template};
use crate::connection::{declared, session, working};
use crate::database_url::DatabaseUrl;
use crate::problem::{Code, Problem};
use crate::target::Target;

/// A database of one test.
pub(crate) struct TestDatabase {
    name: String,
    /// In the maintenance database. It holds the lock.
    session: PgConnection,
    _in_use: InUse,
}

/// Checks that tests can have databases on the server of `url`: it can be written to, and no pooler answers in its place; the
/// URL's role may make databases, and act as these roles.
///
/// # Errors
/// They can't. The error says why.
pub(crate) async fn check_server(url: &DatabaseUrl, roles: &[String], run: &str) -> Result<()> {
    let mut connection = working::maintenance(url, run).await?;
    let checked = async {
        create::check_may_make(&mut connection, url).await?;
        let declared = declared::look(&mut connection, roles).await?;
        let Some(role) = declared.iter().find(|role| !role.is_usable()) else { return Ok(()) };
        let what = format!("{} can't act as the role {} at {}.", url.user, role.name, url.address);
        Err(Problem::unavailable(Code::DatabaseUnreachable, what).remedy("cargo xtask db-setup").into())
    };
    let checked = checked.await;
    session::close(connection).await;
    checked
}

impl TestDatabase {
    /// Makes a database with all migrations on the server of `target`, which has passed [`check_server`]. `run` is the name
    /// of the sessions. If `sweeps` is true, it also drops those that killed tests have left.
    ///
    /// # Errors
    /// A migration fails, or the server refuses something.
    pub(crate) async fn make(target: &Target<'_>, run: &str, sweeps: bool) -> Result<Self> {
        let mut session = session::maintenance(&target.url, run).await?;
        working::settle(&mut session).await?;
        match Self::copy(&mut session, target, run).await {
            Ok((name, _in_use)) => {
                if sweeps {
                    // What is left only takes room.
                    drop(sweep(&mut session, target).await);
                }
                Ok(Self { name, session, _in_use })
            }
            Err(error) => {
                session::close(session).await;
                Err(error)
            }
        }
    }

    async fn copy(session: &mut PgConnection, target: &Target<'_>, run: &str) -> Result<(String, InUse)> {
        let template = template::hold(session, target, run).await?;
        let Name { text: name, key } = TEST.new_held(&target.url.database);
        let in_use = InUse::new(key);
        held::try_lock(session, key).await?;
        let made = create::copy(session, &template.text, &name, &TEST.limit()).await;
        template::release(session, &template).await?;
        made.map_err(|error| create::cannot_make(&target.url, "A database for tests", &error))?;
        Ok((name, in_use))
    }

    /// Its name on the server.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Ends the sessions in it, and drops it.
    ///
    /// # Errors
    /// The server refuses, or is gone.
    pub(crate) async fn discard(mut self) -> Result<()> {
        // DROP DATABASE looks only every 0.1 s whether the sessions that it ends are gone.
        session::end_in(&mut self.session, &self.name).await?;
        marked::drop_database(&mut self.session, &self.name).await?;
        session::close(self.session).await;
        Ok(())
    }
}

/// Drops the databases that killed tests have left for the database of `target`.
async fn sweep(session: &mut PgConnection, target: &Target<'_>) -> Result<(), sqlx::Error> {
    let found = TEST.find(session, std::slice::from_ref(target)).await?;
    held::sweep(session, found, Patience::None).await.map(drop)
}
