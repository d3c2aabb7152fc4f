//! The look at databases that may be as the repository describes them already. It takes no lock.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::join_all;
use sqlx::postgres::PgConnection;

use super::history::{self, History};
use super::proof;
use super::ready::{Proven, Ready};
use crate::connection::deadline;
use crate::connection::session::{self, Opened};
use crate::report::Reporter;
use crate::stamp::{self, Claim, Found, Stamp, Whose};
use crate::target::Target;

/// Returns the databases if all of them are migrated and proven already, and aren't another checkout's. No lock is taken,
/// and nothing is written, except for the stamps of databases that have none. Something silent at the address is waited
/// for at most as long as `patience`.
///
/// # Errors
/// A query fails in a way that a setup would not fix.
pub(crate) async fn already_there(
    targets: &[Target<'_>],
    patience: Duration,
    claim: &Claim,
    reporter: &Reporter,
    dry_run: bool,
) -> Result<Option<Ready>> {
    let looks = join_all(targets.iter().map(|target| look(target, patience, claim)));
    let mut all = Vec::new();
    for looked in looks.await {
        let Some(looked) = looked? else { return Ok(None) };
        all.push(looked);
    }
    let mut ready = Ready { server: String::new(), databases: Vec::new(), stamped: Vec::new() };
    for Looked { proven, server, note, unstamped } in all {
        let mut note = note;
        if let Some((mut connection, found, from)) = unstamped {
            let is_ours = !dry_run && found.write(&mut connection, claim, &proven.database).await;
            session::close(connection).await;
            if is_ours {
                ready.stamped.push(proven.database.clone());
                note = from.map(|from| stamp::taken(&proven.database, &from));
            }
        }
        note.into_iter().for_each(|note| reporter.note(&note));
        ready.server = server;
        ready.databases.push(proven);
    }
    Ok(Some(ready))
}

/// A database that is migrated and proven already.
struct Looked {
    proven: Proven,
    server: String,
    /// A line about whose it is.
    note: Option<String>,
    /// A session that may write this checkout's stamp into it, with the stamp that it has now.
    unstamped: Option<(PgConnection, Found, Option<Stamp>)>,
}

async fn look(target: &Target<'_>, patience: Duration, claim: &Claim) -> Result<Option<Looked>> {
    let Target { database, url, .. } = target;
    let started = Instant::now();
    let Opened::Session(mut connection) = session::open_within(patience, url.options(session::READER)).await else {
        return Ok(None);
    };
    let version = connection
        .server_version_num()
        .map_or_else(String::new, |number| format!(" {}.{}", number / 10_000, number % 10_000));
    let limit = deadline::for_an_answer(patience);
    let read = history::read(&mut connection, &database.history);
    let (rows, found) = deadline::within(limit, &url.address, read).await?;
    let whose = claim.whose(found.stamp(), &url.address);
    let history = History::compare(database, &rows);
    if !history.pending.is_empty() || history.differs() || matches!(whose, Whose::Others(_)) {
        return Ok(None);
    }
    let measured = proof::measure(&mut connection, database);
    let measured = deadline::within(limit, &url.address, measured).await?;
    if measured.declared.iter().any(|role| role.could_be_made() || role.beyond().is_some()) {
        session::close(connection).await;
        return Ok(None);
    }
    let mut note = None;
    let unstamped = match whose {
        Whose::Free(from) if url.address.is_loopback() && found.may_write => Some((connection, found, from)),
        whose => {
            session::close(connection).await;
            note = whose.note(&url.database);
            None
        }
    };
    match proof::compare(target, &measured) {
        Ok(differences) if differences.is_empty() => {}
        _ => return Ok(None),
    }
    let proven = Proven {
        name: database.name.clone(),
        database: url.database.clone(),
        applied: history.applied,
        measured,
        took: started.elapsed(),
        done: None,
    };
    Ok(Some(Looked { proven, server: format!("PostgreSQL{version} at {}", url.address), note, unstamped }))
}
