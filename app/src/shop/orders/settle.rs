//! Settles a pending order: the order is paid or cancelled.

use std::error::Error;
use std::fmt;

use quickcart_audit::DatabaseError;
use rust_decimal::Decimal;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, query, query_as};

use super::transaction::{Attempts, StepError};
use super::{Order, units, voucher};
use crate::shop::invoice::InvoiceId;
use crate::shop::status::{OrderStatus, PaymentMethod, Transition};

/// The order has the status that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// This call has changed the status.
    Now(Order),
    /// The order had the status before, for example because a webhook is repeated. Nothing was changed.
    Before(Order),
}

/// The reason why an order wasn't settled. Nothing was changed.
#[derive(Debug)]
pub enum SettleError {
    /// No order has this invoice id.
    NoSuchOrder,
    /// The order has another payment method, which is named here.
    Method(PaymentMethod),
    /// The user's balance is too small. The order is still pending.
    Balance,
    /// The paid amount isn't the amount of the order.
    Amount {
        /// The amount of the order.
        total_bill: Decimal,
    },
    /// The order has another status, which is final. If the customer has paid nevertheless, the money must be given
    /// back.
    Final(OrderStatus),
    /// The database couldn't be reached, or it refused the change.
    Database(DatabaseError),
}

impl fmt::Display for SettleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchOrder => f.write_str("no order has this invoice id"),
            Self::Method(method) => write!(f, "the order must be paid by {}", method.as_str()),
            Self::Balance => f.write_str("the balance is too small"),
            Self::Amount { total_bill } => write!(f, "the paid amount is wrong: the order costs {total_bill} rupiah"),
            Self::Final(status) => write!(f, "the order is {}, and that is final", status.as_str()),
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

impl StepError for SettleError {
    fn database(&self) -> Option<&DatabaseError> {
        match self {
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

/// Records that the gateway has received `amount` for the order, and sells the order's units.
///
/// The webhook has no signature. So `amount` must come from the gateway's own transaction detail, not from a request. A
/// second call changes nothing. A late payment counts as long as the order hasn't been expired.
///
/// # Errors
/// The order wasn't paid. [`SettleError`] names the reasons.
pub async fn pay(
    connection: &mut PgConnection,
    invoice_id: &InvoiceId,
    amount: Decimal,
) -> Result<Settled, SettleError> {
    let mut attempts = Attempts::new();
    loop {
        let mut transaction = connection.begin().await?;
        let result = pay_in(&mut transaction, invoice_id, amount).await;
        if let Some(result) = attempts.end(transaction, result).await {
            return result;
        }
    }
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

/// Pays an order from the balance of its user, and sells its units. A second call changes nothing.
///
/// # Errors
/// The order wasn't paid. [`SettleError`] names the reasons.
pub async fn pay_from_balance(connection: &mut PgConnection, invoice_id: &InvoiceId) -> Result<Settled, SettleError> {
    let mut attempts = Attempts::new();
    loop {
        let mut transaction = connection.begin().await?;
        let result = pay_from_balance_in(&mut transaction, invoice_id).await;
        if let Some(result) = attempts.end(transaction, result).await {
            return result;
        }
    }
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

/// Cancels an order. Its units are for sale again, and its voucher can be used again. A second call changes nothing.
///
/// # Errors
/// The order wasn't cancelled. [`SettleError`] names the reasons.
pub async fn cancel(connection: &mut PgConnection, invoice_id: &InvoiceId) -> Result<Settled, SettleError> {
    let mut attempts = Attempts::new();
    loop {
        let mut transaction = connection.begin().await?;
        let result = cancel_in(&mut transaction, invoice_id).await;
        if let Some(result) = attempts.end(transaction, result).await {
            return result;
        }
    }
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

/// Returns whether the order still has to change its status.
fn is_to_become(order: &Order, next: OrderStatus) -> Result<bool, SettleError> {
    match order.status.transition(next) {
        Transition::Change => Ok(true),
        Transition::Nothing => Ok(false),
        Transition::Refused => Err(SettleError::Final(order.status)),
    }
}

/// Marks the order as paid, its units as sold and its voucher as used.
async fn sell(connection: &mut PgConnection, order: Order) -> Result<Order, sqlx::Error> {
    let order = set_status(connection, order, OrderStatus::Paid).await?;
    units::sell(connection, order.id).await?;
    voucher::consume(connection, order.id, order.user_id).await?;
    Ok(order)
}

/// Reads the order, and locks it against other changes until the transaction ends.
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
