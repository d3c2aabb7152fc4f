//! The text of a migration: the start of each statement, the line and column of a position, the indexes that the
//! migration builds concurrently, and the statement that ends its transaction.
//!
//! PostgreSQL gives the position of only some errors (a syntax error, a missing column). For other errors, such as
//! "relation already exists", only the number of statements that succeeded is known. The next statement failed.

use xtask_schema::sql::{Kind, Token, tokens};

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

/// The statements of `sql`: the byte offset at which each begins, and its text up to the next one.
pub(crate) fn each(sql: &str) -> impl Iterator<Item = (usize, &str)> {
    let starts = starts(sql);
    let ends: Vec<_> = starts.iter().skip(1).copied().chain([sql.len()]).collect();
    starts.into_iter().zip(ends).map(|(start, end)| (start, &sql[start..end]))
}

/// An index that `CREATE INDEX CONCURRENTLY` builds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConcurrentIndex {
    /// Its name without a schema. PostgreSQL puts it into the schema of its table.
    pub(crate) name: String,
    /// The name of its table, with its schema if the statement has one: the parts between the dots.
    pub(crate) table: Vec<String>,
}

/// The indexes that `CREATE INDEX CONCURRENTLY` builds in `sql`, except those to which PostgreSQL gives a name.
pub(crate) fn concurrent_indexes(sql: &str) -> Vec<ConcurrentIndex> {
    let tokens: Vec<Token<'_>> = tokens(sql).filter(|token| !token.is_blank()).collect();
    let built = |at: usize| {
        let rest = after(&tokens[at..], "create")?;
        let rest = after(rest, "unique").unwrap_or(rest);
        let rest = after(after(rest, "index")?, "concurrently")?;
        let rest = after(rest, "if").and_then(|rest| after(after(rest, "not")?, "exists")).unwrap_or(rest);
        let (name, rest) = rest.split_first().filter(|(name, _)| !name.is_word("on"))?;
        let rest = after(rest, "on")?;
        let mut rest = after(rest, "only").unwrap_or(rest).iter();
        let mut table = vec![rest.next()?.identifier()?];
        while rest.next().is_some_and(|token| token.text == ".") {
            table.push(rest.next()?.identifier()?);
        }
        Some(ConcurrentIndex { name: name.identifier()?, table })
    };
    (0..tokens.len()).filter_map(built).collect()
}

/// The byte offset of the first statement that ends the transaction around it, such as COMMIT.
pub(crate) fn end_of_transaction(sql: &str) -> Option<usize> {
    starts(sql).into_iter().find(|start| {
        let words: Vec<Token<'_>> = tokens(&sql[*start..])
            .filter(|token| !token.is_blank())
            .take_while(|token| token.kind == Kind::Word)
            .take(3)
            .collect();
        let is = |at: usize, word: &str| words.get(at).is_some_and(|token| token.is_word(word));
        // ROLLBACK TO ends only the part since a savepoint. WORK and TRANSACTION may stand before the TO.
        let to_savepoint = is(1, "to") || ((is(1, "work") || is(1, "transaction")) && is(2, "to"));
        is(0, "commit")
            || is(0, "end")
            || is(0, "abort")
            || (is(0, "rollback") && !to_savepoint)
            || (is(0, "prepare") && is(1, "transaction"))
    })
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
            end_of_transaction(sql);
        }
    }

    #[test]
    fn indexes_that_are_built_concurrently_are_known_with_their_tables() {
        for (sql, built) in [
            ("CREATE INDEX CONCURRENTLY a ON t (x)", &[("a", "t")][..]),
            ("create unique index concurrently if not exists A on only T(x)", &[("a", "t")]),
            (
                "CREATE INDEX CONCURRENTLY /* b */ a -- c\n ON t (x); CREATE INDEX CONCURRENTLY d ON s . u (x)",
                &[("a", "t"), ("d", "s|u")],
            ),
            ("CREATE INDEX CONCURRENTLY \"a.b C\" ON \"s.t\".\"u\"\"v\" USING gin (x)", &[("a.b C", "s.t|u\"v")]),
            ("CREATE INDEX CONCURRENTLY \"on\"ON t (x)", &[("on", "t")]),
            ("CREATE INDEX CONCURRENTLY ÄB ON t (x)", &[("Äb", "t")]),
        ] {
            let found = concurrent_indexes(sql);
            let found: Vec<_> = found.iter().map(|index| (index.name.clone(), index.table.join("|"))).collect();
            let built: Vec<_> = built.iter().map(|(name, table)| (name.to_string(), table.to_string())).collect();
            assert_eq!(found, built, "{sql}");
        }
    }

    #[test]
    fn statements_that_end_a_transaction() {
        for (sql, end) in [
            ("CREATE TABLE t (); COMMIT; SELECT 1", Some("COMMIT")),
            ("BEGIN; SELECT 1; end;", Some("end")),
            ("SELECT 1;/* */ ROLLBACK WORK;", Some("ROLLBACK")),
            ("abort", Some("abort")),
            ("ROLLBACK AND CHAIN", Some("ROLLBACK")),
            ("PREPARE TRANSACTION 'a'", Some("PREPARE")),
            ("SAVEPOINT a; ROLLBACK TO a; ROLLBACK WORK TO SAVEPOINT a; RELEASE a", None),
            ("PREPARE transaction_of AS SELECT 1; SELECT 'COMMIT;'; DO $$ BEGIN COMMIT; END $$", None),
            ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; COMMENT ON TABLE t IS 'end'", None),
        ] {
            let found = end_of_transaction(sql).map(|start| sql[start..].split([' ', ';']).next().unwrap_or(""));
            assert_eq!(found, end, "{sql}");
        }
    }

    #[test]
    fn nothing_else_is_taken_for_an_index_that_is_built_concurrently() {
        for sql in [
            "CREATE INDEX CONCURRENTLY ON t (x)",
            "CREATE INDEX CONCURRENTLY",
            "CREATE INDEX CONCURRENTLY s.",
            "CREATE INDEX CONCURRENTLY a ON",
            "CREATE INDEX CONCURRENTLY a ON t.",
            "CREATE INDEX CONCURRENTLY s.a ON t (x)",
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
