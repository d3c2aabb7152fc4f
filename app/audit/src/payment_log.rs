//! The table `payment_audit_logs`: payment attempts and changes of status, with the gateway's replies.

use rust_decimal::Decimal;
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::query;

use crate::event::{Table, insert};
use crate::{DatabaseError, Recorded};

/// A payment attempt, or a change of a payment's status.
#[derive(Debug, Clone, PartialEq)]
pub struct PaymentLog {
    /// The order's invoice id, which customers and the gateway use.
    pub invoice_id: String,
    /// The customer's Telegram user id.
    pub user_id: i64,
    /// The amount in rupiah.
    pub amount: Decimal,
    /// The payment method. The gateway may name a method that the shop doesn't have.
    pub payment_method: String,
    /// The status of the payment.
    pub status: PaymentStatus,
    /// The gateway's reply, unchanged.
    pub gateway_response: Option<Value>,
    /// Further data that explains the entry.
    pub metadata: Option<Value>,
}

/// The status of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Decode)]
#[sqlx(rename_all = "lowercase")]
pub enum PaymentStatus {
    /// The order is placed, and it waits for its payment.
    Pending,
    /// The money has arrived.
    Paid,
    /// The money didn't arrive in time.
    Expired,
    /// The order was cancelled.
    Cancelled,
    /// An attempt failed. The order is unchanged.
    Failed,
}

impl PaymentStatus {
    /// Returns the value as the database stores it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

impl PaymentLog {
    /// Records the entry, and returns the row's key.
    ///
    /// # Errors
    /// The database couldn't be reached, or it refused the row. Nothing was recorded.
    pub async fn record(&self, connection: &mut PgConnection) -> Result<i64, DatabaseError> {
        let id = insert(connection, Table::PaymentAuditLogs, &self.columns(), None).await?;
        Ok(id.ok_or(sqlx::Error::RowNotFound)?)
    }

    pub(crate) fn columns(&self) -> Value {
        json!({
            "order_id": self.invoice_id,
            "user_id": self.user_id,
            // As text, because a number of JSON may lose digits on its way.
            "amount": self.amount.to_string(),
            "payment_method": self.payment_method,
            "status": self.status.as_str(),
            "gateway_response": self.gateway_response,
            "payment_metadata": self.metadata,
        })
    }

    /// Returns the latest entries about the order with this invoice id, at most `limit` of them, the newest first.
    ///
    /// # Errors
    /// The database couldn't be reached, or it refused the query.
    pub async fn latest(
        connection: &mut PgConnection,
        invoice_id: &str,
        limit: u32,
    ) -> Result<Vec<Recorded<Self>>, DatabaseError> {
        let rows = query!(
            r#"SELECT id, "timestamp", order_id, user_id, amount, payment_method,
                      status AS "status: PaymentStatus", gateway_response, payment_metadata
               FROM payment_audit_logs WHERE order_id = $1
               ORDER BY "timestamp" DESC, id DESC LIMIT $2"#,
            invoice_id,
            i64::from(limit),
        )
        .fetch_all(connection)
        .await?;
        let entries = rows.into_iter().map(|row| Recorded {
            id: row.id,
            timestamp: row.timestamp,
            entry: Self {
                invoice_id: row.order_id,
                user_id: row.user_id,
                amount: row.amount,
                payment_method: row.payment_method,
                status: row.status,
                gateway_response: row.gateway_response,
                metadata: row.payment_metadata,
            },
        });
        Ok(entries.collect())
    }
}
