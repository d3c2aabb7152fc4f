//! Where each statement of a migration begins, and where in the file a position lies.
//!
//! PostgreSQL gives the position of some errors only (a syntax error, a missing column). Of others, such as "relation
//! already exists", it is known how many statements were done before: the next one failed.

/// The byte offsets at which the statements of `sql` begin, without the white space and comments before them.
pub(crate) fn starts(sql: &str) -> Vec<usize> {
    let bytes = sql.as_bytes();
    let mut starts = Vec::new();
    let mut inside = false;
    let mut at = 0;
    // Depth of BEGIN ATOMIC … END, the body of a function in SQL: its semicolons end no statement.
    let mut atomic = 0_usize;
    let mut previous_word = String::new();
    while at < bytes.len() {
        if let Some(end) = blank(sql, at) {
            at = end;
            continue;
        }
        if !inside && bytes[at] != b';' {
            starts.push(at);
            inside = true;
        }
        let word = word(sql, at);
        if bytes[at] == b';' && atomic == 0 {
            inside = false;
            at += 1;
        } else if let Some(end) = quoted(sql, at, &previous_word) {
            at = end;
        } else if !word.is_empty() {
            match (previous_word.as_str(), word.to_ascii_lowercase().as_str()) {
                ("begin", "atomic") => atomic = 1,
                (_, "case") if atomic > 0 => atomic += 1,
                (_, "end") if atomic > 0 => atomic -= 1,
                _ => {}
            }
            at += word.len();
        } else {
            at += sql[at..].chars().next().map_or(1, char::len_utf8);
        }
        previous_word = word.to_ascii_lowercase();
    }
    starts
}

/// The end of the white space or comment at `at`.
fn blank(sql: &str, at: usize) -> Option<usize> {
    let rest = &sql[at..];
    if rest.starts_with("--") {
        return Some(rest.find('\n').map_or(sql.len(), |end| at + end));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(sql, at));
    }
    let space = rest.chars().next().filter(|c| c.is_whitespace() || *c == '\u{feff}')?;
    Some(at + space.len_utf8())
}

/// Block comments nest in PostgreSQL.
fn block_comment(sql: &str, from: usize) -> usize {
    let (mut depth, mut at) = (0, from);
    while at < sql.len() {
        let rest = &sql.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    sql.len()
}

/// The end of the quoted text at `at`: 'a string', "an identifier", $tag$ a body $tag$.
fn quoted(sql: &str, at: usize, previous_word: &str) -> Option<usize> {
    let bytes = sql.as_bytes();
    match bytes[at] {
        quote @ (b'\'' | b'"') => {
            // Only in E'…' does a backslash escape the quote.
            let escapes = quote == b'\'' && previous_word == "e" && sql[..at].ends_with(['e', 'E']);
            let mut end = at + 1;
            while end < bytes.len() && bytes[end] != quote {
                end += if escapes && bytes[end] == b'\\' { 2 } else { 1 };
            }
            // A doubled quote is read as two texts side by side: the same end.
            Some((end + 1).min(sql.len()))
        }
        b'$' => {
            let tag_end = at + 1 + sql[at + 1..].find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(0);
            let is_tag = sql[tag_end..].starts_with('$') && !sql[at + 1..].starts_with(|c: char| c.is_ascii_digit());
            let tag = &sql[at..=tag_end.min(sql.len() - 1)];
            is_tag.then(|| sql[tag_end + 1..].find(tag).map_or(sql.len(), |end| tag_end + 1 + end + tag.len()))
        }
        _ => None,
    }
}

/// The word at `at`; empty if there is none.
fn word(sql: &str, at: usize) -> &str {
    let rest = &sql[at..];
    if !rest.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return "";
    }
    &rest[..rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len())]
}

/// Line and column, from one and in characters, of the character number `position`, which counts from one.
pub(crate) fn line_and_column(sql: &str, position: usize) -> (usize, usize) {
    let before: String = sql.chars().take(position.saturating_sub(1)).collect();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |start| start.chars().count()) + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(sql: &str) -> Vec<&str> {
        starts(sql).iter().map(|start| sql[*start..].split([' ', ';']).next().unwrap_or("")).collect()
    }

    #[test]
    fn statements_begin_after_blanks_and_comments() {
        assert_eq!(split("-- a;\n/* b; /* c; */ */ one;;\n\n two 'x;''y' ; three \"a;b\""), ["one", "two", "three"]);
    }

    #[test]
    fn bodies_and_escapes_hold_semicolons() {
        let sql = "f $$ a; b $$; g $x$ ; $$ ; $x$; h E'\\';'; i BEGIN ATOMIC a; CASE WHEN b THEN c END; END; j $1;k";
        assert_eq!(split(sql), ["f", "g", "h", "i", "j", "k"]);
    }

    #[test]
    fn positions_count_characters() {
        assert_eq!(line_and_column("é\nüx", 4), (2, 2));
        assert_eq!(line_and_column("", 1), (1, 1));
    }

    #[test]
    fn unfinished_text_ends_somewhere() {
        for sql in ["'", "$", "$$", "$a$ ", "\"", "/*", "--", "E'\\", "é"] {
            starts(sql);
        }
    }
}
