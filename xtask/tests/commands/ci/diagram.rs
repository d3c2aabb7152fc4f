//! `db-diagram`, and the step of `ci` that fails when its page is stale.

use super::{checkout, json};

const PAGE: &str = "docs/schema.md";

/// Tables whose names and keys are unusual. What the page has to say about them is in [`SAYS`].
const ODD: &str = r#"
CREATE SCHEMA "Odd.Schema";
CREATE TYPE "Odd.Schema"."of |" AS ENUM ('a');
CREATE TABLE "Odd.Schema"."a ""table""" (
    "pk" integer,
    "b|c" "Odd.Schema"."of |",
    self integer REFERENCES authors (id),
    PRIMARY KEY ("pk", self)
);
COMMENT ON TABLE "Odd.Schema"."a ""table""" IS E'# not a heading\nbut <two> lines';
COMMENT ON COLUMN "Odd.Schema"."a ""table"""."b|c" IS 'this | that';
CREATE TABLE shelves (
    at date NOT NULL,
    odd integer, "to" integer,
    book integer REFERENCES books (id),
    FOREIGN KEY (odd, "to") REFERENCES "Odd.Schema"."a ""table""" ("pk", self)
) PARTITION BY RANGE (at);
CREATE TABLE shelves_one PARTITION OF shelves FOR VALUES FROM ('2020-01-01') TO ('2021-01-01') PARTITION BY LIST (odd);
CREATE TABLE shelves_one_a PARTITION OF shelves_one FOR VALUES IN (1);
CREATE TABLE old_authors (left_at date) INHERITS (authors);
CREATE UNIQUE INDEX books_author_idx ON books (author_id) WHERE author_id IS NOT NULL;
CREATE UNIQUE INDEX authors_name_idx ON authors (name) WHERE id > 5;
CREATE VIEW titles AS SELECT title FROM books;
"#;

const SAYS: [&str; 17] = [
    "    \"Odd.Schema.a#32;#34;table#34;\" {\n        integer pk_ PK \"pk\"\n        integer self PK, FK\n    }\n",
    "    \"authors\" {\n        integer id PK\n    }\n",
    "    \"authors\" ||--o| \"books\" : \"author_id\"\n",
    "    \"authors\" ||--o{ \"Odd.Schema.a#32;#34;table#34;\" : \"self\"\n",
    "    \"books\" |o--o{ \"shelves\" : \"book\"\n",
    "    \"Odd.Schema.a#32;#34;table#34;\" |o--o{ \"shelves\" : \"odd#44;#32;to\"\n",
    "### Odd.Schema.a \"table\"\n\n\\# not a heading<br>but \\<two\\> lines\n",
    "| <code>b&#124;c</code> | <code>&#34;Odd&#46;Schema&#34;&#46;&#34;of&#32;&#124;&#34;</code>, or null | this \\| that |",
    "| `self` | `integer`; primary key; references `authors` |  |",
    "### books\n\n| column | type and keys | comment |\n|---|---|---|\n| `id` | `integer`; primary key |  |\n",
    "| `author_id` | `integer`; references `authors`; unique |  |",
    "Partitioned by `RANGE (at)`; it has 1 partition.",
    "It inherits from `authors`.",
    "| `name` | `text` |  |",
    "### titles\n\nA view.\n\n| column | type and keys | comment |\n|---|---|---|\n| `title` | `text` |  |\n",
    "## journal\n",
    "## library\n",
];

#[test]
fn the_page_shows_the_migrations_and_the_step_finds_a_stale_one() {
    let (server, workspace) = checkout();
    let written = || workspace.run(&["db-diagram"]).code(0).says(["docs/schema.md written"]);
    let schema = || json(&workspace, &["--only", "schema"]);
    // A checkout without the page passes.
    let what = &schema().passes_but(&[]).step("schema").what.clone();
    assert!(!what.contains(PAGE), "{what}");
    written();
    server.assert_only(&[]);
    let first = workspace.read(PAGE);
    let run = workspace.run(&["db-diagram"]).code(0);
    run.says(["docs/schema.md shows the result of the migrations"]);
    let what = &schema().passes_but(&[]).step("schema").what.clone();
    assert!(what.ends_with("; docs/schema.md is current"), "{what}");

    // The page and a schema file are stale: one run names both.
    workspace.add_migration("library", "003_odd", ODD);
    let pipeline = schema().code(4).fails(&["schema"], &[]);
    let line = first.lines().position(|line| line == "## library").unwrap() + 5;
    let page = format!("{PAGE}:{line}");
    let texts = pipeline.at("schema", &[&page, "schema/library.sql:7"]);
    assert!(texts[0].contains("error[diagram-stale]") && texts[0].contains("cargo xtask db-diagram"), "{}", texts[0]);
    written();
    let page = workspace.read(PAGE);
    for part in SAYS {
        assert!(page.contains(part), "expected {part:?} in\n{page}");
    }
    // Partitions look like their parents, and the history isn't the schema's.
    assert!(!page.contains("shelves_one") && !page.contains("migrations\"") && !page.contains("applied"), "{page}");
    workspace.accept_schema();
    workspace.write(PAGE, page.replace('\n', "\r\n"));
    schema().passes_but(&[]);

    // A page of somebody's own is neither checked nor written.
    workspace.write(PAGE, "# Mine\n");
    schema().passes_but(&[]);
    workspace
        .run(&["db-diagram"])
        .code(1)
        .problem("diagram-file")
        .says(["was left as it is", "cargo xtask db-diagram"]);
    assert_eq!(workspace.read(PAGE), "# Mine\n");
    server.assert_only(&[]);
}
