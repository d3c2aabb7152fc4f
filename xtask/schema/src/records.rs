//! Reads the text that PostgreSQL writes for a record: `(1,name,,"a ""quoted"" text")`. A field without any text is NULL.

use super::error::ReadError;

/// The records of a text, with a line for each.
pub(super) struct Records<'t> {
    rest: &'t str,
    /// The field that was read last, if it has quotes.
    unquoted: String,
}

impl<'t> Records<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { rest: text, unquoted: String::new() }
    }

    /// Begins the next record. Returns whether there is one.
    pub(super) fn begin(&mut self) -> bool {
        !self.rest.is_empty()
    }

    /// Reads the next field of a record.
    ///
    /// # Errors
    /// The record has no more fields.
    pub(super) fn field(&mut self) -> Result<Option<&str>, ReadError> {
        let bytes = self.rest.as_bytes();
        if !matches!(bytes.first(), Some(b'(' | b',')) {
            return Err(ReadError::Partial);
        }
        if bytes.get(1) == Some(&b'"') {
            return self.quoted().map(Some);
        }
        // This crate isn't optimised, and a loop costs a third of what an iterator costs then.
        let mut end = 1;
        while end < bytes.len() && bytes[end] != b',' && bytes[end] != b')' {
            end += 1;
        }
        if end == bytes.len() {
            return Err(ReadError::Partial);
        }
        let field = &self.rest[1..end];
        self.rest = &self.rest[end..];
        Ok((!field.is_empty()).then_some(field))
    }

    /// Reads a field up to its last quote. Quotes and backslashes inside it are doubled.
    fn quoted(&mut self) -> Result<&str, ReadError> {
        self.unquoted.clear();
        let mut rest = &self.rest[2..];
        loop {
            let length = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\')).ok_or(ReadError::Partial)?;
            let (before, from) = rest.split_at(length);
            self.unquoted.push_str(before);
            match from.as_bytes() {
                [first, second, ..] if first == second => self.unquoted.push(char::from(*first)),
                [b'"', ..] => {
                    self.rest = &from[1..];
                    return Ok(&self.unquoted);
                }
                _ => return Err(ReadError::Partial),
            }
            rest = &from[2..];
        }
    }

    /// Ends a record.
    ///
    /// # Errors
    /// The record has more fields.
    pub(super) fn end(&mut self) -> Result<(), ReadError> {
        let rest = self.rest.strip_prefix(')').ok_or(ReadError::Partial)?;
        self.rest = match rest.strip_prefix('\n') {
            // A record has to follow.
            Some("") => return Err(ReadError::Partial),
            Some(rest) => rest,
            None if rest.is_empty() => rest,
            None => return Err(ReadError::Partial),
        };
        Ok(())
    }
}
