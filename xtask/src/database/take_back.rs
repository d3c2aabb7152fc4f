//! Takes applied migrations back, by the texts that were recorded when they were applied, and applies the files again if that
//! is wanted. Then the schema is proven.

use std::collections::BTreeMap;

use anyhow::Result;
use sqlx::postgres::PgConnection;

use super::apply::{Live, Replaced, Replacement};
use super::converge::{Goal, Open};
use super::history::{Applied, History};
use super::lock::Holder;
use super::texts::{self, Origin, Recorded};
use super::watch::UnderWay;
use super::{proof, scratch};
use crate::connection::deadline::{self, Run};
use crate::connection::session;
use crate::interrupt::Interrupt;
use crate::main_branch;
use crate::migrations::MigrationFile;
use crate::problem::{Code, Exit, Problem, Problems};
use crate::report::Outcome;
use crate::target::Target;

/// Which migrations are taken back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Back {
    Newest,
    /// All that are newer than this version.
    After(i64),
}

/// What is to be done with the one database of a goal.
pub(crate) struct TakeBack<'a> {
    pub(crate) goal: Goal<'a>,
    pub(crate) back: Back,
    /// Whether the files are applied afterwards.
    pub(crate) again: bool,
}

/// What came of it.
pub(crate) enum Ended {
    /// No migration was to be taken back.
    Nothing,
    /// Nothing was changed, because `accepts` said no. These are the migrations, and what would be lost.
    Refused { back: Vec<String>, lost: Vec<String> },
    /// The schema is proven. These are the migrations that are pending now.
    Done { pending: Vec<String> },
}

impl TakeBack<'_> {
    /// Does it, if `accepts` says so of what would be lost.
    ///
    /// # Errors
    /// A migration can't be taken back or applied again, or the schema isn't proven afterwards. The error says what state the
    /// database is in.
    pub(crate) async fn run(&self, accepts: impl Fn(&[String]) -> bool) -> Result<Ended> {
        self.goal.under_lock(async |holders, under_way| self.locked(holders, under_way, accepts).await).await
    }

    async fn locked(
        &self,
        holders: &[Holder],
        under_way: &UnderWay,
        accepts: impl Fn(&[String]) -> bool,
    ) -> Result<Ended> {
        let Goal { context, targets, patience, .. } = &self.goal;
        let (target, holder) = (&targets[0], &holders[0]);
        let Target { root, database, url, .. } = target;
        let mut open = self.goal.open(target, false).await?;
        let recorded = texts::read(&mut open.connection, &database.history);
        let recorded = deadline::within(deadline::for_an_answer(*patience), &url.address, recorded).await?;
        let plan = self.plan(&mut open, &recorded, context.interrupt).await?;
        let back: Vec<String> = plan.back.iter().map(MigrationFile::stem).collect();
        if back.is_empty() {
            open.step.end(Outcome::Unchanged, &format!("{} has no such migration to take back", url.database));
            session::close(open.connection).await;
            return Ok(Ended::Nothing);
        }

        let origin = Origin::of(root);
        let replacement = Replacement {
            database,
            live: Live { holder, origin: &origin },
            back: plan.back.iter().filter_map(|file| file.down.as_ref()).collect(),
            again: plan.again.clone(),
        };
        let progress = |stem: &str| {
            under_way.begin(url.kept_name(), stem);
            open.step.doing(stem);
        };
        let (replaced, result) = replacement.run(&mut open.connection, accepts, progress).await;
        under_way.end(url.kept_name());
        if let Err(error) = result {
            let error = deadline::if_lost(&url.address, error, Run::Migrating);
            return Err(self.stopped(error, &replaced, &back).into());
        }
        if replaced.back == 0 {
            session::close(open.connection).await;
            return Ok(Ended::Refused { back, lost: replaced.lost });
        }
        self.goal.stamp(&mut open, true).await;
        self.prove(open, &plan, replaced, back).await
    }

    /// Proves the schema, and shows what was done.
    async fn prove(&self, open: Open<'_>, plan: &Plan<'_>, replaced: Replaced, back: Vec<String>) -> Result<Ended> {
        let Open { target, mut connection, step, .. } = open;
        let reporter = self.goal.context.reporter;
        let name = &target.url.database;
        let mut what = format!("{name}: {} taken back", back.join(", "));
        let applied: Vec<_> = replaced.applied.iter().map(|done| done.stem.as_str()).collect();
        if !applied.is_empty() {
            what.push_str(&format!(", {} applied", applied.join(", ")));
        }
        let proven = if self.again {
            self.goal.prove(&mut connection, target).await.map(|measured| measured.proven().to_owned())
        } else {
            self.prove_what_stays(&mut connection, target, plan, &back).await
        };
        session::close(connection).await;
        match &proven {
            Ok(proven) => step.end(Outcome::Done, &format!("{what}, {proven}")),
            Err(_) => step.end(Outcome::Failed, &format!("{what}, but the schema isn't proven")),
        }
        replaced.lost.iter().for_each(|lost| reporter.note(&format!("         lost: {lost}")));
        proven?;
        let is_here = |stem: &&String| target.database.migrations.iter().any(|file| file.stem() == **stem);
        let pending = if self.again { Vec::new() } else { back.iter().filter(is_here).rev().cloned().collect() };
        Ok(Ended::Done { pending })
    }

    /// Compares the database with a scratch database to which the migrations that stay were applied.
    async fn prove_what_stays(
        &self,
        connection: &mut PgConnection,
        target: &Target<'_>,
        plan: &Plan<'_>,
        back: &[String],
    ) -> Result<String> {
        let database = target.database;
        let newest = plan.stay.last().map(|stays| format!("the migrations up to {}", stays.stem));
        let newest = newest.unwrap_or_else(|| "no migration".to_owned());
        let files: Option<Vec<_>> = plan.stay.iter().map(|stays| stays.applied.clone()).collect();
        let Some(files) = files else {
            let unknown = plan.stay.iter().filter(|stays| stays.applied.is_none()).map(|stays| stays.stem.as_str());
            let unknown = unknown.collect::<Vec<_>>().join(", ");
            return Ok(format!("schema not proven, because it isn't known what {unknown} was when it was applied"));
        };
        let limit = deadline::for_an_answer(self.goal.patience);
        let live = deadline::within(limit, &target.url.address, proof::measure(connection, database)).await?;
        let fresh = scratch::with(target, self.goal.run, async |scratch| {
            let mut connection = scratch.migrated_by(&files).await?;
            let fresh = proof::measure(&mut connection, database).await?;
            session::close(connection).await;
            Ok(fresh)
        });
        let differences = proof::differences(target, &fresh.await?.catalog, &live.catalog);
        if differences.is_empty() {
            return Ok(format!("schema proven to be that of {newest}"));
        }
        let (back, name) = (back.join(", "), &target.url.database);
        let what = format!("{}: without {back}, {name} isn't the result of {newest}.", database.name);
        Err(Problem::new(Code::SchemaDiffers, Exit::SchemaDiffers, what)
            .details(differences.iter().map(ToString::to_string))
            .detail("The recorded way down leaves it so, or somebody changed the database by hand.")
            .remedy("Undo it in the database, and let the down file undo all that its migration does.")
            .remedy("To see whether the down files do that: cargo xtask ci --only migrations")
            .into())
    }

    /// The problem of a file that failed, with the state and the next command.
    fn stopped(&self, error: anyhow::Error, replaced: &Replaced, back: &[String]) -> Problems {
        let mut problems = Problems::of(error);
        let database = self.goal.targets[0].database;
        let Some(last) = problems.0.last_mut().filter(|problem| problem.exit == Exit::Failed) else { return problems };
        if replaced.back > 0 {
            last.details.push(format!("Before that, {} was taken back.", back[..replaced.back].join(", ")));
        }
        if replaced.back == back.len() {
            last.remedies.push("Correct the migration, then run: cargo xtask db-setup".into());
        } else if replaced.is_up_at_fault {
            last.remedies.push(format!("Correct the migration, then run: {}", self.line()));
        } else {
            // The text was recorded, so it may not be that of the file.
            last.location = None;
            last.details.push("This is the way down that was recorded when the migration was applied.".into());
            last.remedies.push(format!(
                "If its down file is better now, take the newest migration back by that: cargo xtask sqlx {} migrate \
                 revert",
                database.name
            ));
            last.remedies.push(format!(
                "or undo by hand what the migration did, then: DELETE FROM {} WHERE version = …;",
                database.history.name
            ));
        }
        problems
    }

    /// The command line, as far as it chooses migrations.
    pub(crate) fn line(&self) -> String {
        let name = &self.goal.targets[0].database.name;
        match (self.again, self.back) {
            (false, Back::Newest) => format!("cargo xtask migrate down {name}"),
            (false, Back::After(version)) => format!("cargo xtask migrate down {name} --to {version}"),
            (true, Back::Newest) => format!("cargo xtask migrate redo {name}"),
            (true, Back::After(version)) => format!("cargo xtask migrate redo {name} --from {}", version + 1),
        }
    }
}

/// What is done with each migration.
struct Plan<'a> {
    /// Those that are taken back, as they were applied, the newest first. Each has a way down.
    back: Vec<MigrationFile>,
    /// The files that are applied then, in their order.
    again: Vec<&'a MigrationFile>,
    /// Those that stay, in their order.
    stay: Vec<Stays>,
}

/// A migration that stays.
struct Stays {
    stem: String,
    /// As it was applied. `None` if that isn't known.
    applied: Option<MigrationFile>,
}

impl<'a> TakeBack<'a> {
    /// Decides what is done with each migration.
    ///
    /// # Errors
    /// All reasons why migrations can't be taken back or applied again.
    async fn plan(
        &self,
        open: &mut Open<'a>,
        recorded: &BTreeMap<i64, Recorded>,
        interrupt: &Interrupt,
    ) -> Result<Plan<'a>> {
        let Open { target, rows, connection, .. } = open;
        let database = target.database;
        let newest = rows.iter().map(|row| row.version).max().unwrap_or_default();
        let after = match self.back {
            Back::Newest => newest - 1,
            Back::After(version) => version,
        };
        let at = rows.partition_point(|row| row.version <= after);
        let gone = rows.split_off(at);
        let mut problems = Problems::default();
        let mut plan = Plan { back: Vec::new(), again: Vec::new(), stay: Vec::new() };
        for row in gone.iter().rev() {
            match self.applied(target, row, recorded, interrupt) {
                Ok(file) => plan.back.push(file),
                Err(problem) => problems.0.push(problem),
            }
        }
        if self.again && !gone.is_empty() {
            let history = History::compare(database, rows);
            problems.0.extend(history.problem(target, rows, connection, interrupt).await?);
            problems.0.extend(history.empty());
            plan.again = history.pending;
        }
        problems.into_result()?;
        plan.stay.extend(rows.iter().map(|row| Stays {
            stem: database.stem_of(row.version, &row.description),
            applied: texts::as_applied(database, row, recorded),
        }));
        Ok(plan)
    }

    /// Returns a migration as it was applied, with its way down.
    ///
    /// # Errors
    /// It can't be taken back, or not be applied again.
    fn applied(
        &self,
        target: &Target<'_>,
        row: &Applied,
        recorded: &BTreeMap<i64, Recorded>,
        interrupt: &Interrupt,
    ) -> Result<MigrationFile, Problem> {
        let database = target.database;
        let (name, stem) = (&database.name, database.stem_of(row.version, &row.description));
        let differs = |what: String| Problem::new(Code::HistoryDiffers, Exit::HistoryDiffers, what);
        let unchanged = "Nothing was changed.";
        if !row.finished {
            return Err(differs(format!("{name}: {stem} was begun and not finished, so it can't be taken back."))
                .detail(unchanged)
                .remedy("Finish it, or learn how to go on: cargo xtask db-setup"));
        }
        let by_hand = format!(
            "or undo by hand what it did, then: DELETE FROM {} WHERE version = {};",
            database.history.name, row.version
        );
        let Some(applied) = texts::as_applied(database, row, recorded) else {
            let what =
                format!("{name}: {stem} can't be taken back, because nothing is recorded of how it was applied.");
            return Err(Problem::failed(Code::NoWayBack, what)
                .detail("sqlx-cli or sqlx::migrate! applied it, or a version of this program that recorded nothing, or")
                .detail("somebody has changed what was recorded. Its file isn't the one that was applied.")
                .detail(unchanged)
                .remedy(format!(
                    "Restore its file as it was applied (git log -p -- '{}'), then run: {}",
                    database.migrations_dir.join(format!("{stem}.*")).display(),
                    self.line()
                ))
                .remedy(by_hand));
        };
        if applied.down.is_none() {
            let what = format!("{name}: {stem} can't be taken back, because it was applied without a way down.");
            return Err(Problem::failed(Code::NoWayBack, what)
                .detail(unchanged)
                .remedy(by_hand.replacen("or undo", "Undo", 1)));
        }
        if !self.again {
            return Ok(applied);
        }
        let Some(file) = database.migrations.iter().find(|file| file.migration.version == row.version) else {
            return Err(differs(format!("{name}: {stem} has no file here, so it can't be applied again."))
                .detail(unchanged)
                .remedy(format!("Only take it back: cargo xtask migrate down {name} --to {}", row.version - 1)));
        };
        let is_edited = *file.migration.checksum != *row.checksum;
        if is_edited && main_branch::has_another(target.root, &file.file, interrupt) == Some(true) {
            let path = file.file.display();
            let what =
                format!("{name}: {path} is on the main branch with another content, so others may have applied it.");
            return Err(Problem::new(Code::MigrationPublished, Exit::HistoryDiffers, what)
                .detail(unchanged)
                .remedy(format!("Put the change into a new migration: cargo xtask migrate add {name} NAME"))
                .remedy(format!("and restore the file: git log -p -- {path}")));
        }
        Ok(applied)
    }
}
