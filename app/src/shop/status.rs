//! The values that the schema allows, and the changes of status that an order may make.

use chrono::TimeDelta;
use quickcart_audit::PaymentStatus;

/// The time that an order may wait for its payment.
pub const EXPIRES_AFTER: TimeDelta = TimeDelta::minutes(10);

/// The time that a user has to wait between two vouchers.
pub const VOUCHER_COOLDOWN: TimeDelta = TimeDelta::seconds(300);

/// The kinds of members. Each user is of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Decode)]
#[sqlx(rename_all = "snake_case")]
pub enum MemberStatus {
    /// A customer pays the usual price.
    Customer,
    /// A reseller pays the resellers' price if a product has one.
    Reseller,
    /// An admin may use the admin commands, and pays the usual price.
    Admin,
}

/// The payment method of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Decode)]
#[sqlx(rename_all = "snake_case")]
pub enum PaymentMethod {
    /// A QR code of the payment gateway.
    Qris,
    /// The balance of the user's account.
    AccountBalance,
}

impl PaymentMethod {
    /// Returns the value as the database stores it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Qris => "qris",
            Self::AccountBalance => "account_balance",
        }
    }
}

/// The status of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Decode)]
#[sqlx(rename_all = "snake_case")]
pub enum OrderStatus {
    /// The order waits for its payment. Its units are reserved.
    Pending,
    /// The order is paid. Its units are sold.
    Paid,
    /// The payment didn't come in time. The units are for sale again.
    Expired,
    /// The order was cancelled. The units are for sale again.
    Cancelled,
}

/// The result of a request to change the status of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The status changes.
    Change,
    /// The order has that status already, for example because a webhook is repeated. Nothing changes.
    Nothing,
    /// The order has another status, which is final.
    Refused,
}

impl OrderStatus {
    /// Returns the value as the database stores it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Returns the result of a request to change from this status to `next`.
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
    fn a_pending_order_changes_its_status_once() {
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
