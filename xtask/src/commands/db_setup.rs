//! `cargo xtask db-setup`: from a fresh clone to every database migrated and proven.

use anyhow::Result;

use super::Context;
use crate::checkout::{self, CheckoutLock};
use crate::cli::DbSetup;
use crate::database::cancel::cancel;
use crate::database::converge::{self, Goal};
use crate::database::session;
use crate::env_file::{CONTRACT, FILE, Settings};
use crate::interrupt;
use crate::problem::{Problem, Problems};
use crate::report::{Outcome, Step};
use crate::server::{Choice, Ladder, Look, Provider, Server};
use crate::workspace::Workspace;

/// Returns what may be typed next.
pub(crate) async fn run(options: &DbSetup, context: &Context<'_>) -> Result<Vec<String>> {
    let run = format!("{} {}", session::MIGRATOR, std::process::id());
    let mut touched = None;
    let result = context.interrupt.guard(steps(options, context, &run, &mut touched)).await;
    if let (Err(error), Some(settings)) = (&result, &touched)
        && interrupt::is_interruption(error)
    {
        return Err(cancel(&settings.urls, &run)
            .await
            .detail("No migration is half applied: each is there with its row in the history, or not at all.")
            .remedy("Type it again, and it goes on from there: cargo xtask db-setup")
            .into());
    }
    result
}

/// `touched` is set before the first statement that writes: from then on there is something to cancel.
async fn steps(
    options: &DbSetup,
    context: &Context<'_>,
    run: &str,
    touched: &mut Option<Settings>,
) -> Result<Vec<String>> {
    let Context { reporter, interrupt } = context;
    let mut step = reporter.step("settings");
    let mut problems = Problems::default();
    let workspace = Workspace::find(&mut problems)?;
    let root = workspace.root.as_path();
    let mut settings = Settings::load(root, &workspace.url_variables(), &mut problems);
    problems.into_result()?;

    step.stop_clock();

    let may_only_look = settings.new_file.is_none() && matches!(options.server, Choice::Auto | Choice::Running);
    let mut server_step = reporter.step("server");
    if may_only_look && let Some(ready) = converge::already_there(&workspace, &settings).await? {
        server_step.stop_clock();
        end_settings(step, false, &settings);
        server_step.end(Outcome::Unchanged, &format!("{} answers", ready.server));
        ready.show(reporter);
        reporter.note("Nothing was to be done; nothing was changed.");
        return Ok(next());
    }
    if !options.allow_remote {
        refuse_remote(&settings)?;
    }
    let ladder = Ladder { root, choice: options.server, patience: options.timeout, reporter, interrupt };
    if options.dry_run {
        return plan(&workspace, settings, &ladder, step, server_step).await;
    }

    let checkout = CheckoutLock::take(root, options.timeout, reporter, interrupt)?;
    if settings.new_file.is_some() {
        // Another run may have made the file while this one waited.
        let mut problems = Problems::default();
        settings = Settings::load(root, &workspace.url_variables(), &mut problems);
        problems.into_result()?;
    }
    let look = ladder.look(&mut settings, &server_step).await?;
    end_settings(step, settings.create_file(root, &checkout::make_state_dir(root)?)?, &settings);
    let server = match look {
        Look::Found(server) => server,
        Look::ToStart(left) => ladder.start(&mut settings, left, &server_step).await?,
    };
    end_server(server_step, &server);
    drop(checkout);

    *touched = Some(settings.clone());
    let DbSetup { timeout: patience, accept_stale_file, .. } = *options;
    let goal = Goal { workspace: &workspace, settings: &settings, run, patience, accept_stale_file, reporter };
    let ready = goal.reach().await?;
    ready.show(reporter);
    Ok(next())
}

fn next() -> Vec<String> {
    vec![
        "Next: cargo xtask ci           everything that CI runs".into(),
        "      cargo xtask db-verify    the live schemas against the committed ones".into(),
        "      cargo xtask db-stop      stop the server, if db-setup started it; the data is kept".into(),
    ]
}

/// A host that isn't this machine is only ever used: nothing is made or changed there unasked.
fn refuse_remote(settings: &Settings) -> Result<()> {
    let remote: Vec<_> = settings.urls.iter().filter(|url| !url.address.is_loopback()).collect();
    let Some(first) = remote.first() else { return Ok(()) };
    let names: Vec<_> = remote.iter().map(|url| format!("{} ({})", url.variable, url.address)).collect();
    Err(Problem::unavailable(format!("{} isn't this machine, and its databases aren't ready.", first.address.host))
        .detail(format!("Named by {}. Nothing was made or changed there.", names.join(" and ")))
        .remedy("To set up databases there all the same: cargo xtask db-setup --allow-remote")
        .remedy("or let the URLs name localhost.")
        .into())
}

fn end_settings(step: Step<'_>, made: bool, settings: &Settings) {
    let count = settings.required;
    if made {
        step.end(Outcome::Done, &format!("{FILE} made from {CONTRACT}, with {count} variables, readable by you only"));
    } else {
        step.end(Outcome::Unchanged, &format!("{FILE} has all {count} variables"));
    }
}

fn end_server(step: Step<'_>, server: &Server) {
    let version = if server.version.is_empty() { String::new() } else { format!(" {}", server.version) };
    let address = &server.address;
    match server.provider {
        Provider::Running => step.end(Outcome::Unchanged, &format!("PostgreSQL{version} answers at {address}")),
        Provider::Compose => step.end(Outcome::Done, &format!("PostgreSQL{version} at {address}, in a container")),
        Provider::Local => {
            step.end(Outcome::Done, &format!("PostgreSQL{version} at {address}, a private cluster of this checkout"));
        }
    }
}

/// What would be done.
async fn plan(
    workspace: &Workspace,
    mut settings: Settings,
    ladder: &Ladder<'_>,
    step: Step<'_>,
    server_step: Step<'_>,
) -> Result<Vec<String>> {
    let reporter = ladder.reporter;
    if settings.new_file.is_some() {
        step.end(Outcome::Done, &format!("would make {FILE} from {CONTRACT}, with {} variables", settings.required));
    } else {
        end_settings(step, false, &settings);
    }
    match ladder.look(&mut settings, &server_step).await? {
        Look::Found(server) => {
            end_server(server_step, &server);
            converge::plan(workspace, &settings, reporter).await?;
        }
        Look::ToStart(left) => {
            let text = ladder.would_start(left)?;
            let address = &settings.urls[0].address;
            server_step.end(Outcome::Done, &format!("would start PostgreSQL at {address}, {text}"));
            for (database, url) in workspace.databases.iter().zip(&settings.urls) {
                let (name, count) = (&url.database, database.migrations.len());
                let what = format!(
                    "would make {name} unless it is there, and apply those of its {count} migrations that are pending"
                );
                reporter.step(&database.name).end(Outcome::Done, &what);
            }
        }
    }
    Ok(vec!["Nothing was done: this was a dry run.".into()])
}
