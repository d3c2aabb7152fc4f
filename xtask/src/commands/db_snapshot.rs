//! `cargo xtask db-snapshot save|list|restore|drop`: keeps the databases as they are, and brings them back.

use std::time::Duration;

use anyhow::Result;

use super::confirm;
use crate::cli::{DbSnapshot, DbSnapshotDrop, DbSnapshotRestore, DbSnapshotSave};
use crate::connection::session;
use crate::context::Context;
use crate::database::exchange::{self, Exchange, Move, NewSet, Origin, Present, Site};
use crate::database::history::{self, History};
use crate::database::snapshot::{self, Set};
use crate::env_file::Settings;
use crate::problem::{Code, Problem, Problems};
use crate::report::{Outcome, Reporter};
use crate::server::Record;
use crate::stamp::{self, Claim};
use crate::target::Target;

/// How long this run waits for another run.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the command. Returns lines that say what to type next.
pub(crate) async fn run(options: &DbSnapshot, context: Context<'_>) -> Result<Vec<String>> {
    let settings = Settings::of(context.workspace)?;
    let claim = Record::claim(&context.workspace.root, false, settings.environment.clone());
    let run = session::name_of_run(session::MIGRATOR);
    let (targets, claim) = (settings.targets.as_slice(), &claim);
    let site = Site { context, targets, claim, run: &run, command: "db-snapshot", patience: PATIENCE };
    match options {
        DbSnapshot::Save(options) => save(options, site).await,
        DbSnapshot::List => list(context, targets, claim).await,
        DbSnapshot::Restore(options) => restore(options, site).await,
        DbSnapshot::Drop(options) => drop(options, site).await,
    }
}

async fn save<'a>(options: &DbSnapshotSave, site: Site<'a>) -> Result<Vec<String>> {
    let Site { context, targets, claim, .. } = site;
    let DbSnapshotSave { name } = options;
    let save = async |exchange: &mut Exchange<'a>| {
        refuse_taken(&exchange.snapshots().await?, name)?;
        let present = present_all(exchange, targets).await?;
        let set = NewSet::new(name.clone(), targets);
        let (mut moves, mut steps) = (Vec::new(), Vec::new());
        for (target, present) in &present {
            let step = context.reporter.step(&target.database.name);
            step.doing(&format!("copying {}", present.name));
            exchange.make_copy(target, &present.name).await?;
            let origin = Origin { place_of: Some(&present.name), copy_of: Some(&present.name) };
            let copy = exchange.aside(target, origin).await?;
            moves.push((*target, Move::keep(claim, target, &copy, present, &set)?));
            steps.push((step, format!("{} is kept as \"{name}\", in {}", present.name, moves[moves.len() - 1].1.to())));
        }
        exchange.swap(moves).await?;
        steps.into_iter().for_each(|(step, what)| step.end(Outcome::Done, &what));
        anyhow::Ok(())
    };
    exchange::with(site, save).await?;
    Ok(vec![format!("Bring it back: {}", restore_command(name))])
}

async fn list(context: Context<'_>, targets: &[Target<'_>], claim: &Claim) -> Result<Vec<String>> {
    let sets = context.interrupt.guard(snapshot::list(targets, claim)).await?;
    let listed: Vec<_> = sets.iter().map(Set::listed).collect();
    context.reporter.snapshots(&listed);
    Ok(Vec::new())
}

async fn restore<'a>(options: &DbSnapshotRestore, site: Site<'a>) -> Result<Vec<String>> {
    let Site { context, targets, claim, .. } = site;
    let DbSnapshotRestore { name } = options;
    let restore = async |exchange: &mut Exchange<'a>| {
        let sets = exchange.snapshots().await?;
        let set = snapshot::find(&sets, name)?;
        warn_of_others(set, targets, context.reporter);
        let kept = targets.iter().filter(|target| set.of(&target.database.name).is_some());
        let present = exchange.present(kept).await?;
        let before = NewSet::new(
            free_name(&sets, "before-restore"),
            present.iter().filter(|(_, present)| present.is_some()).map(|(target, _)| *target),
        );
        let (mut moves, mut steps, mut differ) = (Vec::new(), Vec::new(), Vec::new());
        for (target, present) in &present {
            let Some(kept) = set.of(&target.database.name) else { continue };
            let step = context.reporter.step(&target.database.name);
            step.doing(&format!("copying the snapshot of {}", kept.kept.of));
            exchange.make_copy(target, &kept.name).await?;
            differ.extend(differences(exchange, target).await?);
            let from = present.as_ref().map_or(kept.name.as_str(), |present| &present.name);
            let copy = exchange.aside(target, Origin { place_of: Some(from), copy_of: Some(&kept.name) }).await?;
            if let Some(present) = present {
                moves.push((*target, Move::keep(claim, target, present, present, &before)?));
            }
            moves.push((*target, Move::take_up(claim, target, &copy, present.as_ref(), Some(&kept.stamp))?));
            let at = stamp::readable(&kept.kept.at);
            steps.push((step, format!("{} is as it was at {at} (\"{name}\")", kept.kept.of)));
        }
        exchange.swap(moves).await?;
        steps.into_iter().for_each(|(step, what)| step.end(Outcome::Done, &what));
        differ.iter().for_each(|line| context.reporter.warning(line));
        let is_kept = present.iter().any(|(_, present)| present.is_some());
        anyhow::Ok(is_kept.then_some(before.name))
    };
    let before = exchange::with(site, restore).await?;
    Ok(before.iter().map(|before| format!("Take that back: {}", restore_command(before))).collect())
}

async fn drop<'a>(options: &DbSnapshotDrop, site: Site<'a>) -> Result<Vec<String>> {
    let Site { context, targets, claim, .. } = site;
    let DbSnapshotDrop { name, yes } = options;
    let sets = context.interrupt.guard(snapshot::list(targets, claim)).await?;
    context.reporter.snapshots(&[snapshot::find(&sets, name)?.listed()]);
    confirm::by_name(context, name, *yes, &format!("cargo xtask db-snapshot drop {}", word(name)))?;
    let drop = async |exchange: &mut Exchange<'a>| {
        let sets = exchange.snapshots().await?;
        let set = snapshot::find(&sets, name)?;
        for target in targets {
            if let Some(kept) = set.of(&target.database.name) {
                let step = context.reporter.step(&target.database.name);
                exchange.drop(target, &kept.name).await?;
                step.end(Outcome::Done, &format!("\"{name}\" of {} is dropped", kept.kept.of));
            }
        }
        anyhow::Ok(())
    };
    exchange::with(site, drop).await?;
    Ok(Vec::new())
}

/// The databases, all of which have to be there.
async fn present_all<'a>(
    exchange: &mut Exchange<'a>,
    targets: &'a [Target<'a>],
) -> Result<Vec<(&'a Target<'a>, Present)>> {
    let (mut found, mut problems) = (Vec::new(), Problems::default());
    for (target, present) in exchange.present(targets).await? {
        match present {
            Some(present) => found.push((target, present)),
            None => {
                let what = format!("{} doesn't exist, so nothing was kept.", target.url);
                problems.0.push(Problem::unavailable(Code::DatabaseUnreachable, what));
            }
        }
    }
    problems.into_result()?;
    Ok(found)
}

fn refuse_taken(sets: &[Set], name: &str) -> Result<(), Problem> {
    if !sets.iter().any(|set| set.name() == name && set.others().is_none()) {
        return Ok(());
    }
    let what = format!("There is a snapshot \"{name}\" already.");
    Err(Problem::failed(Code::SnapshotExists, what)
        .detail("Nothing was kept.")
        .remedy(format!("Choose another name, or drop it: cargo xtask db-snapshot drop {}", word(name))))
}

/// Says which databases stay as they are, because the set has none of them.
fn warn_of_others(set: &Set, targets: &[Target<'_>], reporter: &Reporter) {
    let others = targets.iter().filter(|target| set.of(&target.database.name).is_none());
    let others: Vec<_> = others.map(|target| target.url.kept_name()).collect();
    if !others.is_empty() {
        let (name, others) = (set.name(), others.join(" and "));
        reporter.warning(&format!("\"{name}\" has no snapshot of {others}, so that is left as it is."));
    }
}

/// Says how the migrations of a database that was made aside differ from the checkout's.
async fn differences(exchange: &Exchange<'_>, target: &Target<'_>) -> Result<Option<String>> {
    let Some(scratch) = exchange.scratch(target) else { return Ok(None) };
    let mut connection = scratch.open().await?;
    let (rows, _) = history::read(&mut connection, &target.database.history).await?;
    session::close(connection).await;
    let (history, name) = (History::compare(target.database, &rows), target.url.kept_name());
    Ok(if history.differs() {
        Some(format!(
            "{name} has other migrations than this checkout now. See which: cargo xtask db-status. To have the databases of \
             this branch instead: cargo xtask db-switch"
        ))
    } else if history.pending.is_empty() {
        None
    } else {
        let pending: Vec<_> = history.pending.iter().map(|file| file.stem()).collect();
        Some(format!("{name} lacks {}. Apply them: cargo xtask db-setup", pending.join(", ")))
    })
}

/// A name of a snapshot that this command chooses. It begins with `why`.
pub(super) fn free_name(sets: &[Set], why: &str) -> String {
    let at: String = stamp::now().chars().filter(char::is_ascii_digit).take(14).collect();
    let names = (1..).map(|number| if number == 1 { format!("{why}-{at}") } else { format!("{why}-{at}-{number}") });
    let is_free = |name: &String| sets.iter().all(|set| set.name() != name);
    names.into_iter().find(is_free).unwrap_or_default()
}

/// The command that brings a snapshot back.
pub(super) fn restore_command(name: &str) -> String {
    format!("cargo xtask db-snapshot restore {}", word(name))
}

/// A name as one word of a command line.
fn word(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '@' | '+');
    if !name.is_empty() && !name.starts_with('-') && name.chars().all(is_plain) {
        return name.to_owned();
    }
    let dashes = if name.starts_with('-') { "-- " } else { "" };
    format!("{dashes}'{}'", name.replace('\'', r"'\''"))
}
