//! Sessions that write. They are checked before they are used, and all of them have the same settings.

use anyhow::Result;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

use super::session;
use super::sql::identifier;
use crate::database_url::DatabaseUrl;
use crate::problem::{Code, Problem};

/// Opens a session in the server's maintenance database, as the URL's role, for work that needs a session of its own.
///
/// # Errors
/// The server refuses the session, or it can't be used for such work.
pub(crate) async fn maintenance(url: &DatabaseUrl, name: &str) -> Result<PgConnection> {
    let mut connection = session::maintenance(url, name).await?;
    // Before that is known, nothing may be set: through a pooler, the settings would reach the sessions of others.
    refuse_pooler(&mut connection, url, name).await?;
    refuse_read_only(&mut connection, url).await?;
    settle(&mut connection).await?;
    Ok(connection)
}

/// Refuses a pooler that gives a client another session of the server for each transaction, such as PgBouncer in its
/// transaction mode. A lock, a setting or a temporary table would be another client's as soon as a statement ends.
async fn refuse_pooler(connection: &mut PgConnection, url: &DatabaseUrl, name: &str) -> Result<()> {
    let mut other = session::maintenance(url, name).await?;
    let is_shared = share_sessions(connection, &mut other).await?;
    session::close(other).await;
    if !is_shared {
        return Ok(());
    }
    Err(Problem::unavailable(
        Code::Pooler,
        format!(
            "A connection pooler answers at {}. It gives each transaction another session of the server.",
            url.address
        ),
    )
    .detail("A lock belongs to a session, so two runs could migrate at the same time. Nothing was changed.")
    .remedy(format!("Write the address of the server itself into {}, in place of the pooler's.", url.variable))
    .remedy("or let the pooler keep one session for each client. In PgBouncer's settings: pool_mode = session")
    .into())
}

/// Whether the sessions of two clients aren't different processes of the server, or don't stay the same ones.
async fn share_sessions(one: &mut PgConnection, other: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let (first, second) = (process(one).await?, process(other).await?);
    if first == second {
        return Ok(true);
    }
    // A pooler may have several sessions that are free. One that is in a transaction isn't free.
    sqlx::raw_sql("BEGIN").execute(&mut *other).await?;
    let changed = process(other).await? != second || process(one).await? != first;
    sqlx::raw_sql("COMMIT").execute(&mut *other).await?;
    Ok(changed || process(one).await? != first)
}

/// The process of the server that runs the session.
async fn process(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(connection).await?.try_get(0)
}

/// Refuses a session that can only read.
///
/// # Errors
/// The session can only read. The error says why.
pub(crate) async fn refuse_read_only(connection: &mut PgConnection, url: &DatabaseUrl) -> Result<()> {
    let row = sqlx::raw_sql(
        "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::bool, current_database()::text, \
         CASE WHEN current_setting('transaction_read_only')::bool THEN (SELECT source FROM pg_settings \
         WHERE name = 'default_transaction_read_only') END",
    )
    .fetch_one(connection)
    .await?;
    let (is_standby, is_read_only): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    if is_standby {
        return Err(Problem::unavailable(
            Code::Standby,
            format!("The server at {} is a standby: it only repeats what its primary does.", url.address),
        )
        .detail("Nothing can be made or migrated there.")
        .remedy(format!("Write the address of its primary into {}.", url.variable))
        .into());
    }
    if !is_read_only {
        return Ok(());
    }
    let (database, source): (String, Option<String>) = (row.try_get(2)?, row.try_get(3)?);
    let (role, shown) = (identifier(&url.user), identifier(&database));
    let remedy = match source.as_deref() {
        Some("user") => format!("As a superuser: ALTER ROLE {role} RESET default_transaction_read_only;"),
        Some("database") => format!("As its owner: ALTER DATABASE {shown} RESET default_transaction_read_only;"),
        Some("database user") => {
            format!("As a superuser: ALTER ROLE {role} IN DATABASE {shown} RESET default_transaction_read_only;")
        }
        _ => {
            "As a superuser: ALTER SYSTEM SET default_transaction_read_only = off; SELECT pg_reload_conf();".to_owned()
        }
    };
    Err(Problem::unavailable(
        Code::ReadOnly,
        format!("{} may only read in {database} at {}: default_transaction_read_only is on.", url.user, url.address),
    )
    .detail("Nothing can be made or migrated there.")
    .remedy(remedy)
    .into())
}

/// Puts a session that works for long into the state that all of them have, whatever the settings of the role and of the
/// database are.
///
/// No timeout ends its statements or the session itself. The settings of the database don't count, because a scratch
/// database has none. The settings of the role count everywhere. Whether a database may be written to is left as it is,
/// because that setting protects it.
///
/// # Errors
/// The connection is lost.
pub(crate) async fn settle(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let statements = settings(connection);
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut *connection).await?;
    watch_client(connection).await;
    Ok(())
}

/// Puts a session back into the state after [`settle`]. Nothing is left of its settings, temporary tables, prepared
/// statements, cursors and locks.
///
/// # Errors
/// The connection is lost.
pub(crate) async fn start_anew(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    // The driver would go on using statements that the server has forgotten.
    if connection.cached_statements_size() > 0 {
        connection.clear_cached_statements().await?;
    }
    // It must be alone in its message.
    sqlx::raw_sql("DISCARD ALL").execute(&mut *connection).await?;
    // DISCARD ALL forgets a role that the settings of the login's role choose.
    let statements = format!("RESET ROLE; {}", settings(connection));
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut *connection).await?;
    watch_client(connection).await;
    Ok(())
}

/// Does the same as [`start_anew`] in a transaction that is under way, where DISCARD ALL isn't allowed.
///
/// # Errors
/// The connection is lost.
pub(crate) async fn start_anew_within(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    if connection.cached_statements_size() > 0 {
        connection.clear_cached_statements().await?;
    }
    // These are what DISCARD ALL consists of, but for the settings.
    let statements = format!(
        "CLOSE ALL; DEALLOCATE ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; \
         DISCARD SEQUENCES; {}",
        restore_settings(connection)
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await.map(drop)
}

/// The statements that put back the settings of a session, in the middle of a transaction as well.
pub(crate) fn restore_settings(connection: &PgConnection) -> String {
    format!("SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; {}", settings(connection))
}

fn settings(connection: &PgConnection) -> String {
    let version = connection.server_version_num().unwrap_or_default();
    let mut off = vec!["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"];
    off.extend((version >= 140_000).then_some("idle_session_timeout"));
    off.extend((version >= 170_000).then_some("transaction_timeout"));
    let mut statements: String = off.iter().map(|name| format!("SET {name} = 0; ")).collect();
    // The server notices a client that is gone without a word, and gives up its locks.
    statements
        .push_str("SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4; ");
    // The server reads its settings, which takes a while, only if the database has any.
    statements.push_str(
        "SELECT set_config(name, boot_val, false) FROM pg_settings \
         WHERE source = 'database' AND name <> 'default_transaction_read_only' \
         AND (context = 'user' OR context = 'superuser' AND current_setting('is_superuser')::bool) \
         AND EXISTS (SELECT FROM pg_db_role_setting AS setting JOIN pg_database AS database ON database.oid = setdatabase \
         WHERE datname = current_database() AND setrole = 0)",
    );
    statements
}

/// Tells the server to check during a long statement whether this process still exists, and to cancel the statement if
/// it doesn't.
///
/// Some servers run on systems that can't tell, and refuse the setting. That is no error.
async fn watch_client(connection: &mut PgConnection) {
    drop(sqlx::raw_sql("SET client_connection_check_interval = '100ms'").execute(connection).await);
}
