//! Settles a pending order: the order is paid or cancelled.

use std::error::Error;
use std::fmt;

use quickcart_audit::{DatabaseError, Entity, EntityType, PaymentLog, PaymentStatus};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, query, query_as, query_scalar};

use super::{Order, units, voucher};
use crate::outbox::{self, NewEvent};
use crate::shop::invoice::InvoiceId;
use crate::shop::status::{OrderStatus, PaymentMethod, Transition};
use crate::shop::transaction::{Attempts, StepError};

/// The order has the status that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// This call has changed the status.
    Now(Order),
    /// The order had the status before, for example because a webhook is repeated. Nothing was changed.
    Before(Order),
}

/// The reason why an order wasn't settled. The order is unchanged.
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

impl From<DatabaseError> for SettleError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
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
/// The webhook has no signature. So `amount` must come from the gateway's own transaction detail, not from a request.
/// `reply` is that detail, for the audit trail. A second call changes nothing. A late payment counts as long as the
/// order hasn't been expired. A payment that is refused is in the trail too, once for each reply.
///
/// # Errors
/// The order wasn't paid. [`SettleError`] names the reasons.
pub async fn pay(
    connection: &mut PgConnection,
    invoice_id: &InvoiceId,
    amount: Decimal,
    reply: Option<&Value>,
) -> Result<Settled, SettleError> {
    let mut attempts = Attempts::new();
    loop {
        let mut transaction = connection.begin().await?;
        let result = pay_in(&mut transaction, invoice_id, amount, reply).await;
        if let Some(result) = attempts.end(transaction, result).await {
            return result?;
        }
    }
}

/// A refusal is inside of the `Ok`, because the transaction that reports it has to be committed.
async fn pay_in(
    connection: &mut PgConnection,
    invoice_id: &InvoiceId,
    amount: Decimal,
    reply: Option<&Value>,
) -> Result<Result<Settled, SettleError>, SettleError> {
    let order = lock(&mut *connection, invoice_id).await?;
    let checked = if order.payment_method != PaymentMethod::Qris {
        Err(SettleError::Method(order.payment_method))
    } else if amount != order.total_bill {
        Err(SettleError::Amount { total_bill: order.total_bill })
    } else {
        is_to_become(&order, OrderStatus::Paid)
    };
    match checked {
        Ok(true) => Ok(Ok(Settled::Now(sell(connection, order, reply, None).await?))),
        Ok(false) => Ok(Ok(Settled::Before(order))),
        Err(refusal) => {
            let mut event = refused(&order, PaymentMethod::Qris, amount, reply, &refusal);
            // The gateway repeats a webhook until it is answered. That is the same attempt.
            event.key = Some(format!("{invoice_id} {amount} {refusal} {}", reply.unwrap_or(&Value::Null)));
            outbox::append(connection, &[event]).await?;
            Ok(Err(refusal))
        }
    }
}

/// Pays an order from the balance of its user, and sells its units. A second call changes nothing. An attempt that is
/// refused is in the audit trail too.
///
/// # Errors
/// The order wasn't paid. [`SettleError`] names the reasons.
pub async fn pay_from_balance(connection: &mut PgConnection, invoice_id: &InvoiceId) -> Result<Settled, SettleError> {
    let mut attempts = Attempts::new();
    loop {
        let mut transaction = connection.begin().await?;
        let result = pay_from_balance_in(&mut transaction, invoice_id).await;
        if let Some(result) = attempts.end(transaction, result).await {
            return result?;
        }
    }
}

async fn pay_from_balance_in(
    connection: &mut PgConnection,
    invoice_id: &InvoiceId,
) -> Result<Result<Settled, SettleError>, SettleError> {
    let order = lock(&mut *connection, invoice_id).await?;
    let checked = if order.payment_method != PaymentMethod::AccountBalance {
        Err(SettleError::Method(order.payment_method))
    } else {
        is_to_become(&order, OrderStatus::Paid)
    };
    let refusal = match checked {
        Ok(true) => match take_from_balance(&mut *connection, &order).await? {
            Some(left) => return Ok(Ok(Settled::Now(sell(connection, order, None, Some(left)).await?))),
            None => SettleError::Balance,
        },
        Ok(false) => return Ok(Ok(Settled::Before(order))),
        Err(refusal) => refusal,
    };
    let event = refused(&order, PaymentMethod::AccountBalance, order.total_bill, None, &refusal);
    outbox::append(connection, &[event]).await?;
    Ok(Err(refusal))
}

/// Takes the order's amount from the balance of its user, and returns what is left. Returns `None` if that isn't enough.
async fn take_from_balance(connection: &mut PgConnection, order: &Order) -> Result<Option<Decimal>, sqlx::Error> {
    query_scalar!(
        "UPDATE users SET account_balance = account_balance - $2 WHERE id = $1 AND account_balance >= $2
         RETURNING account_balance",
        order.user_id,
        order.total_bill,
    )
    .fetch_optional(connection)
    .await
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
    let order = lock(&mut *connection, invoice_id).await?;
    if !is_to_become(&order, OrderStatus::Cancelled)? {
        return Ok(Settled::Before(order));
    }
    let order = set_status(&mut *connection, order, OrderStatus::Cancelled).await?;
    units::release(&mut *connection, &[order.id]).await?;
    voucher::release(&mut *connection, &[order.id]).await?;
    outbox::append(connection, &[order.event(None)]).await?;
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

/// Marks the order as paid, its units as sold and its voucher as used. `balance` is what is left of the user's balance,
/// if the order was paid from it.
async fn sell(
    connection: &mut PgConnection,
    order: Order,
    reply: Option<&Value>,
    balance: Option<Decimal>,
) -> Result<Order, SettleError> {
    let order = set_status(&mut *connection, order, OrderStatus::Paid).await?;
    let mut events = vec![order.event(reply)];
    if let Some(left) = balance {
        let state = |balance: Decimal| json!({"account_balance": balance.to_string()});
        let entity = Entity::new(EntityType::Balance, order.user_id.to_string());
        events.push(order.change(entity, "pay", state(left + order.total_bill), state(left)));
    }
    for unit in units::sell(&mut *connection, order.id).await? {
        let entity = Entity::new(EntityType::Stock, unit.to_string());
        events.push(order.change(entity, "sell", json!({"is_sold": false}), json!({"is_sold": true})));
    }
    if let Some(voucher) = voucher::consume(&mut *connection, order.id, order.user_id).await? {
        let entity = Entity::new(EntityType::Voucher, voucher.to_string());
        events.push(order.change(entity, "use", json!({"is_used": false}), json!({"is_used": true})));
    }
    outbox::append(connection, &events).await?;
    Ok(order)
}

/// The event for an attempt to pay that was refused. The order is unchanged.
fn refused(
    order: &Order,
    method: PaymentMethod,
    amount: Decimal,
    reply: Option<&Value>,
    refusal: &SettleError,
) -> NewEvent {
    order.about(PaymentLog {
        invoice_id: order.invoice_id.to_string(),
        user_id: order.user_id,
        amount,
        payment_method: method.as_str().to_owned(),
        status: PaymentStatus::Failed,
        gateway_response: reply.cloned(),
        metadata: Some(json!({"refusal": refusal.to_string()})),
    })
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
