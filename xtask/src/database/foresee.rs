//! What a setup would find on a server and in a database, and what it would do there. Nothing is written.
//!
//! [`super::converge`] asks the same questions, with the same functions and in the same order, so the problems are the same
//! as well. What a migration does when it runs isn't known here.

use std::time::Duration;

use anyhow::Result;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::history::{self, History};
use super::lock::{self, HeldBy};
use super::proof::{self, Measured};
use super::{create, privileges, room, scratch, texts};
use crate::connection::sql::literal;
use crate::connection::{deadline, session, working};
use crate::context::Context;
use crate::database_url::DatabaseUrl;
use crate::migrations::MigrationFile;
use crate::problem::Problems;
use crate::target::Target;

/// What is on a server beside the databases.
pub(crate) struct AtServer {
    /// The run that sets up databases there now.
    pub(crate) busy: Option<HeldBy>,
    /// Scratch databases that nobody uses any more.
    pub(crate) scratch: Vec<String>,
    /// The number of sessions that killed runs have left in the databases.
    pub(crate) sessions: usize,
}

/// What a setup would do with a database.
pub(crate) enum Outlook {
    /// It would be made, and all migrations would be applied.
    Missing,
    /// These migrations would be applied.
    Pending(Vec<String>),
    /// It would be proven. The number of migrations that are applied, and a few words about what is proven.
    Proven(usize, &'static str),
}

/// Looks at each server: whether its role can do the work there, and what runs have left.
///
/// # Errors
/// A server or a role can't be used to make or migrate databases.
pub(crate) async fn servers(targets: &[Target<'_>], patience: Duration) -> Result<Vec<AtServer>> {
    let mut found = Vec::new();
    for (url, databases) in lock::servers(targets) {
        let look = async {
            let mut connection = working::maintenance(url, session::READER).await?;
            room::check(&mut connection, url, databases).await?;
            let at_server = at_server(&mut connection, url, targets).await?;
            session::close(connection).await;
            anyhow::Ok(at_server)
        };
        found.push(deadline::without_changes(&bounded(targets, url, patience), look).await?);
    }
    Ok(found)
}

/// Returns the first target of a server, with the deadline of a user of this patience.
fn bounded<'w>(targets: &[Target<'w>], url: &DatabaseUrl, patience: Duration) -> Target<'w> {
    let mut target = targets[0].clone();
    target.url = url.clone();
    target.limit = deadline::for_an_answer(patience);
    target
}

async fn at_server(connection: &mut PgConnection, url: &DatabaseUrl, targets: &[Target<'_>]) -> Result<AtServer> {
    let busy = lock::held_by(connection).await?;
    let here = targets.iter().map(|target| &target.url).filter(|other| other.address.same_server(&url.address));
    let names: Vec<_> = here.map(|url| literal(url.kept_name())).collect();
    let statement = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'xtask migrate %' AND usename = current_user \
         AND datname IN ({})",
        names.join(", ")
    );
    let sessions: i64 = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_one(&mut *connection).await?.try_get(0)?;
    // Those of a run that holds the lock are at work.
    let sessions = if busy.is_some() { 0 } else { usize::try_from(sessions).unwrap_or(0) };
    Ok(AtServer { busy, scratch: scratch::left_behind(connection, targets).await?, sessions })
}

/// Looks at a database.
///
/// # Errors
/// A setup would fail there before it changes anything, or its proof would fail.
pub(crate) async fn database(target: &Target<'_>, patience: Duration, context: Context<'_>) -> Result<Outlook> {
    let target = &Target { limit: deadline::for_an_answer(patience), ..target.clone() };
    deadline::without_changes(target, look(target, context)).await
}

async fn look(target: &Target<'_>, context: Context<'_>) -> Result<Outlook> {
    let Target { database, url, .. } = target;
    let mut connection = match session::open(url.options(session::READER)).await {
        session::Opened::Session(connection) => connection,
        session::Opened::Failed(answer) => return Err(session::unavailable(url, &answer).into()),
        session::Opened::Missing => {
            let mut connection = session::maintenance(url, session::READER).await?;
            create::check_may_make(&mut connection, url).await?;
            session::close(connection).await;
            return Ok(Outlook::Missing);
        }
    };
    working::refuse_read_only(&mut connection, url).await?;
    create::check(&mut connection, url).await?;
    texts::is_there(&mut connection, &database.history).await?;
    let (rows, _) = history::read(&mut connection, &database.history).await?;
    let history = History::compare(database, &rows);
    let differs = history.problem(target, &rows, &mut connection, context.interrupt).await?;
    let problems: Vec<_> = differs.into_iter().chain(history.empty()).collect();
    Problems(problems).into_result()?;
    let outlook = if history.pending.is_empty() {
        let measured = prove(&mut connection, target).await?;
        Outlook::Proven(history.applied, measured.proven())
    } else {
        Outlook::Pending(history.pending.iter().copied().map(MigrationFile::stem).collect())
    };
    session::close(connection).await;
    Ok(outlook)
}

/// Proves a database, as it is after the grants that a setup would catch up on.
async fn prove(connection: &mut PgConnection, target: &Target<'_>) -> Result<Measured> {
    let measured = proof::measure(connection, target.database).await?;
    privileges::refuse_mighty(target, &measured.declared)?;
    let differences = proof::compare(target, &measured)?;
    if differences.is_empty() || privileges::to_catch_up(connection, &measured, &differences).await?.is_some() {
        return Ok(measured);
    }
    Err(proof::see_which(proof::unexplained(target, &differences)).into())
}
