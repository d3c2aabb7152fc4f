//! The sweep: orders whose payment didn't come in time.

use quickcart_audit::DatabaseError;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, query_as};

use super::{Order, units, voucher};
use crate::shop::invoice::InvoiceId;
use crate::shop::status::{EXPIRES_AFTER, OrderStatus, PaymentMethod};

/// How many orders are expired at once: a transaction that is short holds up nobody.
pub const BATCH: i64 = 100;

/// Expires orders that have waited too long, the oldest first, and puts their units up for sale again; their
/// vouchers can be used again.
///
/// Returns them, so that their customers can be told and the audit trail written; where that are [`BATCH`], there may be
/// more. An order that is being paid or cancelled at this moment is left alone, and any number of sweeps may run at
/// once.
///
/// # Errors
/// The database couldn't be reached, or refused it: nothing was changed.
pub async fn expire_overdue(connection: &mut PgConnection) -> Result<Vec<Order>, DatabaseError> {
    let mut transaction = connection.begin().await?;
    let result = expire_in(&mut transaction).await;
    Ok(super::end(transaction, result).await?)
}

async fn expire_in(connection: &mut PgConnection) -> Result<Vec<Order>, sqlx::Error> {
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
    units::release(connection, &ids).await?;
    voucher::release(connection, &ids).await?;
    Ok(orders)
}
