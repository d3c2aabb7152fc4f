//! What a payment costs the customer on top.

use rust_decimal::Decimal;

use super::status::PaymentMethod;

/// The fee for paying `subtotal - discount` in this way.
///
/// For QRIS it is 0.7 %, cut to whole rupiah, and 310 rupiah; paying from the balance is free.
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
    fn qris_costs_0_7_percent_in_whole_rupiah_and_310() {
        for (subtotal, fee) in [(15_000, 415), (10_000, 380), (30_000, 520), (99_000, 1_003)] {
            assert_eq!(qris(subtotal, 0), fee.into(), "{subtotal}");
        }
        // 0.7 % of 142 is 0.994, of 143 it is 1.001.
        assert_eq!([qris(0, 0), qris(142, 0), qris(143, 0)], [310, 310, 311].map(Decimal::from));
    }

    #[test]
    fn the_discount_is_taken_off_first() {
        assert_eq!(qris(15_000, 5_000), qris(10_000, 0));
        assert_eq!(qris(15_000, 15_000), 310.into());
    }

    #[test]
    fn the_balance_costs_nothing() {
        assert_eq!(payment_fee(PaymentMethod::AccountBalance, 15_000.into(), 0.into()), 0.into());
    }
}
