//! Reads the text of a two-dimensional array, as PostgreSQL writes it.

use std::borrow::Cow;

/// The cells of a row. `None` is NULL.
pub(super) type Cells<'t> = Vec<Option<Cow<'t, str>>>;

/// Returns the texts of the rows of `{{a,"b, c",NULL},{…}}`. The server quotes whatever could be misunderstood. Returns
/// `None` if the text ends too early.
pub(super) fn rows(text: &str) -> Option<Vec<&str>> {
    let (mut rows, mut depth, mut begin, mut at) = (Vec::new(), 0_usize, 0, 0);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'{' => {
                depth += 1;
                begin = at;
            }
            b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 1 {
                    rows.push(&text[begin..=at]);
                }
            }
            b'"' => at += quoted(&text[at..])?,
            _ => {}
        }
        at += 1;
    }
    (depth == 0).then_some(rows)
}

/// Returns the cells of a row that [`rows`] has found.
pub(super) fn cells(row: &str) -> impl Iterator<Item = Option<Cow<'_, str>>> {
    let mut rest = row.strip_prefix('{').unwrap_or_default();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let quotes = quoted(rest);
        let end =
            quotes.map_or_else(|| rest.bytes().position(|byte| matches!(byte, b',' | b'}')), |last| Some(last + 1));
        let cell = &rest[..end.unwrap_or(rest.len())];
        // After the cell comes a comma, or the row's last brace.
        rest = rest.get(cell.len() + 1..).unwrap_or_default();
        Some(match quotes {
            Some(last) => Some(unescaped(&cell[1..last])),
            None if cell == "NULL" => None,
            None => Some(Cow::Borrowed(cell)),
        })
    })
}

/// Returns the place of the closing quote of a text that begins with a quote.
fn quoted(text: &str) -> Option<usize> {
    let mut at = 1;
    text.strip_prefix('"')?;
    loop {
        match text.as_bytes().get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Returns the text between quotes without its backslashes.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut characters = text.chars();
    let mut plain = String::with_capacity(text.len());
    while let Some(character) = characters.next() {
        plain.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{cells, rows};

    #[test]
    fn cells_are_read_as_they_were() {
        let text = r#"{{a,"b, {c}",NULL,"NULL"},{"","\"q\" \\",é,"}"}}"#;
        let expected =
            [[Some("a"), Some("b, {c}"), None, Some("NULL")], [Some(""), Some("\"q\" \\"), Some("é"), Some("}")]];
        let rows = rows(text).unwrap();
        assert_eq!(rows.len(), 2);
        for (row, expected) in rows.into_iter().zip(expected) {
            let cells: Vec<_> = cells(row).collect();
            assert_eq!(cells.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
        }
        assert_eq!(self::rows("{}").unwrap().len(), 0);
    }

    #[test]
    fn a_text_that_ends_early_is_refused() {
        for text in ["{{a", "{{\"a", "{{\"a\\", "{{a}", "}"] {
            assert!(rows(text).is_none(), "{text}");
        }
    }
}
