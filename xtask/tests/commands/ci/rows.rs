//! The round trip of the migrations with sample rows, and migrations that reach beyond their database.

use super::{checkout, json};
use crate::support::fixture::ROLE;
use crate::support::{Pipeline, Server, Workspace};

const SAMPLE: &str = "\
-- For the newest schema; not in the order of the migrations.
INSERT INTO authors (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'Shelley'), (2, 'Lem'), (3, 'Le Guin; a');
INSERT INTO books (id, author_id, title) OVERRIDING SYSTEM VALUE VALUES (1, 1, 'Frankenstein'), (2, 2, 'Solaris');
";

/// Makes a checkout with sample rows in the database `library`.
fn with_sample() -> (Server, Workspace) {
    let (server, workspace) = checkout();
    workspace.write("migrations/library/sample.sql", SAMPLE);
    (server, workspace)
}

fn add(workspace: &Workspace, name: &str, up: &str, down: &str) {
    workspace.add_migration("library", name, up);
    workspace.write(&format!("migrations/library/{name}.down.sql"), down);
}

#[track_caller]
fn migrations(workspace: &Workspace) -> Pipeline {
    json(workspace, &["--only", "migrations"])
}

#[test]
fn rows_that_are_kept() {
    let (server, workspace) = with_sample();
    // New names, a longer type, a new column with values of its own: no row is lost.
    add(
        &workspace,
        "003_more",
        "ALTER TABLE authors ADD COLUMN born integer NOT NULL DEFAULT 1900;\nALTER TABLE authors RENAME TO writers;\n\
         ALTER TABLE writers RENAME COLUMN name TO full_name;\nALTER TABLE books ALTER COLUMN id TYPE bigint;\n",
        "ALTER TABLE books ALTER COLUMN id TYPE integer;\nALTER TABLE writers RENAME COLUMN full_name TO name;\n\
         ALTER TABLE writers RENAME TO authors;\nALTER TABLE authors DROP COLUMN born;\n",
    );
    let renamed = SAMPLE.replace("authors (id, name)", "writers (id, full_name)");
    for sample in [SAMPLE, &renamed] {
        workspace.write("migrations/library/sample.sql", sample);
        let pipeline = migrations(&workspace).passes_but(&[]);
        let what = &pipeline.step("migrations").what;
        assert_eq!(what, "4 went up, down without a trace, and up again, with 5 sample rows");
    }
    // Everything else that lists the files of the folder takes no notice of this one.
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(server.query("library", "SELECT count(*)::text FROM writers"), ["0"]);
    workspace.run(&["migrate", "add", "library", "next"]).code(0).says(["004_next.up.sql"]);
}

/// All of them are reported at once, each in its file.
#[test]
fn rows_that_are_deleted_or_changed() {
    let (server, workspace) = with_sample();
    add(
        &workspace,
        "003_loses",
        "DELETE FROM books WHERE author_id = 2;\nUPDATE authors SET name = upper(name) WHERE id < 3;\n",
        "UPDATE authors SET name = initcap(name) WHERE id = 1;\n",
    );
    add(
        &workspace,
        "004_drops",
        "ALTER TABLE authors DROP COLUMN name;\n",
        "ALTER TABLE authors ADD COLUMN name text NOT NULL DEFAULT '';\nALTER TABLE authors ALTER COLUMN name DROP DEFAULT;\n",
    );
    let pipeline = migrations(&workspace).code(1).fails(&["migrations"], &[]);
    let up = "migrations/library/003_loses.up.sql:1";
    let down = "migrations/library/003_loses.down.sql:1";
    let drops = "migrations/library/004_drops.up.sql:1";
    let texts = pipeline.at("migrations", &[up, up, drops]);
    let all = texts.concat();
    assert!(all.contains("error[rows-lost]: 003_loses.up.sql deletes 1 of the 2 sample rows of public.books"), "{all}");
    assert!(all.contains("003_loses.up.sql changes 2 of the 3 sample rows of public.authors, in name"), "{all}");
    assert!(all.contains("004_drops.up.sql changes 3 of the 3 sample rows of public.authors, in name"), "{all}");
    assert!(all.contains("id 2") && all.contains("[[rows]]"), "{all}");
    server.assert_only(&[]);

    // The list accepts each of them, with a reason. It accepts nothing else.
    let entry = |file: &str, table: &str, more: &str| {
        format!(
            "[[rows]]\nfile = \"migrations/library/{file}\"\ntable = \"public.{table}\"\n{more}\nreason = \"Why not.\"\n\n"
        )
    };
    let changed = "change = \"changed\"\ncolumns = [\"name\"]";
    let list = entry("003_loses.up.sql", "books", "change = \"deleted\"")
        + &entry("003_loses.up.sql", "authors", changed)
        + &entry("004_drops.up.sql", "authors", changed);
    workspace.write("migrations/accepted.toml", &list);
    migrations(&workspace).passes_but(&[]);
    workspace.write("migrations/accepted.toml", list.replace("[\"name\"]", "[\"name\", \"id\"]"));
    migrations(&workspace)
        .code(1)
        .at("migrations", &[up, drops, "migrations/accepted.toml:7", "migrations/accepted.toml:14"]);
    workspace.write("migrations/accepted.toml", list.replacen("reason = \"Why not.\"", "reason = \"\"", 1));
    let text = migrations(&workspace).code(1).at("migrations", &["migrations/accepted.toml:1"]).concat();
    assert!(text.contains("error[accepted-rows]: The entry lacks the reason"), "{text}");

    // The way down has rows as well, unless a migration before has lost them.
    workspace.remove("migrations/library/004_drops.up.sql");
    workspace.remove("migrations/library/004_drops.down.sql");
    workspace.write("migrations/accepted.toml", list.split_inclusive("\n\n").take(2).collect::<String>());
    let text = migrations(&workspace).code(1).at("migrations", &[down]).concat();
    assert!(text.contains("003_loses.down.sql changes 1 of the 3 sample rows of public.authors, in name"), "{text}");
}

#[test]
fn migrations_that_fail_where_there_are_rows() {
    let (_server, workspace) = with_sample();
    add(
        &workspace,
        "003_strict",
        "ALTER TABLE authors ADD COLUMN born integer NOT NULL;\n",
        "ALTER TABLE authors DROP COLUMN born;\n",
    );
    let text = migrations(&workspace).code(1).at("migrations", &["migrations/library/003_strict.up.sql:1:1"]).concat();
    assert!(text.contains("contains null values"), "{text}");
    // A statement that no schema allows is a mistake in the sample.
    workspace.remove("migrations/library/003_strict.up.sql");
    workspace.remove("migrations/library/003_strict.down.sql");
    workspace.write("migrations/library/sample.sql", format!("{SAMPLE}\nINSERT INTO nothing VALUES (1);\n"));
    let text = migrations(&workspace).code(1).at("migrations", &["migrations/library/sample.sql:5:1"]).concat();
    assert!(text.contains("error[sample]: The sample can't be loaded: relation \"nothing\" does not exist"), "{text}");
}

/// Statements that say what they change are refused before anything runs.
#[test]
fn statements_that_reach_beyond_their_database() {
    let (server, workspace) = checkout();
    let up = format!(
        "-- CREATE ROLE in a comment\nCREATE TABLE more (id integer);\nALTER ROLE {ROLE} SET work_mem = '1MB';\n\
         ALTER DATABASE postgres SET work_mem = '1MB';\n  CREATE ROLE somebody;\nGRANT SELECT ON more TO PUBLIC;\n"
    );
    add(&workspace, "003_reaches", &up, "DROP TABLE more;\nDROP ROLE somebody;\n");
    let before = settings(&server);
    let pipeline = json(&workspace, &["--only", "migrations,schema"]).code(1).fails(&["migrations", "schema"], &[]);
    let places =
        [3, 4, 5].map(|line| format!("migrations/library/003_reaches.up.sql:{line}:{}", if line == 5 { 3 } else { 1 }));
    let [first, second, third] = places.each_ref().map(String::as_str);
    let texts = pipeline.at("migrations", &[first, second, third, "migrations/library/003_reaches.down.sql:2:1"]);
    for (text, what) in texts.iter().zip(["ALTER ROLE", "ALTER DATABASE", "CREATE ROLE", "DROP ROLE"]) {
        assert!(text.contains(&format!("error[reaches-beyond]: {what} reaches beyond the database")), "{text}");
    }
    pipeline.at("schema", &[first, second, third]);
    assert_eq!(settings(&server), before);
}

/// What a DO block or a function does is found in its transaction, which is rolled back. What others do at the same time
/// isn't taken for it.
#[test]
fn blocks_that_reach_beyond_their_database() {
    let (server, workspace) = checkout();
    workspace.run(&["db-setup"]).code(0);
    let before = settings(&server);
    let block = |text: &str| format!("DO $$ BEGIN EXECUTE {text}; END $$;\n");
    let other = block("format('ALTER DATABASE journal SET work_mem = %L', '1MB')");
    let role = block(&format!("'ALTER ROLE {ROLE} SET work_mem = ''1MB'''"));
    // Its own database goes with it.
    let own = block("format('ALTER DATABASE %I SET work_mem = %L', current_database(), '1MB')");
    let reset = block("format('ALTER DATABASE %I RESET ALL', current_database())");
    for (up, down, place, what) in [
        (
            &other,
            "SELECT 1;\n".to_owned(),
            "003_reaches.up.sql:1",
            "It changes a setting of all roles in the database journal.",
        ),
        (
            &role,
            "SELECT 1;\n".to_owned(),
            "003_reaches.up.sql:1",
            &format!("It changes a setting of the role {ROLE}.")[..],
        ),
        (&own, role.clone(), "003_reaches.down.sql:1", "reaches beyond its database"),
    ] {
        add(&workspace, "003_reaches", up, &down);
        let text = migrations(&workspace).code(1).at("migrations", &[&format!("migrations/library/{place}")]).concat();
        assert!(text.contains(what) && text.contains("was rolled back"), "{text}");
        assert_eq!(settings(&server), before);
    }
    add(&workspace, "003_reaches", &own, &reset);
    migrations(&workspace).passes_but(&[]);
    assert_eq!(settings(&server), before);
}

/// Returns the roles and the settings of the server.
fn settings(server: &Server) -> Vec<String> {
    server.query(
        "postgres",
        "SELECT rolname || COALESCE(rolconfig::text, '') FROM pg_roles \
         UNION ALL SELECT setdatabase::text || setconfig::text FROM pg_db_role_setting ORDER BY 1",
    )
}
