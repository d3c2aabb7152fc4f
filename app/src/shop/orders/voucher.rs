//! An order's voucher: held while the order is pending, used when it is paid, free again when it isn't.

use std::error::Error;
use std::fmt;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use sqlx::postgres::PgConnection;
use sqlx::{query, query_scalar};

use super::place::PlaceError;
use crate::secret::Secret;
use crate::shop::status::VOUCHER_COOLDOWN;

/// Why a voucher can't be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VoucherError {
    /// There is no voucher with this code.
    NoSuchVoucher,
    /// It was used.
    Used,
    /// It wasn't used in time.
    Expired,
    /// Another order has it, and waits for its payment.
    Held,
    /// The user has used one a moment ago.
    Cooldown {
        /// The next one may be used from then on.
        until: DateTime<Utc>,
    },
}

impl fmt::Display for VoucherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchVoucher => f.write_str("there is no voucher with this code"),
            Self::Used => f.write_str("this voucher was used"),
            Self::Expired => f.write_str("this voucher wasn't used in time"),
            Self::Held => f.write_str("this voucher is in another order that waits for its payment"),
            Self::Cooldown { until } => write!(f, "this user may not use another voucher until {until}"),
        }
    }
}

impl Error for VoucherError {}

/// A voucher that this transaction has locked, and that can be had.
pub(super) struct Claim {
    id: i32,
    /// Rupiah.
    pub(super) amount: Decimal,
}

/// Locks the voucher for an order of this user's that is about to be made.
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

/// Puts the voucher into the order.
pub(super) async fn hold(connection: &mut PgConnection, claim: &Claim, order_id: i32) -> Result<(), sqlx::Error> {
    query!("UPDATE vouchers SET order_id = $2 WHERE id = $1", claim.id, order_id).execute(connection).await?;
    Ok(())
}

/// Uses the voucher of an order that is paid, if it has one. It may have expired since the order was placed.
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

/// Takes the vouchers out of orders that came to nothing: they can be used again.
pub(super) async fn release(connection: &mut PgConnection, order_ids: &[i32]) -> Result<(), sqlx::Error> {
    query!("UPDATE vouchers SET order_id = NULL WHERE order_id = ANY ($1) AND NOT is_used", order_ids)
        .execute(connection)
        .await?;
    Ok(())
}
