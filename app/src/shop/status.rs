//! The values that the schema allows, and what may become of an order.

use chrono::TimeDelta;
use quickcart_audit::PaymentStatus;

/// How long an order may wait for its payment.
pub const EXPIRES_AFTER: TimeDelta = TimeDelta::minutes(10);

/// How long a user has to wait after a voucher before the next one.
pub const VOUCHER_COOLDOWN: TimeDelta = TimeDelta::seconds(300);

/// What kind of member a user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Decode)]
#[sqlx(rename_all = "snake_case")]
pub enum MemberStatus {
    /// Pays the usual price.
    Customer,
    /// Pays the resellers' price where a product has one.
    Reseller,
    /// May use the admin commands, and pays the usual price.
    Admin,
}

/// How an order is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Decode)]
#[sqlx(rename_all = "snake_case")]
pub enum PaymentMethod {
    /// A QR code of the payment gateway's.
    Qris,
    /// The balance of the user's account.
    AccountBalance,
}

impl PaymentMethod {
    /// As it is written in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Qris => "qris",
            Self::AccountBalance => "account_balance",
        }
    }
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Decode)]
#[sqlx(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Its units are reserved, and the payment is waited for.
    Pending,
    /// Its units are sold.
    Paid,
    /// The payment didn't come in time; the units are for sale again.
    Expired,
    /// It was called off; the units are for sale again.
    Cancelled,
}

/// What it means for an order to be told to become something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// It becomes that.
    Change,
    /// It is that already: nothing is to be done, as for a repeated webhook.
    Nothing,
    /// It has become something else, for good.
    Refused,
}

impl OrderStatus {
    /// As it is written in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// What it means for an order that stands here to be told to become `next`.
    pub fn transition(self, next: Self) -> Transition {
        match self {
            _ if self == next => Transition::Nothing,
            Self::Pending => Transition::Change,
            Self::Paid | Self::Expired | Self::Cancelled => Transition::Refused,
        }
    }
}

impl From<OrderStatus> for PaymentStatus {
    fn from(status: OrderStatus) -> Self {
        match status {
            OrderStatus::Pending => Self::Pending,
            OrderStatus::Paid => Self::Paid,
            OrderStatus::Expired => Self::Expired,
            OrderStatus::Cancelled => Self::Cancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pending_order_becomes_something_once() {
        use OrderStatus::{Cancelled, Expired, Paid, Pending};
        let changes = [(Pending, Paid), (Pending, Expired), (Pending, Cancelled)];
        for from in [Pending, Paid, Expired, Cancelled] {
            for to in [Pending, Paid, Expired, Cancelled] {
                let expected = match (from, to) {
                    step if changes.contains(&step) => Transition::Change,
                    _ if from == to => Transition::Nothing,
                    _ => Transition::Refused,
                };
                assert_eq!(from.transition(to), expected, "{from:?} to {to:?}");
            }
        }
    }
}
