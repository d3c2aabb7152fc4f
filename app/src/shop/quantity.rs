//! The number of units of an order.

/// A number of units that one order may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(u8);

impl Quantity {
    /// The largest number of units of an order.
    pub const MAX: u8 = 100;

    /// Makes a quantity of 1 to 100 units. Any other number gives `None`.
    pub fn new(units: u32) -> Option<Self> {
        u8::try_from(units).ok().filter(|units| (1..=Self::MAX).contains(units)).map(Self)
    }

    /// Returns the number of units.
    pub fn get(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_1_to_100_units() {
        let accepted = |units| Quantity::new(units).map(Quantity::get);
        assert_eq!([1, 100].map(accepted), [Some(1), Some(100)]);
        assert_eq!([0, 101, 256, 257, u32::MAX].map(accepted), [None; 5]);
    }
}
