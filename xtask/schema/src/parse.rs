//! Takes canonical DDL apart, minding quotes: a function's body may contain anything.

/// An object of a schema file: the comment that names it, and its statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// `table public.users`; empty for the head of the file.
    pub(super) header: String,
    /// The lines after the header, without blank lines at the end.
    pub(super) body: String,
}

/// The objects of a schema file. A comment at the start of a line after a blank one begins the next object.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut starts = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("-- ") && (text[..at].ends_with("\n\n") || text[..at].trim().is_empty()) {
            starts.push(at);
        }
        at = skip(text, at);
    }
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

/// The statements and comment lines of an object. A statement ends where the next one or a comment begins: inside a
/// function's SQL-standard body, lines are indented.
pub(super) fn statements(body: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < body.len() {
        let next = skip(body, at);
        let first = start == at && body[at..].starts_with("--");
        let ends = first || (body[..next].ends_with(';') && body[next..].starts_with('\n'));
        let begins = ["\nALTER ", "\nCOMMENT ", "\nCREATE ", "\n--"].iter().any(|word| body[next..].starts_with(word));
        if ends && (begins || next >= body.len()) {
            statements.push(body[start..next].trim_end());
            start = next + 1;
            at = start;
            continue;
        }
        at = next;
    }
    if let Some(rest) = body.get(start..).filter(|rest| !rest.trim().is_empty()) {
        statements.push(rest.trim_end());
    }
    statements
}

/// Splits at commas outside parentheses and quotes.
pub(super) fn items(list: &str) -> Vec<&str> {
    let mut items = Vec::new();
    let (mut start, mut at, mut depth) = (0, 0, 0_usize);
    while at < list.len() {
        let next = skip(list, at);
        match list.as_bytes()[at] {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                items.push(list[start..at].trim());
                start = next;
            }
            _ => {}
        }
        at = next;
    }
    items.extend(Some(list[start..].trim()).filter(|item| !item.is_empty()));
    items
}

/// The words of an expression at its outermost level: what is quoted or in parentheses stays in one piece.
pub(super) fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut start, mut at, mut depth) = (0, 0, 0_usize);
    while at < text.len() {
        let next = skip(text, at);
        match text.as_bytes()[at] {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b' ' | b'\n' if depth == 0 => {
                words.push(&text[start..at]);
                start = next;
            }
            _ => {}
        }
        at = next;
    }
    words.push(&text[start..]);
    words.retain(|word| !word.is_empty());
    words
}

/// The position after the character, or the whole quoted piece or comment, that begins here.
pub(super) fn skip(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let rest = &text[at..];
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    let end = match bytes[at] {
        b'\'' => {
            let escapes = at > 0 && matches!(bytes[at - 1], b'E' | b'e') && (at < 2 || !in_name(bytes[at - 2]));
            quoted(&bytes[at..], b'\'', escapes)
        }
        b'"' => quoted(&bytes[at..], b'"', false),
        b'$' if at == 0 || !in_name(bytes[at - 1]) => match dollar_tag(rest) {
            Some(tag) => rest[tag.len()..].find(tag).map_or(rest.len(), |found| found + 2 * tag.len()),
            None => 1,
        },
        b'-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
        _ => rest.chars().next().map_or(1, char::len_utf8),
    };
    at + end
}

/// The length of a quoted piece, in which the doubled quote stands for one.
fn quoted(bytes: &[u8], quote: u8, escapes: bool) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        if escapes && bytes[at] == b'\\' {
            at += 2;
        } else if bytes[at] != quote {
            at += 1;
        } else if bytes.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return at + 1;
        }
    }
    bytes.len()
}

/// `$tag$` at the start of the text.
fn dollar_tag(text: &str) -> Option<&str> {
    let end = text[1..].find('$')? + 2;
    let tag = &text[1..end - 1];
    let valid = !tag.starts_with(|first: char| first.is_ascii_digit())
        && tag.chars().all(|character| character.is_alphanumeric() || character == '_');
    valid.then_some(&text[..end])
}

/// Writes `(ARRAY[a, b])::type[]` as `ARRAY[(a)::type, (b)::type]`. A server makes the first of `column IN (a, b)`
/// and, when that is loaded again, the second of the first.
pub(super) fn canonical(statement: String) -> String {
    const OPEN: &str = "(ARRAY[";
    if !statement.contains(OPEN) {
        return statement;
    }
    let mut canonical = String::new();
    let mut at = 0;
    while at < statement.len() {
        let rest = &statement[at..];
        let cast = rest.strip_prefix(OPEN).and_then(array_cast);
        if let Some((elements, of_type, length)) = cast {
            let elements: Vec<_> = items(elements).iter().map(|element| format!("({element})::{of_type}")).collect();
            canonical.push_str(&format!("ARRAY[{}]", elements.join(", ")));
            at += OPEN.len() + length;
        } else {
            let next = skip(&statement, at);
            canonical.push_str(&statement[at..next]);
            at = next;
        }
    }
    canonical
}

/// The elements and the type of `elements])::type[]`, and the length of all that.
fn array_cast(text: &str) -> Option<(&str, &str, usize)> {
    let (mut at, mut depth) = (0, 0_usize);
    while at < text.len() && (depth > 0 || text.as_bytes()[at] != b']') {
        match text.as_bytes()[at] {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            _ => {}
        }
        at = skip(text, at);
    }
    let elements = text.get(..at)?;
    let of_type = text.get(at..)?.strip_prefix("])::")?;
    let end = of_type.find("[]")?;
    let simple = !of_type[..end].contains([',', ';', '\n']) && !elements.starts_with("ARRAY[");
    simple.then_some((elements, &of_type[..end], at + "])::".len() + end + "[]".len()))
}
