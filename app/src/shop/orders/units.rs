//! The units of orders.

use quickcart_audit::DatabaseError;
use sqlx::postgres::PgConnection;
use sqlx::{query, query_scalar};

use super::Order;
use crate::secret::Secret;

/// What the customer gets: the contents of the order's units. None unless it is paid, whatever `order` says.
///
/// # Errors
/// The database couldn't be reached, or refused the query.
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

/// Makes the units of a paid order sold ones.
pub(super) async fn sell(connection: &mut PgConnection, order_id: i32) -> Result<(), sqlx::Error> {
    query!(
        "WITH sold AS (
             UPDATE product_stocks SET is_sold = true WHERE order_id = $1 RETURNING product_id
         )
         UPDATE products SET sold_count = sold_count + units.count
         FROM (SELECT product_id, count(*)::integer AS count FROM sold GROUP BY product_id) AS units
         WHERE products.id = units.product_id",
        order_id,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Puts the units of orders that came to nothing up for sale again. Their `order_items` stay, as what was wanted.
pub(super) async fn release(connection: &mut PgConnection, order_ids: &[i32]) -> Result<(), sqlx::Error> {
    query!("UPDATE product_stocks SET order_id = NULL WHERE order_id = ANY ($1) AND NOT is_sold", order_ids)
        .execute(connection)
        .await?;
    Ok(())
}
