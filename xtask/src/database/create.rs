//! Makes a database: from template0, in UTF-8, owned by the role that its URL names.

use anyhow::Result;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use crate::connection::sql::identifier;
use crate::connection::{session, working};
use crate::database_url::DatabaseUrl;
use crate::problem::{Code, Problem};

/// Makes the URL's database. Returns whether it was made here. It is no error if another run makes it at the same time.
///
/// # Errors
/// The role may not make databases. The error then holds the statement for a role that may. Or the server refuses to
/// make the database.
pub(crate) async fn database(url: &DatabaseUrl, run: &str) -> Result<bool> {
    let mut connection = session::maintenance(url, run).await?;
    working::settle(&mut connection).await?;
    let made = create(&mut connection, &url.database, "").await;
    session::close(connection).await;
    match made {
        Ok(()) => Ok(true),
        Err(error) => match error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() {
            // The database exists by now. The second code is the error of two CREATE DATABASE at the same time.
            Some("42P04" | "23505") => Ok(false),
            Some("42501") => Err(may_not_make(url).into()),
            _ => Err(Problem::failed(
                Code::DatabaseNotMade,
                format!("The database {} can't be made at {}: {error}.", url.database, url.address),
            )
            .into()),
        },
    }
}

/// Checks that the role of a session may make the URL's database.
///
/// # Errors
/// It may not, or the query fails.
pub(super) async fn check_may_make(connection: &mut PgConnection, url: &DatabaseUrl) -> Result<()> {
    if may_create(connection).await? { Ok(()) } else { Err(may_not_make(url).into()) }
}

/// Checks that the role of a session may rename its databases, and make others in their place.
///
/// # Errors
/// It may not, or the query fails.
pub(super) async fn check_may_rename(connection: &mut PgConnection, url: &DatabaseUrl) -> Result<()> {
    if may_create(connection).await? {
        return Ok(());
    }
    let what =
        format!("The role {} of {} may neither make nor rename databases at {}.", url.user, url.variable, url.address);
    Err(Problem::failed(Code::MayNotMake, what)
        .detail("Your databases are as they were.")
        .remedy(format!("As a superuser of that server: ALTER ROLE {} CREATEDB;", identifier(&url.user)))
        .into())
}

async fn may_create(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let question = "SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user";
    sqlx::raw_sql(question).fetch_one(connection).await?.try_get(0)
}

fn may_not_make(url: &DatabaseUrl) -> Problem {
    let (database, role) = (identifier(&url.database), identifier(&url.user));
    Problem::failed(
        Code::MayNotMake,
        format!(
            "{} doesn't exist, and the role {} of {} may not make databases at {}.",
            url.database, url.user, url.variable, url.address
        ),
    )
    .remedy(format!(
        "As a superuser of that server: CREATE DATABASE {database} OWNER {role} TEMPLATE template0 ENCODING 'UTF8';"
    ))
    .remedy(format!("or: ALTER ROLE {role} CREATEDB; (scratch databases need it as well)"))
}

/// Makes a database from template0, so that it has nothing that a user added to template1. `options` are further options
/// of CREATE DATABASE.
pub(crate) async fn create(connection: &mut PgConnection, name: &str, options: &str) -> Result<(), sqlx::Error> {
    let mut statement = format!("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' {options}", identifier(name));
    if copies_files(connection).await? {
        statement.push_str(" STRATEGY file_copy");
    }
    match sqlx::raw_sql(AssertSqlSafe(statement.as_str())).execute(&mut *connection).await {
        Ok(_) => Ok(()),
        // The server's locale doesn't fit UTF-8.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("22023") => {
            let statement = format!("{statement} LC_COLLATE 'C' LC_CTYPE 'C'");
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop)
        }
        Err(error) => Err(error),
    }
}

/// Makes a copy of a database that has no sessions. `options` are further options of CREATE DATABASE.
pub(super) async fn copy(
    connection: &mut PgConnection,
    source: &str,
    name: &str,
    options: &str,
) -> Result<(), sqlx::Error> {
    let strategy = if copies_files(connection).await? { "STRATEGY file_copy" } else { "" };
    let (name, source) = (identifier(name), identifier(source));
    let statement = format!("CREATE DATABASE {name} TEMPLATE {source} {options} {strategy}");
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop)
}

/// The problem that a database of this program's own can't be made. `what` names it.
pub(super) fn cannot_make(url: &DatabaseUrl, what: &str, error: &sqlx::Error) -> Problem {
    let may_not = error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("42501"));
    let code = if may_not { Code::MayNotMake } else { Code::DatabaseNotMade };
    let problem = Problem::failed(code, format!("{what} can't be made at {}: {error}.", url.address));
    let grant = format!("As a superuser of that server: ALTER ROLE {} CREATEDB;", identifier(&url.user));
    if may_not { problem.remedy(grant) } else { problem }
}

/// Whether the server makes a database faster by a copy of template0's files than through its log, which is the default
/// from version 15 on. The copy takes half the time, but then each file is written to the disk. So it is the faster one
/// only where the server doesn't wait for its disk.
async fn copies_files(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::raw_sql("SELECT NOT current_setting('fsync')::bool AND current_setting('server_version_num')::int >= 150000")
        .fetch_one(connection)
        .await?
        .try_get(0)
}

/// Checks that an existing database can be used: it is in UTF-8, and the URL's role may make tables in it.
///
/// # Errors
/// The database can't be used. The error says why.
pub(crate) async fn check(connection: &mut PgConnection, url: &DatabaseUrl) -> Result<()> {
    let row = sqlx::raw_sql(
        "SELECT pg_encoding_to_char(encoding), pg_get_userbyid(datdba), \
         has_database_privilege(current_user, oid, 'CREATE'), pg_has_role(current_user, datdba, 'MEMBER') \
         FROM pg_database WHERE datname = current_database()",
    )
    .fetch_one(connection)
    .await?;
    let (encoding, owner): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let (may_create, is_owner): (bool, bool) = (row.try_get(2)?, row.try_get(3)?);
    if encoding != "UTF8" {
        return Err(Problem::failed(
            Code::Encoding,
            format!("{} has the encoding {encoding}, but it has to be UTF8.", url.database),
        )
        .detail("The encoding of a database can't be changed. Nothing was done to the database.")
        .remedy(format!(
            "ALTER DATABASE {0} RENAME TO {1}; then run cargo xtask db-setup, which makes a new {0}.",
            identifier(&url.database),
            identifier(&format!("{}_old", url.database))
        ))
        .into());
    }
    if !is_owner && !may_create {
        return Err(Problem::failed(
            Code::MayNotWrite,
            format!("{} belongs to {owner}, and {} may not make anything in it.", url.database, url.user),
        )
        .remedy(format!(
            "As {owner} or a superuser: ALTER DATABASE {} OWNER TO {};",
            identifier(&url.database),
            identifier(&url.user)
        ))
        .into());
    }
    Ok(())
}
