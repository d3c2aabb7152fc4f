//! Places an order, and reserves its units.

use std::error::Error;
use std::fmt;

use quickcart_audit::DatabaseError;
use rust_decimal::Decimal;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, query, query_as, query_scalar};

use super::Order;
use super::voucher::{self, VoucherError};
use crate::outbox;
use crate::secret::Secret;
use crate::shop::fee::payment_fee;
use crate::shop::invoice::InvoiceId;
use crate::shop::price::Prices;
use crate::shop::quantity::Quantity;
use crate::shop::status::{MemberStatus, OrderStatus, PaymentMethod};
use crate::shop::transaction::{Attempts, StepError};

/// The number of invoice ids that are tried. Each day has two thousand million ids, so a new one is hardly ever taken.
const ATTEMPTS: usize = 3;

/// An order that a user wants to place.
#[derive(Debug, Clone, Copy)]
pub struct NewOrder<'a> {
    /// The Telegram user id.
    pub user_id: i64,
    /// The number of the product.
    pub product_id: i32,
    /// The number of units.
    pub quantity: Quantity,
    /// The payment method.
    pub payment_method: PaymentMethod,
    /// The code of a voucher. It is worth money until the voucher is used.
    pub voucher: Option<&'a Secret>,
}

/// The reason why an order wasn't placed. Nothing was changed, and nothing is reserved.
#[derive(Debug)]
pub enum PlaceError {
    /// The user isn't registered.
    NoSuchUser,
    /// The user is banned from buying.
    Banned,
    /// The product doesn't exist, or it is no longer for sale.
    NoSuchProduct,
    /// The user has an order that waits for its payment. That order must be paid or cancelled first.
    PendingOrder,
    /// Fewer units are available than the user wants.
    NotEnough {
        /// The number of units that are available.
        available: usize,
    },
    /// The voucher can't be used.
    Voucher(VoucherError),
    /// Every invoice id that was tried is taken.
    NoInvoiceIdLeft,
    /// The database couldn't be reached, or it refused the order.
    Database(DatabaseError),
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchUser => f.write_str("this user isn't registered"),
            Self::Banned => f.write_str("this user is banned"),
            Self::NoSuchProduct => f.write_str("this product isn't for sale"),
            Self::PendingOrder => f.write_str("this user has an order that waits for its payment"),
            Self::NotEnough { available } => write!(f, "only {available} units are available"),
            Self::Voucher(error) => write!(f, "{error}"),
            Self::NoInvoiceIdLeft => write!(f, "{ATTEMPTS} invoice ids were tried, and all of them are taken"),
            Self::Database(error) => write!(f, "{error}"),
        }
    }
}

impl Error for PlaceError {}

impl From<VoucherError> for PlaceError {
    fn from(error: VoucherError) -> Self {
        Self::Voucher(error)
    }
}

impl From<sqlx::Error> for PlaceError {
    fn from(error: sqlx::Error) -> Self {
        DatabaseError::from(error).into()
    }
}

impl From<DatabaseError> for PlaceError {
    fn from(error: DatabaseError) -> Self {
        match error.constraint() {
            Some("orders_one_pending_per_user_idx") => Self::PendingOrder,
            _ => Self::Database(error),
        }
    }
}

impl StepError for PlaceError {
    fn database(&self) -> Option<&DatabaseError> {
        match self {
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

/// How an order gets its units while others are placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Among {
    /// Beside other orders of the product. Units that another order is reserving are left to it.
    Others,
    /// Alone. The other orders of the product have to end first, and new ones wait.
    None,
}

/// Places an order, and reserves its units.
///
/// Buyers of one product don't wait for each other as long as there are units for all of them. If two buyers want the last
/// unit, the second one waits until the transaction of the first one has ended.
///
/// # Errors
/// The order wasn't placed. [`PlaceError`] names the reasons.
pub async fn place(connection: &mut PgConnection, new: NewOrder<'_>) -> Result<Order, PlaceError> {
    let wanted: usize = new.quantity.get().into();
    match place_among(connection, new, Among::Others).await {
        // There are enough units, and others are reserving some of them. Those may give up in the end, so nothing is
        // decided yet. This transaction has ended, so whoever waits from here on keeps no unit from anybody.
        Err(PlaceError::NotEnough { available }) if available >= wanted => {
            place_among(connection, new, Among::None).await
        }
        result => result,
    }
}

async fn place_among(connection: &mut PgConnection, new: NewOrder<'_>, among: Among) -> Result<Order, PlaceError> {
    let mut attempts = Attempts::new();
    loop {
        let mut transaction = connection.begin().await?;
        let result = place_in(&mut transaction, new, among).await;
        if let Some(result) = attempts.end(transaction, result).await {
            return result;
        }
    }
}

async fn place_in(connection: &mut PgConnection, new: NewOrder<'_>, among: Among) -> Result<Order, PlaceError> {
    let user = query!(
        r#"SELECT member_status AS "member_status: MemberStatus", is_banned FROM users WHERE id = $1"#,
        new.user_id,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or(PlaceError::NoSuchUser)?;
    if user.is_banned {
        return Err(PlaceError::Banned);
    }
    let prices = query_as!(
        Prices,
        "SELECT customer_price AS customer, reseller_price AS reseller FROM products WHERE id = $1 AND is_active",
        new.product_id,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or(PlaceError::NoSuchProduct)?;
    let price = prices.for_member(user.member_status);
    let subtotal = price * Decimal::from(new.quantity.get());

    let claim = match new.voucher {
        Some(code) => Some((voucher::claim(&mut *connection, code).await?, code)),
        None => None,
    };
    let discount = claim.as_ref().map_or(Decimal::ZERO, |(claim, _)| claim.amount.min(subtotal));
    // The order is made before any unit is locked. So a user who has a pending order delays nobody else.
    let order = insert(&mut *connection, new, subtotal, discount).await?;
    if claim.is_some() {
        voucher::check_cooldown(&mut *connection, new.user_id).await?;
    }
    reserve(&mut *connection, &order, new, price, among).await?;
    if let Some((claim, code)) = &claim {
        voucher::hold(&mut *connection, claim, code, order.id).await?;
    }
    outbox::append(connection, &[order.event(None)]).await?;
    Ok(order)
}

/// Makes the order. It has no units yet.
async fn insert(
    connection: &mut PgConnection,
    new: NewOrder<'_>,
    subtotal: Decimal,
    discount: Decimal,
) -> Result<Order, PlaceError> {
    let fee = payment_fee(new.payment_method, subtotal, discount);
    for _ in 0..ATTEMPTS {
        // The day comes from the database's clock, as created_at does. The database also gives the random number.
        let draw = query!(r#"SELECT (now() AT TIME ZONE 'UTC')::date AS "day!", gen_random_uuid() AS "random!""#)
            .fetch_one(&mut *connection)
            .await?;
        let invoice_id = InvoiceId::new(draw.day, draw.random);
        let order = query_as!(
            Order,
            r#"INSERT INTO orders (invoice_id, user_id, subtotal, voucher_discount, payment_fee, total_bill, payment_method)
               VALUES ($1, $2, $3, $4, $5, $6, $7)
               ON CONFLICT (invoice_id) DO NOTHING
               RETURNING id, invoice_id AS "invoice_id: InvoiceId", user_id, subtotal, voucher_discount, payment_fee,
                         total_bill, payment_method AS "payment_method: PaymentMethod", status AS "status: OrderStatus",
                         created_at"#,
            invoice_id.as_str(),
            new.user_id,
            subtotal,
            discount,
            fee,
            subtotal - discount + fee,
            new.payment_method.as_str(),
        )
        .fetch_optional(&mut *connection)
        .await?;
        if let Some(order) = order {
            return Ok(order);
        }
    }
    Err(PlaceError::NoInvoiceIdLeft)
}

/// Reserves the order's units, the oldest first.
async fn reserve(
    connection: &mut PgConnection,
    order: &Order,
    new: NewOrder<'_>,
    price: Decimal,
    among: Among,
) -> Result<(), PlaceError> {
    lock_product(&mut *connection, new.product_id, among).await?;
    // This takes no lock that it would have to wait for. With a wait, a unit that another order gets would stay locked here,
    // and that order couldn't be paid until this transaction has ended.
    let units = query_scalar!(
        "SELECT id FROM product_stocks
         WHERE product_id = $1 AND NOT is_sold AND order_id IS NULL
         ORDER BY created_at, id LIMIT $2
         FOR NO KEY UPDATE SKIP LOCKED",
        new.product_id,
        i64::from(new.quantity.get()),
    )
    .fetch_all(&mut *connection)
    .await?;
    if units.len() < new.quantity.get().into() {
        let available = match among {
            Among::Others => available(connection, new.product_id).await?,
            Among::None => units.len(),
        };
        return Err(PlaceError::NotEnough { available });
    }
    query!(
        "WITH reserved AS (
             UPDATE product_stocks SET order_id = $1 WHERE id = ANY ($2) RETURNING id, product_id
         )
         INSERT INTO order_items (order_id, product_id, stock_id, price_per_unit)
         SELECT $1, product_id, id, $3 FROM reserved",
        order.id,
        &units,
        price,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Locks the product: against an admin who gives it another number, and against other orders too if this one is to be alone.
async fn lock_product(connection: &mut PgConnection, product_id: i32, among: Among) -> Result<(), PlaceError> {
    let product = match among {
        Among::Others => {
            query_scalar!("SELECT id FROM products WHERE id = $1 FOR KEY SHARE", product_id)
                .fetch_optional(connection)
                .await?
        }
        Among::None => {
            query_scalar!("SELECT id FROM products WHERE id = $1 FOR UPDATE", product_id)
                .fetch_optional(connection)
                .await?
        }
    };
    product.map(drop).ok_or(PlaceError::NoSuchProduct)
}

/// Returns the number of units that no order has, including those that another transaction is reserving.
async fn available(connection: &mut PgConnection, product_id: i32) -> Result<usize, PlaceError> {
    let units = query_scalar!(
        r#"SELECT count(*) AS "units!" FROM product_stocks WHERE product_id = $1 AND NOT is_sold AND order_id IS NULL"#,
        product_id,
    )
    .fetch_one(connection)
    .await?;
    Ok(usize::try_from(units).unwrap_or_default())
}
