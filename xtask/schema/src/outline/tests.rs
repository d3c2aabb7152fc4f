//! Names and comments that could be taken for Mermaid or for Markdown.

#![allow(clippy::unwrap_used)]

use super::{Entity, EntityKind, Field, Outline, Reference, definition};

fn table(name: &str, columns: Vec<Field>) -> Entity {
    Entity {
        name: name.to_owned(),
        kind: EntityKind::Table,
        comment: None,
        partitions: None,
        inherits: Vec::new(),
        columns,
    }
}

fn field(name: &str, type_name: &str) -> Field {
    Field { name: name.to_owned(), type_name: type_name.to_owned(), ..Field::default() }
}

/// A table with one column, which is its key.
fn with_key(name: &str, column: &str, type_name: &str) -> Outline {
    let key = Field { in_primary_key: true, ..field(column, type_name) };
    Outline { entities: vec![table(name, vec![key])], references: Vec::new() }
}

/// The lines of the diagram without their indentation, and the rest of the page.
fn written(outline: &Outline) -> (Vec<String>, String) {
    let text = outline.to_markdown("a_b_");
    let (diagram, rest) =
        text.strip_prefix("## a_b\\_\n\n```mermaid\nerDiagram\n").unwrap().split_once("```\n").unwrap();
    (diagram.lines().map(|line| line.trim().to_owned()).collect(), rest.to_owned())
}

#[test]
fn keys_and_foreign_keys() {
    let mut id = Field { in_primary_key: true, ..field("id", "bigint") };
    let mut user = Field { nullable: true, refers_to: vec!["users".into()], ..field("user_id", "bigint") };
    user.unique_with = vec![vec!["day".into()], Vec::new()];
    id.comment = Some("The key".into());
    let mut day = field("day", "timestamp(3) with time zone[]");
    day.unique_with = vec![vec!["user_id".into()]];
    let mut users = table("users", vec![id.clone()]);
    users.comment = Some("People".into());
    let columns = vec!["user_id".to_owned()];
    let outline = Outline {
        entities: vec![table("orders", vec![id, user, day]), users],
        references: vec![Reference { from: 0, to: 1, columns, optional: true, unique: true }],
    };
    let (diagram, rest) = written(&outline);
    let expected = [
        "\"orders\" {",
        "bigint id PK",
        "bigint user_id FK, UK",
        "timestamptz[] day",
        "}",
        "\"users\" {",
        "bigint id PK",
        "}",
        "\"users\" |o--o| \"orders\" : \"user_id\"",
    ];
    assert_eq!(diagram, expected);
    let expected = "
### orders

| column | type and keys | comment |
|---|---|---|
| `id` | `bigint`; primary key | The key |
| `user_id` | `bigint`, or null; references `users`; unique with `day`; unique |  |
| `day` | `timestamp(3) with time zone[]`; unique with `user_id` |  |

### users

People

| column | type and keys | comment |
|---|---|---|
| `id` | `bigint`; primary key | The key |
";
    assert_eq!(rest, expected);
}

#[test]
fn names_that_mean_something_to_mermaid() {
    for (name, quoted, word) in [
        ("to", "\"to\"", "to"),
        ("pk", "\"pk\"", "pk_ \"pk\""),
        ("one or more", "\"one#32;or#32;more\"", "one_or_more \"one#32;or#32;more\""),
        ("x direction TB", "\"x#32;direction#32;TB\"", "x_direction_TB \"x#32;direction#32;TB\""),
        ("a\"b%c\\d", "\"a#34;b#37;c#92;d\"", "a_b_c_d \"a#34;b#37;c#92;d\""),
        ("#35;<b>", "\"#35;35#59;#60;b#62;\"", "x_35__b \"#35;35#59;#60;b#62;\""),
        ("app.Größe", "\"app.Größe\"", "app_Größe \"app.Größe\""),
        ("9°", "\"9°\"", "x_9_ \"9°\""),
        ("line\nbreak", "\"line?break\"", "line_break \"line?break\""),
        ("```", "\"#96;#96;#96;\"", "x_ \"#96;#96;#96;\""),
        ("__init__", "\"#95;#95;init#95;#95;\"", "init \"#95;#95;init#95;#95;\""),
        ("_id", "\"#95;id\"", "_id"),
    ] {
        let (diagram, _) = written(&with_key(name, name, "text"));
        let (word, comment) =
            word.split_once(' ').map_or((word, String::new()), |(word, rest)| (word, format!(" {rest}")));
        let line = format!("text {word} PK{comment}");
        assert_eq!(diagram, [format!("{quoted} {{"), line, "}".to_owned()], "{name}");
    }
    for (name, short) in [
        ("numeric(15,2)", "numeric"),
        ("character varying(20)[]", "varchar[]"),
        ("interval day to second(3)", "interval"),
        ("app.mood", "mood"),
        ("\"Odd. Schema\".\"Odd \"\"Type\"\"\"[][]", "Odd__Type_[][]"),
    ] {
        assert_eq!(written(&with_key("t", "c", name)).0[1], format!("{short} c PK"), "{name}");
    }
}

#[test]
fn names_and_comments_that_mean_something_to_markdown() {
    let mut column = field("a|`b\\|", "\"x|y\"");
    column.comment = Some("# 5*3*2 <b>|</b> snake_case _x_ [a](b) &amp; `c` $1$\nsecond\u{7}".into());
    let mut odd = table("_odd_ # <i>", vec![column]);
    odd.comment = Some("1. no list\r\n- neither".into());
    odd.inherits = vec!["parent".into()];
    odd.partitions = Some(("RANGE (at)".into(), 1));
    let outline = Outline { entities: vec![odd], references: Vec::new() };
    let expected = "
### \\_odd\\_ \\# \\<i\\>

Partitioned by `RANGE (at)`; it has 1 partition.

It inherits from `parent`.

1\\. no list<br>- neither

| column | type and keys | comment |
|---|---|---|
| <code>a&#124;&#96;b&#92;&#124;</code> | <code>&#34;x&#124;y&#34;</code> | \
\\# 5\\*3\\*2 \\<b\\>\\|\\</b\\> snake_case \\_x\\_ \\[a\\](b) \\&amp; \\`c\\` \\$1\\$<br>second? |
";
    assert_eq!(written(&outline).1, expected);
}

#[test]
fn a_large_diagram_shows_less() {
    let many = |number: usize| {
        let key = Field { in_primary_key: true, ..field("id", "bigint") };
        let columns = vec![key, field("other", "text")];
        let tables = (0..number).map(|at| table(&format!("a_table_with_a_name_{at}"), columns.clone()));
        Outline { entities: tables.collect(), references: Vec::new() }.to_markdown("t")
    };
    let diagram = |text: &str| text.split("\n### ").next().unwrap().to_owned();
    let keys = diagram(&many(100));
    assert!(keys.contains("bigint id PK") && !keys.contains("other"), "{keys}");
    assert!(keys.contains("erDiagram\n    direction LR\n") && !many(4).contains("direction"), "{keys}");
    let names = diagram(&many(1_000));
    assert!(names.contains("\"a_table_with_a_name_999\"") && !names.contains("bigint"), "{names}");
    assert!(many(3_000).starts_with("## t\n\nThere are too many tables for a diagram.\n"));
    assert!(Outline::default().to_markdown("t").starts_with("## t\n\nThere are no tables.\n"));
}

#[test]
fn definitions_of_keys() {
    let names = ["a", "\"b, (c\"", "valid_at"];
    let columns = |text| definition::columns(text, |name| names.contains(&name));
    assert_eq!(columns("PRIMARY KEY (a, \"b, (c\") INCLUDE (d)"), Some(vec!["a", "\"b, (c\""]));
    assert_eq!(columns("UNIQUE (a, valid_at WITHOUT OVERLAPS)"), Some(vec!["a", "valid_at"]));
    assert_eq!(columns("FOREIGN KEY (a, PERIOD valid_at) REFERENCES x.y(z, PERIOD w)"), Some(vec!["a", "valid_at"]));
    assert_eq!(columns("CREATE UNIQUE INDEX i ON t USING btree (a COLLATE \"C\" DESC)"), Some(vec!["a"]));
    assert_eq!(columns("CREATE UNIQUE INDEX i ON t USING btree (lower(a), a)"), None);
    assert_eq!(columns("CREATE UNIQUE INDEX i ON t USING btree (((a + 1)))"), None);
    let key = "FOREIGN KEY (a) REFERENCES \"x (y\".\"REFERENCES\"(b) ON DELETE CASCADE";
    assert_eq!(definition::referenced(key), Some("\"x (y\".\"REFERENCES\""));
    let index = "CREATE UNIQUE INDEX \"WHERE\" ON t USING btree (a) WHERE (a IS NOT NULL)";
    assert_eq!(definition::predicate(index), Some("(a IS NOT NULL)"));
    assert_eq!(definition::predicate("CREATE UNIQUE INDEX i ON t USING btree (a)"), None);
}
