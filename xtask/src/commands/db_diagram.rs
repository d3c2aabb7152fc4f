//! `cargo xtask db-diagram`: writes the page that shows the schemas to readers.

use anyhow::Result;
use sqlx::postgres::PgConnection;

use crate::cli::DbDiagram;
use crate::context::Context;
use crate::database::page::{self, FILE};
use crate::database::proof;
use crate::database::side_by_side::on_each;
use crate::report::Outcome;
use crate::target::Target;

/// Runs the command. Returns lines that say what to type next.
pub(crate) async fn run(options: &DbDiagram, context: Context<'_>) -> Result<Vec<String>> {
    context.workspace.wrong_files.clone().into_result()?;
    let root = &context.workspace.root;
    let step = context.reporter.step("diagram");
    step.doing("migrating scratch databases from nothing");
    let read = async |target: &Target<'_>, run: &str| {
        let outline = async |connection: &mut PgConnection| page::outline(connection, target.database).await;
        Ok((target.database.name.clone(), proof::in_fresh(target, run, outline).await?))
    };
    let outlines = on_each(&context, options.allow_remote, "cargo xtask db-diagram", read).await?;
    let page = page::of(&outlines);
    if page::committed(root)?.is_some_and(|committed| committed == page) {
        step.end(Outcome::Unchanged, &format!("{FILE} shows the result of the migrations"));
    } else {
        page::write(root, &page)?;
        step.end(Outcome::Done, &format!("{FILE} written; look at the change and commit it"));
    }
    Ok(Vec::new())
}
