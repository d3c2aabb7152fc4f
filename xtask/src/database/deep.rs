//! The deep proof of a database: every column of every row of its catalogs, against a scratch database that is migrated
//! from nothing on the same server.

use anyhow::Result;
use sqlx::postgres::PgConnection;
use xtask_schema::{Deep, DeepComparison};

use super::proof;
use crate::connection::deadline;
use crate::connection::readiness::Answer;
use crate::connection::session::{self, Opened};
use crate::problem::{Code, Exit, Problem};
use crate::target::Target;

/// The number of differences that are listed. One extra table makes dozens.
const LISTED: usize = 40;

/// Compares a database with a scratch database that is migrated from nothing. Returns a few words about what was compared.
///
/// # Errors
/// The two differ, or a migration fails in the scratch database.
pub(crate) async fn prove(target: &Target<'_>, connection: &mut PgConnection, run: &str) -> Result<String> {
    let live = deadline::without_changes(target, proof::read_deep(connection, target.database)).await?;
    let unread = live.unread().join(", ");
    let read = async |connection: &mut PgConnection| proof::read_deep(connection, target.database).await;
    let fresh = proof::in_fresh(target, run, read).await?;
    let DeepComparison { rows, catalogs, .. } = compare(target, fresh, live).await?;
    let mut words = format!("{rows} rows of {catalogs} catalogs");
    if !unread.is_empty() {
        words.push_str(&format!("; this role may not read {unread}"));
    }
    Ok(words)
}

/// Compares a database with what was read from a scratch database of the same server.
///
/// # Errors
/// The two differ, or the database can't be read.
pub(crate) async fn live_equals(target: &Target<'_>, fresh: Deep) -> Result<()> {
    let url = &target.url;
    let mut connection = match session::open(url.options(session::READER)).await {
        Opened::Session(connection) => connection,
        Opened::Missing => return Err(session::unavailable(url, &Answer::NoDatabase).into()),
        Opened::Failed(answer) => return Err(session::unavailable(url, &answer).into()),
    };
    let live = deadline::without_changes(target, proof::read_deep(&mut connection, target.database)).await?;
    compare(target, fresh, live).await?;
    session::close(connection).await;
    Ok(())
}

async fn compare(target: &Target<'_>, fresh: Deep, live: Deep) -> Result<DeepComparison> {
    let Target { database, url, .. } = target;
    // On the runtime's own thread, this work would keep the other databases' sessions waiting.
    let found = tokio::task::spawn_blocking(move || live.compare(&fresh)).await??;
    if found.differences.is_empty() {
        return Ok(found);
    }
    let differences = found.differences;
    let what = format!(
        "{}: {} differs from the result of the migrations in the server's catalogs, where {} doesn't show it.",
        database.name,
        url.database,
        database.schema_file.display()
    );
    let more = differences.len().saturating_sub(LISTED);
    let mut problem =
        Problem::new(Code::SchemaDiffers, Exit::SchemaDiffers, what).details(differences.into_iter().take(LISTED));
    if more > 0 {
        problem = problem.detail(format!("{more} more rows differ."));
    }
    Err(problem.remedy(proof::take_back(target.database)).into())
}
