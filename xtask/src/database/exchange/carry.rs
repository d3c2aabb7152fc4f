//! What a database has beside its content: who may use it, and its settings. A rename keeps both, but a copy has neither, so
//! the database that takes another one's name is given them.

use anyhow::Result;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use crate::connection::sql::{identifier, literal};
use crate::report::Reporter;

/// The settings whose values are lists of quoted names. As one string, they would be one name (pg_dump's
/// `variable_is_guc_list_quote`).
const LISTS: [&str; 5] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
];

/// Where a database aside gets from what a copy of a database hasn't.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    /// The database whose place it takes, with the privileges.
    pub(crate) place_of: Option<&'a str>,
    /// The database that it is a copy of, with the settings. They are a part of the schema, so migrations make them, and a new
    /// database has its own.
    pub(crate) copy_of: Option<&'a str>,
}

/// Gives the database `to` what it hasn't by itself. `name` is the name that it will have.
///
/// # Errors
/// The connection is lost.
pub(super) async fn carry(
    connection: &mut PgConnection,
    origin: Origin<'_>,
    to: &str,
    name: &str,
    reporter: &Reporter,
) -> Result<(), sqlx::Error> {
    let mut wanted = Vec::new();
    if let Some(place) = origin.place_of {
        wanted.extend(owner(connection, place, to).await?);
        wanted.extend(privileges(connection, place).await?);
    }
    if let Some(copied) = origin.copy_of {
        wanted.extend(settings(connection, copied).await?);
    }
    let statement = |(scope, rest): &(String, String), name: &str| format!("{scope} {} {rest};", identifier(name));
    let mut refused = Vec::new();
    for one in &wanted {
        match sqlx::raw_sql(AssertSqlSafe(statement(one, to))).execute(&mut *connection).await {
            Ok(_) => {}
            Err(sqlx::Error::Database(_)) => refused.push(statement(one, name)),
            Err(error) => return Err(error),
        }
    }
    if !refused.is_empty() {
        reporter.warning(&format!(
            "This role may not give the new {name} all that it had. As a superuser of that server, \
                                   afterwards: {}",
            refused.join(" ")
        ));
    }
    if let (Some(place), None) = (origin.place_of, origin.copy_of) {
        let own = settings(connection, to).await?;
        let lost = settings(connection, place).await?.into_iter().filter(|one| !own.contains(one));
        let lost: Vec<_> = lost.map(|one| statement(&one, name)).collect();
        if !lost.is_empty() {
            reporter.warning(&format!(
                "{name} had settings that no migration makes, so the new one hasn't them: {}",
                lost.join(" ")
            ));
        }
    }
    Ok(())
}

/// The statement that gives a database the owner of another one, if they have two.
async fn owner(connection: &mut PgConnection, from: &str, to: &str) -> Result<Option<(String, String)>, sqlx::Error> {
    let query = format!(
        "SELECT pg_get_userbyid(one.datdba)::text FROM pg_database AS one, pg_database AS other \
         WHERE one.datname = {} AND other.datname = {} AND one.datdba <> other.datdba",
        literal(from),
        literal(to)
    );
    let row = sqlx::raw_sql(AssertSqlSafe(query)).fetch_optional(connection).await?;
    let owner: Option<String> = row.map(|row| row.try_get(0)).transpose()?;
    Ok(owner.map(|owner| ("ALTER DATABASE".to_owned(), format!("OWNER TO {}", identifier(&owner)))))
}

/// The statements that give a database the privileges of another one: what stands before its name, and after it.
async fn privileges(connection: &mut PgConnection, from: &str) -> Result<Vec<(String, String)>, sqlx::Error> {
    let query = format!(
        "SELECT privilege_type, CASE WHEN grantee = 0 THEN NULL ELSE pg_get_userbyid(grantee)::text END, is_grantable \
         FROM pg_database, LATERAL aclexplode(datacl) WHERE datname = {} AND datacl IS NOT NULL",
        literal(from)
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(query)).fetch_all(connection).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut statements = vec![("REVOKE ALL ON DATABASE".to_owned(), "FROM PUBLIC".to_owned())];
    for row in rows {
        let (privilege, grantee, may_grant): (String, Option<String>, bool) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let grantee = grantee.map_or_else(|| "PUBLIC".to_owned(), |role| identifier(&role));
        let option = if may_grant { " WITH GRANT OPTION" } else { "" };
        statements.push((format!("GRANT {privilege} ON DATABASE"), format!("TO {grantee}{option}")));
    }
    Ok(statements)
}

/// The same for the settings of ALTER DATABASE … SET, and of ALTER ROLE … IN DATABASE … SET.
async fn settings(connection: &mut PgConnection, from: &str) -> Result<Vec<(String, String)>, sqlx::Error> {
    let query = format!(
        "SELECT CASE WHEN setrole <> 0 THEN pg_get_userbyid(setrole)::text END, split_part(setting, '=', 1), \
         substr(setting, strpos(setting, '=') + 1) FROM pg_db_role_setting \
         JOIN pg_database AS database ON database.oid = setdatabase, LATERAL unnest(setconfig) AS setting \
         WHERE datname = {}",
        literal(from)
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(query)).fetch_all(connection).await?;
    let statement = |row: &sqlx::postgres::PgRow| {
        let (role, name, value): (Option<String>, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let scope = match role {
            Some(role) => format!("ALTER ROLE {} IN DATABASE", identifier(&role)),
            None => "ALTER DATABASE".to_owned(),
        };
        let value = if LISTS.contains(&name.as_str()) && !value.is_empty() { value } else { literal(&value) };
        // An extension's setting has a dot in its name.
        let name: Vec<_> = name.split('.').map(identifier).collect();
        Ok((scope, format!("SET {} TO {value}", name.join("."))))
    };
    rows.iter().map(statement).collect()
}
