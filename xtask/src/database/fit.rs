//! Makes a copy of a database fit the migration files of this checkout. What the files don't have is taken back by the recorded
//! texts, the newest first, and what isn't applied then is applied.

use anyhow::Result;
use sqlx::postgres::PgConnection;

use super::apply::{self, Live};
use super::exchange::Exchange;
use super::history::{self, Applied};
use super::lock;
use super::texts::{self, Origin};
use super::{privileges, proof};
use crate::connection::session::{self, Opened};
use crate::connection::{deadline, declared};
use crate::context::Context;
use crate::migrations::MigrationFile;
use crate::problem::{Code, Exit, Problem, Problems};
use crate::target::Target;

/// Returns whether the applied migrations of a database are the first ones of the files.
///
/// # Errors
/// The database can't be read.
pub(crate) async fn fits(target: &Target<'_>, run: &str) -> Result<bool> {
    let mut connection = match session::open(target.url.options(run)).await {
        Opened::Session(connection) => connection,
        Opened::Missing => return Ok(true),
        Opened::Failed(answer) => return Err(session::unavailable(&target.url, &answer).into()),
    };
    let read = history::read(&mut connection, &target.database.history);
    let (rows, _) = deadline::without_changes(target, read).await?;
    session::close(connection).await;
    Ok(common(target, &rows) == rows.len())
}

/// Counts the applied migrations, from the first one on, that the files have as well, with the same content.
fn common(target: &Target<'_>, rows: &[Applied]) -> usize {
    let both = rows.iter().zip(&target.database.migrations);
    both.take_while(|(row, file)| {
        row.finished && row.version == file.migration.version && *row.checksum == *file.migration.checksum
    })
    .count()
}

/// Makes the database that an exchange has made aside for `target` fit, and proves it. Returns what it has lost, in words.
///
/// # Errors
/// A migration can't be taken back, or another one fails, or the result isn't what the repository says.
pub(crate) async fn aside(
    exchange: &mut Exchange<'_>,
    target: &Target<'_>,
    context: Context<'_>,
) -> Result<Vec<String>> {
    let holder = exchange.holder(target);
    let Some(aside) = exchange.aside_of(target) else { return Ok(Vec::new()) };
    let fitted = aside.watched(async |scratch| {
        let mut connection = scratch.open().await?;
        let lost = fit(&mut connection, target, &holder, context).await?;
        session::close(connection).await;
        Ok(lost)
    });
    fitted.await.map_err(|error| {
        let mut problems = Problems::of(error);
        if let Some(last) = problems.0.last_mut() {
            last.details.push("That was tried in a copy. Your databases are as they were.".into());
        }
        problems.into()
    })
}

async fn fit(
    connection: &mut PgConnection,
    target: &Target<'_>,
    holder: &lock::Holder,
    context: Context<'_>,
) -> Result<Vec<String>> {
    let Target { database, url, .. } = target;
    // The migrations grant something to the roles only if they are there.
    declared::make(connection, database.declared_roles(), &url.user).await?;
    let (rows, _) = history::read(connection, &database.history).await?;
    let common = common(target, &rows);
    let recorded = texts::read(connection, &database.history).await?;
    let (mut back, mut problems) = (Vec::new(), Vec::new());
    for row in rows[common..].iter().rev() {
        match texts::as_applied(database, row, &recorded).filter(|_| row.finished).and_then(|file| file.down) {
            Some(down) => back.push(down),
            None => problems.push(stuck(target, row)),
        }
    }
    Problems(problems).into_result()?;
    let origin = Origin::of(&context.workspace.root);
    let live = Live { holder, origin: &origin };
    let again: Vec<&MigrationFile> = database.migrations[common..].iter().collect();
    let lost = if back.is_empty() {
        apply::pending(connection, database, &again, Some(live), |_| {}).await.1?;
        Vec::new()
    } else {
        let change = apply::Replacement { database, live, back: back.iter().collect(), again };
        let (done, result) = change.run(connection, |_| true, |_| {}).await;
        result?;
        done.lost
    };
    let measured = proof::measure(connection, database).await?;
    privileges::refuse_mighty(target, &measured.declared)?;
    let differences = proof::compare(target, &measured)?;
    if differences.is_empty() { Ok(lost) } else { Err(proof::unexplained(target, &differences).into()) }
}

/// The problem with a migration that can't be taken back.
fn stuck(target: &Target<'_>, row: &Applied) -> Problem {
    let Target { database, url, .. } = target;
    let what = format!(
        "{}: version {} \"{}\" isn't in this checkout, and can't be taken back.",
        url.database, row.version, row.description
    );
    let why = if row.finished {
        "Its text wasn't recorded when it was applied, or it has no way down."
    } else {
        "It was begun and not finished."
    };
    Problem::new(Code::HistoryDiffers, Exit::HistoryDiffers, what)
        .detail(why)
        .remedy("Make new databases for this branch. The present ones are kept as a snapshot: cargo xtask db-reset")
        .remedy(format!(
            "or go back to the branch that has it: git log --all --oneline -- '{}'",
            database.migrations_dir.join(format!("*{}_*", row.version)).display()
        ))
}
