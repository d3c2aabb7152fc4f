//! `cargo xtask db-switch`: the databases of the branch that is checked out, with their own rows.
//!
//! The databases of the branch before become a snapshot with the name of that branch. If the branch that is checked out has
//! such a snapshot, it is taken up again, by a rename. Otherwise a copy of the present databases is made to fit its migrations.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use super::db_snapshot::free_name;
use crate::checkout;
use crate::connection::session;
use crate::context::Context;
use crate::database::exchange::{self, Exchange, Move, NewSet, Origin, Present, Site};
use crate::database::fit;
use crate::database::snapshot::{self, Set};
use crate::env_file::Settings;
use crate::problem::{Code, Problem};
use crate::report::Outcome;
use crate::server::Record;
use crate::setup::Setup;
use crate::stamp::{self, Whose};
use crate::target::Target;

/// How long this run waits for another run.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the command. Returns lines that say what to type next.
pub(crate) async fn run(context: Context<'_>) -> Result<Vec<String>> {
    let root = &context.workspace.root;
    let Some(branch) = checkout::branch(root).or_else(|| checkout::commit(root)) else {
        return Err(Problem::failed(
            Code::NoGit,
            "This isn't a git checkout, so there are no branches to switch between.",
        )
        .into());
    };
    let settings = Settings::of(context.workspace)?;
    let claim = Record::claim(root, false, settings.environment.clone());
    let run = session::name_of_run(session::MIGRATOR);
    let site = Site {
        context,
        targets: &settings.targets,
        claim: &claim,
        run: &run,
        command: "db-switch",
        patience: PATIENCE,
    };
    let left = exchange::with(site, async |exchange| switch(exchange, site, &branch).await).await?;
    // Applies what is pending in databases that were taken up, and proves all of them.
    Setup::sequel(context, PATIENCE).run().await?;
    Ok(left.map(|left| format!("Switch back: git switch {left} && cargo xtask db-switch")).into_iter().collect())
}

/// Exchanges the databases that aren't those of the branch. Returns the branch that they were of, if there is one.
async fn switch<'a>(exchange: &mut Exchange<'a>, site: Site<'a>, branch: &str) -> Result<Option<String>> {
    let Site { context, targets, claim, .. } = site;
    let sets = exchange.snapshots().await?;
    let own = sets.iter().find(|set| set.branch_kept() == Some(branch) && set.others().is_none());
    let mut new_sets = NewSets { targets, sets: &sets, new: BTreeMap::new() };
    let (mut moves, mut steps, mut left) = (Vec::new(), Vec::new(), None);
    for (target, present) in exchange.present(targets).await? {
        let Some(present) = present else { continue };
        let stamp = present.stamp();
        refuse_shared(&claim.whose(stamp.clone(), &target.url.address), &present.name)?;
        let before = stamp.and_then(|stamp| stamp.branch);
        let is_of_branch = before.as_deref() == Some(branch);
        if is_of_branch && fit::fits(target, site.run).await? {
            continue;
        }
        let step = context.reporter.step(&target.database.name);
        let set = new_sets.of(before.as_deref().filter(|_| !is_of_branch));
        let member = own.and_then(|set| set.of(&target.database.name)).filter(|_| !is_of_branch);
        let (new, stamp) = if let Some(member) = member {
            (Present::from(member), Some(&member.stamp))
        } else {
            step.doing(&format!("copying {}", present.name));
            exchange.make_copy(target, &present.name).await?;
            // The settings of the database are a part of its schema.
            let origin = Origin { place_of: Some(&present.name), copy_of: Some(&present.name) };
            let copy = exchange.aside(target, origin).await?;
            step.doing(&format!("making the copy fit the migrations of {branch}"));
            for lost in fit::aside(exchange, target, context).await? {
                context.reporter.note(&format!(
                    "{}: the copy for {branch} hasn't {lost}. \"{}\" keeps that.",
                    target.database.name, set.name
                ));
            }
            (copy, None)
        };
        moves.push((target, Move::keep(claim, target, &present, &present, set)?));
        moves.push((target, Move::take_up(claim, target, &new, Some(&present), stamp)?));
        let from = member.map_or_else(
            || "a copy that fits".to_owned(),
            |member| format!("as it was at {}", stamp::readable(&member.kept.at)),
        );
        steps.push((
            step,
            format!("{} is that of {branch} now, {from}; the one before is kept as \"{}\"", present.name, set.name),
        ));
        left = left.or(before.filter(|_| !is_of_branch));
    }
    exchange.swap(moves).await?;
    steps.into_iter().for_each(|(step, what)| step.end(Outcome::Done, &what));
    Ok(left)
}

/// The snapshots that this run makes.
struct NewSets<'a> {
    targets: &'a [Target<'a>],
    /// Those that are there already.
    sets: &'a [Set],
    new: BTreeMap<Option<String>, NewSet>,
}

impl NewSets<'_> {
    /// The set that keeps the databases of a branch. Databases of no known branch, and those of the branch that is checked
    /// out, get a name that no branch has.
    fn of(&mut self, branch: Option<&str>) -> &NewSet {
        let Self { targets, sets, new } = self;
        new.entry(branch.map(str::to_owned)).or_insert_with(|| {
            let name = branch.map_or_else(|| free_name(sets, "before-switch"), snapshot::name_of_branch);
            NewSet::new(name, *targets)
        })
    }
}

/// Refuses databases that this checkout shares. The other one would suddenly have the databases of this branch.
fn refuse_shared(whose: &Whose, database: &str) -> Result<(), Problem> {
    if !matches!(whose, Whose::Shared) {
        return Ok(());
    }
    let what = format!("{database} is shared with another checkout, so it isn't exchanged for that of a branch.");
    Err(Problem::unavailable(Code::OtherCheckout, what).detail("Nothing was changed.").remedy(
        "Let this checkout have databases of its own: write another port into .env, then: cargo xtask db-setup",
    ))
}
