//! The setup lock of a server: one run at a time makes databases and migrates them.
//!
//! It is an advisory lock in the server's maintenance database. It is held on its own connection, so the server
//! releases it when the run ends in any way. A run polls it with `pg_try_advisory_lock`. A session that waits in
//! `pg_advisory_lock` would hold a snapshot, and CREATE INDEX CONCURRENTLY would wait for that snapshot: a deadlock.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::room;
use crate::connection::{deadline, session, working};
use crate::context::Context;
use crate::database_url::{Address, DatabaseUrl};
use crate::problem::{Code, Problem};
use crate::report::Reporter;
use crate::target::Target;

/// The lock's key, "xtask db" in ASCII. It is the same for every checkout, because checkouts can share a server.
const KEY: i64 = 0x7874_6173_6b20_6462;

/// The pause between two attempts to take the lock.
const POLL: Duration = Duration::from_millis(10);

/// The lock. It is held until this value is dropped or released.
pub(crate) struct SetupLock {
    connection: PgConnection,
    address: Address,
    session: i32,
}

/// Names the session that took a lock, for other sessions of the server.
#[derive(Clone)]
pub(crate) struct Holder {
    address: Address,
    session: i32,
}

impl Holder {
    /// Whether the lock is of the server at this address.
    pub(super) fn is_at(&self, address: &Address) -> bool {
        self.address.same_server(address)
    }

    /// An SQL condition that is true while that session holds the lock. A session can lose it: the server may end the
    /// session, and this program notices that only when it uses the session again.
    pub(super) fn condition(&self) -> String {
        format!("EXISTS (SELECT FROM pg_catalog.pg_locks AS lock WHERE pid = {} AND {})", self.session, is_the_lock())
    }
}

impl SetupLock {
    /// Waits for the lock, with a notice that names the holder.
    ///
    /// # Errors
    /// The maintenance database refuses the login, or the holder keeps the lock for longer than `patience`.
    pub(crate) async fn take(url: &DatabaseUrl, run: &str, patience: Duration, reporter: &Reporter) -> Result<Self> {
        let limit = deadline::for_an_answer(patience);
        let mut connection = deadline::within(limit, &url.address, working::maintenance(url, run)).await?;
        let deadline = Instant::now() + patience;
        let mut told = false;
        loop {
            let attempt = "SELECT pg_try_advisory_lock($1), pg_backend_pid()";
            let row = sqlx::query(attempt).bind(KEY).fetch_one(&mut connection);
            let row = deadline::within(limit, &url.address, row).await?;
            if row.try_get(0)? {
                return Ok(Self { connection, address: url.address.clone(), session: row.try_get(1)? });
            }
            let late = Instant::now() >= deadline;
            if late || !told {
                let found = deadline::within(limit, &url.address, held_by(&mut connection)).await?;
                let process = found.as_ref().map(|holder| holder.process);
                let holder = found.map_or_else(|| "another run".to_owned(), |holder| holder.to_string());
                if late {
                    let problem = Problem::failed(
                        Code::ServerBusy,
                        format!(
                            "The setup lock of {} was not free within {} s: {holder} holds it.",
                            url.address,
                            patience.as_secs()
                        ),
                    )
                    .detail("Nothing was changed.")
                    .remedy("Wait until that run ends, or stop it. Then run this command again.")
                    .remedy("or wait longer: cargo xtask db-setup --timeout 600");
                    let end = process.map(|process| {
                        format!("or, if that run is gone, end its session: SELECT pg_terminate_backend({process});")
                    });
                    return Err(end.into_iter().fold(problem, Problem::remedy).into());
                }
                reporter.note(&format!("Waiting for {holder}, which is setting up databases at {}.", url.address));
                told = true;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The session that holds the lock, for other statements.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// The session that holds the lock, for sessions that work under it.
    pub(crate) fn holder(&self) -> Holder {
        Holder { address: self.address.clone(), session: self.session }
    }

    /// The address of the lock's server.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Releases the lock.
    pub(crate) async fn release(self) {
        session::close(self.connection).await;
    }
}

/// An SQL condition that is true for the row of the lock in `pg_locks AS lock`.
fn is_the_lock() -> String {
    // pg_locks shows a bigint key in two halves, classid and objid, with objsubid 1 (pg_locks in PostgreSQL's manual).
    let (high, low) = (KEY >> 32, KEY & 0xffff_ffff);
    format!(
        "lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1 AND lock.classid = {high} AND lock.objid = {low}"
    )
}

/// The session that holds the lock.
pub(crate) struct HeldBy {
    /// The name of the session, which tells the run. It is empty if the session has none.
    name: String,
    /// Its process on the server.
    pub(crate) process: i32,
}

impl fmt::Display for HeldBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, process } = self;
        match name.as_str() {
            "" => write!(f, "another run (PostgreSQL's process {process})"),
            name => write!(f, "\"{name}\" (PostgreSQL's process {process})"),
        }
    }
}

/// Returns who holds the lock. `None` if nobody does. The lock isn't taken.
///
/// # Errors
/// The query fails.
pub(super) async fn held_by(connection: &mut PgConnection) -> Result<Option<HeldBy>, sqlx::Error> {
    let statement = format!(
        "SELECT activity.application_name, activity.pid FROM pg_locks AS lock \
         JOIN pg_stat_activity AS activity USING (pid) WHERE {}",
        is_the_lock()
    );
    let row = sqlx::query(AssertSqlSafe(statement)).fetch_optional(connection).await?;
    let Some(row) = row else { return Ok(None) };
    let name: Option<String> = row.try_get(0)?;
    Ok(Some(HeldBy { name: name.unwrap_or_default(), process: row.try_get(1)? }))
}

/// Takes the lock of each server of these databases, for the command that other runs are told of.
///
/// # Errors
/// The errors of [`SetupLock::take`], or a role may not have as many sessions there as the run needs.
pub(super) async fn take_all(
    targets: &[Target<'_>],
    command: &str,
    patience: Duration,
    context: Context<'_>,
) -> Result<Vec<SetupLock>> {
    let folder = context.workspace.root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // The sessions that write are known by "xtask migrate ", and this one isn't one of them.
    let command = command.replace(' ', "-");
    let name: String = format!("xtask {command} {} in {folder}", std::process::id()).chars().take(60).collect();
    let mut locks = Vec::new();
    for (url, databases) in servers(targets) {
        let mut lock = SetupLock::take(url, &name, patience, context.reporter).await?;
        let checked = room::check(lock.connection(), url, databases);
        deadline::within(deadline::for_an_answer(patience), &url.address, checked).await?;
        locks.push(lock);
    }
    Ok(locks)
}

/// The servers of these databases, each once and always in the same order, so that two runs can't wait for each other. With
/// each, the number of databases there that belong to the role of its first URL.
pub(super) fn servers<'t>(targets: &'t [Target<'_>]) -> Vec<(&'t DatabaseUrl, usize)> {
    let mut servers: Vec<(&DatabaseUrl, usize)> = Vec::new();
    for Target { url, .. } in targets {
        match servers.iter_mut().find(|(other, _)| other.address.same_server(&url.address)) {
            Some((other, databases)) => *databases += usize::from(other.user == url.user),
            None => servers.push((url, 1)),
        }
    }
    servers.sort_by_key(|(url, _)| url.address.to_string());
    servers
}
