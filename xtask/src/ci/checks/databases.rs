//! What the migrations make, on scratch databases: the round trips, and the committed schema files.

use anyhow::Result;
use futures_util::future::join_all;

use super::{Passed, Setting};
use crate::database::cancel::cancel;
use crate::database::{proof, round_trip, session};
use crate::database_url::DatabaseUrl;
use crate::env_file::Settings;
use crate::interrupt;
use crate::problem::{Problem, Problems};
use crate::workspace::Database;

/// Each migration up, down and up again.
pub(super) async fn round_trips(setting: &Setting<'_>) -> Result<Passed> {
    let outcomes = on_scratch(setting, async |database, url, run| round_trip::run(database, url, run).await).await?;
    let reversed: usize = outcomes.iter().map(|outcome| outcome.reversed).sum();
    let irreversible: Vec<_> = outcomes.into_iter().flat_map(|outcome| outcome.irreversible).collect();
    let mut what = format!("{reversed} went up, down without a trace, and up again");
    if !irreversible.is_empty() {
        what.push_str(&format!("; no way down: {}", irreversible.join(", ")));
    }
    Ok(Passed::With(what))
}

/// The committed files against what the migrations make of nothing.
pub(super) async fn schema_files(setting: &Setting<'_>) -> Result<Passed> {
    let root = &setting.workspace.root;
    let check = async |database: &Database, url: &DatabaseUrl, run: &str| {
        proof::file_is_current(root, database, url, run).await?;
        Ok(database.schema_file.display().to_string())
    };
    let files = on_scratch(setting, check).await?;
    let are = if files.len() == 1 { "is" } else { "are" };
    Ok(Passed::With(format!("{} {are} what the migrations make", files.join(" and "))))
}

/// Does something with scratch databases for each database, side by side. Where one fails the others go on.
async fn on_scratch<T>(
    setting: &Setting<'_>,
    work: impl AsyncFn(&Database, &DatabaseUrl, &str) -> Result<T>,
) -> Result<Vec<T>> {
    let run = format!("{} {}", session::READER, std::process::id());
    let urls = scratch_urls(setting)?;
    let each = setting.workspace.databases.iter().zip(&urls).map(|(database, url)| work(database, url, &run));
    let result = setting.interrupt.guard(async { Ok(join_all(each).await) }).await;
    if result.as_ref().is_err_and(interrupt::is_interruption) {
        return Err(cancel(&urls, &run).await.into());
    }
    let (mut done, mut problems) = (Vec::new(), Problems::default());
    for result in result? {
        match result {
            Ok(one) => done.push(one),
            Err(error) => problems.0.extend(Problems::of(error).0),
        }
    }
    problems.into_result()?;
    Ok(done)
}

/// The URLs of the servers that scratch databases are made on.
///
/// # Errors
/// The settings are wrong, or a host isn't this machine.
pub(in crate::ci) fn scratch_urls(setting: &Setting<'_>) -> Result<Vec<DatabaseUrl>> {
    let mut problems = Problems::default();
    let workspace = setting.workspace;
    let settings = Settings::load(&workspace.root, &workspace.url_variables(), &mut problems);
    problems.into_result()?;
    let mut remote = Problems::default();
    for url in settings.urls.iter().filter(|url| !url.address.is_loopback() && !setting.allow_remote) {
        let what = format!(
            "{} ({}) isn't this machine; no scratch database is made there unasked.",
            url.address.host, url.variable
        );
        remote.0.push(Problem::unavailable(what).remedy("cargo xtask ci --allow-remote"));
    }
    remote.into_result()?;
    Ok(settings.urls)
}
