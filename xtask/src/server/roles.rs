//! The roles that the URLs name. On a server that this program started, it makes them. On another server, it tells the
//! user how to make them.

use anyhow::Result;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use crate::connection::readiness::{self, Answer};
use crate::connection::sql::{identifier, literal};
use crate::connection::{declared, session};
use crate::database_url::DatabaseUrl;
use crate::problem::{Code, Problem};
use crate::target::Target;

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

/// Makes the roles that the databases declare, and lets the URLs' roles act as them. The roles of the URLs may not make
/// roles, so only the superuser can do it on the servers that this program starts.
///
/// # Errors
/// The connection is lost.
pub(super) async fn make_declared(superuser: &mut PgConnection, targets: &[Target<'_>]) -> Result<()> {
    for Target { database, url, .. } in targets {
        declared::make(superuser, database.declared_roles(), &url.user).await?;
    }
    Ok(())
}

/// Whether a role that a database declares is missing, or the URL's role may not act as it.
///
/// # Errors
/// A session can't be opened, or a query fails.
pub(super) async fn lacks_declared(targets: &[Target<'_>]) -> Result<bool> {
    for Target { database, url, .. } in targets.iter().filter(|target| !target.database.declared_roles().is_empty()) {
        let mut connection = session::maintenance(url, session::READER).await?;
        let declared = declared::look(&mut connection, database.declared_roles()).await?;
        session::close(connection).await;
        if declared.iter().any(|role| !role.is_usable() && !role.could_be_made()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The problem that the superuser of a server that was started just now can't log in.
pub(super) fn no_superuser(answer: &Answer) -> Problem {
    Problem::unavailable(
        Code::ClusterNotStarted,
        format!("The server was started, but its superuser can't log in: {answer}."),
    )
}

/// The problem that a server refuses a login. PostgreSQL sends the same message for a missing role and for a wrong
/// password, and names its file of rules if no rule fits. The name is the same in all languages.
pub(crate) fn refused(url: &DatabaseUrl, said: &str) -> Problem {
    let role = identifier(&url.user);
    let (host, port) = (&url.address.host, url.address.port);
    let problem = Problem::unavailable(
        Code::LoginRefused,
        format!("PostgreSQL at {} refuses the login of {}: {said}.", url.address, url.variable),
    );
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
