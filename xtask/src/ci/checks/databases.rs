//! The checks that run the migrations on scratch databases: the round trips, and the committed schema files.

use anyhow::Result;
use futures_util::future::join_all;

use super::{Passed, Setting};
use crate::connection::session;
use crate::database::cancel::cancel;
use crate::database::{deep, proof, round_trip, scratch};
use crate::interrupt;
use crate::problem::Problems;
use crate::target::Target;

/// Applies, reverts and applies each migration.
pub(super) async fn round_trips(setting: &Setting<'_>) -> Result<Passed> {
    let outcomes = on_scratch(setting, async |target, run| round_trip::run(target, run).await).await?;
    let reversed: usize = outcomes.iter().map(|outcome| outcome.reversed).sum();
    let irreversible: Vec<_> = outcomes.into_iter().flat_map(|outcome| outcome.irreversible).collect();
    let mut what = format!("{reversed} went up, down without a trace, and up again");
    if !irreversible.is_empty() {
        what.push_str(&format!("; no way down: {}", irreversible.join(", ")));
    }
    Ok(Passed::With(what))
}

/// Compares the committed schema files with the result of the migrations. If `live`, the catalogs of the live databases are
/// compared with it as well. Without `db-setup` in the same run, a developer may have made tables of their own there.
pub(super) async fn schema_files(setting: &Setting<'_>, live: bool) -> Result<Passed> {
    let check = async |target: &Target<'_>, run: &str| {
        if let Some(fresh) = proof::file_is_current(target, run, live).await? {
            deep::live_equals(target, &fresh).await?;
        }
        Ok(target.database.schema_file.display().to_string())
    };
    let files = on_scratch(setting, check).await?;
    let are = if files.len() == 1 { "is" } else { "are" };
    let also = if live { ", and so are all catalogs of the databases" } else { "" };
    Ok(Passed::With(format!("{} {are} the result of the migrations{also}", files.join(" and "))))
}

/// Does the work for all databases side by side. When one fails, the others go on.
async fn on_scratch<T>(setting: &Setting<'_>, work: impl AsyncFn(&Target<'_>, &str) -> Result<T>) -> Result<Vec<T>> {
    let run = session::name_of_run(session::READER);
    let targets = scratch::targets(&setting.context, setting.allow_remote, "cargo xtask ci")?;
    let each = targets.iter().map(|target| work(target, &run));
    let result = setting.context.interrupt.guard(async { Ok(join_all(each).await) }).await;
    if result.as_ref().is_err_and(interrupt::is_interruption) {
        return Err(cancel(&targets, &run).await.into());
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
