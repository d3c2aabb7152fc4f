//! The roles that the URLs name. On a server that this program started, it makes them. On another server, it tells the
//! user how to make them.

use anyhow::Result;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection};

use crate::connection::readiness::{self, Answer};
use crate::connection::sql::{identifier, literal};
use crate::database_url::DatabaseUrl;
use crate::problem::Problem;

/// Makes the logins of the URLs work on a server that this program started. A missing role is made. A role that exists
/// gets the password from its URL.
///
/// A role may only log in and make databases. These servers are on the loopback interface, where every user of the
/// machine can try a password that stands in a public file.
///
/// # Errors
/// The superuser can't log in, or a statement fails.
pub(crate) async fn let_in<'u>(
    superuser: &PgConnectOptions,
    urls: impl Iterator<Item = &'u DatabaseUrl>,
) -> Result<()> {
    // Without these settings, the server would log a statement that fails, with the password in it.
    let quiet = [("log_min_error_statement", "panic"), ("log_statement", "none")];
    let mut connection = xtask_connect::connect(superuser.clone().options(quiet)).await.map_err(|error| {
        Problem::unavailable(format!("The server was started, but its superuser can't log in: {error}."))
    })?;
    let mut done: Vec<&str> = Vec::new();
    for url in urls {
        if !done.contains(&url.user.as_str()) {
            let_one_in(&mut connection, url).await?;
            done.push(&url.user);
        }
    }
    drop(connection.close().await);
    Ok(())
}

async fn let_one_in(superuser: &mut PgConnection, url: &DatabaseUrl) -> Result<()> {
    let exists = sqlx::query("SELECT FROM pg_roles WHERE rolname = $1")
        .bind(&url.user)
        .fetch_optional(&mut *superuser)
        .await?
        .is_some();
    let (role, password) = (identifier(&url.user), literal(&url.password));
    if !exists {
        let statement = format!("CREATE ROLE {role} LOGIN CREATEDB PASSWORD {password}");
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(superuser).await?;
    } else if matches!(readiness::ask(url.options("xtask")).await, Answer::Refused(_)) {
        let statement = format!("ALTER ROLE {role} LOGIN PASSWORD {password}");
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(superuser).await?;
    }
    Ok(())
}

/// The problem that a server refuses a login. PostgreSQL sends the same message for a missing role and for a wrong
/// password.
pub(crate) fn refused(url: &DatabaseUrl, said: &str) -> Problem {
    let role = identifier(&url.user);
    let (host, port) = (&url.address.host, url.address.port);
    Problem::unavailable(format!("PostgreSQL at {} refuses the login of {}: {said}.", url.address, url.variable))
        .detail(format!("The role {role} is missing there, or has another password than {} says.", url.variable))
        .remedy(format!(
            "Make the role, as a superuser of that server (psql -h {host} -p {port} -U postgres postgres):\n\
             CREATE ROLE {role} LOGIN CREATEDB PASSWORD '<the password in {variable}>';\n\
             or, if it exists: ALTER ROLE {role} LOGIN CREATEDB PASSWORD '<the password in {variable}>';",
            variable = url.variable
        ))
}
