//! The products that the shop offers.

use quickcart_audit::DatabaseError;
use rust_decimal::Decimal;
use sqlx::postgres::PgConnection;
use sqlx::query;

use super::price::Prices;
use super::status::MemberStatus;

/// A product as one kind of member sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The product's number.
    pub product_id: i32,
    /// The product's name.
    pub name: String,
    /// The product's description, if it has one.
    pub description: Option<String>,
    /// The product's category.
    pub category: String,
    /// The price of a unit for this member.
    pub price: Decimal,
    /// The number of units that are neither sold nor reserved.
    pub available: u64,
}

/// Returns the products that are for sale, with the prices for a member of this status, sorted by category and name.
/// Products without available units are included.
///
/// # Errors
/// The database couldn't be reached, or it refused the query.
pub async fn offers(connection: &mut PgConnection, member: MemberStatus) -> Result<Vec<Offer>, DatabaseError> {
    let rows = query!(
        r#"SELECT p.id, p.name, p.description, p.category, p.customer_price, p.reseller_price, stock.available AS "available!"
           FROM products p, LATERAL (
               SELECT count(*) AS available FROM product_stocks s
               WHERE s.product_id = p.id AND NOT s.is_sold AND s.order_id IS NULL
           ) AS stock
           WHERE p.is_active
           ORDER BY p.category, p.name, p.id"#,
    )
    .fetch_all(connection)
    .await?;
    let offers = rows.into_iter().map(|row| Offer {
        product_id: row.id,
        name: row.name,
        description: row.description,
        category: row.category,
        price: Prices { customer: row.customer_price, reseller: row.reseller_price }.for_member(member),
        available: row.available.unsigned_abs(),
    });
    Ok(offers.collect())
}
