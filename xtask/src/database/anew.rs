//! Databases that are made anew aside: migrated from nothing, and proven, before they are taken into use.

use std::time::Instant;

use anyhow::Result;
use futures_util::future::join_all;

use super::exchange::Exchange;
use super::history::History;
use super::proof::{self, Measured};
use super::ready::{Proven, Ready};
use super::scratch::Holder;
use super::{privileges, scratch};
use crate::connection::{declared, session};
use crate::context::Context;
use crate::problem::Problems;
use crate::report::{Outcome, count};
use crate::target::Target;

/// Migrates and proves the databases that an exchange has made aside, side by side.
///
/// # Errors
/// All problems of all databases.
pub(crate) async fn all(exchange: &mut Exchange<'_>, context: Context<'_>) -> Result<Ready> {
    let made = join_all(exchange.asides.iter_mut().map(|aside| one(aside, context))).await;
    let (databases, mut problems) = Problems::split(made);
    if let Some(last) = problems.0.last_mut() {
        last.details.push("Your databases are as they were.".into());
    }
    problems.into_result()?;
    Ok(Ready { server: String::new(), databases, stamped: Vec::new() })
}

async fn one(aside: &mut Holder<'_>, context: Context<'_>) -> Result<Proven> {
    let target = aside.scratch.target();
    let Target { database, url, .. } = target;
    let (step, started) = (context.reporter.step(&database.name), Instant::now());
    step.doing(&format!("migrating a new {} from nothing", url.database));
    Problems(History::compare(database, &[]).empty().collect()).into_result()?;
    let work = aside.watched(async |scratch| measure(scratch, target).await).await;
    match work {
        Ok(measured) => {
            let applied = database.migrations.len();
            let what =
                format!("{} is new: {} applied, {}", url.database, count(applied, "migration"), measured.proven());
            let (name, database) = (database.name.clone(), url.database.clone());
            Ok(Proven { name, database, applied, measured, took: started.elapsed(), done: Some(what) })
        }
        Err(error) => {
            step.end(Outcome::Failed, &format!("a new {} can't be made", url.database));
            Err(error)
        }
    }
}

async fn measure(scratch: &scratch::Scratch<'_>, target: &Target<'_>) -> Result<Measured> {
    let Target { database, url, .. } = target;
    let mut connection = scratch.open().await?;
    // The migrations grant something to the roles only if they are there.
    declared::make(&mut connection, database.declared_roles(), &url.user).await?;
    session::close(connection).await;
    let mut connection = scratch.migrated().await?;
    let measured = proof::measure(&mut connection, database).await?;
    session::close(connection).await;
    privileges::refuse_mighty(target, &measured.declared)?;
    proof::file_is_current(target, &measured)?;
    Ok(measured)
}
