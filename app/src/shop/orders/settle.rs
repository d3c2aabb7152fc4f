//! What becomes of a pending order: paid or cancelled.

use std::error::Error;
use std::fmt;

use quickcart_audit::DatabaseError;
use rust_decimal::Decimal;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, query, query_as};

use super::{Order, units, voucher};
use crate::shop::invoice::InvoiceId;
use crate::shop::status::{OrderStatus, PaymentMethod, Transition};

/// The order is what it was to become.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// It has become that just now.
    Now(Order),
    /// It was that before, as when a webhook is repeated: nothing was changed.
    Before(Order),
}

/// Why an order didn't become what it was to. Nothing was changed.
#[derive(Debug)]
pub enum SettleError {
    /// There is no order with this invoice id.
    NoSuchOrder,
    /// The order is to be paid in another way.
    Method(PaymentMethod),
    /// The user's balance is too small. The order is pending as before.
    Balance,
    /// Another amount was paid than the order's.
    Amount {
        /// What is to be paid.
        total_bill: Decimal,
    },
    /// The order has become something else, for good. Where it was paid for all the same, the money is to be given
    /// back.
    Final(OrderStatus),
    /// The database couldn't be reached, or refused it.
    Database(DatabaseError),
}

impl fmt::Display for SettleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchOrder => f.write_str("there is no such order"),
            Self::Method(method) => write!(f, "the order is to be paid by {}", method.as_str()),
            Self::Balance => f.write_str("the balance is too small"),
            Self::Amount { total_bill } => write!(f, "the order is for another amount, {total_bill} rupiah"),
            Self::Final(status) => write!(f, "the order is {} for good", status.as_str()),
            Self::Database(error) => write!(f, "{error}"),
        }
    }
}

impl Error for SettleError {}

impl From<sqlx::Error> for SettleError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Takes note that the gateway has `amount` for the order, and sells its units.
///
/// The webhook has no signature: `amount` is what the gateway's own transaction detail confirms, not what a request
/// says. Called again, it changes nothing. A payment that comes late counts as long as the order hasn't been expired.
///
/// # Errors
/// Nothing was changed.
pub async fn pay(
    connection: &mut PgConnection,
    invoice_id: &InvoiceId,
    amount: Decimal,
) -> Result<Settled, SettleError> {
    let mut transaction = connection.begin().await?;
    let result = pay_in(&mut transaction, invoice_id, amount).await;
    super::end(transaction, result).await
}

async fn pay_in(
    connection: &mut PgConnection,
    invoice_id: &InvoiceId,
    amount: Decimal,
) -> Result<Settled, SettleError> {
    let order = lock(connection, invoice_id).await?;
    if order.payment_method != PaymentMethod::Qris {
        return Err(SettleError::Method(order.payment_method));
    }
    if amount != order.total_bill {
        return Err(SettleError::Amount { total_bill: order.total_bill });
    }
    if !is_to_become(&order, OrderStatus::Paid)? {
        return Ok(Settled::Before(order));
    }
    Ok(Settled::Now(sell(connection, order).await?))
}

/// Pays an order out of its user's balance, and sells its units. Called again, it changes nothing.
///
/// # Errors
/// Nothing was changed.
pub async fn pay_from_balance(connection: &mut PgConnection, invoice_id: &InvoiceId) -> Result<Settled, SettleError> {
    let mut transaction = connection.begin().await?;
    let result = pay_from_balance_in(&mut transaction, invoice_id).await;
    super::end(transaction, result).await
}

async fn pay_from_balance_in(connection: &mut PgConnection, invoice_id: &InvoiceId) -> Result<Settled, SettleError> {
    let order = lock(connection, invoice_id).await?;
    if order.payment_method != PaymentMethod::AccountBalance {
        return Err(SettleError::Method(order.payment_method));
    }
    if !is_to_become(&order, OrderStatus::Paid)? {
        return Ok(Settled::Before(order));
    }
    let taken = query!(
        "UPDATE users SET account_balance = account_balance - $2 WHERE id = $1 AND account_balance >= $2",
        order.user_id,
        order.total_bill,
    )
    .execute(&mut *connection)
    .await?;
    if taken.rows_affected() == 0 {
        return Err(SettleError::Balance);
    }
    Ok(Settled::Now(sell(connection, order).await?))
}

/// Calls an order off: its units are for sale again, and its voucher can be used again. Called again, it changes
/// nothing.
///
/// # Errors
/// Nothing was changed.
pub async fn cancel(connection: &mut PgConnection, invoice_id: &InvoiceId) -> Result<Settled, SettleError> {
    let mut transaction = connection.begin().await?;
    let result = cancel_in(&mut transaction, invoice_id).await;
    super::end(transaction, result).await
}

async fn cancel_in(connection: &mut PgConnection, invoice_id: &InvoiceId) -> Result<Settled, SettleError> {
    let order = lock(connection, invoice_id).await?;
    if !is_to_become(&order, OrderStatus::Cancelled)? {
        return Ok(Settled::Before(order));
    }
    let order = set_status(connection, order, OrderStatus::Cancelled).await?;
    units::release(connection, &[order.id]).await?;
    voucher::release(connection, &[order.id]).await?;
    Ok(Settled::Now(order))
}

/// Whether anything is to be done.
fn is_to_become(order: &Order, next: OrderStatus) -> Result<bool, SettleError> {
    match order.status.transition(next) {
        Transition::Change => Ok(true),
        Transition::Nothing => Ok(false),
        Transition::Refused => Err(SettleError::Final(order.status)),
    }
}

/// Makes the order a paid one, and what it holds sold and used.
async fn sell(connection: &mut PgConnection, order: Order) -> Result<Order, sqlx::Error> {
    let order = set_status(connection, order, OrderStatus::Paid).await?;
    units::sell(connection, order.id).await?;
    voucher::consume(connection, order.id, order.user_id).await?;
    Ok(order)
}

/// Reads the order, and keeps everybody else from changing it until the transaction ends.
async fn lock(connection: &mut PgConnection, invoice_id: &InvoiceId) -> Result<Order, SettleError> {
    query_as!(
        Order,
        r#"SELECT id, invoice_id AS "invoice_id: InvoiceId", user_id, subtotal, voucher_discount, payment_fee,
                  total_bill, payment_method AS "payment_method: PaymentMethod", status AS "status: OrderStatus",
                  created_at
           FROM orders WHERE invoice_id = $1
           FOR NO KEY UPDATE"#,
        invoice_id.as_str(),
    )
    .fetch_optional(connection)
    .await?
    .ok_or(SettleError::NoSuchOrder)
}

async fn set_status(connection: &mut PgConnection, order: Order, status: OrderStatus) -> Result<Order, sqlx::Error> {
    query!("UPDATE orders SET status = $2 WHERE id = $1", order.id, status.as_str()).execute(connection).await?;
    Ok(Order { status, ..order })
}
