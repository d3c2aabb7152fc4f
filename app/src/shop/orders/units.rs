//! The units of orders.

use quickcart_audit::DatabaseError;
use sqlx::postgres::PgConnection;
use sqlx::{query, query_scalar};
use uuid::Uuid;

use super::Order;
use crate::secret::Secret;

/// Returns the contents of the order's units, for the customer. There are none unless the database says that the order
/// is paid. The status in `order` doesn't count.
///
/// # Errors
/// The database couldn't be reached, or it refused the query.
pub async fn paid_units(connection: &mut PgConnection, order: &Order) -> Result<Vec<Secret>, DatabaseError> {
    let contents = query_scalar!(
        "SELECT s.content FROM product_stocks s JOIN orders o ON o.id = s.order_id
         WHERE o.id = $1 AND o.status = 'paid' AND s.is_sold
         ORDER BY s.created_at, s.id",
        order.id,
    )
    .fetch_all(connection)
    .await?;
    Ok(contents.into_iter().map(Secret::new).collect())
}

/// Marks the units of a paid order as sold, and returns their ids.
pub(super) async fn sell(connection: &mut PgConnection, order_id: i32) -> Result<Vec<Uuid>, sqlx::Error> {
    // The products come before the units in the order of locks.
    query_scalar!(
        "SELECT id FROM products WHERE id IN (SELECT product_id FROM product_stocks WHERE order_id = $1)
         ORDER BY id
         FOR NO KEY UPDATE",
        order_id,
    )
    .fetch_all(&mut *connection)
    .await?;
    query_scalar!(
        "WITH locked AS (
             SELECT id FROM product_stocks WHERE order_id = $1
             ORDER BY created_at, id
             FOR NO KEY UPDATE
         ), sold AS (
             UPDATE product_stocks SET is_sold = true WHERE id IN (SELECT id FROM locked) RETURNING id, product_id
         ), counted AS (
             UPDATE products SET sold_count = sold_count + units.count
             FROM (SELECT product_id, count(*)::integer AS count FROM sold GROUP BY product_id) AS units
             WHERE products.id = units.product_id
         )
         SELECT id FROM sold",
        order_id,
    )
    .fetch_all(connection)
    .await
}

/// Puts the units of expired or cancelled orders up for sale again. The `order_items` stay, as a record of the orders.
pub(super) async fn release(connection: &mut PgConnection, order_ids: &[i32]) -> Result<(), sqlx::Error> {
    query!(
        "WITH locked AS (
             SELECT id FROM product_stocks WHERE order_id = ANY ($1) AND NOT is_sold
             ORDER BY created_at, id
             FOR NO KEY UPDATE
         )
         UPDATE product_stocks SET order_id = NULL WHERE id IN (SELECT id FROM locked)",
        order_ids,
    )
    .execute(connection)
    .await?;
    Ok(())
}
