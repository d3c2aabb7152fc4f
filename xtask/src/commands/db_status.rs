//! `cargo xtask db-status`: shows the state of the server and of the databases, and changes nothing.

use std::time::Duration;

use anyhow::Result;

use super::Ending;
use crate::checkout;
use crate::cli::DbStatus;
use crate::context::Context;
use crate::database::snapshot::Set;
use crate::database::status::{self, Depth};
use crate::env_file::{CONTRACT, FILE, Settings};
use crate::problem::Exit;
use crate::report::status::Status;
use crate::runtime::wait_for;
use crate::server::{Choice, Ladder, Provider, Record};

/// How long a server that is silent is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a git hook, or a prompt, waits for everything.
const BRIEF: Duration = Duration::from_secs(1);

/// Runs the command.
pub(crate) fn run(options: &DbStatus, context: Context<'_>) -> Result<Ending> {
    let settings = Settings::of(context.workspace)?;
    if !options.brief {
        let status = wait_for(context.interrupt.guard(read(&settings, Depth::Proof, context)))?;
        context.reporter.status(&status, false);
        return Ok(Ending::Code(exit(&status)));
    }
    let read = context
        .interrupt
        .guard(async { Ok(tokio::time::timeout(BRIEF, read(&settings, Depth::History, context)).await) });
    let Ok(status) = wait_for(read)? else { return Ok(Ending::Result(Exit::Unavailable as u8)) };
    let status = status?;
    context.reporter.status(&status, true);
    Ok(Ending::Result(exit(&status)))
}

async fn read(settings: &Settings<'_>, depth: Depth, context: Context<'_>) -> Result<Status> {
    let root = &context.workspace.root;
    let ladder = Ladder::new(context, Choice::Auto, PATIENCE, false, true);
    let mut targets = settings.targets.clone();
    targets.iter_mut().for_each(|target| target.limit = PATIENCE);
    let claim = |address: &_| Record::claim(root, ladder.has_cluster_at(address), None);
    let found = status::read(&targets, PATIENCE, depth, claim).await;
    let servers = found.servers.into_iter().map(|server| {
        let status::Server { address, mut shown, absent, .. } = server;
        let provider = ladder.known(settings, &address, shown.answers);
        shown.provider = provider.map(Provider::name);
        shown.data = provider.and_then(|provider| ladder.keeps(provider)).or(shown.data);
        shown.problems.extend(absent.map(|said| ladder.absent(provider, &address, &said)));
        shown
    });
    let is_new = settings.new_file.is_some();
    Ok(Status {
        settings: if is_new { CONTRACT } else { FILE },
        is_new,
        branch: checkout::branch(root),
        servers: servers.collect(),
        databases: found.databases,
        snapshots: found.snapshots.iter().map(Set::listed).collect(),
    })
}

/// The highest exit code of the problems.
fn exit(status: &Status) -> u8 {
    status.problems().map(|problem| problem.exit).max().unwrap_or(Exit::Done) as u8
}
