//! A schema file doesn't depend on the version of PostgreSQL. Each test compares the text of the server that the tests use
//! with a text that is committed, so the texts are the same on all versions on which the tests pass.
//!
//! `.ci/versions` runs them on every version. `UPDATE_EXPECT=1 cargo nextest run -p xtask --test schema -E 'test(versions)'`
//! writes the texts again.

use std::path::Path;

use super::every_kind;
use super::privileges::{READER, ask_for_privileges};
use super::support::fixture::ROLE;
use super::support::{Workspace, server_and_workspace, skip};

/// Expects the schema of the library to be this text, whatever version the server has. `db-verify` compares the two, because
/// the objects of extensions may differ where the extensions have other versions.
#[track_caller]
fn is_as_committed(workspace: &Workspace, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, workspace.read("schema/library.sql")).unwrap();
    }
    workspace.write("schema/library.sql", std::fs::read(path).unwrap());
    workspace.run(&["db-verify"]).code(0);
}

#[test]
fn every_kind_of_object_has_one_text_on_all_versions() {
    let Some((_server, workspace)) = every_kind() else {
        skip!("PostgreSQL's contributed extensions are not installed")
    };
    is_as_committed(&workspace, "schema-every-kind.sql");
}

#[test]
fn views_have_one_text_on_all_versions() {
    let (server, workspace) = server_and_workspace();
    // Only a superuser may create a cast.
    server.execute("postgres", &format!("ALTER ROLE {ROLE} SUPERUSER"));
    workspace.add_migration("library", "003_views", include_str!("views.sql"));
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    is_as_committed(&workspace, "schema-views.sql");
    // The text makes the same views again.
    let schema = workspace.read("schema/library.sql");
    let again = super::loading(&server, &schema, "again");
    again.run(&["db-setup"]).code(0);
    again.run(&["db-verify", "--write"]).code(0);
    assert_eq!(again.read("schema/library.sql"), schema);
}

#[test]
fn privileges_have_one_text_on_all_versions() {
    let (server, workspace) = server_and_workspace();
    server.execute("postgres", &format!("ALTER ROLE {ROLE} CREATEROLE; CREATE ROLE {READER}"));
    // A table has one privilege more from PostgreSQL 17 on.
    let all = format!(
        "CREATE FUNCTION of_json(json, jsonb, text) RETURNS integer LANGUAGE sql AS 'SELECT 1';
         GRANT EXECUTE ON FUNCTION of_json(json, jsonb, text) TO {READER};
         GRANT ALL ON books TO {READER} WITH GRANT OPTION;
         GRANT UPDATE (title) ON books TO {READER} WITH GRANT OPTION;
         GRANT ALL (name) ON authors TO {READER};
         GRANT SELECT, INSERT ON authors TO {READER};
         CREATE TABLE nobodys (x integer);
         REVOKE ALL ON nobodys FROM CURRENT_USER;
         ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {READER};"
    );
    ask_for_privileges(&workspace, &all);
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    is_as_committed(&workspace, "schema-privileges.sql");
    // Of everything, something is missing.
    server.execute("library", &format!("REVOKE TRIGGER ON books FROM {READER}"));
    let differs = workspace.run(&["db-verify", "--format", "json"]).code(4);
    let [super::Named { repair: Ok(repair), .. }] = &super::named(&differs)[..] else {
        panic!("not one repair: {}", differs.stdout);
    };
    server.execute("library", repair);
    workspace.run(&["db-verify", "--deep"]).code(0);
}
