//! Watches over a run from the session that holds the setup lock.
//!
//! It uses that session all the time, so nothing between the two ends takes it for idle, and the run notices at once when
//! it is lost. It says what a migration that takes long is waiting for. And it sees when the server has answered a session
//! of this run and the answer doesn't arrive.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::{AssertSqlSafe, Row};

use super::lock::SetupLock;
use crate::connection::deadline::{self, Run};
use crate::connection::sql::literal;
use crate::problem::{Code, Problem};
use crate::report::Reporter;

/// The pause between two looks.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// How often a migration that takes long is shown.
const SAY: Duration = Duration::from_secs(5);

/// The files that are being applied.
#[derive(Default)]
pub(super) struct UnderWay(RefCell<BTreeMap<String, File>>);

struct File {
    stem: String,
    began: Instant,
    said: Instant,
    unseen: Unseen,
}

/// How many looks in a row have not seen the server at work. Looks count and not the time, because a process that was
/// stopped for a while has made none.
#[derive(Default)]
pub(super) struct Unseen(u64);

impl Unseen {
    /// Counts a look. Returns whether the server has not been at work for longer than `limit`.
    pub(super) fn is_too_long(&mut self, is_at_work: bool, limit: Duration) -> bool {
        self.0 = if is_at_work { 0 } else { self.0 + 1 };
        self.0 * LOOK.as_secs() > limit.as_secs()
    }
}

impl UnderWay {
    /// A file is sent to a database.
    pub(super) fn begin(&self, database: &str, stem: &str) {
        let now = Instant::now();
        let file = File { stem: stem.to_owned(), began: now, said: now, unseen: Unseen::default() };
        self.0.borrow_mut().insert(database.to_owned(), file);
    }

    /// Nothing more is applied to a database.
    pub(super) fn end(&self, database: &str) {
        self.0.borrow_mut().remove(database);
    }
}

/// A look at the sessions of a run.
pub(super) struct Watch<'a> {
    /// The name of the run's sessions.
    pub(super) run: &'a str,
    /// How long an answer may take.
    pub(super) limit: Duration,
    pub(super) under_way: &'a UnderWay,
    pub(super) reporter: &'a Reporter,
}

/// A session that the server is working for.
struct Busy {
    database: String,
    waits_for: String,
}

impl Watch<'_> {
    /// Watches until something is wrong. The result says what.
    pub(super) async fn over(&self, lock: &mut SetupLock) -> Problem {
        let address = lock.address().clone();
        loop {
            tokio::time::sleep(LOOK).await;
            match tokio::time::timeout(self.limit, self.busy(lock)).await {
                Err(_) => return deadline::silent(&address, self.limit, Run::Migrating),
                Ok(Err(error)) => return lost(&format!("{error:#}")),
                Ok(Ok(busy)) => {
                    if let Some(stem) = self.compare(&busy) {
                        let what = format!("The server isn't working on {stem}, but its answer hasn't arrived here.");
                        return deadline::silent(&address, self.limit, Run::Migrating).detail(what);
                    }
                }
            }
        }
    }

    /// Says what takes long. Returns the name of a file that the server has answered without the answer arriving.
    fn compare(&self, busy: &[Busy]) -> Option<String> {
        for (database, file) in self.under_way.0.borrow_mut().iter_mut() {
            let session = busy.iter().find(|session| session.database == *database);
            if file.unseen.is_too_long(session.is_some(), self.limit) {
                return Some(file.stem.clone());
            }
            let Some(session) = session else { continue };
            if file.said.elapsed() >= SAY {
                file.said = Instant::now();
                let (seconds, waits_for) = (file.began.elapsed().as_secs(), &session.waits_for);
                self.reporter.note(&format!("{database}: {} has run for {seconds} s, and {waits_for}.", file.stem));
            }
        }
        None
    }

    /// The sessions of this run that the server is working for.
    async fn busy(&self, lock: &mut SetupLock) -> Result<Vec<Busy>, sqlx::Error> {
        let statement = format!(
            "SELECT datname::text, CASE WHEN wait_event_type = 'Lock' THEN coalesce('waits for a lock that ' || \
             (SELECT string_agg(format('%s holds (PostgreSQL''s process %s, role %s)', \
             coalesce('\"' || nullif(application_name, '') || '\"', 'a session'), pid, usename), ' and ' ORDER BY pid) \
             FROM pg_stat_activity AS other WHERE other.pid = ANY (pg_blocking_pids(own.pid))), 'waits for a lock') \
             WHEN wait_event_type IS NULL THEN 'is at work' ELSE 'waits for ' || wait_event END \
             FROM pg_stat_activity AS own WHERE application_name = {} AND usename = current_user AND state = 'active' \
             AND datname <> current_database()",
            literal(self.run)
        );
        let rows = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(lock.connection()).await?;
        rows.iter().map(|row| Ok(Busy { database: row.try_get(0)?, waits_for: row.try_get(1)? })).collect()
    }
}

/// The problem of a run whose lock is gone with its session.
fn lost(why: &str) -> Problem {
    Problem::unavailable(
        Code::ConnectionLost,
        format!("This run was stopped, because the session that holds the setup lock was lost: {why}."),
    )
    .detail("Another run may be at work by now.")
    .detail(deadline::STATE)
    .remedy("Run it again: cargo xtask db-setup")
    .remedy("If it happens again, the server's log says why it ends sessions.")
}
