//! The table `admin_action_audit`: the commands that admins gave, including the failed ones.

use std::net::IpAddr;

use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::query;

use crate::event::{Table, insert};
use crate::{DatabaseError, Entity, Recorded};

/// A command that an admin gave.
#[derive(Debug, Clone, PartialEq)]
pub struct AdminAction {
    /// The admin's Telegram user id.
    pub admin_id: i64,
    /// The command's name, for example `addstock`. It has at most 50 characters.
    pub command: String,
    /// The thing that the command was about, if it was one thing.
    pub target: Option<Entity>,
    /// The arguments of the command. They must not include the contents of units.
    pub parameters: Option<Value>,
    /// The result: the change that was made, or the reason why none was made.
    pub result: String,
    /// The address that the command came from, if it is known.
    pub ip_address: Option<IpAddr>,
}

impl AdminAction {
    /// Records the command, and returns the row's key.
    ///
    /// # Errors
    /// The database couldn't be reached, or it refused the row. Nothing was recorded.
    pub async fn record(&self, connection: &mut PgConnection) -> Result<i64, DatabaseError> {
        let id = insert(connection, Table::AdminActionAudit, &self.columns(), None).await?;
        Ok(id.ok_or(sqlx::Error::RowNotFound)?)
    }

    pub(crate) fn columns(&self) -> Value {
        json!({
            "admin_id": self.admin_id,
            "command": self.command,
            "target_entity": self.target.as_ref().map(|target| target.kind.as_str()),
            "target_id": self.target.as_ref().map(|target| target.id.as_str()),
            "parameters": self.parameters,
            "result": self.result,
            "ip_address": self.ip_address.map(|address| address.to_string()),
        })
    }

    /// Returns the latest commands about `target`, at most `limit` of them, the newest first.
    ///
    /// # Errors
    /// The database couldn't be reached, or it refused the query.
    pub async fn latest(
        connection: &mut PgConnection,
        target: &Entity,
        limit: u32,
    ) -> Result<Vec<Recorded<Self>>, DatabaseError> {
        // A cast to text would add a netmask to the address, and host() doesn't.
        let rows = query!(
            r#"SELECT id, "timestamp", admin_id, command, parameters, result, host(ip_address) AS ip_address
               FROM admin_action_audit WHERE target_entity = $1 AND target_id = $2
               ORDER BY "timestamp" DESC, id DESC LIMIT $3"#,
            target.kind.as_str(),
            target.id,
            i64::from(limit),
        )
        .fetch_all(connection)
        .await?;
        let entries = rows.into_iter().map(|row| Recorded {
            id: row.id,
            timestamp: row.timestamp,
            entry: Self {
                admin_id: row.admin_id,
                command: row.command,
                target: Some(target.clone()),
                parameters: row.parameters,
                result: row.result,
                ip_address: row.ip_address.and_then(|address| address.parse().ok()),
            },
        });
        Ok(entries.collect())
    }
}
