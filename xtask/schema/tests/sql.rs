//! Tests of the lexer: each token has the right kind, no byte is lost, and unfinished text is no error.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use xtask_schema::sql::Kind::{self, Comment, Number, Parameter, QuotedIdentifier, Space, String, Symbol, Word};
use xtask_schema::sql::tokens;

/// Returns the tokens without white space.
fn pieces(sql: &str) -> Vec<(Kind, &str)> {
    tokens(sql).filter(|token| token.kind != Space).map(|token| (token.kind, token.text)).collect()
}

/// Fails unless the text is one token of this kind.
#[track_caller]
fn is_one(kind: Kind, sql: &str) {
    assert_eq!(pieces(sql), [(kind, sql)]);
}

#[test]
fn words_and_symbols() {
    assert_eq!(
        pieces("SELECT größe$1::int[1]*-.5e3,a.b<=$12;"),
        [
            (Word, "SELECT"),
            (Word, "größe$1"),
            (Symbol, "::"),
            (Word, "int"),
            (Symbol, "["),
            (Number, "1"),
            (Symbol, "]"),
            (Symbol, "*-"),
            (Number, ".5e3"),
            (Symbol, ","),
            (Word, "a"),
            (Symbol, "."),
            (Word, "b"),
            (Symbol, "<="),
            (Parameter, "$12"),
            (Symbol, ";"),
        ]
    );
}

#[test]
fn strings() {
    for sql in ["''", "'it''s -- /* $$'", "E'\\'a'", "e'\\\\'", "b'01'", "X'ff'", "N'a'", "U&'\\0061'", "u&'\\'"] {
        is_one(String, sql);
    }
    // Without E, a backslash is an ordinary character. E is a prefix only if it is the whole word.
    assert_eq!(pieces("'\\'a"), [(String, "'\\'"), (Word, "a")]);
    assert_eq!(pieces("type'\\'a"), [(Word, "type"), (String, "'\\'"), (Word, "a")]);
    assert_eq!(pieces("U & 'a'"), [(Word, "U"), (Symbol, "&"), (String, "'a'")]);
}

#[test]
fn dollar_quotes() {
    for sql in ["$$$$", "$$a; ' $b $1$$", "$tag$ $$ $ta$ $tag$", "$é$é$é$", "$a1$;$a1$", "$_$$$_$"] {
        is_one(String, sql);
    }
    assert_eq!(pieces("a$b$c$b$"), [(Word, "a$b$c$b$")]);
    assert_eq!(pieces("$1$2"), [(Parameter, "$1"), (Parameter, "$2")]);
    assert_eq!(pieces("$ $"), [(Symbol, "$"), (Symbol, "$")]);
    assert_eq!(pieces("1$$a$$"), [(Number, "1"), (String, "$$a$$")]);
}

#[test]
fn quoted_names() {
    for (sql, name) in [("\"a.b C\"", "a.b C"), ("\"a\"\"b\"", "a\"b"), ("\"\\\"", "\\"), ("\"--\"", "--")] {
        is_one(QuotedIdentifier, sql);
        assert_eq!(tokens(sql).next().unwrap().identifier().as_deref(), Some(name));
    }
    is_one(QuotedIdentifier, "U&\"d\\0061t\"\"a\"");
    assert_eq!(tokens("U&\"d\\0061t\"").next().unwrap().identifier(), None);
    assert_eq!(tokens("ÄB_c").next().unwrap().identifier().as_deref(), Some("Äb_c"), "PostgreSQL folds ASCII only");
    assert_eq!(tokens("'a'").next().unwrap().identifier(), None);
}

#[test]
fn comments() {
    for sql in ["-- a; '", "--", "/* a /* ' */ -- */", "/*/**/*/", "/***/"] {
        is_one(Comment, sql);
    }
    assert_eq!(pieces("a--b\nc"), [(Word, "a"), (Comment, "--b"), (Word, "c")]);
    assert_eq!(pieces("a--b\r\nc"), [(Word, "a"), (Comment, "--b"), (Word, "c")]);
    assert_eq!(pieces("a+--b"), [(Word, "a"), (Symbol, "+"), (Comment, "--b")]);
    assert_eq!(pieces("a*/*b*/*c"), [(Word, "a"), (Symbol, "*"), (Comment, "/*b*/"), (Symbol, "*"), (Word, "c")]);
}

#[test]
fn numbers() {
    for sql in ["0", "1_000", "1.", "1.5", ".5", "1e5", "1.5E-3", "0xFF", "0b1", "0o17"] {
        is_one(Number, sql);
    }
    assert_eq!(pieces("1..10"), [(Number, "1"), (Symbol, ".."), (Number, "10")]);
    assert_eq!(pieces("1e"), [(Number, "1"), (Word, "e")]);
    assert_eq!(pieces("1e'\\''"), [(Number, "1"), (String, "e'\\''")]);
}

#[test]
fn unfinished_text_is_one_token_to_its_end() {
    for (kind, sql) in [
        (String, "'a"),
        (String, "'a''"),
        (String, "E'a\\"),
        (String, "E'a\\é"),
        (String, "U&'"),
        (String, "$$a"),
        (String, "$a$ $a"),
        (QuotedIdentifier, "\"a; "),
        (QuotedIdentifier, "U&\""),
        (Comment, "/* a /* */"),
        (Comment, "/*/"),
    ] {
        is_one(kind, sql);
    }
}

#[test]
fn a_byte_order_mark_is_white_space_only_at_the_start() {
    assert_eq!(pieces("\u{feff}SELECT"), [(Word, "SELECT")]);
    assert_eq!(pieces(" \u{feff}SELECT"), [(Word, "\u{feff}SELECT")]);
}

/// In every text of five of these pieces, the tokens follow each other without a gap up to the end.
#[test]
fn no_byte_is_lost() {
    let pieces = ["'", "\"", "$", "$a", "-", "/", "*", "\\", "E", "U", "&", "é", "1", ".", "e", "\n", "("];
    for number in 0..pieces.len().pow(5) {
        let digits = (0..5).map(|digit| number / pieces.len().pow(digit) % pieces.len());
        let sql: std::string::String = digits.map(|digit| pieces[digit]).collect();
        let mut end = 0;
        for token in tokens(&sql) {
            assert_eq!(token.start, end, "{sql:?}");
            assert!(!token.text.is_empty(), "{sql:?}");
            assert_eq!(&sql[token.range()], token.text);
            end = token.end();
        }
        assert_eq!(end, sql.len(), "{sql:?}");
    }
}
