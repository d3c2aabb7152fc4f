//! Reads the text of a two-dimensional array, as PostgreSQL writes it.

/// The cells of a row. `None` is NULL.
pub(super) type Cells = Vec<Option<String>>;

/// Returns the rows of `{{a,"b, c",NULL},{…}}`. The server quotes whatever could be misunderstood. Returns `None` if the
/// text ends too early.
pub(super) fn rows(text: &str) -> Option<Vec<Cells>> {
    let (mut rows, mut depth, mut at) = (Vec::<Cells>::new(), 0_usize, 0);
    while let Some(byte) = text.as_bytes().get(at) {
        at += 1;
        match byte {
            b'{' => {
                depth += 1;
                if depth == 2 {
                    rows.push(Vec::new());
                }
            }
            b'}' => depth = depth.checked_sub(1)?,
            b',' => {}
            b'"' => {
                let (cell, length) = quoted(&text[at..])?;
                at += length;
                rows.last_mut()?.push(Some(cell));
            }
            _ => {
                let rest = &text[at - 1..];
                let cell = &rest[..rest.find([',', '}'])?];
                at += cell.len() - 1;
                rows.last_mut()?.push((cell != "NULL").then(|| cell.to_owned()));
            }
        }
    }
    (depth == 0).then_some(rows)
}

/// Returns the text up to the closing quote, without its backslashes, and the length with the quote.
fn quoted(text: &str) -> Option<(String, usize)> {
    let (mut cell, mut at) = (String::new(), 0);
    loop {
        let special = at + text[at..].find(['"', '\\'])?;
        cell.push_str(&text[at..special]);
        at = special + 1;
        if text.as_bytes()[special] == b'"' {
            return Some((cell, at));
        }
        let escaped = text[at..].chars().next()?;
        cell.push(escaped);
        at += escaped.len_utf8();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::rows;

    #[test]
    fn cells_are_read_as_they_were() {
        let cell = |text: &str| Some(text.to_owned());
        let text = r#"{{a,"b, {c}",NULL,"NULL"},{"","\"q\" \\",é,"}"}}"#;
        let expected = vec![
            vec![cell("a"), cell("b, {c}"), None, cell("NULL")],
            vec![cell(""), cell(r#""q" \"#), cell("é"), cell("}")],
        ];
        assert_eq!(rows(text).unwrap(), expected);
        assert_eq!(rows("{}").unwrap().len(), 0);
    }

    #[test]
    fn a_text_that_ends_early_is_refused() {
        for text in ["{{a", "{{\"a", "{{\"a\\", "{{a}", "}"] {
            assert!(rows(text).is_none(), "{text}");
        }
    }
}
