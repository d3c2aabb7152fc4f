//! `cargo xtask db-verify`: the live schemas against the committed ones, object by object.

use anyhow::Result;
use futures_util::future::join_all;

use super::Context;
use crate::cli::DbVerify;
use crate::database::history::{self, History};
use crate::database::proof;
use crate::database::session::{self, Opened};
use crate::database_url::DatabaseUrl;
use crate::env_file::Settings;
use crate::problem::{Exit, Problem, Problems};
use crate::report::{Outcome, Reporter};
use crate::workspace::{Database, Workspace};

/// Returns what may be typed next.
pub(crate) async fn run(options: &DbVerify, context: &Context<'_>) -> Result<Vec<String>> {
    let run = format!("{} {}", session::READER, std::process::id());
    context.interrupt.guard(steps(options, context.reporter, &run)).await
}

async fn steps(options: &DbVerify, reporter: &Reporter, run: &str) -> Result<Vec<String>> {
    let mut problems = Problems::default();
    let workspace = Workspace::find(&mut problems)?;
    let settings = Settings::load(&workspace.root, &workspace.url_variables(), &mut problems);
    problems.into_result()?;
    let pairs = || workspace.databases.iter().zip(&settings.urls);

    let mut problems = Problems::default();
    if options.write {
        for result in
            join_all(pairs().map(|(database, url)| write(options, &workspace, database, url, run, reporter))).await
        {
            problems.0.extend(result.err().map(|error| Problems::of(error).0).into_iter().flatten());
        }
    } else {
        for result in
            join_all(pairs().map(|(database, url)| verify(options, &workspace, database, url, run, reporter))).await
        {
            problems.0.extend(result.err().map(|error| Problems::of(error).0).into_iter().flatten());
        }
    }
    problems.into_result()?;
    Ok(Vec::new())
}

/// Proves one database.
async fn verify(
    options: &DbVerify,
    workspace: &Workspace,
    database: &Database,
    url: &DatabaseUrl,
    run: &str,
    reporter: &Reporter,
) -> Result<()> {
    let step = reporter.step(&database.name);
    let mut connection = match session::open(url.options(session::READER)).await {
        Opened::Session(connection) => connection,
        Opened::Missing => {
            return Err(Problem::unavailable(format!("{} isn't there at {}.", url.database, url.address))
                .remedy("cargo xtask db-setup")
                .into());
        }
        Opened::Failed(answer) => return Err(session::unavailable(url, &answer).into()),
    };
    let rows = history::read(&mut connection, &database.history).await?;
    let history = History::compare(database, &rows);
    if let Some(problem) = history.problem(database, url) {
        return Err(problem.into());
    }
    if !history.pending.is_empty() {
        let pending = history.pending.iter().map(|file| file.file.display().to_string());
        return Err(Problem::new(
            Exit::Pending,
            format!("{}: {} of {}'s migrations are pending.", database.name, history.pending.len(), url.database),
        )
        .details(pending)
        .remedy("cargo xtask db-setup")
        .into());
    }
    let measured = proof::measure(&mut connection, &database.history).await?;
    session::close(connection).await;
    let differences = proof::compare(&workspace.root, database, &measured)?;
    if differences.is_empty() {
        let (file, tables) = (database.schema_file.display(), measured.tables.len());
        step.end(
            Outcome::Unchanged,
            &format!("{} is what {file} says, object by object ({tables} tables)", url.database),
        );
        return Ok(());
    }
    if !may_write(options, url) {
        let what = format!("{}: {} isn't what {} says.", database.name, url.database, database.schema_file.display());
        return Err(Problem::new(Exit::SchemaDiffers, what)
            .details(differences.iter().map(ToString::to_string))
            .detail(format!(
                "Which of the two is at fault was not looked into: {} isn't this machine.",
                url.address.host
            ))
            .remedy("cargo xtask db-verify --allow-remote makes a scratch database there, and tells.")
            .into());
    }
    Err(proof::explain(&workspace.root, database, url, &measured, &differences, run).await.into())
}

/// Makes the schema file of one database from its migrations, never from the live database.
async fn write(
    options: &DbVerify,
    workspace: &Workspace,
    database: &Database,
    url: &DatabaseUrl,
    run: &str,
    reporter: &Reporter,
) -> Result<()> {
    let step = reporter.step(&database.name);
    if !may_write(options, url) {
        return Err(Problem::unavailable(format!(
            "{} isn't this machine; no scratch database is made there unasked.",
            url.address.host
        ))
        .remedy("cargo xtask db-verify --write --allow-remote")
        .into());
    }
    step.doing("migrating a scratch database from nothing");
    let catalog = proof::from_nothing(database, url, run).await?;
    let (file, text) = (workspace.root.join(&database.schema_file), catalog.to_sql());
    let shown = database.schema_file.display();
    if std::fs::read_to_string(&file).is_ok_and(|old| old == text) {
        step.end(Outcome::Unchanged, &format!("{shown} is what the migrations make"));
        return Ok(());
    }
    let written = file.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&file, text));
    written.map_err(|error| Problem::failed(format!("{shown} can't be written: {error}.")))?;
    step.end(Outcome::Done, &format!("{shown} written; look at the change and commit it"));
    Ok(())
}

/// Scratch databases are made on this machine, and elsewhere only if asked for.
fn may_write(options: &DbVerify, url: &DatabaseUrl) -> bool {
    options.allow_remote || url.address.is_loopback()
}
