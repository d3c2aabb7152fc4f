//! The voucher of an order. A pending order holds it, a paid order uses it, and any other order releases it.

use std::error::Error;
use std::fmt;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::postgres::PgConnection;
use sqlx::{query, query_scalar};

use super::place::PlaceError;
use crate::secret::Secret;
use crate::shop::status::VOUCHER_COOLDOWN;

/// The reason why a voucher can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoucherError {
    /// No voucher has this code.
    NoSuchVoucher,
    /// The voucher has been used.
    Used,
    /// The voucher has expired.
    Expired,
    /// Another order holds the voucher, and waits for its payment.
    Held,
    /// The user has used another voucher a short time ago.
    Cooldown {
        /// The time from which the user may use the next voucher.
        until: DateTime<Utc>,
    },
}

impl fmt::Display for VoucherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchVoucher => f.write_str("no voucher has this code"),
            Self::Used => f.write_str("this voucher has been used"),
            Self::Expired => f.write_str("this voucher has expired"),
            Self::Held => f.write_str("another order holds this voucher, and waits for its payment"),
            Self::Cooldown { until } => write!(f, "this user may not use another voucher until {until}"),
        }
    }
}

impl Error for VoucherError {}

/// A voucher that an order can hold, unless another order is faster.
pub(super) struct Claim {
    id: i32,
    /// The amount in rupiah.
    pub(super) amount: Decimal,
}

/// Reads the voucher. It isn't locked, because the order comes before it in the order of locks, and the order's amounts
/// depend on it. [`hold`] looks again.
pub(super) async fn claim(connection: &mut PgConnection, code: &Secret) -> Result<Claim, PlaceError> {
    let voucher = query!(
        r#"SELECT id, amount, is_used, order_id IS NOT NULL AS "is_held!", expires_at <= now() AS "is_expired!"
           FROM vouchers WHERE code = $1"#,
        code.expose(),
    )
    .fetch_optional(connection)
    .await?
    .ok_or(VoucherError::NoSuchVoucher)?;
    match voucher {
        _ if voucher.is_used => Err(VoucherError::Used.into()),
        _ if voucher.is_held => Err(VoucherError::Held.into()),
        _ if voucher.is_expired => Err(VoucherError::Expired.into()),
        _ => Ok(Claim { id: voucher.id, amount: voucher.amount }),
    }
}

/// Refuses a voucher to a user who has used another one a short time ago.
///
/// The user's order is made before this is asked. A user has one pending order, so it has waited for the payment of an
/// earlier one, and this sees the cooldown that such a payment begins.
pub(super) async fn check_cooldown(connection: &mut PgConnection, user_id: i64) -> Result<(), PlaceError> {
    let cooldown = query_scalar!(
        "SELECT expires_at FROM voucher_usage_cooldown WHERE user_id = $1 AND expires_at > now()",
        user_id,
    )
    .fetch_optional(connection)
    .await?;
    cooldown.map_or(Ok(()), |until| Err(VoucherError::Cooldown { until }.into()))
}

/// Makes the order hold the voucher, if it is still as it was when it was read.
pub(super) async fn hold(
    connection: &mut PgConnection,
    claim: &Claim,
    code: &Secret,
    order_id: i32,
) -> Result<(), PlaceError> {
    let held = query!(
        "UPDATE vouchers SET order_id = $2
         WHERE id = $1 AND amount = $3 AND NOT is_used AND order_id IS NULL AND expires_at > now()",
        claim.id,
        order_id,
        claim.amount,
    )
    .execute(&mut *connection)
    .await?;
    if held.rows_affected() == 1 {
        return Ok(());
    }
    // It says why. If it finds nothing, the voucher has come back in this moment.
    self::claim(connection, code).await?;
    Err(VoucherError::Held.into())
}

/// Marks the voucher of a paid order as used, and returns its key, if the order has one. The voucher counts even if it has
/// expired since the order was placed.
pub(super) async fn consume(
    connection: &mut PgConnection,
    order_id: i32,
    user_id: i64,
) -> Result<Option<i32>, sqlx::Error> {
    query_scalar!(
        "WITH used AS (
             UPDATE vouchers SET is_used = true, used_by = $2, used_at = now() WHERE order_id = $1 RETURNING id, used_at
         ), cooldown AS (
             INSERT INTO voucher_usage_cooldown (user_id, last_voucher_used, expires_at)
             SELECT $2, used_at, used_at + make_interval(secs => $3) FROM used
             ON CONFLICT (user_id) DO UPDATE
                 SET last_voucher_used = EXCLUDED.last_voucher_used, expires_at = EXCLUDED.expires_at
         )
         SELECT id FROM used",
        order_id,
        user_id,
        VOUCHER_COOLDOWN.as_seconds_f64(),
    )
    .fetch_optional(connection)
    .await
}

/// Releases the vouchers of expired or cancelled orders, so that they can be used again.
pub(super) async fn release(connection: &mut PgConnection, order_ids: &[i32]) -> Result<(), sqlx::Error> {
    query!(
        "WITH locked AS (
             SELECT id FROM vouchers WHERE order_id = ANY ($1) AND NOT is_used
             ORDER BY id
             FOR NO KEY UPDATE
         )
         UPDATE vouchers SET order_id = NULL WHERE id IN (SELECT id FROM locked)",
        order_ids,
    )
    .execute(connection)
    .await?;
    Ok(())
}
