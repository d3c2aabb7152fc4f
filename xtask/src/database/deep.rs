//! The deep proof of a database: every column of every row of its catalogs, against a scratch database that is migrated
//! from nothing on the same server.

use anyhow::Result;
use sqlx::postgres::PgConnection;
use xtask_schema::{Deep, DeepComparison};

use super::{proof, texts};
use crate::connection::deadline;
use crate::connection::readiness::Answer;
use crate::connection::session::{self, Opened};
use crate::problem::{Code, Exit, Problem};
use crate::target::Target;

/// The number of differences that are listed. One extra table makes dozens.
const LISTED: usize = 40;

/// The catalogs of a database of the user's.
pub(crate) struct Live {
    deep: Deep,
    /// Whether it has the table of the recorded texts, which no migration makes.
    has_texts: bool,
}

/// Reads all catalogs of a database.
///
/// # Errors
/// A query fails, or a table has the name of the one with the texts.
pub(crate) async fn read_live(target: &Target<'_>, connection: &mut PgConnection) -> Result<Live> {
    let read = async {
        let has_texts = texts::is_there(connection, &target.database.history).await?;
        anyhow::Ok(Live { has_texts, deep: proof::read_deep(connection, target.database).await? })
    };
    deadline::without_changes(target, read).await
}

/// Opens a database, and reads all of its catalogs.
///
/// # Errors
/// The database can't be opened or read.
pub(crate) async fn open_live(target: &Target<'_>) -> Result<Live> {
    let url = &target.url;
    let mut connection = match session::open(url.options(session::READER)).await {
        Opened::Session(connection) => connection,
        Opened::Missing => return Err(session::unavailable(url, &Answer::NoDatabase).into()),
        Opened::Failed(answer) => return Err(session::unavailable(url, &answer).into()),
    };
    let live = read_live(target, &mut connection).await?;
    session::close(connection).await;
    Ok(live)
}

/// Reads all catalogs of a scratch database that the migrations were applied to, to compare the live one with them. It gets a
/// table for texts if the live one has it. So that table is proven as well.
///
/// # Errors
/// A statement fails.
pub(crate) async fn read_fresh(target: &Target<'_>, connection: &mut PgConnection, live: &Live) -> Result<Deep> {
    if live.has_texts {
        texts::make(connection, &target.database.history).await?;
    }
    proof::read_deep(connection, target.database).await
}

/// Compares a database with a scratch database that is migrated from nothing. Returns a few words about what was compared.
///
/// # Errors
/// The two differ, or a migration fails in the scratch database.
pub(crate) async fn prove(target: &Target<'_>, connection: &mut PgConnection, run: &str) -> Result<String> {
    let live = read_live(target, connection).await?;
    let unread = live.deep.unread().join(", ");
    let read = async |connection: &mut PgConnection| read_fresh(target, connection, &live).await;
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
/// The two differ.
pub(crate) async fn compare(target: &Target<'_>, fresh: Deep, live: Live) -> Result<DeepComparison> {
    let Target { database, url, .. } = target;
    // On the runtime's own thread, this work would keep the other databases' sessions waiting.
    let found = tokio::task::spawn_blocking(move || live.deep.compare(&fresh)).await??;
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
