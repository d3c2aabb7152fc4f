//! The roles that a database declares in its package's manifest, because its migrations grant something to them.
//!
//! Roles belong to the server, so no migration can make them. This program makes those that are missing, where it may, and
//! lets the URL's role act as them. It changes no role that exists.

use anyhow::Result;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::sql::{identifier, literal};

/// A declared role, as a session finds it on its server.
pub(crate) struct Declared {
    pub(crate) name: String,
    /// `None` if the server has no such role.
    pub(crate) found: Option<Found>,
    /// Whether the session's role may make roles.
    may_make: bool,
}

/// A role that exists.
pub(crate) struct Found {
    /// What gives the role more than its grants: attributes such as `SUPERUSER`.
    attributes: Vec<String>,
    /// The roles that it is a member of.
    member_of: Vec<String>,
    /// Whether the session's role may act as this one.
    pub(crate) is_open: bool,
}

impl Declared {
    /// Returns whether something is missing that this session could make: the role, or that it may act as it.
    pub(crate) fn could_be_made(&self) -> bool {
        self.may_make && !self.is_usable()
    }

    /// Returns whether the role exists, and the session's role may act as it.
    pub(crate) fn is_usable(&self) -> bool {
        self.found.as_ref().is_some_and(|found| found.is_open)
    }

    /// Returns what the role has beyond what this program would have made, and the statements that take it away.
    pub(crate) fn beyond(&self) -> Option<(String, Vec<String>)> {
        let found = self.found.as_ref()?;
        let role = identifier(&self.name);
        let mut has = found.attributes.clone();
        let mut statements = Vec::new();
        if !has.is_empty() {
            let no: Vec<_> = has.iter().map(|attribute| format!("NO{attribute}")).collect();
            statements.push(format!("ALTER ROLE {role} {};", no.join(" ")));
        }
        has.extend(found.member_of.iter().map(|other| format!("a membership in {other}")));
        statements.extend(found.member_of.iter().map(|other| format!("REVOKE {} FROM {role};", identifier(other))));
        (!has.is_empty()).then(|| (has.join(", "), statements))
    }

    /// The statements that make a role that is missing, and let another role act as it.
    pub(crate) fn statements(&self, user: &str) -> Vec<String> {
        let create = self.found.is_none().then(|| format!("CREATE ROLE {} NOLOGIN;", identifier(&self.name)));
        let open = self.found.as_ref().is_none_or(|found| !found.is_open) && self.name != user;
        let grant = open.then(|| format!("GRANT {} TO {};", identifier(&self.name), identifier(user)));
        create.into_iter().chain(grant).collect()
    }
}

/// Looks for these roles on the server of a session, whose role would use them.
///
/// # Errors
/// The query fails.
pub(crate) async fn look(connection: &mut PgConnection, names: &[String]) -> Result<Vec<Declared>, sqlx::Error> {
    look_for(connection, names, "current_user").await
}

/// Looks for these roles, which the role `user` would use.
async fn look_for(connection: &mut PgConnection, names: &[String], user: &str) -> Result<Vec<Declared>, sqlx::Error> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<_> = names.iter().map(|name| format!("({})", literal(name))).collect();
    let query = format!(
        "SELECT declared.name::text, found.oid IS NOT NULL, \
         concat_ws(' ', CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END, \
         CASE WHEN rolcreatedb THEN 'CREATEDB' END, CASE WHEN rolreplication THEN 'REPLICATION' END, \
         CASE WHEN rolbypassrls THEN 'BYPASSRLS' END), \
         ARRAY(SELECT pg_get_userbyid(roleid)::text FROM pg_auth_members WHERE member = found.oid ORDER BY 1), \
         COALESCE(pg_has_role({user}, found.oid, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' \
         ELSE 'MEMBER' END), false), \
         (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user) \
         FROM (VALUES {}) AS declared (name) LEFT JOIN pg_roles AS found ON found.rolname = declared.name",
        list.join(", ")
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(query)).fetch_all(connection).await?;
    let declared = rows.iter().map(|row| {
        let (attributes, member_of, is_open): (String, Vec<String>, bool) =
            (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
        let attributes = attributes.split_whitespace().map(str::to_owned).collect();
        let found = row.try_get::<bool, _>(1)?.then_some(Found { attributes, member_of, is_open });
        Ok(Declared { name: row.try_get(0)?, found, may_make: row.try_get(5)? })
    });
    declared.collect()
}

/// Makes the roles that are missing, as far as the session's role may do that, and lets `user` act as them. Returns the
/// roles as they are then.
///
/// # Errors
/// The connection is lost.
pub(crate) async fn make(
    connection: &mut PgConnection,
    names: &[String],
    user: &str,
) -> Result<Vec<Declared>, sqlx::Error> {
    let login = format!("{}::name", literal(user));
    let declared = look_for(connection, names, &login).await?;
    if !declared.iter().any(Declared::could_be_made) {
        return Ok(declared);
    }
    for statement in declared.iter().flat_map(|role| role.statements(user)) {
        match sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *connection).await {
            // The session's role may not do it, or another run has done it meanwhile. The look afterwards tells.
            Ok(_) | Err(sqlx::Error::Database(_)) => {}
            Err(error) => return Err(error),
        }
    }
    look_for(connection, names, &login).await
}
