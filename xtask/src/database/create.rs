//! Makes a database: from template0, in UTF-8, owned by the role that its URL names.

use anyhow::Result;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use crate::connection::session;
use crate::connection::sql::identifier;
use crate::database_url::DatabaseUrl;
use crate::problem::Problem;

/// Makes the URL's database. Returns whether it was made: one that another run makes meanwhile is as good.
///
/// # Errors
/// The role may not make databases, with the statement for somebody who may; or the server refuses it.
pub(crate) async fn database(url: &DatabaseUrl, run: &str) -> Result<bool> {
    let mut connection = session::maintenance(url, run).await?;
    session::watch_client(&mut connection).await;
    let made = create(&mut connection, &url.database).await;
    session::close(connection).await;
    match made {
        Ok(()) => Ok(true),
        Err(error) => match error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() {
            // It is there by now; the second code is what two CREATE DATABASE at once get.
            Some("42P04" | "23505") => Ok(false),
            Some("42501") => Err(Problem::failed(format!(
                "{} isn't there, and the role {} of {} may not make databases at {}.",
                url.database, url.user, url.variable, url.address
            ))
            .remedy(format!(
                "As a superuser of that server: CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8';",
                identifier(&url.database),
                identifier(&url.user)
            ))
            .remedy(format!("or: ALTER ROLE {} CREATEDB; which scratch databases need as well.", identifier(&url.user)))
            .into()),
            _ => Err(Problem::failed(format!(
                "The database {} can't be made at {}: {error}.",
                url.database, url.address
            ))
            .into()),
        },
    }
}

/// From template0: whatever somebody left in template1 isn't in it.
pub(crate) async fn create(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    let statement = format!("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'", identifier(name));
    match sqlx::raw_sql(AssertSqlSafe(statement.as_str())).execute(&mut *connection).await {
        Ok(_) => Ok(()),
        // The server's locale belongs to another encoding.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("22023") => {
            let statement = format!("{statement} LC_COLLATE 'C' LC_CTYPE 'C'");
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop)
        }
        Err(error) => Err(error),
    }
}

/// Whether an existing database can be worked with: in UTF-8, and ours to make tables in.
///
/// # Errors
/// It can't, and why.
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
        return Err(Problem::failed(format!("{} is in {encoding}, and has to be in UTF8.", url.database))
            .detail("An encoding can't be changed. Nothing was done to the database.")
            .remedy(format!(
                "ALTER DATABASE {0} RENAME TO {1}; and cargo xtask db-setup, which makes {0} anew.",
                identifier(&url.database),
                identifier(&format!("{}_old", url.database))
            ))
            .into());
    }
    if !is_owner && !may_create {
        return Err(Problem::failed(format!(
            "{} belongs to {owner}, and {} may not make anything in it.",
            url.database, url.user
        ))
        .remedy(format!(
            "As {owner} or a superuser: ALTER DATABASE {} OWNER TO {};",
            identifier(&url.database),
            identifier(&url.user)
        ))
        .into());
    }
    Ok(())
}
