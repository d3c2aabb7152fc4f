//! The table `admin_action_audit`: the commands that admins gave, failed ones too.

use std::net::IpAddr;

use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::{query, query_scalar};

use crate::{DatabaseError, Entity, Recorded};

/// A command that an admin gave.
#[derive(Debug, Clone, PartialEq)]
pub struct AdminAction {
    /// The admin's Telegram user id.
    pub admin_id: i64,
    /// The command's name, as in `addstock`. At most 50 characters.
    pub command: String,
    /// What it was about, if it was about one thing.
    pub target: Option<Entity>,
    /// What it was given; the contents of units are to be left out.
    pub parameters: Option<Value>,
    /// How it ended: what was done, or why nothing was.
    pub result: String,
    /// Where it came from, if that is known.
    pub ip_address: Option<IpAddr>,
}

impl AdminAction {
    /// Records it, and returns the row's key.
    ///
    /// # Errors
    /// The database couldn't be reached, or refused the row: nothing was recorded.
    pub async fn record(&self, connection: &mut PgConnection) -> Result<i64, DatabaseError> {
        let id = query_scalar!(
            "INSERT INTO admin_action_audit
                 (admin_id, command, target_entity, target_id, parameters, result, ip_address)
             VALUES ($1, $2, $3, $4, $5, $6, $7::text::inet)
             RETURNING id",
            self.admin_id,
            self.command,
            self.target.as_ref().map(|target| target.kind.as_str()),
            self.target.as_ref().map(|target| target.id.as_str()),
            self.parameters,
            self.result,
            self.ip_address.map(|address| address.to_string()),
        )
        .fetch_one(connection)
        .await?;
        Ok(id)
    }

    /// The latest commands about `target`, the newest first, at most `limit` of them.
    ///
    /// # Errors
    /// The database couldn't be reached, or refused the query.
    pub async fn latest(
        connection: &mut PgConnection,
        target: &Entity,
        limit: u32,
    ) -> Result<Vec<Recorded<Self>>, DatabaseError> {
        // host(): a cast to text would give the address a netmask.
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
