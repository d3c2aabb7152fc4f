//! The fee that a customer pays on top of the price.

use rust_decimal::Decimal;

use super::status::PaymentMethod;

/// Returns the fee for a payment of `subtotal - discount` with this method.
///
/// QRIS costs 0.7 %, rounded down to whole rupiah, plus 310 rupiah. A payment from the balance is free.
pub fn payment_fee(method: PaymentMethod, subtotal: Decimal, discount: Decimal) -> Decimal {
    match method {
        PaymentMethod::Qris => ((subtotal - discount) * Decimal::new(7, 3)).floor() + Decimal::from(310),
        PaymentMethod::AccountBalance => Decimal::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qris(subtotal: i64, discount: i64) -> Decimal {
        payment_fee(PaymentMethod::Qris, subtotal.into(), discount.into())
    }

    #[test]
    fn qris_costs_0_7_percent_in_whole_rupiah_plus_310() {
        for (subtotal, fee) in [(15_000, 415), (10_000, 380), (30_000, 520), (99_000, 1_003)] {
            assert_eq!(qris(subtotal, 0), fee.into(), "{subtotal}");
        }
        // 0.7 % of 142 is 0.994, and 0.7 % of 143 is 1.001.
        assert_eq!([qris(0, 0), qris(142, 0), qris(143, 0)], [310, 310, 311].map(Decimal::from));
    }

    #[test]
    fn the_discount_is_subtracted_first() {
        assert_eq!(qris(15_000, 5_000), qris(10_000, 0));
        assert_eq!(qris(15_000, 15_000), 310.into());
    }

    #[test]
    fn a_payment_from_the_balance_is_free() {
        assert_eq!(payment_fee(PaymentMethod::AccountBalance, 15_000.into(), 0.into()), 0.into());
    }
}
