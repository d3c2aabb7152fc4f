//! The setup lock of a server: one run at a time makes databases and migrates them.
//!
//! It is an advisory lock in the server's maintenance database, held on a connection of its own, so that the server
//! lets go of it when the run ends, however it ends. It is polled with `pg_try_advisory_lock`: a session that waits
//! in `pg_advisory_lock` holds a snapshot, for which CREATE INDEX CONCURRENTLY waits in turn: a deadlock.

use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use crate::connection::session;
use crate::database_url::DatabaseUrl;
use crate::problem::Problem;
use crate::report::Reporter;

/// "xtask db" in ASCII: the same for every checkout, since they share the server.
const KEY: i64 = 0x7874_6173_6b20_6462;

/// How often it is asked for.
const POLL: Duration = Duration::from_millis(10);

/// Held until it is dropped or released.
pub(crate) struct SetupLock {
    connection: PgConnection,
}

impl SetupLock {
    /// Waits for it, with a notice that names the holder.
    ///
    /// # Errors
    /// The maintenance database doesn't let us in, or the holder kept the lock for longer than `patience`.
    pub(crate) async fn take(url: &DatabaseUrl, run: &str, patience: Duration, reporter: &Reporter) -> Result<Self> {
        let mut connection = session::maintenance(url, run).await?;
        let deadline = Instant::now() + patience;
        let mut told = false;
        loop {
            let row = sqlx::query("SELECT pg_try_advisory_lock($1)").bind(KEY).fetch_one(&mut connection).await?;
            if row.try_get(0)? {
                return Ok(Self { connection });
            }
            let late = Instant::now() >= deadline;
            if late || !told {
                let holder = holder(&mut connection).await?;
                if late {
                    return Err(Problem::failed(format!(
                        "{holder} has held the setup lock of {} for {} s; it was not waited for any longer.",
                        url.address,
                        patience.as_secs()
                    ))
                    .detail("Nothing was changed.")
                    .remedy("Wait for it to end, or end it, and type the command again.")
                    .remedy("or wait longer: --timeout SECONDS")
                    .into());
                }
                reporter.note(&format!("Waiting for {holder}, which is setting up databases at {}.", url.address));
                told = true;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The session that holds it, for statements of its own.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Lets go of it.
    pub(crate) async fn release(self) {
        session::close(self.connection).await;
    }
}

/// Who holds the lock: the name that its session goes by.
async fn holder(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    // A bigint key stands in two halves: classid and objid, with objsubid 1 (pg_locks in PostgreSQL's manual).
    let row = sqlx::query(
        "SELECT activity.application_name, activity.pid FROM pg_locks AS lock JOIN pg_stat_activity AS activity USING (pid) \
         WHERE lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1 \
         AND lock.classid::bigint = $1 >> 32 AND lock.objid::bigint = $1 & 4294967295",
    )
    .bind(KEY)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else {
        return Ok("Another run".into());
    };
    let (name, pid): (Option<String>, i32) = (row.try_get(0)?, row.try_get(1)?);
    Ok(match name.filter(|name| !name.is_empty()) {
        Some(name) => format!("\"{name}\" (PostgreSQL's process {pid})"),
        None => format!("Another run (PostgreSQL's process {pid})"),
    })
}
