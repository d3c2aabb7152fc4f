//! The work of a run that puts other databases in the place of a checkout's: it makes them aside, proves them, and then gives
//! them the names, in one transaction for each server.
//!
//! A database aside is a scratch database, so the next run drops what a killed run has left. Until the transaction, the
//! databases in use are only read. Two servers have no common transaction: they are changed one after the other, and a run
//! that is cut between them is repeated by the same command.

mod carry;
mod moves;
mod occupants;
mod swap;

use std::time::Duration;

use anyhow::Result;
use sqlx::postgres::PgConnection;

pub(crate) use self::carry::Origin;
pub(crate) use self::moves::{NewSet, Present};
use self::occupants::Ender;
pub(crate) use self::occupants::look;
pub(crate) use self::swap::Move;
use super::cancel::cancel;
use super::create;
use super::lock::{self, SetupLock};
use super::marked::{self, SCRATCH};
use super::scratch::{self, Holder, Scratch};
use super::snapshot::{self, Set};
use crate::connection::deadline::{self, Run};
use crate::connection::{session, working};
use crate::context::Context;
use crate::database_url::DatabaseUrl;
use crate::interrupt;
use crate::problem::{Code, Problem, Problems};
use crate::stamp::{self, Claim};
use crate::target::Target;

/// The databases that a run may exchange.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) context: Context<'a>,
    pub(crate) targets: &'a [Target<'a>],
    pub(crate) claim: &'a Claim,
    /// The name of the sessions that write.
    pub(crate) run: &'a str,
    /// The name of the command, for other runs that wait.
    pub(crate) command: &'a str,
    /// How long this run waits for another run.
    pub(crate) patience: Duration,
}

/// The databases of a checkout, whose servers no other run sets up meanwhile.
pub(crate) struct Exchange<'a> {
    site: Site<'a>,
    locks: Vec<SetupLock>,
    /// The databases that were made aside, and that are dropped at the end unless they got another name.
    pub(crate) asides: Vec<Holder<'a>>,
}

/// Does work under the setup locks of the databases' servers. What was made aside is dropped at the end.
///
/// # Errors
/// A server isn't on this machine or can't be used for such work, a database is another checkout's, the errors of the work, or
/// the interruption.
pub(crate) async fn with<'a, T>(site: Site<'a>, work: impl AsyncFnOnce(&mut Exchange<'a>) -> Result<T>) -> Result<T> {
    let Site { context, targets, run, command, patience, .. } = site;
    refuse_remote(targets)?;
    let whole = async {
        let locks = lock::take_all(targets, command, patience, context).await?;
        let mut exchange = Exchange { site, locks, asides: Vec::new() };
        let result = async {
            exchange.prepare().await?;
            work(&mut exchange).await
        };
        let result = result.await;
        let left = exchange.leave(result.as_ref().is_err_and(deadline::is_unavailable)).await;
        let value = result?;
        left?;
        Ok(value)
    };
    let result = context.interrupt.guard(whole).await;
    if result.as_ref().is_err_and(interrupt::is_interruption) {
        return Err(cancel(targets, run)
            .await
            .detail("All databases of a server were exchanged, or none was. See the snapshots: cargo xtask db-snapshot list")
            .into());
    }
    result
}

fn refuse_remote(targets: &[Target<'_>]) -> Result<(), Problems> {
    let remote = targets.iter().map(|target| &target.url).filter(|url| !url.address.is_loopback());
    let problem = |url: &DatabaseUrl| {
        let DatabaseUrl { variable, address, .. } = url;
        let what = format!(
            "{} ({variable}) isn't this machine, so no database is copied, renamed or dropped there.",
            address.host
        );
        Problem::unavailable(Code::RemoteHost, what)
            .detail("No option allows it.")
            .remedy(format!("Write localhost into {variable}, then run the same command again."))
    };
    Problems(remote.map(problem).collect()).into_result()
}

impl<'a> Exchange<'a> {
    /// Ends what killed runs have left at work, drops what they have left, and looks whether this run can do its work.
    async fn prepare(&mut self) -> Result<()> {
        for lock in &mut self.locks {
            let here: Vec<Target<'_>> = at(self.site.targets, lock).cloned().collect();
            let first = &here[0];
            let connection = lock.connection();
            let prepared = async {
                session::end_orphans(connection).await?;
                create::check_may_rename(connection, &first.url).await?;
                for name in scratch::sweep(connection, &here).await?.dropped {
                    let note = format!("Dropped {name}, a scratch database that was left behind.");
                    self.site.context.reporter.note(&note);
                }
                for name in snapshot::read(connection, &here, self.site.claim).await?.half_dropped {
                    marked::drop_database(connection, &name).await?;
                    self.site.context.reporter.note(&format!("Dropped what was left of the snapshot {name}."));
                }
                anyhow::Ok(())
            };
            deadline::without_changes(first, prepared).await?;
        }
        Ok(())
    }

    /// Drops what is still aside, and gives up the locks.
    async fn leave(self, is_lost: bool) -> Result<()> {
        let mut result = Ok(());
        // A server that is gone would have to be waited for once more for each.
        for aside in self.asides.into_iter().filter(|_| !is_lost) {
            result = result.and(aside.discard().await);
        }
        for lock in self.locks {
            lock.release().await;
        }
        result
    }

    fn lock(&mut self, target: &Target<'_>) -> &mut SetupLock {
        let found = self.locks.iter().position(|lock| lock.holder().is_at(&target.url.address));
        // `lock::take_all` has taken one for the server of each target.
        &mut self.locks[found.unwrap_or_default()]
    }

    /// Returns databases as they are now, with `None` for one that isn't there.
    ///
    /// # Errors
    /// Some are another checkout's, or belong to a role that this one can't act as, so that this run may not rename them. Or
    /// the connection is lost.
    pub(crate) async fn present<'t>(
        &mut self,
        targets: impl IntoIterator<Item = &'t Target<'t>>,
    ) -> Result<Vec<(&'t Target<'t>, Option<Present>)>> {
        let (mut found, mut others, mut problems) = (Vec::new(), Vec::new(), Problems::default());
        let claim = self.site.claim;
        for target in targets {
            let connection = self.lock(target).connection();
            let look = async {
                let present = Present::read(connection, target.url.kept_name()).await?;
                let others = claim.others(connection, std::slice::from_ref(target), &target.url.address).await?;
                Ok::<_, sqlx::Error>((present, others))
            };
            let (present, of_others) = deadline::without_changes(target, look).await?;
            others.extend(of_others);
            problems.0.extend(present.as_ref().and_then(|present| present.not_renamed_by(&target.url)));
            found.push((target, present));
        }
        if !others.is_empty() {
            let own_way = "use databases of this checkout's own: cargo xtask db-setup";
            problems.0.insert(0, stamp::refusal(&others, own_way));
        }
        problems.into_result()?;
        Ok(found)
    }

    /// Returns the snapshots of this checkout's databases, those of other checkouts as well, the newest set first.
    ///
    /// # Errors
    /// The connection is lost.
    pub(crate) async fn snapshots(&mut self) -> Result<Vec<Set>> {
        let mut found = Vec::new();
        for lock in &mut self.locks {
            let here: Vec<Target<'_>> = at(self.site.targets, lock).cloned().collect();
            let read = snapshot::read(lock.connection(), &here, self.site.claim);
            found.extend(deadline::without_changes(&here[0], read).await?.snapshots);
        }
        Ok(snapshot::sets(found))
    }

    /// Makes an empty database aside.
    ///
    /// # Errors
    /// The role may not make databases, or the server is silent.
    pub(crate) async fn make_empty(&mut self, target: &'a Target<'a>) -> Result<()> {
        self.asides.push(Holder::create(target, self.site.run).await?);
        Ok(())
    }

    /// Makes a copy of a database aside. The sessions in that database are ended.
    ///
    /// # Errors
    /// A session can't be ended, the server refuses, or the server is silent.
    pub(crate) async fn make_copy(&mut self, target: &'a Target<'a>, source: &str) -> Result<()> {
        let (run, reporter) = (self.site.run, self.site.context.reporter);
        let connection = self.lock(target).connection();
        let copy = async |maintenance: &mut PgConnection, name: &str| {
            let ender = Ender { connection, databases: &[source], target, reporter, run: Run::Reading };
            ender.alone(create::copy(maintenance, source, name, &SCRATCH.limit())).await
        };
        let aside = Holder::filled(target, run, copy).await;
        self.asides.push(aside.map_err(|error| deadline::if_lost(&target.url.address, error, Run::Reading))?);
        Ok(())
    }

    /// Returns the database that was made aside for `target`.
    pub(crate) fn scratch(&self, target: &Target<'_>) -> Option<&Scratch<'a>> {
        self.asides.iter().map(|aside| &aside.scratch).find(|scratch| scratch.is_of(target))
    }

    /// Returns the database that was made aside for `target`, after it has got what a copy hasn't.
    ///
    /// # Errors
    /// The connection is lost.
    pub(crate) async fn aside(&mut self, target: &Target<'_>, origin: Origin<'_>) -> Result<Present> {
        let name = self.scratch(target).map(|scratch| scratch.name().to_owned()).unwrap_or_default();
        let Site { run, context, .. } = self.site;
        let work = async {
            let mut connection = working::maintenance(&target.url, run).await?;
            carry::carry(&mut connection, origin, &name, target.url.kept_name(), context.reporter).await?;
            let present = Present::read(&mut connection, &name).await?;
            session::close(connection).await;
            anyhow::Ok(present)
        };
        let gone =
            || Problem::unavailable(Code::DatabaseUnreachable, format!("{name} was dropped by another program."));
        Ok(deadline::without_changes(target, work).await?.ok_or_else(gone)?)
    }

    /// Gives the databases their names, in one transaction for each server. The sessions in them are ended.
    ///
    /// # Errors
    /// A session can't be ended, the server refuses, or the server is silent. Then nothing has changed at that server.
    pub(crate) async fn swap(&mut self, moves: Vec<(&Target<'_>, Move)>) -> Result<()> {
        // What one server would refuse is found before another one has changed.
        for target in self.site.targets {
            let here = moves.iter().filter(|(other, _)| other.url.address.same_server(&target.url.address));
            let databases: Vec<_> = here.map(|(_, one)| one.from.as_str()).collect();
            let reporter = self.site.context.reporter;
            if databases.is_empty() {
                continue;
            }
            let connection = self.lock(target).connection();
            let run = Run::Reading;
            Ender { connection, databases: &databases, target, reporter, run }.refuse_closed().await?;
        }
        let mut done: Vec<String> = Vec::new();
        for lock in &mut self.locks {
            let holder = lock.holder();
            let (targets, moves): (Vec<_>, Vec<_>) = moves
                .iter()
                .filter(|(target, _)| holder.is_at(&target.url.address))
                .map(|(target, one)| (*target, one))
                .unzip();
            let Some(target) = targets.first() else { continue };
            let statements = swap::statements(&moves, &holder.condition());
            let names: Vec<_> = moves.iter().map(|one| one.from.as_str()).collect();
            let work = async {
                let mut connection = working::maintenance(&target.url, self.site.run).await?;
                let ender = Ender {
                    connection: lock.connection(),
                    databases: &names,
                    target,
                    reporter: self.site.context.reporter,
                    run: Run::Exchanging,
                };
                ender.alone(swap::run(&mut connection, &statements)).await?;
                session::close(connection).await;
                anyhow::Ok(())
            };
            let address = &target.url.address;
            if let Err(error) = work.await {
                let error = deadline::if_lost(address, swap::explain(error, &target.url), Run::Exchanging);
                return Err(half_done(error, &done));
            }
            done.push(address.to_string());
        }
        Ok(())
    }

    /// Drops a database that this program has made: a snapshot, or what was thrown away.
    ///
    /// # Errors
    /// The server refuses, or is gone.
    pub(crate) async fn drop(&mut self, target: &Target<'_>, name: &str) -> Result<()> {
        let run = self.site.run;
        let work = async {
            let mut connection = working::maintenance(&target.url, run).await?;
            marked::drop_database(&mut connection, name).await?;
            session::close(connection).await;
            anyhow::Ok(())
        };
        deadline::without_changes(target, work).await
    }
}

/// The databases at the server of a lock.
fn at<'t, 'w>(targets: &'t [Target<'w>], lock: &SetupLock) -> impl Iterator<Item = &'t Target<'w>> {
    let holder = lock.holder();
    targets.iter().filter(move |target| holder.is_at(&target.url.address))
}

/// Adds which servers have the new databases already. A transaction has one server.
fn half_done(error: anyhow::Error, done: &[String]) -> anyhow::Error {
    if done.is_empty() {
        return error;
    }
    let mut problems = Problems::of(error);
    for problem in &mut problems.0 {
        problem.details.push(format!("The databases at {} were exchanged already.", done.join(" and ")));
        problem.remedies.push("Then run the same command again, which does the rest.".to_owned());
    }
    problems.into()
}
