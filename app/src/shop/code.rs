//! Codes that people read, type and pass on.

use uuid::Uuid;

/// Letters and digits, as in an invoice id.
pub const LETTERS_AND_DIGITS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Digits, as in a bank id.
pub const DIGITS: &[u8; 10] = b"0123456789";

/// The number of characters of a code.
const LENGTH: usize = 6;

/// Makes a code of six characters of `alphabet` from a random UUID of PostgreSQL's `gen_random_uuid()`.
///
/// The probabilities of any two codes differ by less than one part in a thousand million.
pub fn six_of(alphabet: &[u8], random: Uuid) -> String {
    let letters = alphabet.len() as u64;
    // The two highest bits of the lower half are fixed. The upper half has fixed bits in its middle, so it isn't used.
    let mut rest = random.as_u64_pair().1 & (u64::MAX >> 2);
    let mut code = String::with_capacity(LENGTH);
    for _ in 0..LENGTH {
        code.push(alphabet[(rest % letters) as usize].into());
        rest /= letters;
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_depends_on_the_random_bits_alone() {
        let fixed_bits = Uuid::from_u64_pair(u64::MAX, 0b11 << 62);
        assert_eq!(six_of(DIGITS, fixed_bits), "000000");
        assert_eq!(six_of(DIGITS, Uuid::from_u64_pair(0, 123_456)), "654321");
        assert_eq!(six_of(LETTERS_AND_DIGITS, Uuid::from_u64_pair(0, 35 + 36 * 25)), "9ZAAAA");
    }
}
