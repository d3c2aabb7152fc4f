//! Reads the definitions that PostgreSQL writes for keys and indexes.

use super::super::sql::{Kind, Token, tokens};

/// The columns of a key: the names in the first parentheses, with the quotes that SQL may need. Words around a name, such as
/// `PERIOD`, `DESC` or `WITHOUT OVERLAPS`, are left out. Returns `None` if an expression stands in place of a column.
pub(super) fn columns(definition: &str, is_column: impl Fn(&str) -> bool) -> Option<Vec<&str>> {
    let open = |token: &Token<'_>| !token.is_symbol("(");
    let mut names = Vec::new();
    let mut name = None;
    for token in tokens(definition).skip_while(open).skip(1) {
        if token.is_symbol("(") {
            return None;
        } else if token.is_symbol(",") || token.is_symbol(")") {
            names.push(name.take()?);
            if token.is_symbol(")") {
                return Some(names);
            }
        } else if matches!(token.kind, Kind::Word | Kind::QuotedIdentifier) && name.is_none() && is_column(token.text) {
            name = Some(token.text);
        }
    }
    None
}

/// The table that a foreign key refers to, as SQL writes its qualified name.
pub(super) fn referenced(definition: &str) -> Option<&str> {
    let references = tokens(definition).find(|token| token.is_word("REFERENCES"))?;
    let rest = &definition[references.end()..];
    let end = tokens(rest).find(|token| token.is_symbol("("))?;
    Some(rest[..end.start].trim())
}

/// The condition of a partial index, in its parentheses.
pub(super) fn predicate(definition: &str) -> Option<&str> {
    let mut depth = 0_usize;
    let condition = tokens(definition).find(|token| {
        if token.is_symbol("(") {
            depth += 1;
        } else if token.is_symbol(")") {
            depth = depth.saturating_sub(1);
        }
        depth == 0 && token.is_word("WHERE")
    })?;
    Some(definition[condition.end()..].trim())
}
