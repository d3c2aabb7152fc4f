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

/// A voucher that this transaction has locked and may use.
pub(super) struct Claim {
    id: i32,
    /// The amount in rupiah.
    pub(super) amount: Decimal,
}

/// Locks the voucher for an order that this user is about to place.
pub(super) async fn claim(connection: &mut PgConnection, user_id: i64, code: &Secret) -> Result<Claim, PlaceError> {
    let cooldown = query_scalar!(
        "SELECT expires_at FROM voucher_usage_cooldown WHERE user_id = $1 AND expires_at > now()",
        user_id,
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(until) = cooldown {
        return Err(VoucherError::Cooldown { until }.into());
    }
    let voucher = query!(
        r#"SELECT id, amount, is_used, order_id IS NOT NULL AS "is_held!", expires_at <= now() AS "is_expired!"
           FROM vouchers WHERE code = $1
           FOR NO KEY UPDATE"#,
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

/// Makes the order hold the voucher.
pub(super) async fn hold(connection: &mut PgConnection, claim: &Claim, order_id: i32) -> Result<(), sqlx::Error> {
    query!("UPDATE vouchers SET order_id = $2 WHERE id = $1", claim.id, order_id).execute(connection).await?;
    Ok(())
}

/// Marks the voucher of a paid order as used, if the order has one. The voucher counts even if it has expired since the
/// order was placed.
pub(super) async fn consume(connection: &mut PgConnection, order_id: i32, user_id: i64) -> Result<(), sqlx::Error> {
    query!(
        "WITH used AS (
             UPDATE vouchers SET is_used = true, used_by = $2, used_at = now() WHERE order_id = $1 RETURNING used_at
         )
         INSERT INTO voucher_usage_cooldown (user_id, last_voucher_used, expires_at)
         SELECT $2, used_at, used_at + make_interval(secs => $3) FROM used
         ON CONFLICT (user_id) DO UPDATE
             SET last_voucher_used = EXCLUDED.last_voucher_used, expires_at = EXCLUDED.expires_at",
        order_id,
        user_id,
        VOUCHER_COOLDOWN.as_seconds_f64(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Releases the vouchers of expired or cancelled orders, so that they can be used again.
pub(super) async fn release(connection: &mut PgConnection, order_ids: &[i32]) -> Result<(), sqlx::Error> {
    query!("UPDATE vouchers SET order_id = NULL WHERE order_id = ANY ($1) AND NOT is_used", order_ids)
        .execute(connection)
        .await?;
    Ok(())
}
