//! The table `audit_logs`: the changes to users, balances, products, stock and vouchers.

use std::net::IpAddr;

use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::query;

use crate::actor::{Actor, ActorType};
use crate::event::{Table, insert};
use crate::{DatabaseError, Entity, Recorded};

/// One change to an entity.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditLog {
    /// The user, admin or program that made the change.
    pub actor: Actor,
    /// The entity that was changed.
    pub entity: Entity,
    /// The name of the change, for example `ban`. It has at most 50 characters.
    pub action: String,
    /// The state of the entity before the change. `None` means that the entity didn't exist.
    pub before: Option<Value>,
    /// The state of the entity after the change. `None` means that the entity no longer exists.
    pub after: Option<Value>,
    /// Further data that explains the change.
    pub context: Option<Value>,
    /// The address that the change was made from, if it is known.
    pub ip_address: Option<IpAddr>,
}

impl AuditLog {
    /// Records the change, and returns the row's key.
    ///
    /// # Errors
    /// The database couldn't be reached, or it refused the row. Nothing was recorded.
    pub async fn record(&self, connection: &mut PgConnection) -> Result<i64, DatabaseError> {
        let id = insert(connection, Table::AuditLogs, &self.columns(), None).await?;
        Ok(id.ok_or(sqlx::Error::RowNotFound)?)
    }

    pub(crate) fn columns(&self) -> Value {
        json!({
            "actor_id": self.actor.id(),
            "actor_type": self.actor.kind().as_str(),
            "entity_type": self.entity.kind.as_str(),
            "entity_id": self.entity.id,
            "action": self.action,
            "before_state": self.before,
            "after_state": self.after,
            "context": self.context,
            "ip_address": self.ip_address.map(|address| address.to_string()),
        })
    }

    /// Returns the latest entries about `entity`, at most `limit` of them, the newest first.
    ///
    /// # Errors
    /// The database couldn't be reached, or it refused the query.
    pub async fn latest(
        connection: &mut PgConnection,
        entity: &Entity,
        limit: u32,
    ) -> Result<Vec<Recorded<Self>>, DatabaseError> {
        // A cast to text would add a netmask to the address, and host() doesn't.
        let rows = query!(
            r#"SELECT id, "timestamp", actor_id, actor_type AS "actor_type: ActorType", action,
                      before_state, after_state, context, host(ip_address) AS ip_address
               FROM audit_logs WHERE entity_type = $1 AND entity_id = $2
               ORDER BY "timestamp" DESC, id DESC LIMIT $3"#,
            entity.kind.as_str(),
            entity.id,
            i64::from(limit),
        )
        .fetch_all(connection)
        .await?;
        let entries = rows.into_iter().map(|row| Recorded {
            id: row.id,
            timestamp: row.timestamp,
            entry: Self {
                actor: Actor::from_columns(row.actor_type, row.actor_id),
                entity: entity.clone(),
                action: row.action,
                before: row.before_state,
                after: row.after_state,
                context: row.context,
                ip_address: row.ip_address.and_then(|address| address.parse().ok()),
            },
        });
        Ok(entries.collect())
    }
}
