//! An entry as it travels: from the transaction that it reports, through the shop's outbox, to its table.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::query_scalar;
use uuid::Uuid;

use crate::{AdminAction, AuditLog, DatabaseError, PaymentLog};

/// A table of the audit database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Decode)]
#[sqlx(rename_all = "snake_case")]
pub enum Table {
    /// The commands of admins.
    AdminActionAudit,
    /// The changes to users, balances, products, stock and vouchers.
    AuditLogs,
    /// The payment attempts and changes of status.
    PaymentAuditLogs,
}

impl Table {
    /// Returns the table's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AdminActionAudit => "admin_action_audit",
            Self::AuditLogs => "audit_logs",
            Self::PaymentAuditLogs => "payment_audit_logs",
        }
    }
}

/// An entry of one of the three tables.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// A command of an admin.
    AdminAction(AdminAction),
    /// A change to an entity.
    AuditLog(AuditLog),
    /// A payment attempt, or a change of a payment's status.
    PaymentLog(PaymentLog),
}

impl From<AdminAction> for Entry {
    fn from(entry: AdminAction) -> Self {
        Self::AdminAction(entry)
    }
}

impl From<AuditLog> for Entry {
    fn from(entry: AuditLog) -> Self {
        Self::AuditLog(entry)
    }
}

impl From<PaymentLog> for Entry {
    fn from(entry: PaymentLog) -> Self {
        Self::PaymentLog(entry)
    }
}

impl Entry {
    /// Returns the table that the entry belongs to.
    pub fn table(&self) -> Table {
        match self {
            Self::AdminAction(_) => Table::AdminActionAudit,
            Self::AuditLog(_) => Table::AuditLogs,
            Self::PaymentLog(_) => Table::PaymentAuditLogs,
        }
    }

    /// Returns the columns of the entry's row, by name.
    pub fn columns(&self) -> Value {
        match self {
            Self::AdminAction(entry) => entry.columns(),
            Self::AuditLog(entry) => entry.columns(),
            Self::PaymentLog(entry) => entry.columns(),
        }
    }
}

/// An event of the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The id by which the audit database knows it.
    pub id: Uuid,
    /// The time at which it happened.
    pub occurred_at: DateTime<Utc>,
    /// The table that it belongs to.
    pub table: Table,
    /// The columns of its row, by name.
    pub columns: Value,
}

impl Event {
    /// Records the event, unless it is recorded already. Returns whether this call has recorded it.
    ///
    /// # Errors
    /// The database couldn't be reached, or it refused the row. If the connection was lost, the event may be recorded
    /// all the same. Call this again.
    pub async fn record(&self, connection: &mut PgConnection) -> Result<bool, DatabaseError> {
        Ok(insert(connection, self.table, &self.columns, Some((self.id, self.occurred_at))).await?.is_some())
    }
}

/// Adds a row to the table, and returns its key. `event` is its event and the time of that. If there is a row of this
/// event already, nothing is added.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    table: Table,
    columns: &Value,
    event: Option<(Uuid, DateTime<Utc>)>,
) -> Result<Option<i64>, DatabaseError> {
    let (id, at) = event.unzip();
    let row = match table {
        Table::AdminActionAudit => {
            query_scalar!(
                r#"INSERT INTO admin_action_audit ("timestamp", admin_id, command, target_entity, target_id, parameters,
                                                   result, ip_address, event_id)
                   SELECT coalesce($3, now()), admin_id, command, target_entity, target_id, parameters, result, ip_address, $2
                   FROM jsonb_populate_record(NULL::admin_action_audit, $1)
                   ON CONFLICT (event_id) DO NOTHING
                   RETURNING id"#,
                columns,
                id,
                at,
            )
            .fetch_optional(connection)
            .await?
        }
        Table::AuditLogs => {
            query_scalar!(
                r#"INSERT INTO audit_logs ("timestamp", actor_id, actor_type, entity_type, entity_id, action,
                                           before_state, after_state, context, ip_address, event_id)
                   SELECT coalesce($3, now()), actor_id, actor_type, entity_type, entity_id, action,
                          before_state, after_state, context, ip_address, $2
                   FROM jsonb_populate_record(NULL::audit_logs, $1)
                   ON CONFLICT (event_id) DO NOTHING
                   RETURNING id"#,
                columns,
                id,
                at,
            )
            .fetch_optional(connection)
            .await?
        }
        Table::PaymentAuditLogs => {
            query_scalar!(
                r#"INSERT INTO payment_audit_logs ("timestamp", order_id, user_id, amount, payment_method, status,
                                                   gateway_response, payment_metadata, event_id)
                   SELECT coalesce($3, now()), order_id, user_id, amount, payment_method, status,
                          gateway_response, payment_metadata, $2
                   FROM jsonb_populate_record(NULL::payment_audit_logs, $1)
                   ON CONFLICT (event_id) DO NOTHING
                   RETURNING id"#,
                columns,
                id,
                at,
            )
            .fetch_optional(connection)
            .await?
        }
    };
    Ok(row)
}
