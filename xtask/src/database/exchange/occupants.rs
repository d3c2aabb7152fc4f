//! The sessions in databases that are copied or renamed. Both need databases without sessions.
//!
//! A statement that copies or renames a database locks it first, so nobody can connect any more, and then waits a few seconds
//! for the sessions that are there. So they are ended while it waits, and a program that connects again at once isn't faster.

use std::collections::BTreeSet;
use std::fmt;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::{Either, select};
use sqlx::postgres::{PgConnection, PgDatabaseError};
use sqlx::{AssertSqlSafe, Row};

use super::super::watch::LOOK;
use crate::connection::deadline::{self, Run};
use crate::connection::sql::literal;
use crate::problem::{Code, Problem};
use crate::report::Reporter;
use crate::target::Target;

/// How long the sessions are waited for that were asked to end.
const END: Duration = Duration::from_secs(5);

/// The pauses between two looks: at sessions that were asked to end, and at the databases of a statement that waits.
const LOOKS: (Duration, Duration) = (Duration::from_millis(3), Duration::from_millis(50));

/// How many looks are made at that pause. The server waits five seconds for the sessions, and a copy takes longer.
const QUICK_LOOKS: u32 = 120;

/// A session in one of the databases.
#[derive(Clone, Debug)]
pub(crate) struct Occupant {
    process: i32,
    database: String,
    user: String,
    application: String,
    since: String,
    is_in_transaction: bool,
    /// Whether it belongs to this program.
    is_own: bool,
    /// Whether the role may end it.
    may_end: bool,
}

impl fmt::Display for Occupant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, database, user, application, since, is_in_transaction, .. } = self;
        let transaction = if *is_in_transaction { ", in a transaction" } else { "" };
        let name = if application.is_empty() { "a session".to_owned() } else { format!("\"{application}\"") };
        // The server hides the rest of another role's session.
        let since = if since.is_empty() { String::new() } else { format!(", since {since}") };
        write!(f, "{name} in {database} (role {user}{since}{transaction}, PostgreSQL's process {process})")
    }
}

/// Returns the sessions in these databases.
///
/// # Errors
/// The query fails.
pub(crate) async fn look(connection: &mut PgConnection, databases: &[&str]) -> Result<Vec<Occupant>, sqlx::Error> {
    let names: Vec<_> = databases.iter().map(|name| literal(name)).collect();
    let statement = format!(
        "SELECT pid, datname::text, coalesce(usename::text, ''), coalesce(application_name, ''), \
         coalesce(to_char(backend_start, 'HH24:MI:SS'), ''), xact_start IS NOT NULL, \
         usename = current_user AND application_name LIKE 'xtask%', \
         coalesce(pg_has_role(current_user, usesysid, 'USAGE') OR pg_has_role(current_user, 'pg_signal_backend', 'USAGE') \
         AND NOT (SELECT rolsuper FROM pg_roles WHERE oid = usesysid), false) \
         FROM pg_stat_activity WHERE datname IN ({}) AND pid <> pg_backend_pid() \
         AND usesysid IS NOT NULL AND backend_type IS DISTINCT FROM 'autovacuum worker' ORDER BY backend_start",
        names.join(", ")
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(connection).await?;
    let occupant = |row: &sqlx::postgres::PgRow| {
        Ok(Occupant {
            process: row.try_get(0)?,
            database: row.try_get(1)?,
            user: row.try_get(2)?,
            application: row.try_get(3)?,
            since: row.try_get(4)?,
            is_in_transaction: row.try_get(5)?,
            is_own: row.try_get::<Option<bool>, _>(6)?.unwrap_or(false),
            may_end: row.try_get(7)?,
        })
    };
    rows.iter().map(occupant).collect()
}

/// Ends the sessions in some databases, from a session that is in none of them.
pub(super) struct Ender<'a> {
    pub(super) connection: &'a mut PgConnection,
    pub(super) databases: &'a [&'a str],
    pub(super) target: &'a Target<'a>,
    pub(super) reporter: &'a Reporter,
    /// What the statement does with the databases.
    pub(super) run: Run,
}

impl Ender<'_> {
    /// Does the work of a statement that needs the databases without sessions, and ends those that are there.
    ///
    /// # Errors
    /// The role may not end a session, the errors of the work, or the server is silent.
    pub(super) async fn alone<T>(mut self, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T> {
        let mut told = BTreeSet::new();
        let first = self.refuse_closed().await?;
        self.end(&first, &mut told).await?;
        let deadline = Instant::now() + END;
        let mut left = first.clone();
        while left.iter().any(|session| first.iter().any(|first| first.process == session.process)) {
            if Instant::now() > deadline {
                return Err(self.in_use(&left, None).into());
            }
            tokio::time::sleep(LOOKS.0).await;
            left = self.refuse_closed().await?;
            self.end(&left, &mut told).await?;
        }
        let mut work = pin!(work);
        for looks in 0_u32.. {
            let pause = if looks < QUICK_LOOKS { LOOKS.1 } else { LOOK };
            let pause = pin!(tokio::time::sleep(pause));
            match select(work.as_mut(), pause).await {
                Either::Left((Ok(done), _)) => return Ok(done),
                Either::Left((Err(error), _)) => return Err(self.explain(error).await),
                // A session that can't be ended is the statement's to report, because it may still succeed.
                Either::Right(_) => {
                    let found = self.look().await?;
                    self.end(&found, &mut told).await?;
                }
            }
        }
        Ok(work.await?)
    }

    /// Returns the sessions, if the role may end all of them.
    ///
    /// # Errors
    /// It may not end one, or the server is silent.
    pub(super) async fn refuse_closed(&mut self) -> Result<Vec<Occupant>> {
        let found = self.look().await?;
        let closed: Vec<_> = found.iter().filter(|session| !session.may_end).cloned().collect();
        if closed.is_empty() { Ok(found) } else { Err(self.in_use(&closed, None).into()) }
    }

    /// Asks the sessions to end that the role may end, and names each program once, however often it connects again.
    async fn end(&mut self, found: &[Occupant], told: &mut BTreeSet<String>) -> Result<()> {
        for session in found.iter().filter(|session| session.may_end) {
            let Occupant { process, database, user, application, is_own, .. } = session;
            let end = format!("SELECT pg_terminate_backend({process})");
            let end = sqlx::raw_sql(AssertSqlSafe(end)).execute(&mut *self.connection);
            deadline::bounded(self.target.limit, &self.target.url.address, self.run, end).await?;
            if !is_own && told.insert(format!("{database}\n{user}\n{application}")) {
                self.reporter.note(&format!("Ended {session}."));
            }
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<Vec<Occupant>> {
        let look = look(self.connection, self.databases);
        deadline::bounded(self.target.limit, &self.target.url.address, self.run, look).await
    }

    async fn explain(&mut self, error: sqlx::Error) -> anyhow::Error {
        let Some(database) = error.as_database_error().filter(|error| error.code().as_deref() == Some("55006")) else {
            return error.into();
        };
        let said = database.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::detail);
        let said = format!("{}{}", database.message(), said.map(|detail| format!(": {detail}")).unwrap_or_default());
        match self.look().await {
            Ok(left) => self.in_use(&left, Some(said)).into(),
            Err(error) => error,
        }
    }

    fn in_use(&self, sessions: &[Occupant], said: Option<String>) -> Problem {
        let what = format!("Others use {}, and this run can't end that.", self.databases.join(" and "));
        let ends = sessions.iter().map(|session| format!("SELECT pg_terminate_backend({});", session.process));
        let ends: Vec<_> = ends.collect();
        let problem = Problem::failed(Code::DatabaseInUse, what)
            .details(said)
            .details(sessions.iter().map(ToString::to_string))
            .detail("A database with sessions can't be copied or renamed. Your databases are as they were.");
        if ends.is_empty() {
            return problem;
        }
        problem.remedy(format!(
            "End them, or as a superuser of that server: {}\nThen run the same command again.",
            ends.join(" ")
        ))
    }
}
