//! The tests that need no server: they split DDL and name differences.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::compare::DifferenceKind;
use super::parse::{blocks, canonical, items, statements, words};
use super::{Catalog, HEAD, Repair, compare};

/// Makes a schema file with these objects.
fn catalog(objects: &str) -> Catalog {
    Catalog::parse(&format!("{HEAD}\n{objects}"))
}

/// Returns `kind object` for every difference.
fn differences(expected: &str, actual: &str) -> Vec<String> {
    let differences = compare(&catalog(expected), &catalog(actual));
    differences.iter().map(|difference| format!("{} {}", difference.kind, difference.object)).collect()
}

#[test]
fn text_in_a_body_or_comment_never_begins_an_object() {
    let text = "-- function public.f()\nCREATE FUNCTION public.f() AS $fn$\n\n-- table public.trap\nCREATE $q$\n\n-- x\n$q$;\n$fn$;\n\
                COMMENT ON FUNCTION public.f() IS 'a\n\n-- index public.trap';\n\n-- table public.t\nCREATE TABLE public.t (\n);\n";
    let blocks = blocks(text);
    let headers: Vec<_> = blocks.iter().map(|block| block.header.as_str()).collect();
    assert_eq!(headers, ["function public.f()", "table public.t"]);
    let statements = statements(&blocks[0].body);
    assert_eq!(statements.len(), 2, "{statements:?}");
    assert!(statements[1].starts_with("COMMENT ON FUNCTION"));
}

#[test]
fn a_function_with_a_standard_body_is_one_statement() {
    let body = "CREATE FUNCTION public.f()\nBEGIN ATOMIC\n SELECT 1;\n SELECT 2;\nEND;\nCOMMENT ON FUNCTION public.f() IS 'x';";
    assert_eq!(statements(body).len(), 2);
}

#[test]
fn arrays_are_cast_element_by_element() {
    let written = canonical("CHECK (((a)::text = ANY ((ARRAY['x,''y'::character varying, b])::text[])))".to_owned());
    assert_eq!(written, "CHECK (((a)::text = ANY (ARRAY[('x,''y'::character varying)::text, (b)::text])))");
    // Brackets in a name or inside an element don't end the array.
    let written = canonical("((ARRAY['])', b[1], f(c)])::\"a[]b\"[])".to_owned());
    assert_eq!(written, "(ARRAY[('])')::\"a[]b\", (b[1])::\"a[]b\", (f(c))::\"a[]b\"])");
    for unfinished in ["(ARRAY[", "(ARRAY[a)", "(ARRAY[a])::", "(ARRAY[a])::t[", "(ARRAY['])::t[]"] {
        assert_eq!(canonical(unfinished.to_owned()), unfinished);
    }
    let body = "AS $$ select (ARRAY['a'])::text[] $$";
    assert_eq!(canonical(body.to_owned()), body);
}

/// The version of an extension comes with the server, and its objects with the version.
#[test]
fn digests_of_extensions_are_compared_within_a_version() {
    let extension = |version: &str, digest: &str| {
        format!("-- extension e\nCREATE EXTENSION e;\n-- version {version}, the digest of its objects is {digest}\n")
    };
    let one = extension("1.0", "a");
    assert_eq!(differences(&one, &extension("1.0", "b")), ["different extension e"]);
    assert!(differences(&one, &extension("1.1", "b")).is_empty());
    assert_eq!(catalog(&one), catalog(&extension("1.1", "b")));
    assert_ne!(catalog(&one), catalog(&extension("1.0", "b")));
    assert_ne!(catalog(&one), catalog("-- extension e\nCREATE EXTENSION e;\n"));
    // A line in another object is only text.
    let trap = |digest: &str| format!("{one}\n-- function f()\nAS $$\n{}$$;\n", extension("1.0", digest));
    assert_ne!(catalog(&trap("a")), catalog(&trap("b")));
}

/// In a file, CRLF counts as LF, so a carriage return in a string has to be an escape.
#[test]
fn carriage_returns_in_strings_are_escapes() {
    let written = canonical("AS $f$a\r\n'b\\$f$ DEFAULT 'c''\r' E'\\'\r' \"d\r\"".to_owned());
    assert_eq!(written, r#"AS E'a\r\n''b\\' DEFAULT E'c''\r' E'\'\r' U&"d\000d""#);
}

/// Keywords in quotes, comments and parentheses don't count.
#[test]
fn a_column_is_split_at_its_outermost_words() {
    let line = "\"NOT NULL\" character varying(10) DEFAULT ('a) NOT NULL'::text || E'\\' b') NOT NULL";
    let words = words(line);
    assert_eq!(
        words,
        ["\"NOT NULL\"", "character", "varying(10)", "DEFAULT", "('a) NOT NULL'::text || E'\\' b')", "NOT", "NULL"]
    );
    assert_eq!(
        items("a, (b, c), ARRAY[d, e], 'f,', \"g,\" /* , */, "),
        ["a", "(b, c)", "ARRAY[d, e]", "'f,'", "\"g,\" /* , */"]
    );
}

#[test]
fn crlf_is_no_difference() {
    let text = format!("{HEAD}\n-- table public.t\nCREATE TABLE public.t (\n    a integer\n);\n");
    assert!(compare(&Catalog::parse(&text.replace('\n', "\r\n")), &Catalog::parse(&text)).is_empty());
}

#[test]
fn a_difference_in_the_text_is_never_lost() {
    let one = "-- table public.a\nCREATE TABLE public.a (\n);\n";
    let other = "-- table public.b\nCREATE TABLE public.b (\n);\n";
    let swapped = differences(&format!("{one}\n{other}"), &format!("{other}\n{one}"));
    assert_eq!(swapped, ["different text of the schema"]);
    assert_eq!(differences(one, &format!("{one}\n")), ["different text of the schema"]);
    assert_eq!(differences(&format!("{one}\n{one}"), one), ["different text of the schema"]);
    let no_head = compare(&Catalog::parse(one), &catalog(one));
    assert_eq!(no_head.iter().map(|difference| difference.kind).collect::<Vec<_>>(), [DifferenceKind::Extra]);
    assert!(!compare(&Catalog::parse(""), &catalog(one)).is_empty());
}

#[test]
fn columns_and_constraints_are_named() {
    let table = |items: &str| format!("-- table public.t\nCREATE TABLE public.t (\n    {items}\n);\n");
    let expected = table("a integer DEFAULT 1 NOT NULL,\n    b text,\n    CONSTRAINT t_check CHECK ((a > 0))");
    let actual = table("a bigint NOT NULL,\n    c text,\n    CONSTRAINT t_check CHECK ((a > 1))");
    assert_eq!(
        differences(&expected, &actual),
        [
            "different column public.t.a",
            "missing column public.t.b",
            "extra column public.t.c",
            "different constraint t_check on public.t"
        ]
    );
    let differences = compare(&catalog(&expected), &catalog(&actual));
    assert_eq!(differences[0].detail.as_deref(), Some("type is bigint, expected integer; default is none, expected 1"));
    assert_eq!(
        differences[0].repair,
        Some(Repair::Statements(
            "-- loses data: digits or characters that the type has no room for are cut off or rounded; fails if a value is \
             too large\nALTER TABLE public.t ALTER COLUMN a TYPE integer;\n\
             ALTER TABLE public.t ALTER COLUMN a SET DEFAULT 1;"
                .to_owned()
        ))
    );
    assert!(matches!(differences[2].repair, Some(Repair::Not(_))), "an extra column may hold data");
}

#[test]
fn a_catalog_without_objects_is_empty() {
    assert!(Catalog::parse("").is_empty());
    assert!(catalog("").is_empty());
    assert!(!catalog("-- table public.a\nCREATE TABLE public.a (\n);\n").is_empty());
}
