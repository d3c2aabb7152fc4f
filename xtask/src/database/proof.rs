//! The proof: what is in a database, object by object, equals what the repository says.
//!
//! When it doesn't, a scratch database migrated from nothing tells whose fault it is: the live database drifted, or
//! the committed file is stale.

use anyhow::Result;
use sqlx::postgres::PgConnection;
use xtask_schema::{Catalog, Difference, Table};

use super::scratch::Scratch;
use crate::connection::session;
use crate::problem::{Exit, Problem};
use crate::report::ListedTable;
use crate::target::Target;
use crate::workspace::{Database, HistoryTable};

/// What is in a database.
pub(crate) struct Measured {
    pub(crate) catalog: Catalog,
    pub(crate) tables: Vec<Table>,
}

impl Measured {
    /// The tables that `\dt` lists.
    pub(crate) fn listed(&self) -> Vec<ListedTable<'_>> {
        self.tables
            .iter()
            .map(|Table { schema, name, kind, owner }| ListedTable { schema, name, kind, owner })
            .collect()
    }
}

/// Reads what is in a database.
///
/// # Errors
/// The server fails the query; then the connection isn't to be used any more.
pub(crate) async fn measure(connection: &mut PgConnection, table: &HistoryTable) -> Result<Measured> {
    let (schema, table) = table.parts();
    let (catalog, tables) = Catalog::read(connection, &xtask_schema::History { schema, table }).await?;
    Ok(Measured { catalog, tables })
}

/// Holds what was measured against the committed file.
///
/// # Errors
/// `Err` says that nothing could be compared: there is no file, it can't be read, or nothing was measured.
pub(crate) fn compare(target: &Target<'_>, measured: &Measured) -> Result<Vec<Difference>, Problem> {
    let database = target.database;
    let committed = committed(target)?.ok_or_else(|| no_file(database))?;
    if measured.catalog.is_empty() {
        return Err(Problem::new(
            Exit::SchemaDiffers,
            format!("{}: the database is empty; there is nothing to prove.", database.name),
        ));
    }
    Ok(xtask_schema::compare(&committed, &measured.catalog))
}

/// The committed schema; `None` if there is no file.
fn committed(target: &Target<'_>) -> Result<Option<Catalog>, Problem> {
    let file = &target.database.schema_file;
    match std::fs::read_to_string(target.root.join(file)) {
        Ok(text) => Ok(Some(Catalog::parse(&text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Problem::new(Exit::SchemaDiffers, format!("{} can't be read: {error}.", file.display()))),
    }
}

fn no_file(database: &Database) -> Problem {
    let (name, file) = (&database.name, database.schema_file.display());
    Problem::new(Exit::SchemaDiffers, format!("{name}: there is no {file}, so nothing proves the schema."))
        .remedy("Make it from the migrations, and commit it: cargo xtask db-verify --write")
}

/// What the migrations make of an empty database.
///
/// # Errors
/// No scratch database can be made, or a migration fails in it.
pub(crate) async fn from_nothing(target: &Target<'_>, run: &str) -> Result<Catalog> {
    let scratch = Scratch::create(target, run).await?;
    let result = migrate_and_measure(&scratch, target.database).await;
    let discarded = scratch.discard().await;
    let catalog = result?;
    discarded?;
    Ok(catalog)
}

async fn migrate_and_measure(scratch: &Scratch<'_>, database: &Database) -> Result<Catalog> {
    let mut connection = scratch.migrated().await?;
    let measured = measure(&mut connection, &database.history).await?;
    session::close(connection).await;
    Ok(measured.catalog)
}

/// Holds the committed file against what the migrations make of an empty database.
///
/// # Errors
/// They differ, nothing could be compared, or a migration fails.
pub(crate) async fn file_is_current(target: &Target<'_>, run: &str) -> Result<()> {
    let database = target.database;
    let fresh = from_nothing(target, run).await?;
    let (file, write) = (database.schema_file.display(), "cargo xtask db-verify --write");
    let committed = committed(target)?.ok_or_else(|| no_file(database))?;
    let differences = xtask_schema::compare(&committed, &fresh);
    if differences.is_empty() {
        return Ok(());
    }
    let what = format!("{}: {file} is stale: the migrations make something else of nothing.", database.name);
    Err(Problem::new(Exit::SchemaDiffers, what)
        .at(&database.schema_file, first_difference(target, &fresh), None)
        .details(differences.into_iter().map(|difference| Difference { repair: None, ..difference }.to_string()))
        .remedy(format!("Make it anew, look at the change, and commit it: {write}"))
        .into())
}

/// The first line of the committed file that isn't what it would be, from one.
fn first_difference(target: &Target<'_>, fresh: &Catalog) -> usize {
    let committed = std::fs::read_to_string(target.root.join(&target.database.schema_file)).unwrap_or_default();
    let fresh = fresh.to_sql();
    committed.lines().zip(fresh.lines()).take_while(|(old, new)| old == new).count() + 1
}

/// Whether a database is what the migrations make of nothing, whatever the committed file says.
///
/// # Errors
/// No scratch database can be made, or a migration fails in it.
pub(crate) async fn is_what_migrations_make(target: &Target<'_>, measured: &Measured, run: &str) -> Result<bool> {
    Ok(from_nothing(target, run).await? == measured.catalog)
}

/// Why a database isn't what the repository says, and what mends it.
///
/// `differences` are those between the committed file and the database.
pub(crate) async fn explain(
    target: &Target<'_>,
    measured: &Measured,
    differences: &[Difference],
    run: &str,
) -> Problem {
    let Target { database, url, .. } = target;
    let (file, name) = (database.schema_file.display(), &url.database);
    let problem = |what: String| Problem::new(Exit::SchemaDiffers, format!("{}: {what}", database.name));
    // Statements that repair the database make sense only where the database is at fault.
    let without_repair = |difference: &Difference| Difference { repair: None, ..difference.clone() }.to_string();
    let write = "cargo xtask db-verify --write";
    let take_back = "Put the change into a migration, or take it back in the database.";
    let fresh = match from_nothing(target, run).await {
        Ok(fresh) => fresh,
        Err(error) => {
            return problem(format!("{name} isn't what {file} says."))
                .details(differences.iter().map(without_repair))
                .detail(format!("Which of the two is at fault can't be told: {}", first_line(&error)));
        }
    };
    let drift = xtask_schema::compare(&fresh, &measured.catalog);
    let file_is_stale = !matches!(committed(target), Ok(Some(committed)) if committed == fresh);
    if drift.is_empty() {
        return problem(format!(
            "{file} is stale: {name} is what the migrations make, and the file says something else."
        ))
        .details(differences.iter().map(without_repair))
        .remedy(format!("Make it anew, look at the change, and commit it: {write}"));
    }
    let drifted = problem(format!("{name} drifted: it isn't what the migrations make."))
        .details(drift.iter().map(ToString::to_string));
    if file_is_stale {
        drifted
            .detail(format!("{file} isn't what the migrations make either."))
            .remedy(take_back)
            .remedy(format!("Make the file anew, look at the change, and commit it: {write}"))
    } else {
        drifted.remedy(take_back)
    }
}

fn first_line(error: &anyhow::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
