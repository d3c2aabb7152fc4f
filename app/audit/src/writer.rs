//! The connection with which the shop writes the trail.
//!
//! Who owns a table may always do everything with it, and the role that applies the migrations owns the tables. So the shop
//! acts as another role, which may add rows and read them, and no more. `migrations/audit` grants that to it, and
//! `cargo xtask db-setup` makes it, because a role belongs to the server. This keeps mistakes of the shop's own code from
//! the trail. To keep somebody out who can run SQL of their own, let AUDIT_DATABASE_URL name a login that is only a member
//! of this role: such a login can't go back to be an owner.

use std::fmt;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, query, query_scalar};

use crate::{DatabaseError, TABLES};

/// The role that may add rows to the tables and read them, and no more.
pub const WRITER: &str = "quickcart_audit_writer";

/// The role that a connection acts as. The caller writes it into its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum ActsAs {
    /// [`WRITER`].
    Writer,
    /// The URL's role, because the server has no such role.
    LoginWithoutWriter,
    /// The URL's role, because it may not act as [`WRITER`].
    LoginWithoutMembership,
    /// The URL's role, because [`WRITER`] may not write to the tables of this database.
    LoginWithoutGrants,
}

impl fmt::Display for ActsAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self {
            Self::Writer => {
                return write!(f, "The audit trail is written as {WRITER}, which may not change or delete rows.");
            }
            Self::LoginWithoutWriter => "is missing on this server",
            Self::LoginWithoutMembership => "isn't open to it",
            Self::LoginWithoutGrants => "may not write there",
        };
        write!(
            f,
            "The audit trail is written as the URL's role, because {WRITER} {why}. `cargo xtask db-setup` says more."
        )
    }
}

/// Connects to the audit database, and acts as [`WRITER`] from then on. Where that can't be, the connection acts as the
/// URL's role, because a trail without this protection is better than none.
///
/// # Errors
/// The database couldn't be reached, or it refused a query.
pub async fn connect(options: &PgConnectOptions) -> Result<(PgConnection, ActsAs), DatabaseError> {
    let mut connection = options.connect().await?;
    let acts_as = act_as_writer(&mut connection).await?;
    Ok((connection, acts_as))
}

async fn act_as_writer(connection: &mut PgConnection) -> Result<ActsAs, DatabaseError> {
    // A role can't be a parameter of SET ROLE.
    if let Err(error) = query("SELECT set_config('role', $1, false)").bind(WRITER).execute(&mut *connection).await {
        let error = DatabaseError::from(error);
        return match error.code().as_deref() {
            Some("22023") => Ok(ActsAs::LoginWithoutWriter),
            Some("42501") => Ok(ActsAs::LoginWithoutMembership),
            _ => Err(error),
        };
    }
    let may_write: Option<bool> = query_scalar(
        "SELECT bool_and(has_table_privilege(to_regclass(name), 'INSERT')) FROM unnest($1::text[]) AS name",
    )
    .bind(TABLES.map(String::from).to_vec())
    .fetch_one(&mut *connection)
    .await?;
    if may_write == Some(true) {
        return Ok(ActsAs::Writer);
    }
    query("RESET ROLE").execute(connection).await?;
    Ok(ActsAs::LoginWithoutGrants)
}
