//! The price of a unit for each kind of member.

use rust_decimal::Decimal;

use super::status::MemberStatus;

/// A product's prices for one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prices {
    /// The usual price.
    pub customer: Decimal,
    /// The price for resellers, if the product has one.
    pub reseller: Option<Decimal>,
}

impl Prices {
    /// Returns the price for a user with this status.
    pub fn for_member(self, status: MemberStatus) -> Decimal {
        match status {
            MemberStatus::Reseller => self.reseller.unwrap_or(self.customer),
            MemberStatus::Customer | MemberStatus::Admin => self.customer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_resellers_pay_the_resellers_price_if_there_is_one() {
        let price = |reseller: Option<i64>, status| {
            Prices { customer: 15_000.into(), reseller: reseller.map(Decimal::from) }.for_member(status)
        };
        assert_eq!(price(Some(12_000), MemberStatus::Reseller), 12_000.into());
        assert_eq!(price(None, MemberStatus::Reseller), 15_000.into());
        // Zero is a price as well.
        assert_eq!(price(Some(0), MemberStatus::Reseller), 0.into());
        for status in [MemberStatus::Customer, MemberStatus::Admin] {
            assert_eq!(price(Some(12_000), status), 15_000.into());
        }
    }
}
