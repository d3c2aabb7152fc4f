//! Orders. An order is placed, and later it is paid, expired or cancelled. After that it never changes.
//!
//! Each step is one transaction. `shop/transaction.rs` says in which order steps lock rows, and when a step is repeated.

mod expire;
mod place;
mod settle;
mod units;
mod voucher;

use chrono::{DateTime, Utc};
use quickcart_audit::{Actor, AuditLog, DatabaseError, Entity, Entry, PaymentLog};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::query_as;

pub use expire::{BATCH, expire_overdue};
pub use place::{NewOrder, PlaceError, place};
pub use settle::{SettleError, Settled, cancel, pay, pay_from_balance};
pub use units::paid_units;
pub use voucher::VoucherError;

use super::invoice::InvoiceId;
use super::status::{OrderStatus, PaymentMethod};
use crate::outbox::NewEvent;

/// An order.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The key of the row. People know the order by its invoice id.
    pub id: i32,
    /// The id that customers and the gateway use.
    pub invoice_id: InvoiceId,
    /// The Telegram user id of the customer.
    pub user_id: i64,
    /// The price of all units.
    pub subtotal: Decimal,
    /// The amount that a voucher takes off.
    pub voucher_discount: Decimal,
    /// The fee for the payment.
    pub payment_fee: Decimal,
    /// The amount that the customer pays: subtotal − discount + fee.
    pub total_bill: Decimal,
    /// The payment method.
    pub payment_method: PaymentMethod,
    /// The status.
    pub status: OrderStatus,
    /// The time at which the order was placed.
    pub created_at: DateTime<Utc>,
}

impl Order {
    /// The event for the order's current status, with the gateway's reply that led to it.
    fn event(&self, gateway_response: Option<&Value>) -> NewEvent {
        self.about(PaymentLog {
            invoice_id: self.invoice_id.to_string(),
            user_id: self.user_id,
            amount: self.total_bill,
            payment_method: self.payment_method.as_str().to_owned(),
            status: self.status.into(),
            gateway_response: gateway_response.cloned(),
            metadata: None,
        })
    }

    /// The event for something that the order's user has changed by paying.
    fn change(&self, entity: Entity, action: &str, before: Value, after: Value) -> NewEvent {
        self.about(AuditLog {
            actor: Actor::User(self.user_id),
            entity,
            action: action.to_owned(),
            before: Some(before),
            after: Some(after),
            context: Some(json!({"order": self.invoice_id.as_str()})),
            ip_address: None,
        })
    }

    /// All events of an order have the order as their subject, so they arrive in the order in which they happened.
    fn about(&self, entry: impl Into<Entry>) -> NewEvent {
        NewEvent::new(self.invoice_id.as_str(), entry)
    }
}

/// Returns the order with this invoice id.
///
/// # Errors
/// The database couldn't be reached, or it refused the query.
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
