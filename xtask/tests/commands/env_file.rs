//! `.env`: made once, never changed, and all that is wrong with it told at once.

use std::path::Path;

use crate::support::fixture::{self, JOURNAL_HISTORY, LIBRARY_HISTORY, PASSWORD, ROLE};
use crate::support::{Workspace, mode, server_and_workspace, set_mode, set_up, sql};

#[test]
fn one_that_exists_is_kept_byte_for_byte() {
    let (_server, workspace) = server_and_workspace();
    let contract = workspace.read(".env.ci");
    let texts = [
        format!("# mine\n\n{contract}EXTRA=1   \n\n"),
        contract.replace('\n', "\r\n"),
        contract.trim_end().to_owned(),
        format!("\u{feff}# with a mark in front\n{contract}"),
        contract.replace("LIBRARY_URL=", "export LIBRARY_URL=").replace("GREETING=hello", "GREETING='two words' # why"),
    ];
    for (index, text) in texts.iter().enumerate() {
        workspace.write(".env", text);
        let path = workspace.root().join(".env");
        set_mode(&path, 0o640);
        let changed = std::fs::metadata(&path).unwrap().modified().unwrap();
        workspace.run(&["db-setup"]).code(0);
        assert_eq!(workspace.read(".env"), *text, "text {index}");
        assert_eq!(mode(&path), 0o640);
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), changed);
    }
}

#[test]
fn everything_wrong_is_told_at_once() {
    let (server, workspace) = server_and_workspace();
    let authority = workspace.authority();
    workspace.write(
        ".env",
        format!(
            "# first line\n\
             LIBRARY_URL=postgresql+asyncpg://{authority}/library\n\
             this line has no sign\n\
             JOURNAL_URL=not a url {PASSWORD}\n\
             OPEN=\"quote\n"
        ),
    );
    let outcome = workspace.run(&["db-setup"]).code(1);
    let text = outcome.text();
    // The driver is told apart, with what to write instead; lines by number; what is missing by name.
    for part in ["postgresql+asyncpg", "postgres://", ".env:3", ".env:5", "JOURNAL_URL", "GREETING"] {
        assert!(text.contains(part), "{part:?} expected: {outcome}");
    }
    server.assert_only(&[]);
}

#[test]
fn empty_and_missing_variables_are_told_apart_by_name() {
    let (server, workspace) = server_and_workspace();
    workspace.write(".env", "LIBRARY_URL=\nGREETING=\n");
    let outcome = workspace.run(&["db-setup"]).code(1).says(["LIBRARY_URL", "JOURNAL_URL", "GREETING"]);
    outcome.mentions(["empty", "missing"]);
    server.assert_only(&[]);
    assert_eq!(workspace.read(".env"), "LIBRARY_URL=\nGREETING=\n");
}

#[test]
fn a_variable_that_the_contract_has_gained_is_told() {
    let (_server, workspace) = set_up();
    let (before, contract) = (workspace.read(".env"), workspace.read(".env.ci"));
    workspace.write(".env.ci", format!("{contract}GAINED=value\n"));
    workspace.run(&["db-setup"]).code(1).says(["GAINED"]);
    assert_eq!(workspace.read(".env"), before);
}

#[test]
fn two_variables_that_name_one_database() {
    let (server, workspace) = server_and_workspace();
    let port = server.port;
    // Written differently, the same all the same.
    let other = workspace.authority().replace("127.0.0.1", "localhost");
    let text = workspace.read(".env.ci");
    let journal = format!("JOURNAL_URL=postgres://{}/journal", workspace.authority());
    assert!(text.contains(&journal), "{port}: {text}");
    for host in ["localhost", "LOCALHOST.", "db.localhost"] {
        let other = other.replace("localhost", host);
        workspace.write(".env", text.replace(&journal, &format!("JOURNAL_URL=postgresql://{other}/library")));
        let outcome = workspace.run(&["db-setup"]).code(1).problem("same-database");
        outcome.says(["LIBRARY_URL", "JOURNAL_URL", "name the same database"]);
    }
    server.assert_only(&[]);
}

/// PostgreSQL would take both names for one.
#[test]
fn two_names_with_the_same_63_bytes() {
    let (server, workspace) = server_and_workspace();
    let long = "l".repeat(63);
    let text =
        workspace.read(".env.ci").replace("/library", &format!("/{long}1")).replace("/journal", &format!("/{long}2"));
    workspace.write(".env", text);
    workspace.run(&["db-setup"]).code(1).says(["LIBRARY_URL", "JOURNAL_URL", "name the same database", "63 bytes"]);
    server.assert_only(&[]);
}

#[test]
fn urls_that_cannot_be_meant() {
    let (server, workspace) = server_and_workspace();
    let authority = workspace.authority();
    let urls = [
        "mysql://a:b@localhost/x".to_owned(),
        format!("postgres://{authority}"),
        format!("postgres://{authority}/"),
        format!("postgres://{authority}/postgres"),
        format!("postgres://{authority}/template0"),
        format!("postgres://{authority}/template1"),
        format!("postgres://{ROLE}:{PASSWORD}@127.0.0.1:notaport/library"),
        format!("postgres://{ROLE}:{PASSWORD}/@#!@127.0.0.1:1/library"),
    ];
    for url in urls {
        let run = workspace.xtask(&["db-setup"]).env("LIBRARY_URL", &url).run();
        assert_eq!(run.code(1).says(["LIBRARY_URL"]).status.code(), Some(1), "{url}");
    }
    server.assert_only(&[]);
}

/// dotenvy's own search walks up into the parents' folders.
#[test]
fn a_parents_file_is_not_read() {
    let (server, workspace) = server_and_workspace();
    let authority = workspace.authority();
    let parents = workspace.root().parent().unwrap().join(".env");
    let stolen = format!("LIBRARY_URL=postgres://{authority}/stolen\nGREETING=parent\n");
    std::fs::write(&parents, &stolen).unwrap();
    workspace.run(&["db-setup"]).code(0);
    server.assert_only(&["journal", "library"]);
    assert_eq!(workspace.read(".env"), workspace.read(".env.ci"));

    workspace.write(".env", workspace.read(".env.ci").replace("GREETING=hello\n", ""));
    workspace.run(&["db-setup"]).code(1).says(["GREETING"]);
    assert_eq!(std::fs::read_to_string(parents).unwrap(), stolen);
}

#[test]
fn the_environment_wins_over_the_file() {
    let (server, workspace) = server_and_workspace();
    let url = format!("postgres://{}/elsewhere", workspace.authority());
    workspace.xtask(&["db-setup"]).env("LIBRARY_URL", &url).run().code(0);
    server.assert_only(&["elsewhere", "journal"]);
    assert_eq!(sql::applied(&server.admin("elsewhere"), LIBRARY_HISTORY), [1, 2]);
    assert_eq!(workspace.read(".env"), workspace.read(".env.ci"));

    // A variable of the environment also makes up for one that the file lacks.
    workspace.write(".env", workspace.read(".env.ci").replace("GREETING=hello\n", ""));
    workspace.xtask(&["db-setup"]).env("LIBRARY_URL", &url).env("GREETING", "from outside").run().code(0);
    server.assert_only(&["elsewhere", "journal"]);
}

#[test]
fn without_a_contract_the_environment_is_enough() {
    let (server, workspace) = server_and_workspace();
    workspace.remove(".env.ci");
    workspace.run(&["db-setup"]).code(1).says(["LIBRARY_URL", "JOURNAL_URL", ".env.ci"]);
    let authority = workspace.authority();
    workspace
        .xtask(&["db-setup"])
        .env("LIBRARY_URL", format!("postgres://{authority}/library"))
        .env("JOURNAL_URL", format!("postgres://{authority}/journal"))
        .run()
        .code(0);
    assert!(!workspace.root().join(".env").exists());
    assert_eq!(sql::applied(&server.admin("journal"), JOURNAL_HISTORY), [1]);
}

#[test]
fn a_malformed_contract_is_told_with_its_line() {
    let (server, workspace) = server_and_workspace();
    let contract = workspace.read(".env.ci");
    workspace.write(".env.ci", format!("{contract}nonsense here\n"));
    let line = contract.lines().count() + 1;
    workspace.run(&["db-setup"]).code(1).says([format!(".env.ci:{line}")]);
    assert!(!workspace.root().join(".env").exists());
    server.assert_only(&[]);
}

#[test]
fn a_folder_or_an_unreadable_file_is_an_error() {
    let (server, workspace) = server_and_workspace();
    std::fs::create_dir(workspace.root().join(".env")).unwrap();
    workspace.run(&["db-setup"]).code(1).problem("file-unreadable").says([".env"]);
    std::fs::remove_dir(workspace.root().join(".env")).unwrap();
    workspace.write(".env", b"GREETING=\xff\xfe\n");
    workspace.run(&["db-setup"]).code(1).says([".env"]);
    server.assert_only(&[]);

    let workspace = Workspace::ordinary().build();
    workspace.write(".env", workspace.read(".env.ci"));
    set_mode(&workspace.root().join(".env"), 0);
    workspace.run(&["db-setup"]).code(1).says([".env"]);
}

/// A link that leads nowhere is the user's: nothing is written through it or over it.
#[test]
fn a_dangling_link_is_not_written_through() {
    let (server, workspace) = server_and_workspace();
    let target = workspace.base().join("target of the link");
    std::os::unix::fs::symlink(&target, workspace.root().join(".env")).unwrap();
    workspace.run(&["db-setup"]).code(1).says([".env"]);
    assert!(!target.exists());
    assert_eq!(std::fs::read_link(workspace.root().join(".env")).unwrap(), target);
    server.assert_only(&[]);
}

#[test]
fn a_file_in_a_checkout_that_is_linked_to_is_this_checkouts() {
    let (server, workspace) = server_and_workspace();
    let kept = workspace.base().join("kept.env");
    std::fs::write(&kept, workspace.read(".env.ci")).unwrap();
    std::os::unix::fs::symlink(&kept, workspace.root().join(".env")).unwrap();
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(std::fs::read_link(workspace.root().join(".env")).unwrap(), kept);
    assert_eq!(std::fs::read_to_string(kept).unwrap(), workspace.read(".env.ci"));
    server.assert_only(&["journal", "library"]);
}

#[test]
fn the_contract_of_this_repository_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = std::fs::read_to_string(root.join(".env.ci")).unwrap();
    let values: Vec<(String, String)> = dotenvy::from_read_iter(text.as_bytes()).collect::<Result<_, _>>().unwrap();
    assert!(values.iter().all(|(_, value)| !value.is_empty()));
    // What the tests' own fixture promises holds here too.
    assert_eq!(fixture::contract("a:b@c:1").matches("postgres://a:b@c:1/").count(), 2);
}
