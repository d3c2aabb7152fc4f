//! The proof that a database has the repository's schema, object by object.
//!
//! If the two differ, a freshly migrated scratch database shows which one is wrong: the live database drifted, or the
//! committed file is stale.

use anyhow::Result;
use sqlx::postgres::PgConnection;
use xtask_schema::{Catalog, Deep, Difference, Table};

use super::scratch;
use crate::connection::declared::{self, Declared};
use crate::connection::session;
use crate::connection::sql::identifier;
use crate::problem::{Code, Exit, Problem};
use crate::report::ListedTable;
use crate::target::Target;
use crate::workspace::Database;

/// The contents of a database's catalog.
pub(crate) struct Measured {
    pub(crate) catalog: Catalog,
    pub(crate) tables: Vec<Table>,
    /// The roles that the database declares. If one is missing, the catalog is without owners and privileges.
    pub(crate) declared: Vec<Declared>,
}

impl Measured {
    /// Whether owners and privileges are left out, although the database asks for their proof.
    pub(crate) fn lacks_privileges(&self) -> bool {
        self.declared.iter().any(|role| role.found.is_none())
    }

    /// A few words about what was proven.
    pub(crate) fn proven(&self) -> &'static str {
        if self.lacks_privileges() { "schema proven but for its owners and privileges" } else { "schema proven" }
    }

    /// Leaves out of the committed schema what is left out here.
    fn comparable(&self, committed: Catalog) -> Catalog {
        if self.lacks_privileges() { committed.without_privileges() } else { committed }
    }

    /// The tables that `\dt` lists.
    pub(crate) fn listed(&self) -> Vec<ListedTable<'_>> {
        self.tables
            .iter()
            .map(|Table { schema, name, kind, owner }| ListedTable { schema, name, kind, owner })
            .collect()
    }
}

/// Reads the catalog of a database, with its owners and privileges if it asks for their proof and has the roles for it.
///
/// # Errors
/// The query fails. The connection must not be used after that.
pub(crate) async fn measure(connection: &mut PgConnection, database: &Database) -> Result<Measured> {
    let (schema, table) = database.history.parts();
    let history = xtask_schema::History { schema, table };
    let declared = declared::look(connection, database.declared_roles()).await?;
    let is_complete = database.privileges.is_some() && declared.iter().all(|role| role.found.is_some());
    let reading = if is_complete { Catalog::read_with_privileges } else { Catalog::read };
    let (catalog, tables) = reading(connection, &history).await?;
    Ok(Measured { catalog, tables, declared })
}

/// Compares a database with the committed file.
///
/// # Errors
/// Nothing could be compared: there is no file, the file can't be read, or the database is empty.
pub(crate) fn compare(target: &Target<'_>, measured: &Measured) -> Result<Vec<Difference>, Problem> {
    let database = target.database;
    let committed = measured.comparable(committed(target)?.ok_or_else(|| no_file(database))?);
    if measured.catalog.is_empty() {
        return Err(Problem::new(
            Code::DatabaseEmpty,
            Exit::SchemaDiffers,
            format!("{}: the database is empty, so there is nothing to prove.", database.name),
        )
        .remedy(format!("Write its first migration: cargo xtask migrate add {} NAME", database.name)));
    }
    Ok(differences(target, &committed, &measured.catalog))
}

/// Names the differences between two catalogs of a database. The repairs name the URL's role.
pub(super) fn differences(target: &Target<'_>, expected: &Catalog, actual: &Catalog) -> Vec<Difference> {
    let role = identifier(&target.url.user);
    xtask_schema::compare(expected, actual).into_iter().map(|difference| difference.for_role(&role)).collect()
}

/// Reads the committed schema. Returns `None` if there is no file.
fn committed(target: &Target<'_>) -> Result<Option<Catalog>, Problem> {
    let file = &target.database.schema_file;
    match std::fs::read_to_string(target.root.join(file)) {
        Ok(text) => Ok(Some(Catalog::parse(&text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Problem { exit: Exit::SchemaDiffers, ..Problem::unreadable(file, &error) }),
    }
}

fn no_file(database: &Database) -> Problem {
    let (name, file) = (&database.name, database.schema_file.display());
    Problem::new(
        Code::SchemaFileMissing,
        Exit::SchemaDiffers,
        format!("{name}: there is no {file}, so the schema can't be proven."),
    )
    .remedy("Make the file from the migrations, and commit it: cargo xtask db-verify --write")
}

/// Reads all catalogs of a database, for the deep proof.
///
/// # Errors
/// The query fails. The connection must not be used after that.
pub(crate) async fn read_deep(connection: &mut PgConnection, database: &Database) -> Result<Deep> {
    Ok(Deep::read(connection, database.privileges.is_some()).await?)
}

/// Applies the migrations to an empty scratch database, and reads its catalog.
///
/// # Errors
/// No scratch database can be made, or a migration fails in it.
pub(crate) async fn from_nothing(target: &Target<'_>, run: &str) -> Result<Measured> {
    in_fresh(target, run, async |connection| measure(connection, target.database).await).await
}

/// Applies the migrations to an empty scratch database, reads something in it, and drops it.
///
/// # Errors
/// No scratch database can be made, a migration fails in it, or it can't be read.
pub(crate) async fn in_fresh<T>(
    target: &Target<'_>,
    run: &str,
    read: impl AsyncFnOnce(&mut PgConnection) -> Result<T>,
) -> Result<T> {
    scratch::with(target, run, async |scratch| {
        let mut connection = scratch.migrated().await?;
        let value = read(&mut connection).await?;
        session::close(connection).await;
        Ok(value)
    })
    .await
}

/// Fails if the committed file isn't the schema that was measured in a freshly migrated database.
///
/// # Errors
/// The two differ, or nothing could be compared.
pub(crate) fn file_is_current(target: &Target<'_>, fresh: &Measured) -> Result<(), Problem> {
    let database = target.database;
    let (file, write) = (database.schema_file.display(), "cargo xtask db-verify --write");
    let committed = fresh.comparable(committed(target)?.ok_or_else(|| no_file(database))?);
    let differences = xtask_schema::compare(&committed, &fresh.catalog);
    if differences.is_empty() {
        return Ok(());
    }
    let what = format!("{}: {file} is stale: the migrations produce another schema.", database.name);
    Err(Problem::new(Code::SchemaFileStale, Exit::SchemaDiffers, what)
        .at(&database.schema_file, first_difference(target, &fresh.catalog), None)
        .details(differences.into_iter().map(|difference| Difference { repair: None, ..difference }.to_string()))
        .remedy(format!("Regenerate the file, look at the change, and commit it: {write}")))
}

/// The number of the first line of the committed file that differs. Lines count from one.
fn first_difference(target: &Target<'_>, fresh: &Catalog) -> usize {
    let committed = std::fs::read_to_string(target.root.join(&target.database.schema_file)).unwrap_or_default();
    let fresh = fresh.to_sql();
    committed.lines().zip(fresh.lines()).take_while(|(old, new)| old == new).count() + 1
}

/// Returns whether a database equals the result of the migrations, whatever the committed file says.
///
/// # Errors
/// No scratch database can be made, or a migration fails in it.
pub(crate) async fn is_what_migrations_make(target: &Target<'_>, measured: &Measured, run: &str) -> Result<bool> {
    Ok(from_nothing(target, run).await?.catalog == measured.catalog)
}

/// Names the differences between the committed file and a database, without a look at which of the two is wrong.
pub(crate) fn unexplained(target: &Target<'_>, differences: &[Difference]) -> Problem {
    let Target { database, url, .. } = target;
    // Statements that repair the database make sense only where the database is at fault.
    let without_repair = |difference: &Difference| Difference { repair: None, ..difference.clone() }.to_string();
    let what = format!("{}: {} differs from {}.", database.name, url.database, database.schema_file.display());
    Problem::new(Code::SchemaDiffers, Exit::SchemaDiffers, what).details(differences.iter().map(without_repair))
}

/// Adds the command that shows which of the two is wrong.
pub(crate) fn see_which(problem: Problem) -> Problem {
    problem.remedy("See which of the two is wrong, with a scratch database: cargo xtask db-verify")
}

/// Explains why a database differs from the repository, and how to fix that.
///
/// `differences` are the differences between the committed file and the database.
pub(crate) async fn explain(
    target: &Target<'_>,
    measured: &Measured,
    differences: &[Difference],
    run: &str,
) -> Problem {
    let Target { database, url, .. } = target;
    let (file, name) = (database.schema_file.display(), &url.database);
    let problem =
        |what: String| Problem::new(Code::SchemaDiffers, Exit::SchemaDiffers, format!("{}: {what}", database.name));
    // Statements that repair the database make sense only where the database is at fault.
    let without_repair = |difference: &Difference| Difference { repair: None, ..difference.clone() }.to_string();
    let write = "cargo xtask db-verify --write";
    let take_back = take_back(database);
    let fresh = match from_nothing(target, run).await {
        Ok(fresh) => fresh.catalog,
        Err(error) => {
            return unexplained(target, differences)
                .detail(format!("It is unknown which of the two is wrong: {}", first_line(&error)));
        }
    };
    let drift = self::differences(target, &fresh, &measured.catalog);
    let file_is_stale =
        !matches!(committed(target), Ok(Some(committed)) if measured.comparable(committed.clone()) == fresh);
    if drift.is_empty() {
        let what = format!("{file} is stale: {name} equals the result of the migrations, but the file doesn't.");
        return Problem { code: Code::SchemaFileStale, ..problem(what) }
            .details(differences.iter().map(without_repair))
            .remedy(format!("Regenerate the file, look at the change, and commit it: {write}"));
    }
    let drifted = problem(format!("{name} drifted: it differs from the result of the migrations."))
        .details(drift.iter().map(ToString::to_string));
    if file_is_stale {
        drifted
            .detail(format!("{file} differs from the result of the migrations as well."))
            .remedy(take_back)
            .remedy(format!("Regenerate the file, look at the change, and commit it: {write}"))
    } else {
        drifted.remedy(take_back)
    }
}

/// What to do about a database that somebody changed by hand.
pub(super) fn take_back(database: &Database) -> String {
    format!(
        "Put the change into a migration (cargo xtask migrate add {} NAME), or undo it in the database.",
        database.name
    )
}

fn first_line(error: &anyhow::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
