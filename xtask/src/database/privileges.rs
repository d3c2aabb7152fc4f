//! The owners and privileges of a database that asks for their proof, and the roles that it declares.
//!
//! The proof needs the roles. Where a server hasn't all of them and nobody can make them, the rest of the schema is proven
//! alone, and the user is told what is missing.

use anyhow::Result;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};
use xtask_schema::{Difference, Repair};

use super::proof::Measured;
use crate::connection::declared::Declared;
use crate::connection::sql::{identifier, literal};
use crate::problem::{Code, Exit, Problem};
use crate::report::Reporter;
use crate::target::Target;

/// Refuses declared roles that may do more than what the migrations grant to them, whatever the catalog of the database says.
///
/// # Errors
/// All such roles, with the statements that take away what they have.
pub(crate) fn refuse_mighty(target: &Target<'_>, declared: &[Declared]) -> Result<(), Problem> {
    let mighty: Vec<_> = declared.iter().filter_map(|role| Some((&role.name, role.beyond()?))).collect();
    if mighty.is_empty() {
        return Ok(());
    }
    let what = format!(
        "{}: the privileges at {} aren't what the migrations grant, because a role has more by itself.",
        target.database.name, target.url.address
    );
    let has = mighty.iter().map(|(name, (has, _))| format!("The role {name} has {has}."));
    let problem = Problem::new(Code::RoleMighty, Exit::SchemaDiffers, what).details(has);
    let statements = mighty.iter().flat_map(|(_, (_, statements))| statements.clone()).collect::<Vec<_>>().join("\n");
    Err(problem.remedy(format!("As a superuser of that server, if nothing else needs it:\n{statements}")))
}

/// Says what isn't proven or can't be used, because a role is missing or the URL's role may not act as it.
pub(crate) fn warn(target: &Target<'_>, declared: &[Declared], reporter: &Reporter) {
    let Target { database, url, .. } = target;
    let unusable: Vec<&Declared> = declared.iter().filter(|role| !role.is_usable()).collect();
    if unusable.is_empty() {
        return;
    }
    let missing: Vec<_> = unusable.iter().filter(|role| role.found.is_none()).map(|role| role.name.as_str()).collect();
    let closed: Vec<_> = unusable.iter().filter(|role| role.found.is_some()).map(|role| role.name.as_str()).collect();
    if !missing.is_empty() {
        reporter.warning(&format!(
            "{}: owners and privileges are not proven at {}, because the role {} is missing there and {} may not make it.",
            database.name,
            url.address,
            missing.join(" and "),
            url.user
        ));
    }
    if !closed.is_empty() {
        let (role, user) = (closed.join(" and "), &url.user);
        reporter.warning(&format!("{}: {user} may not act as the role {role} at {}.", database.name, url.address));
    }
    reporter.note("What uses these roles works as the URL's role. A superuser of that server changes that with:");
    for statement in unusable.iter().flat_map(|role| role.statements(&url.user)) {
        reporter.note(&format!("  {statement}"));
    }
    reporter.note("and the next db-setup then grants what the migrations say.");
}

/// Grants what the migrations would have granted if the roles had been there when they ran. Returns whether anything was
/// granted.
///
/// # Errors
/// The server refuses, or is gone.
pub(super) async fn catch_up(
    connection: &mut PgConnection,
    measured: &Measured,
    differences: &[Difference],
) -> Result<bool> {
    let Some(grants) = to_catch_up(connection, measured, differences).await? else { return Ok(false) };
    // The server runs the statements of one message as one transaction.
    sqlx::raw_sql(AssertSqlSafe(grants)).execute(connection).await?;
    Ok(true)
}

/// Returns the statements that [`catch_up`] runs, if it has to. Only roles that hold nothing in the database get anything, and
/// only if nothing else differs.
///
/// # Errors
/// The server refuses, or is gone.
pub(super) async fn to_catch_up(
    connection: &mut PgConnection,
    measured: &Measured,
    differences: &[Difference],
) -> Result<Option<String>> {
    if differences.is_empty() {
        return Ok(None);
    }
    let mut new = Vec::new();
    for role in measured.declared.iter().filter(|role| role.found.is_some()) {
        if holds_nothing(connection, &role.name).await? {
            new.push(role.name.as_str());
        }
    }
    Ok(differences.iter().map(|difference| grants(difference, &new)).collect())
}

/// Returns the statements that repair a difference, if all of them grant something to one of these roles.
fn grants(difference: &Difference, roles: &[&str]) -> Option<String> {
    let Some(Repair::Statements(repair)) = &difference.repair else { return None };
    let to_one = |line: &str| {
        let verb = ["GRANT ", "ALTER DEFAULT PRIVILEGES "].iter().any(|verb| line.starts_with(verb));
        verb && roles.iter().any(|role| {
            [(*role).to_owned(), identifier(role)]
                .iter()
                .any(|role| [";", " WITH GRANT OPTION;"].iter().any(|end| line.ends_with(&format!(" TO {role}{end}"))))
        })
    };
    (difference.is_of_privileges() && repair.lines().all(to_one)).then(|| repair.clone())
}

/// Whether a role owns nothing in the database of the session, and has no privilege there.
async fn holds_nothing(connection: &mut PgConnection, role: &str) -> Result<bool, sqlx::Error> {
    let query = format!(
        "SELECT NOT EXISTS (SELECT FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass \
         AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = {}) \
         AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database()))",
        literal(role)
    );
    sqlx::raw_sql(AssertSqlSafe(query)).fetch_one(connection).await?.try_get(0)
}
