//! Invoice ids, which customers and the payment gateway use for orders.

use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use uuid::Uuid;

use super::code;

const PREFIX: &str = "TRX";

/// An invoice id: `TRX`, the day as YYYYMMDD, and six characters of A–Z and 0–9.
#[derive(Debug, Clone, PartialEq, Eq, Hash, sqlx::Decode)]
#[sqlx(transparent)]
pub struct InvoiceId(String);

impl InvoiceId {
    /// Makes an invoice id for an order of this day.
    pub fn new(day: NaiveDate, random: Uuid) -> Self {
        Self(format!("{PREFIX}{}{}", day.format("%Y%m%d"), code::six_of(code::LETTERS_AND_DIGITS, random)))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InvoiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The error for a text that isn't an invoice id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoInvoiceId;

impl fmt::Display for NoInvoiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this isn't an invoice id, which is TRX, a day as YYYYMMDD, and six characters of A-Z and 0-9")
    }
}

impl std::error::Error for NoInvoiceId {}

impl FromStr for InvoiceId {
    type Err = NoInvoiceId;

    /// Reads an id that comes from outside, from a customer's message or the gateway's webhook.
    fn from_str(text: &str) -> Result<Self, NoInvoiceId> {
        let (day, code) = text.strip_prefix(PREFIX).and_then(|rest| rest.split_at_checked(8)).ok_or(NoInvoiceId)?;
        // chrono would accept a sign or spaces as a part of the number.
        let is_day = day.bytes().all(|byte| byte.is_ascii_digit()) && NaiveDate::parse_from_str(day, "%Y%m%d").is_ok();
        let is_code = code.len() == 6 && code.bytes().all(|byte| code::LETTERS_AND_DIGITS.contains(&byte));
        if is_day && is_code { Ok(Self(text.to_owned())) } else { Err(NoInvoiceId) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_new_id_is_read_back_unchanged() {
        let day = NaiveDate::from_ymd_opt(2025, 1, 9).unwrap();
        for random in [Uuid::nil(), Uuid::max()] {
            let id = InvoiceId::new(day, random);
            assert!(id.as_str().starts_with("TRX20250109") && id.as_str().len() == 17, "{id}");
            assert_eq!(id.as_str().parse(), Ok(id));
        }
        assert_eq!(InvoiceId::new(day, Uuid::nil()).as_str(), "TRX20250109AAAAAA");
    }

    #[test]
    fn any_other_text_is_refused() {
        for text in [
            "",
            "TRX",
            "TRX20250109",
            "TRX20250109AAAAA",
            "TRX20250109AAAAAAA",
            "TRX20250109aaaaaa",
            "TRX20250109AAAAA-",
            "trx20250109AAAAAA",
            "TRX20251309AAAAAA",
            "TRX20250230AAAAAA",
            "TRX+2025109AAAAAA",
            "TRX2025010ÄAAAAAA",
            " TRX20250109AAAAAA",
        ] {
            assert_eq!(text.parse::<InvoiceId>(), Err(NoInvoiceId), "{text}");
        }
    }
}
