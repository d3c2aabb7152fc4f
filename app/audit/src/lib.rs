//! QuickCart's audit trail: a database of its own, to which rows are added and in which nothing is ever changed.
//!
//! Its tables are made by `migrations/audit`.

mod inspection;

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

pub use inspection::{InspectError, Inspection, inspect_tables};

/// The tables that the audit database holds, in alphabetical order: these and no others.
pub const TABLES: [&str; 3] = ["admin_action_audit", "audit_logs", "payment_audit_logs"];

/// Connects to the audit database and says what is there.
///
/// # Errors
/// The database couldn't be reached, or gave no answer, within `deadline`.
pub async fn inspect(options: PgConnectOptions, deadline: Duration) -> Result<Inspection, InspectError> {
    inspect_tables(options, &TABLES, deadline).await
}
