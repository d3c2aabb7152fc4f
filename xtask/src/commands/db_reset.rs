//! `cargo xtask db-reset [DATABASE]`: new databases, migrated from nothing and proven, in the place of the present ones.

use std::time::Duration;

use anyhow::Result;

use super::confirm;
use super::db_snapshot::{free_name, restore_command};
use crate::cli::DbReset;
use crate::connection::session;
use crate::context::Context;
use crate::database::exchange::{self, Exchange, Move, NewSet, Origin, Present, Site};
use crate::database::guard::Guard;
use crate::database::{anew, loss};
use crate::env_file::Settings;
use crate::problem::{Code, Problem};
use crate::server::Record;
use crate::setup::Setup;
use crate::target::Target;

/// How long this run waits for another run.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the command. Returns lines that say what to type next.
pub(crate) async fn run(options: &DbReset, context: Context<'_>) -> Result<Vec<String>> {
    let DbReset { database, yes, no_snapshot } = options;
    let settings = Settings::of(context.workspace)?;
    let targets = match database {
        Some(name) => vec![chosen(&settings, context.workspace.database(name)?.name.as_str())?],
        None => settings.targets.clone(),
    };
    let claim = Record::claim(&context.workspace.root, false, settings.environment.clone());
    let guard = Guard { claim: &claim, production: context.workspace.metadata.production() };
    guard.check_settings(&targets)?;
    let found = if settings.new_file.is_some() { Vec::new() } else { loss::look(context, &targets).await? };
    if found.is_empty() {
        return set_up(context).await;
    }
    guard.check(found.iter().map(|found| (found.target, found.stamp.clone())))?;
    let names = loss::say(
        &found,
        if *no_snapshot { "will be dropped" } else { "will be replaced, and kept as a snapshot" },
        context.reporter,
    );
    let scope = database.iter().map(|name| format!(" {name}")).collect::<String>();
    confirm::by_name(context, &names, *yes, &format!("cargo xtask db-reset{scope}"))?;

    let run = session::name_of_run(session::MIGRATOR);
    let site = Site { context, targets: &targets, claim: &claim, run: &run, command: "db-reset", patience: PATIENCE };
    let asked = found.len();
    exchange::with(site, async |exchange| replace(exchange, site, &guard, asked, *no_snapshot).await).await
}

/// Makes the new databases aside, and puts them in the place of the present ones, of which there were `asked` at the question.
async fn replace<'a>(
    exchange: &mut Exchange<'a>,
    site: Site<'a>,
    guard: &Guard<'_>,
    asked: usize,
    no_snapshot: bool,
) -> Result<Vec<String>> {
    let Site { context, targets, claim, .. } = site;
    let present = exchange.present(targets).await?;
    let there = || present.iter().filter_map(|(target, present)| Some((*target, present.as_ref()?)));
    // They may be others than before the question.
    guard.check(there().map(|(target, present)| (target, present.stamp())))?;
    if there().count() != asked {
        let what = "Another program has made or dropped a database since the question.";
        return Err(Problem::failed(Code::ServerBusy, what)
            .detail("Your databases are as they were.")
            .remedy("See what is there now, with the same command.")
            .into());
    }
    for target in targets {
        exchange.make_empty(target).await?;
    }
    let ready = anew::all(exchange, context).await?;
    let set = NewSet::new(free_name(&exchange.snapshots().await?, "before-reset"), there().map(|(target, _)| target));
    let (mut moves, mut thrown_away) = (Vec::new(), Vec::new());
    for (target, present) in &present {
        let present: Option<&Present> = present.as_ref();
        let place_of = present.map(|present| present.name.as_str());
        let aside = exchange.aside(target, Origin { place_of, copy_of: None }).await?;
        if let Some(present) = present.filter(|_| no_snapshot) {
            let away = Move::throw_away(present);
            thrown_away.push((*target, away.to().to_owned()));
            moves.push((*target, away));
        } else if let Some(present) = present {
            moves.push((*target, Move::keep(claim, target, present, present, &set)?));
        }
        moves.push((*target, Move::take_up(claim, target, &aside, present, None)?));
    }
    exchange.swap(moves).await?;
    for (target, name) in &thrown_away {
        exchange.drop(target, name).await?;
    }
    ready.show_done(context.reporter);
    ready.show(targets, context.reporter);
    Ok(if no_snapshot { Vec::new() } else { vec![format!("Bring the old rows back: {}", restore_command(&set.name))] })
}

fn chosen<'w>(settings: &Settings<'w>, name: &str) -> Result<Target<'w>, Problem> {
    let found = settings.targets.iter().find(|target| target.database.name == name);
    // `Settings::of` has a target for each database of the workspace.
    found.cloned().ok_or_else(|| Problem::usage(Code::UnknownDatabase, format!("There is no database \"{name}\".")))
}

/// There is nothing to lose yet, so this is a first db-setup.
async fn set_up(context: Context<'_>) -> Result<Vec<String>> {
    Setup::sequel(context, PATIENCE).run().await?;
    Ok(Vec::new())
}
