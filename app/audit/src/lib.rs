//! QuickCart's audit trail: a database of its own, to which rows are added and in which nothing is ever changed.
//!
//! Its tables are made by `migrations/audit`. There is a type for a row of each, with a function that records it and
//! one that reads the latest rows back: [`AuditLog`], [`AdminAction`] and [`PaymentLog`]. Rows are kept forever, so
//! nothing goes into them that a customer paid for or that lets anybody in: no unit's content, no token, no key.
//!
//! The trail is written after the shop's own transaction has ended. Where that fails, the order is safe all the same;
//! whoever called is told by a [`DatabaseError`] and must not drop it.

mod actor;
mod admin_action;
mod audit_log;
mod database_error;
mod entity;
mod inspection;
mod payment_log;

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnectOptions;

pub use actor::Actor;
pub use admin_action::AdminAction;
pub use audit_log::AuditLog;
pub use database_error::DatabaseError;
pub use entity::{Entity, EntityType};
pub use inspection::{InspectError, Inspection, inspect_tables};
pub use payment_log::{PaymentLog, PaymentStatus};

/// The tables that the audit database holds, in alphabetical order: these and no others.
pub const TABLES: [&str; 3] = ["admin_action_audit", "audit_logs", "payment_audit_logs"];

/// A row of the trail, as it was recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded<T> {
    /// The row's key: later rows have a greater one.
    pub id: i64,
    /// When it was recorded, by the database's clock.
    pub timestamp: DateTime<Utc>,
    /// What was recorded.
    pub entry: T,
}

/// Connects to the audit database and says what is there.
///
/// # Errors
/// The database couldn't be reached, or gave no answer, within `deadline`.
pub async fn inspect(options: PgConnectOptions, deadline: Duration) -> Result<Inspection, InspectError> {
    inspect_tables(options, &TABLES, deadline).await
}
