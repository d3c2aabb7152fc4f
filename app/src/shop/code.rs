//! Codes that people read, type and pass on.

use uuid::Uuid;

/// Letters and digits, as in an invoice id.
pub const LETTERS_AND_DIGITS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Digits, as in a bank id.
pub const DIGITS: &[u8; 10] = b"0123456789";

/// How many characters a code has.
const LENGTH: usize = 6;

/// Makes six characters of `alphabet` out of a random UUID, which PostgreSQL's `gen_random_uuid()` gives.
///
/// All codes are equally likely, but for less than one part in a thousand million.
pub fn six_of(alphabet: &[u8], random: Uuid) -> String {
    let letters = alphabet.len() as u64;
    // The upper half says in fixed places which version of UUID it is; the lower one does only in its two upper bits.
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
    fn the_code_is_made_of_the_random_bits_and_no_others() {
        let fixed_bits = Uuid::from_u64_pair(u64::MAX, 0b11 << 62);
        assert_eq!(six_of(DIGITS, fixed_bits), "000000");
        assert_eq!(six_of(DIGITS, Uuid::from_u64_pair(0, 123_456)), "654321");
        assert_eq!(six_of(LETTERS_AND_DIGITS, Uuid::from_u64_pair(0, 35 + 36 * 25)), "9ZAAAA");
    }
}
