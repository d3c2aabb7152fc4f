//! The roles that the URLs name. On a server that this program started, it makes them. On another server, it tells the
//! user how to make them.

use anyhow::Result;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use crate::connection::readiness::{self, Answer};
use crate::connection::sql::{identifier, literal};
use crate::database_url::DatabaseUrl;
use crate::problem::Problem;

/// The server's file with the rules for logins.
const RULES: &str = "pg_hba.conf";

/// Settings of a session that sets passwords. Without them, the server would log a statement that fails, with the
/// password in it.
pub(super) const QUIET: [(&str, &str); 2] = [("log_min_error_statement", "panic"), ("log_statement", "none")];

/// Makes the logins of the URLs work on a server that this program started. A missing role is made. A role that exists
/// gets the password from its URL. `superuser` is a session with the settings [`QUIET`].
///
/// A role may only log in and make databases. These servers are on the loopback interface, where every user of the
/// machine can try a password that stands in a public file.
///
/// # Errors
/// A statement fails.
pub(super) async fn let_in<'u>(
    superuser: &mut PgConnection,
    urls: impl Iterator<Item = &'u DatabaseUrl>,
) -> Result<()> {
    let mut done: Vec<&str> = Vec::new();
    for url in urls {
        if !done.contains(&url.user.as_str()) {
            let_one_in(superuser, url).await?;
            done.push(&url.user);
        }
    }
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
        match sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *superuser).await {
            Ok(_) => return Ok(()),
            // Another run has made the role meanwhile. The second code is the error of two CREATE ROLE at the same time.
            Err(sqlx::Error::Database(error)) if matches!(error.code().as_deref(), Some("42710" | "23505")) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if matches!(readiness::ask(url.options("xtask")).await, Answer::Refused(_)) {
        let statement = format!("ALTER ROLE {role} LOGIN PASSWORD {password}");
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(superuser).await?;
    }
    Ok(())
}

/// The problem that the superuser of a server that was started just now can't log in.
pub(super) fn no_superuser(answer: &Answer) -> Problem {
    Problem::unavailable(format!("The server was started, but its superuser can't log in: {answer}."))
}

/// The problem that a server refuses a login. PostgreSQL sends the same message for a missing role and for a wrong
/// password, and names its file of rules if no rule fits. The name is the same in all languages.
pub(crate) fn refused(url: &DatabaseUrl, said: &str) -> Problem {
    let role = identifier(&url.user);
    let (host, port) = (&url.address.host, url.address.port);
    let problem =
        Problem::unavailable(format!("PostgreSQL at {} refuses the login of {}: {said}.", url.address, url.variable));
    if said.contains(RULES) {
        return problem
            .detail(format!(
                "No rule in the server's {RULES} fits this login. A rule for encrypted connections (hostssl) doesn't fit, \
                 because TLS isn't compiled into this program."
            ))
            .remedy(format!(
                "Ask for the place of the file as a superuser of that server (SHOW hba_file), and add this line to it:\n\
                 host all {role} 127.0.0.1/32 scram-sha-256\n\
                 Then let the server read it: SELECT pg_reload_conf();"
            ));
    }
    problem
        .detail(format!("The role {role} is missing there, or has another password than {} says.", url.variable))
        .remedy(format!(
            "Make the role, as a superuser of that server (psql -h {host} -p {port} -U postgres postgres):\n\
             CREATE ROLE {role} LOGIN CREATEDB PASSWORD '<the password in {variable}>';\n\
             or, if it exists: ALTER ROLE {role} LOGIN CREATEDB PASSWORD '<the password in {variable}>';",
            variable = url.variable
        ))
}
