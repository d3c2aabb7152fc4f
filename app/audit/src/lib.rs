//! QuickCart's audit trail. It is a separate database. Rows are added to it, and they are never changed.
//!
//! `migrations/audit` makes its tables. Each table has a type for its rows: [`AuditLog`], [`AdminAction`] or
//! [`PaymentLog`]. The type has a function that records a row, and one that reads the latest rows. Rows are kept
//! forever. So they must not contain goods that a customer paid for, or anything that gives access: no content of a
//! unit, no token, no key.
//!
//! The shop writes the trail as a role that may only add rows and read them: [`connect`].
//!
//! The shop writes an [`Entry`] into the outbox of its own database, in the transaction of what the entry reports. It
//! becomes an [`Event`] there, which is recorded here afterwards, once, however often it is delivered. The functions
//! `record` of the three types are for entries that report nothing of the main database. Their caller gets a
//! [`DatabaseError`] and must not ignore it.

mod actor;
mod admin_action;
mod audit_log;
mod database_error;
mod entity;
mod event;
mod inspection;
mod payment_log;
mod writer;

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnectOptions;

pub use actor::Actor;
pub use admin_action::AdminAction;
pub use audit_log::AuditLog;
pub use database_error::DatabaseError;
pub use entity::{Entity, EntityType};
pub use event::{Entry, Event, Table};
pub use inspection::{Expected, InspectError, Inspection, inspect_database};
pub use payment_log::{PaymentLog, PaymentStatus};
pub use writer::{ActsAs, WRITER, connect};

/// The tables of the audit database, in alphabetical order. It has these tables and no others.
pub const TABLES: [&str; 3] = ["admin_action_audit", "audit_logs", "payment_audit_logs"];

/// What the audit database has to have.
pub const EXPECTED: Expected<'_> = Expected { tables: &TABLES, schema: include_str!("../../../schema/audit.sql") };

/// A row of the trail, as it was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded<T> {
    /// The row's key. Later rows have greater keys.
    pub id: i64,
    /// The time at which the row was recorded, by the database's clock.
    pub timestamp: DateTime<Utc>,
    /// The recorded entry.
    pub entry: T,
}

/// Connects to the audit database, and compares it with [`EXPECTED`]. Also returns the role that [`connect`]
/// writes as.
///
/// # Errors
/// The database couldn't be reached or refused the query, or it gave no answer within `deadline`.
pub async fn inspect(options: PgConnectOptions, deadline: Duration) -> Result<(Inspection, ActsAs), InspectError> {
    let inspection = inspect_database(options.clone(), EXPECTED, deadline).await?;
    let connected = tokio::time::timeout(deadline, connect(&options)).await;
    let (_, acts_as) = connected.map_err(|_| InspectError::Deadline(deadline))?.map_err(InspectError::Other)?;
    Ok((inspection, acts_as))
}
