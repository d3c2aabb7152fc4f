//! What a setup would do, without doing it.

use std::time::Duration;

use anyhow::Result;

use super::foresee::{self, Outlook};
use super::ready;
use crate::context::Context;
use crate::migrations::MigrationFile;
use crate::report::Outcome;
use crate::target::Target;

/// Shows what would be done to databases whose server answers. Nothing is written.
///
/// # Errors
/// A setup would fail there before it changes anything, or its proof would fail.
pub(crate) async fn show(targets: &[Target<'_>], patience: Duration, context: Context<'_>) -> Result<()> {
    foresee::servers(targets, patience).await?;
    for target in targets {
        let step = context.reporter.step(&target.database.name);
        let outlook = foresee::database(target, patience, context).await?;
        let outcome = if matches!(outlook, Outlook::Proven(..)) { Outcome::Unchanged } else { Outcome::Done };
        step.end(outcome, &describe(&outlook, target));
    }
    Ok(())
}

/// Says in a few words what would be done to a database.
pub(crate) fn describe(outlook: &Outlook, target: &Target<'_>) -> String {
    let (name, migrations) = (&target.url.database, &target.database.migrations);
    match outlook {
        Outlook::Missing => {
            let all: Vec<_> = migrations.iter().map(MigrationFile::stem).collect();
            format!("would make {name} and apply {}", all.join(", "))
        }
        Outlook::Pending(stems) => format!("{name}: would apply {}", stems.join(", ")),
        Outlook::Proven(applied, proof) => ready::as_it_should_be(name, *applied, proof),
    }
}
