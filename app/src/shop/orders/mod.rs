//! Orders: placed, then paid, expired or cancelled, and nothing after that.
//!
//! Each step is one transaction. An order's row is locked before its units and its voucher, and units are locked in the
//! sequence of their age: steps may wait for each other, never in a circle.

mod expire;
mod place;
mod settle;
mod units;
mod voucher;

use chrono::{DateTime, Utc};
use quickcart_audit::{DatabaseError, PaymentLog};
use rust_decimal::Decimal;
use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::{Postgres, Transaction, query_as};

pub use expire::{BATCH, expire_overdue};
pub use place::{NewOrder, PlaceError, place};
pub use settle::{SettleError, Settled, cancel, pay, pay_from_balance};
pub use units::paid_units;
pub use voucher::VoucherError;

use super::invoice::InvoiceId;
use super::status::{OrderStatus, PaymentMethod};

/// An order.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Its key in the database; people know it by its invoice id.
    pub id: i32,
    /// What customers and the gateway call it.
    pub invoice_id: InvoiceId,
    /// The Telegram user id of who placed it.
    pub user_id: i64,
    /// The price of its units.
    pub subtotal: Decimal,
    /// What a voucher takes off.
    pub voucher_discount: Decimal,
    /// What the payment costs on top.
    pub payment_fee: Decimal,
    /// What is to be paid: subtotal − discount + fee.
    pub total_bill: Decimal,
    /// How it is paid.
    pub payment_method: PaymentMethod,
    /// Where it stands.
    pub status: OrderStatus,
    /// When it was placed.
    pub created_at: DateTime<Utc>,
}

impl Order {
    /// The audit trail's entry for the order as it stands, with the gateway's reply that brought it there.
    pub fn payment_log(&self, gateway_response: Option<Value>) -> PaymentLog {
        PaymentLog {
            invoice_id: self.invoice_id.to_string(),
            user_id: self.user_id,
            amount: self.total_bill,
            payment_method: self.payment_method.as_str().to_owned(),
            status: self.status.into(),
            gateway_response,
            metadata: None,
        }
    }
}

/// Commits what went well. What didn't is rolled back at once: a transaction that is only dropped keeps its rows locked
/// until its connection is used again.
async fn end<T, E: From<sqlx::Error>>(transaction: Transaction<'_, Postgres>, result: Result<T, E>) -> Result<T, E> {
    match result {
        Ok(_) => transaction.commit().await?,
        // Where that fails the connection is lost, and the server rolls back by itself.
        Err(_) => drop(transaction.rollback().await),
    }
    result
}

/// The order with this invoice id.
///
/// # Errors
/// The database couldn't be reached, or refused the query.
pub async fn find(connection: &mut PgConnection, invoice_id: &InvoiceId) -> Result<Option<Order>, DatabaseError> {
    let order = query_as!(
        Order,
        r#"SELECT id, invoice_id AS "invoice_id: InvoiceId", user_id, subtotal, voucher_discount, payment_fee,
                  total_bill, payment_method AS "payment_method: PaymentMethod", status AS "status: OrderStatus",
                  created_at
           FROM orders WHERE invoice_id = $1"#,
        invoice_id.as_str(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(order)
}
