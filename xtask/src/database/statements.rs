//! The text of a migration: the start of each statement, the line and column of a position, and the indexes that the
//! migration builds concurrently.
//!
//! PostgreSQL gives the position of only some errors (a syntax error, a missing column). For other errors, such as
//! "relation already exists", only the number of statements that succeeded is known. The next statement failed.

use xtask_schema::sql::{Token, tokens};

/// The byte offsets at which the statements of `sql` begin, without the white space and comments before them.
pub(crate) fn starts(sql: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut inside = false;
    // The depth of BEGIN ATOMIC … END, which is the body of a function in SQL, and the depth of parentheses, which a
    // rule has around its statements. Semicolons inside them end no statement.
    let (mut atomic, mut parentheses) = (0_usize, 0_usize);
    let mut after_begin = false;
    for token in tokens(sql).filter(|token| !token.is_blank()) {
        if token.text == ";" && atomic == 0 && parentheses == 0 {
            (inside, after_begin) = (false, false);
            continue;
        }
        if !inside {
            starts.push(token.start);
            inside = true;
        }
        match token.text {
            "(" => parentheses += 1,
            ")" => parentheses = parentheses.saturating_sub(1),
            _ if after_begin && token.is_word("atomic") => atomic = 1,
            _ if token.is_word("case") && atomic > 0 => atomic += 1,
            _ if token.is_word("end") => atomic = atomic.saturating_sub(1),
            _ => {}
        }
        after_begin = token.is_word("begin");
    }
    starts
}

/// The names, without their schemas, of the indexes that `CREATE INDEX CONCURRENTLY` builds in `sql`.
pub(crate) fn concurrent_indexes(sql: &str) -> Vec<String> {
    let tokens: Vec<Token<'_>> = tokens(sql).filter(|token| !token.is_blank()).collect();
    let named = |at: usize| {
        let rest = after(&tokens[at..], "create")?;
        let rest = after(rest, "unique").unwrap_or(rest);
        let rest = after(after(rest, "index")?, "concurrently")?;
        let rest = after(rest, "if").and_then(|rest| after(after(rest, "not")?, "exists")).unwrap_or(rest);
        let mut rest = rest.iter();
        let mut name = rest.next().filter(|name| !name.is_word("on"))?;
        while rest.next().is_some_and(|token| token.text == ".") {
            name = rest.next()?;
        }
        name.identifier()
    };
    (0..tokens.len()).filter_map(named).collect()
}

/// The tokens after `word`, if the tokens begin with that word.
fn after<'t, 's>(tokens: &'t [Token<'s>], word: &str) -> Option<&'t [Token<'s>]> {
    tokens.split_first().filter(|(first, _)| first.is_word(word)).map(|(_, rest)| rest)
}

/// The line and the column of the character number `position`. All three numbers count from one, and the column counts
/// characters.
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
    fn parentheses_hold_semicolons() {
        let sql = "CREATE RULE r AS ON INSERT TO t DO ALSO (INSERT INTO u VALUES (1); DELETE FROM v); next ); last";
        assert_eq!(split(sql), ["CREATE", "next", "last"]);
    }

    #[test]
    fn quotes_of_every_kind_hold_semicolons() {
        let sql = "a U&';'; b U&\";\"; c B';'; d x$y$; e 'a\\'; f /* ' */; g -- '\n; h a$$b$$c; i e'\\';'; j";
        assert_eq!(split(sql), ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
        assert_eq!(split("begin; atomic ; \"begin\" atomic; begin \"atomic\"; begin /* a */ atomic ; end; x").len(), 6);
    }

    #[test]
    fn positions_count_characters() {
        assert_eq!(line_and_column("é\nüx", 4), (2, 2));
        assert_eq!(line_and_column("", 1), (1, 1));
    }

    #[test]
    fn unfinished_text_does_not_panic() {
        for sql in ["'", "$", "$$", "$a$ ", "\"", "/*", "--", "E'\\", "é"] {
            starts(sql);
            concurrent_indexes(sql);
        }
    }

    #[test]
    fn indexes_that_are_built_concurrently_are_known_by_name() {
        for (sql, names) in [
            ("CREATE INDEX CONCURRENTLY a ON t (x)", &["a"][..]),
            ("create unique index concurrently if not exists A on t(x)", &["a"]),
            ("CREATE INDEX CONCURRENTLY /* b */ a -- c\n ON t (x); CREATE INDEX CONCURRENTLY d ON t (x)", &["a", "d"]),
            ("CREATE INDEX CONCURRENTLY\ts . a ON t (x)", &["a"]),
            ("CREATE INDEX CONCURRENTLY \"a.b C\" ON t (x)", &["a.b C"]),
            ("CREATE INDEX CONCURRENTLY \"s.t\".\"a\"\"b\" ON t (x)", &["a\"b"]),
            ("CREATE INDEX CONCURRENTLY \"on\"ON t (x)", &["on"]),
            ("CREATE INDEX CONCURRENTLY ÄB ON t (x)", &["Äb"]),
        ] {
            assert_eq!(concurrent_indexes(sql), names, "{sql}");
        }
    }

    #[test]
    fn nothing_else_is_taken_for_an_index_that_is_built_concurrently() {
        for sql in [
            "CREATE INDEX CONCURRENTLY ON t (x)",
            "CREATE INDEX CONCURRENTLY",
            "CREATE INDEX CONCURRENTLY s.",
            "CREATE INDEX a ON t (x) -- concurrently b",
            "CREATE INDEX a ON t (x) /* CREATE INDEX CONCURRENTLY b ON t (x) */",
            "COMMENT ON INDEX a IS 'CREATE INDEX CONCURRENTLY b ON t (x)'",
            "SELECT $$CREATE INDEX CONCURRENTLY b ON t (x)$$, concurrently c FROM \"concurrently\" d",
            // These statements need their index. They would fail if it was dropped first.
            "DROP INDEX CONCURRENTLY a",
            "REINDEX INDEX CONCURRENTLY a",
        ] {
            assert!(concurrent_indexes(sql).is_empty(), "{sql}");
        }
    }
}
