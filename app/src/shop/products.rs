//! What the shop offers.

use quickcart_audit::DatabaseError;
use rust_decimal::Decimal;
use sqlx::postgres::PgConnection;
use sqlx::query;

use super::price::Prices;
use super::status::MemberStatus;

/// A product as one kind of member sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// Its number.
    pub product_id: i32,
    /// Its name.
    pub name: String,
    /// What is to be said of it.
    pub description: Option<String>,
    /// Where it belongs.
    pub category: String,
    /// What a unit costs this member.
    pub price: Decimal,
    /// How many units are neither sold nor reserved.
    pub available: u64,
}

/// The products that are for sale, by category and name, as a member of this status sees them; those of which no unit
/// is left as well.
///
/// # Errors
/// The database couldn't be reached, or refused the query.
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
