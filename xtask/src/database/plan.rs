//! What a setup would do, without doing it.

use anyhow::Result;

use super::history::{self, History};
use crate::connection::session::{self, Opened};
use crate::context::Context;
use crate::migrations::MigrationFile;
use crate::report::{Outcome, count};
use crate::target::Target;

/// Shows what would be done to databases whose server answers. Nothing is written.
///
/// # Errors
/// A query fails, or a history differs from the files.
pub(crate) async fn show(targets: &[Target<'_>], context: Context<'_>) -> Result<()> {
    for target in targets {
        let Target { database, url, .. } = target;
        let step = context.reporter.step(&database.name);
        let total = database.migrations.len();
        let Opened::Session(mut connection) = session::open(url.options(session::READER)).await else {
            let all: Vec<_> = database.migrations.iter().map(MigrationFile::stem).collect();
            step.end(Outcome::Done, &format!("would make {} and apply {}", url.database, all.join(", ")));
            continue;
        };
        let (rows, _) = history::read(&mut connection, &database.history).await?;
        session::close(connection).await;
        let history = History::compare(database, &rows);
        if let Some(problem) = history.problem(target, context.interrupt) {
            return Err(problem.into());
        }
        let pending: Vec<_> = history.pending.iter().map(|file| file.stem()).collect();
        if pending.is_empty() {
            step.end(
                Outcome::Unchanged,
                &format!(
                    "{}: nothing is pending ({} applied); would prove the schema",
                    url.database,
                    count(total, "migration")
                ),
            );
        } else {
            step.end(Outcome::Done, &format!("{}: would apply {}", url.database, pending.join(", ")));
        }
    }
    Ok(())
}
