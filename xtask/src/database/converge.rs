//! Brings the databases to the state that the repository describes: made, migrated and proven.
//!
//! Databases that are in this state already are only looked at ([`super::present`]), without a lock. Everything else
//! happens under the setup lock. All databases are set up at the same time, each on its own connection. A failure in
//! one doesn't stop the others.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::{Either, join_all, select, select_all};
use sqlx::postgres::PgConnection;

use super::apply::Live;
use super::history::{self, History};
use super::lock::{self, Holder, SetupLock};
use super::proof::{self, Measured};
use super::ready::{Proven, Ready};
use super::texts::{self, Origin};
use super::watch::{UnderWay, Watch};
use super::{apply, create, privileges, scratch};
use crate::connection::deadline::{self, Run};
use crate::connection::readiness::Answer;
use crate::connection::session::{self, Opened};
use crate::connection::sql::identifier;
use crate::connection::{declared, working};
use crate::context::Context;
use crate::database_url::DatabaseUrl;
use crate::migrations::MigrationFile;
use crate::problem::{Code, Exit, Problem, Problems};
use crate::report::{Outcome, Step, count, human};
use crate::stamp::{self, Claim, Found, Whose};
use crate::target::Target;
use crate::workspace::Database;

/// How much longer than any other answer the making of a database may take, on a slow disk.
const TO_MAKE: Duration = Duration::from_secs(60);

/// The databases to set up, and the conditions for that.
pub(crate) struct Goal<'a> {
    pub(crate) context: Context<'a>,
    pub(crate) targets: &'a [Target<'a>],
    /// The name of the command, for runs that wait for this one.
    pub(crate) command: &'a str,
    /// The name of this run's sessions that write.
    pub(crate) run: &'a str,
    /// How long this run waits for another run.
    pub(crate) patience: Duration,
    /// Which databases this checkout takes for its own.
    pub(crate) claim: &'a Claim,
    /// The way to databases of its own, for the message that these are another checkout's.
    pub(crate) own_way: &'a str,
    /// Whether databases that equal the result of the migrations are accepted, even if the committed file is stale.
    pub(crate) accept_stale_file: bool,
}

/// A database that is being set up.
pub(super) struct Open<'a> {
    pub(super) target: &'a Target<'a>,
    pub(super) connection: PgConnection,
    pub(super) rows: Vec<history::Applied>,
    found: Found,
    made: bool,
    pub(super) step: Step<'a>,
}

impl<'a> Goal<'a> {
    /// Makes, migrates and proves the databases.
    ///
    /// # Errors
    /// All problems of all databases, and the state that each is in.
    pub(crate) async fn reach(&self) -> Result<Ready> {
        self.under_lock(async |holders, under_way| self.reach_locked(holders, under_way).await).await
    }

    /// Does work under the setup locks of the databases' servers.
    ///
    /// # Errors
    /// The errors of the work, the databases are another checkout's, or the server ends the work.
    pub(super) async fn under_lock<T>(&self, work: impl AsyncFnOnce(&[Holder], &UnderWay) -> Result<T>) -> Result<T> {
        let mut locks = lock::take_all(self.targets, self.command, self.patience, self.context).await?;
        self.refuse_others(&mut locks).await?;
        for lock in &mut locks {
            let (limit, address) = (deadline::for_an_answer(self.patience), lock.address().clone());
            let swept = scratch::sweep(lock.connection(), self.targets);
            let swept = deadline::within(limit, &address, swept).await?;
            for name in swept.dropped {
                self.context.reporter.note(&format!("Dropped {name}, a scratch database that was left behind."));
            }
            for name in swept.unmarked {
                self.context.reporter.note(&format!(
                    "{name} is named like a scratch database, but it hasn't the mark of one, so it was left alone. If \
                     nobody needs it: DROP DATABASE {};",
                    identifier(&name)
                ));
            }
        }
        let result = self.watched(&mut locks, work).await;
        for lock in locks {
            lock.release().await;
        }
        result
    }

    /// Refuses databases of other checkouts. Another run may have made them while this one waited for the lock.
    async fn refuse_others(&self, locks: &mut [SetupLock]) -> Result<()> {
        let mut others = Vec::new();
        for lock in locks {
            let (limit, address) = (deadline::for_an_answer(self.patience), lock.address().clone());
            let asked = self.claim.others(lock.connection(), self.targets, &address);
            others.extend(deadline::within(limit, &address, asked).await?);
        }
        if others.is_empty() { Ok(()) } else { Err(stamp::refusal(&others, self.own_way).into()) }
    }

    /// Does the work, unless the watch ends it first.
    async fn watched<T>(
        &self,
        locks: &mut [SetupLock],
        work: impl AsyncFnOnce(&[Holder], &UnderWay) -> Result<T>,
    ) -> Result<T> {
        let holders: Vec<Holder> = locks.iter().map(SetupLock::holder).collect();
        let under_way = UnderWay::default();
        let watch = Watch {
            run: self.run,
            limit: deadline::for_an_answer(self.patience),
            under_way: &under_way,
            reporter: self.context.reporter,
        };
        let watched = select_all(locks.iter_mut().map(|lock| Box::pin(watch.over(lock))));
        let work = Box::pin(work(&holders, &under_way));
        match select(work, watched).await {
            Either::Left((result, _)) => result,
            // The work is dropped, and its connections with it. The server rolls back what they were doing.
            Either::Right(((problem, ..), _)) => Err(problem.into()),
        }
    }

    async fn reach_locked(&self, holders: &[Holder], under_way: &UnderWay) -> Result<Ready> {
        let opened = join_all(self.targets.iter().map(|target| self.open(target, true))).await;
        let (mut opened, mut problems) = Problems::split(opened);
        // No migration is applied to any database before every history is known to be good.
        for Open { target, rows, connection, .. } in &mut opened {
            let history = History::compare(target.database, rows);
            problems.0.extend(history.problem(target, rows, connection, self.context.interrupt).await?);
            problems.0.extend(history.empty());
        }
        problems.into_result()?;
        join_all(opened.iter_mut().map(|open| {
            let will_migrate = !History::compare(open.target.database, &open.rows).pending.is_empty();
            self.stamp(open, will_migrate)
        }))
        .await;

        let ended = join_all(opened.into_iter().map(|open| self.migrate_and_prove(open, holders, under_way))).await;
        let (states, results): (Vec<_>, Vec<_>) = ended.into_iter().unzip();
        let (databases, mut problems) = Problems::split(results);
        if let Some(last) = problems.0.last_mut() {
            last.details.push("The databases now:".into());
            last.details.extend(states.into_iter().map(|state| format!("  {state}")));
            if last.exit == Exit::Failed {
                last.remedies.push("Correct the migration, then run: cargo xtask db-setup".into());
            }
        }
        problems.into_result()?;
        Ok(Ready { server: String::new(), databases, stamped: Vec::new() })
    }

    /// Makes the database if it is missing and `may_make`, ends the sessions that earlier runs left in it, and reads its
    /// history.
    pub(super) async fn open(&self, target: &'a Target<'a>, may_make: bool) -> Result<Open<'a>> {
        let Target { database, url, .. } = target;
        let step = self.context.reporter.step(&database.name);
        let mut made = false;
        let mut connection = match session::open(url.options(self.run)).await {
            Opened::Session(connection) => connection,
            Opened::Failed(answer) => return Err(session::unavailable(url, &answer).into()),
            Opened::Missing if !may_make => return Err(session::unavailable(url, &Answer::NoDatabase).into()),
            Opened::Missing => {
                step.doing(&format!("making {}", url.database));
                let limit = deadline::for_an_answer(self.patience) + TO_MAKE;
                made = deadline::within(limit, &url.address, create::database(url, self.run)).await?;
                match session::open(url.options(self.run)).await {
                    Opened::Session(connection) => connection,
                    Opened::Missing => {
                        let what = format!("{} was dropped as soon as it was made.", url.database);
                        return Err(Problem::unavailable(Code::DatabaseUnreachable, what)
                            .remedy("Run it again: cargo xtask db-setup")
                            .into());
                    }
                    Opened::Failed(answer) => return Err(session::unavailable(url, &answer).into()),
                }
            }
        };
        let limit = deadline::for_an_answer(self.patience);
        let prepared = async {
            working::settle(&mut connection).await?;
            if !made {
                working::refuse_read_only(&mut connection, url).await?;
                session::end_orphans(&mut connection).await?;
                create::check(&mut connection, url).await?;
            }
            // The migrations grant something to the roles only if they are there.
            declared::make(&mut connection, database.declared_roles(), &url.user).await?;
            // A table that stands in the way is found before anything is applied anywhere.
            texts::is_there(&mut connection, &database.history).await?;
            history::read(&mut connection, &database.history).await
        };
        let (rows, found) = deadline::within(limit, &url.address, prepared).await?;
        Ok(Open { target, connection, rows, found, made, step })
    }

    /// Writes this checkout's stamp into a database that nobody has, or whose migrations this run changes. A lost connection is
    /// left to the work that follows.
    pub(super) async fn stamp(&self, open: &mut Open<'_>, migrates: bool) {
        let Open { target: Target { url, .. }, connection, found, made, .. } = open;
        let whose = self.claim.whose(found.stamp(), &url.address);
        let from = match &whose {
            Whose::Free(from) if *made || url.address.is_loopback() => from.clone(),
            Whose::Ours if migrates => None,
            _ => {
                whose.note(&url.database).into_iter().for_each(|note| self.context.reporter.note(&note));
                return;
            }
        };
        let work = async { anyhow::Ok(found.write(connection, self.claim, url.kept_name()).await) };
        let limit = deadline::for_an_answer(self.patience);
        let is_written = deadline::within(limit, &url.address, work).await.unwrap_or(false);
        if let Some(from) = from.filter(|_| is_written) {
            self.context.reporter.note(&stamp::taken(&url.database, &from));
        }
    }

    /// Migrates and proves a database. Returns the result, and a line about the state of the database.
    async fn migrate_and_prove(
        &self,
        open: Open<'_>,
        holders: &[Holder],
        under_way: &UnderWay,
    ) -> (String, Result<Proven>) {
        let Open { target, mut connection, rows, made, step, .. } = open;
        let Target { database, url, .. } = target;
        let started = Instant::now();
        let history = History::compare(database, &rows);
        let (total, before) = (database.migrations.len(), history.applied);
        let mut applied = before;
        if let Some(first) = history.pending.first() {
            under_way.begin(url.kept_name(), &first.stem());
        }
        let progress = |stem: &str| {
            applied += 1;
            under_way.begin(url.kept_name(), stem);
            step.doing(&format!("migration {applied} of {total}: {stem}"));
        };
        let origin = Origin::of(&self.context.workspace.root);
        let holder = holders.iter().find(|holder| holder.is_at(&url.address));
        let live = holder.map(|holder| Live { holder, origin: &origin });
        let (done, result) = apply_pending(&mut connection, database, &history.pending, live, progress).await;
        under_way.end(url.kept_name());
        let now = before + done.len();
        let state = format!("{} ({}): {now} of {total} migrations applied", url.database, database.name);
        if let Err(error) = result.map_err(|error| deadline::if_lost(&url.address, error, Run::Migrating)) {
            step.end(Outcome::Failed, &format!("{}: {now} of {total} migrations applied", url.database));
            return (state, Err(error));
        }
        let result = self.prove(&mut connection, target).await;
        session::close(connection).await;
        let what = summary(url, made, &done);
        match result {
            Ok(measured) => {
                let what_done = if made || !done.is_empty() { Some(what) } else { None };
                if let Some(what) = &what_done {
                    step.end(Outcome::Done, &format!("{what}, {}", measured.proven()));
                    for apply::Done { stem, took } in &done {
                        self.context.reporter.note(&format!("         {stem} ({})", human(*took)));
                    }
                }
                let (name, database) = (database.name.clone(), url.database.clone());
                let took = started.elapsed();
                (state, Ok(Proven { name, database, applied: now, measured, took, done: what_done }))
            }
            Err(error) => {
                step.end(Outcome::Failed, &format!("{what}, but the schema isn't proven"));
                (format!("{state}; its schema isn't proven"), Err(error))
            }
        }
    }

    pub(super) async fn prove(&self, connection: &mut PgConnection, target: &Target<'_>) -> Result<Measured> {
        let Target { database, url, .. } = target;
        let limit = deadline::for_an_answer(self.patience);
        let measured = proof::measure(connection, database);
        let mut measured = deadline::within(limit, &url.address, measured).await?;
        privileges::refuse_mighty(target, &measured.declared)?;
        let mut compared = proof::compare(target, &measured);
        let differences = compared.as_deref().unwrap_or_default();
        let caught_up = privileges::catch_up(connection, &measured, differences);
        if deadline::within(limit, &url.address, caught_up).await? {
            let again = proof::measure(connection, database);
            measured = deadline::within(limit, &url.address, again).await?;
            compared = proof::compare(target, &measured);
            let what = "the roles that were made after the migrations have the privileges that these grant";
            self.context.reporter.note(&format!("{}: {what}.", url.database));
        }
        if compared.as_ref().is_ok_and(Vec::is_empty) {
            return Ok(measured);
        }
        if self.accept_stale_file && proof::is_what_migrations_make(target, &measured, self.run).await? {
            let (name, file) = (&url.database, database.schema_file.display());
            self.context.reporter.warning(&format!("{name} equals the result of the migrations, but {file} doesn't."));
            return Ok(measured);
        }
        let differences = compared?;
        Err(proof::explain(target, &measured, &differences, self.run).await.into())
    }
}

async fn apply_pending(
    connection: &mut PgConnection,
    database: &Database,
    pending: &[&MigrationFile],
    live: Option<Live<'_>>,
    progress: impl FnMut(&str),
) -> (Vec<apply::Done>, Result<()>) {
    if pending.is_empty() {
        return (Vec::new(), Ok(()));
    }
    apply::pending(connection, database, pending, live, progress).await
}

fn summary(url: &DatabaseUrl, made: bool, done: &[apply::Done]) -> String {
    let migrations = match done.len() {
        0 => "no migration to apply".to_owned(),
        number => format!("{} applied", count(number, "migration")),
    };
    format!("{} {}{migrations}", url.database, if made { "made, " } else { "was there, " })
}
