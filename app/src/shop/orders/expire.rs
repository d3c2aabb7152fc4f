//! The sweep, which expires the orders whose payment didn't come in time.

use quickcart_audit::DatabaseError;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, query_as};

use super::{Order, units, voucher};
use crate::outbox;
use crate::shop::invoice::InvoiceId;
use crate::shop::status::{EXPIRES_AFTER, OrderStatus, PaymentMethod};
use crate::shop::transaction::Attempts;

/// The largest number of orders that one sweep expires. A short transaction delays no other one.
pub const BATCH: i64 = 100;

/// Expires the orders that have waited too long, the oldest first. Their units are for sale again, and their vouchers
/// can be used again.
///
/// Returns the expired orders, so that the caller can tell the customers. If there are
/// [`BATCH`] of them, more orders may be overdue. An order that is being paid or cancelled at the moment is skipped.
/// Any number of sweeps may run at the same time.
///
/// # Errors
/// The database couldn't be reached, or it refused the change. Nothing was changed.
pub async fn expire_overdue(connection: &mut PgConnection) -> Result<Vec<Order>, DatabaseError> {
    let mut attempts = Attempts::new();
    loop {
        let mut transaction = connection.begin().await?;
        let result = expire_in(&mut transaction).await;
        if let Some(result) = attempts.end(transaction, result).await {
            return result;
        }
    }
}

async fn expire_in(connection: &mut PgConnection) -> Result<Vec<Order>, DatabaseError> {
    let orders = query_as!(
        Order,
        r#"WITH overdue AS (
               SELECT id FROM orders
               WHERE status = 'pending' AND created_at <= now() - make_interval(secs => $1)
               ORDER BY created_at LIMIT $2
               FOR NO KEY UPDATE SKIP LOCKED
           )
           UPDATE orders AS o SET status = $3 FROM overdue WHERE o.id = overdue.id
           RETURNING o.id, invoice_id AS "invoice_id: InvoiceId", user_id, subtotal, voucher_discount, payment_fee,
                     total_bill, payment_method AS "payment_method: PaymentMethod", status AS "status: OrderStatus",
                     created_at"#,
        EXPIRES_AFTER.as_seconds_f64(),
        BATCH,
        OrderStatus::Expired.as_str(),
    )
    .fetch_all(&mut *connection)
    .await?;
    let ids: Vec<i32> = orders.iter().map(|order| order.id).collect();
    units::release(&mut *connection, &ids).await?;
    voucher::release(&mut *connection, &ids).await?;
    let events: Vec<_> = orders.iter().map(|order| order.event(None)).collect();
    outbox::append(connection, &events).await?;
    Ok(orders)
}
