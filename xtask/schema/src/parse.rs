//! Splits canonical DDL into its parts. It respects quotes, because the body of a function may contain any text.

use super::model::literal;
use super::sql::{Kind, Token, tokens};

/// An object of a schema file: the comment that names it, and its statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The header, for example `table public.users`. It is empty for the head of the file.
    pub(super) header: String,
    /// The lines after the header, without blank lines at the end.
    pub(super) body: String,
}

/// Returns the objects of a schema file. A comment at the start of a line after a blank line begins the next object.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let begins = |token: &Token<'_>| {
        let before = &text[..token.start];
        token.kind == Kind::Comment
            && token.text.starts_with("-- ")
            && (before.ends_with("\n\n") || before.trim().is_empty())
    };
    let starts: Vec<usize> = tokens(text).filter(begins).map(|token| token.start).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let pieces = starts.iter().copied().zip(ends).map(|(start, end)| &text[start..end]);
    let before = &text[..starts.first().copied().unwrap_or(text.len())];
    let block = |header: &str, body: &str| Block { header: header.to_owned(), body: body.trim_end().to_owned() };
    let mut blocks = Vec::new();
    if !before.trim().is_empty() {
        blocks.push(block("", before));
    }
    for (index, piece) in pieces.enumerate() {
        let (header, body) = piece.split_once('\n').unwrap_or((piece, ""));
        let header = header.trim_start_matches("-- ");
        // The head of the file is a comment as well.
        let head = index == 0 && header.starts_with("Generated ");
        blocks.push(if head { block("", piece) } else { block(header, body) });
    }
    blocks
}

/// Returns the statements and comment lines of an object. A statement ends where a line begins the next statement or a
/// comment. A semicolon inside a function's SQL-standard body ends nothing, because the lines of the body are indented.
pub(super) fn statements(body: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut start = 0;
    for token in tokens(body) {
        let rest = &body[token.end()..];
        let ends = if token.kind == Kind::Comment { token.start == start } else { token.text == ";" };
        let next = rest.strip_prefix('\n');
        let begins = ["ALTER ", "COMMENT ", "CREATE ", "--"];
        if ends && (rest.is_empty() || next.is_some_and(|next| begins.iter().any(|word| next.starts_with(word)))) {
            statements.push(body[start..token.end()].trim_end());
            start = token.end() + 1;
        }
    }
    if let Some(rest) = body.get(start..).filter(|rest| !rest.trim().is_empty()) {
        statements.push(rest.trim_end());
    }
    statements
}

/// Splits a list at the commas outside parentheses and quotes.
pub(super) fn items(list: &str) -> Vec<&str> {
    let mut items: Vec<_> = split(list, |token| token.is_symbol(",")).into_iter().map(str::trim).collect();
    if items.last().is_some_and(|last| last.is_empty()) {
        items.pop();
    }
    items
}

/// Splits an expression into the words of its outermost level. Text in quotes or parentheses stays in one piece.
pub(super) fn words(text: &str) -> Vec<&str> {
    let mut words = split(text, |token| token.kind == Kind::Space);
    words.retain(|word| !word.is_empty());
    words
}

/// Splits a text at its separators outside parentheses and brackets.
fn split(text: &str, separates: fn(&Token<'_>) -> bool) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    for token in tokens(text) {
        match token.text {
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            _ if depth == 0 && separates(&token) => {
                pieces.push(&text[start..token.start]);
                start = token.end();
            }
            _ => {}
        }
    }
    pieces.push(&text[start..]);
    pieces
}

/// Writes the carriage returns in strings and names as escapes. In the text of a file, CRLF counts as LF, so they would be
/// no difference there.
fn without_carriage_returns(statement: &str) -> String {
    let escaped = |token: Token<'_>| {
        let text = token.text;
        if !text.contains('\r') {
            return text.to_owned();
        }
        match token.kind {
            Kind::QuotedIdentifier => {
                format!("U&{}", text.replace('\\', "\\\\").replace('\r', "\\000d"))
            }
            Kind::String if text.starts_with('\'') => literal(&text[1..text.len().max(2) - 1].replace("''", "'")),
            Kind::String if text.starts_with('$') => {
                let tag = text[1..].find('$').map_or(0, |end| end + 2);
                literal(text.get(tag..text.len().saturating_sub(tag)).unwrap_or_default())
            }
            Kind::String => text.replace('\r', "\\r"),
            _ => text.replace('\r', " "),
        }
    };
    tokens(statement).map(escaped).collect()
}

/// Writes `(ARRAY[a, b])::type[]` as `ARRAY[(a)::type, (b)::type]`. A server turns `column IN (a, b)` into the first
/// form. When the first form is loaded again, the server turns it into the second one.
pub(super) fn canonical(statement: String) -> String {
    const OPEN: &str = "(ARRAY[";
    let statement = if statement.contains('\r') { without_carriage_returns(&statement) } else { statement };
    if !statement.contains(OPEN) {
        return statement;
    }
    let mut canonical = String::new();
    let mut done = 0;
    for token in tokens(&statement) {
        if token.start < done || token.text != "(" {
            continue;
        }
        let cast = statement[token.start..].strip_prefix(OPEN).and_then(array_cast);
        if let Some((elements, of_type, length)) = cast {
            let elements: Vec<_> = items(elements).iter().map(|element| format!("({element})::{of_type}")).collect();
            canonical.push_str(&statement[done..token.start]);
            canonical.push_str(&format!("ARRAY[{}]", elements.join(", ")));
            done = token.start + OPEN.len() + length;
        }
    }
    canonical.push_str(&statement[done..]);
    canonical
}

/// Returns the elements and the type of `elements])::type[]`, and the length of the whole text.
fn array_cast(text: &str) -> Option<(&str, &str, usize)> {
    let mut depth = 0_usize;
    let end = tokens(text).find(|token| {
        match token.text {
            "(" | "[" => depth += 1,
            ")" | "]" if depth > 0 => depth -= 1,
            ")" | "]" => return true,
            _ => {}
        }
        false
    })?;
    let elements = &text[..end.start];
    let of_type = text[end.start..].strip_prefix("])::")?;
    let mut previous = None;
    let brackets = tokens(of_type).find_map(|token| {
        let after = previous.replace(token.text);
        (after == Some("[") && token.text == "]").then(|| token.start - "[".len())
    })?;
    let simple = !of_type[..brackets].contains([',', ';', '\n']) && !elements.starts_with("ARRAY[");
    simple.then_some((elements, &of_type[..brackets], end.start + "])::".len() + brackets + "[]".len()))
}
