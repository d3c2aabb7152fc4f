//! The list of accepted findings: its effect, and the mistakes in it.

use std::path::{Path, PathBuf};

use crate::{Folder, QUIET, command, findings, help};

const SHELVES: &str = "\
CREATE TABLE shelves (
    id int PRIMARY KEY,
    width int NOT NULL
);
";

fn list(entries: &str) -> String {
    format!("{QUIET}{entries}")
}

fn accepting(lines: &str) -> String {
    list(&format!(
        "[[accepted]]\nfile = \"001.up.sql\"\nrule = \"prefer-bigint-over-int\"\nlines = {lines}\nreason = \"Few.\"\n"
    ))
}

#[test]
fn findings_are_accepted_wherever_their_lines_are() {
    let folder = Folder::with_list(&accepting("[\"id int PRIMARY KEY,\", \"width int NOT NULL\"]"));
    folder.write("001.up.sql", SHELVES);
    folder.finds(&["001.up.sql"], &[]);
    folder.write("001.up.sql", format!("-- Moved.\n\n{SHELVES}"));
    folder.finds(&["001.up.sql"], &[]);
    folder.write("001.up.sql", SHELVES.replace('\n', "\r\n"));
    folder.finds(&["001.up.sql"], &[]);
}

#[test]
fn the_next_finding_of_the_rule_in_the_file_is_not_accepted() {
    let folder = Folder::with_list(&accepting("[\"id int PRIMARY KEY,\"]"));
    folder.write("001.up.sql", SHELVES);
    folder.finds(&["001.up.sql"], &["001.up.sql:3:11 prefer-bigint-over-int"]);
    // A second finding on a line of the same text isn't accepted, and neither is a finding in another file.
    let again = "CREATE TABLE a (\nid int PRIMARY KEY,\nb text);\nCREATE TABLE b (\nid int PRIMARY KEY,\nb text);\n";
    folder.write("001.up.sql", again);
    folder.write("000.up.sql", "CREATE TABLE c (\nid int PRIMARY KEY,\nb text);\n");
    folder.finds(
        &["000.up.sql", "001.up.sql"],
        &["000.up.sql:2:4 prefer-bigint-over-int", "001.up.sql:5:4 prefer-bigint-over-int"],
    );
}

#[test]
fn a_finding_of_another_rule_on_the_line_is_not_accepted() {
    let folder = Folder::with_list(&accepting("[\"code char(3), id int\"]"));
    folder.write("001.up.sql", "CREATE TABLE a (\n  code char(3), id int\n);\n");
    folder.finds(&["001.up.sql"], &["001.up.sql:2:8 ban-char-field"]);
}

#[test]
fn an_entry_that_nothing_matches() {
    let folder = Folder::with_list(&accepting(
        "[\n    \"id int PRIMARY KEY,\",\n    \"width smallint\",\n    \"height int\",\n]",
    ));
    folder.write("001.up.sql", SHELVES.replace("width int", "width bigint"));
    let found =
        folder.finds(&["001.up.sql"], &["accepted.toml:9:5 accepted-stale", "accepted.toml:10:5 accepted-stale"]);
    assert!(found[0]["message"].as_str().unwrap().contains("\"width smallint\""));
    assert!(help(&found[0]).contains("Delete"));
}

#[test]
fn an_entry_for_a_file_that_is_not_linted() {
    let folder = Folder::with_list(&accepting("[\"a\", \"b\"]"));
    folder.write("002.up.sql", "SELECT 1;\n");
    folder.finds(&["002.up.sql"], &["accepted.toml:5:8 accepted-stale"]);
    // The file exists now, but isn't linted in this run.
    folder.write("001.up.sql", "SELECT 1;\n");
    folder.finds(&["002.up.sql"], &[]);
}

#[test]
fn an_entry_for_a_rule_that_is_off() {
    let off = "[[off]]\nrules = [\"prefer-bigint-over-int\"]\nreason = \"Small.\"\n";
    let folder = Folder::with_list(&(accepting("[\"id int PRIMARY KEY,\"]") + off));
    folder.write("001.up.sql", SHELVES);
    let found = folder.finds(&["001.up.sql"], &["accepted.toml:7:10 accepted-stale"]);
    assert!(found[0]["message"].as_str().unwrap().contains("is off"));
}

#[test]
fn a_reason_is_missing_or_empty() {
    let folder = Folder::with_list(&list(
        "[[off]]\nrules = [\"ban-drop-table\"]\n\
         [[accepted]]\nfile = \"001.up.sql\"\nrule = \"prefer-bigint-over-int\"\nlines = [\"a int\"]\nreason = \" \"\n",
    ));
    folder.write("001.up.sql", "DROP TABLE a;\nCREATE TABLE a (\na int\n);\n");
    // The findings that these entries are about aren't reported as well.
    let found =
        folder.finds(&["001.up.sql"], &["accepted.toml:4:1 accepted-invalid", "accepted.toml:10:10 accepted-invalid"]);
    assert!(help(&found[0]).contains("reason = "));
}

#[test]
fn a_rule_that_does_not_exist_or_is_not_run() {
    let folder = Folder::with_list(&list(
        "[[off]]\nrules = [\n\"prefer-long-names\",\n\"require-timeout-settings\",\n\"ban-drop-index\",\n\
         \"ban-concurrent-index-creation-in-transaction\",\n\"accepted-stale\"]\nreason = \"None.\"\n\
         [[accepted]]\nfile = \"001.up.sql\"\nrule = \"no-rule\"\nlines = [\"a\"]\nreason = \"None.\"\n",
    ));
    folder.write("001.up.sql", "SELECT 1;\n");
    let expected: Vec<_> = ["6:1", "7:1", "8:1", "9:1", "10:1", "14:8"]
        .iter()
        .map(|place| format!("accepted.toml:{place} accepted-invalid"))
        .collect();
    let found = folder.finds(&["001.up.sql"], &expected.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(found[0]["message"].as_str().unwrap().contains("\"prefer-long-names\" isn't a rule"));
    assert!(help(&found[1]).contains("require-lock-timeout, require-statement-timeout"));
    assert!(help(&found[3]).contains("needs-no-transaction"));
}

#[test]
fn a_rule_that_is_off_twice() {
    let folder = Folder::with_list(&list(
        "[[off]]\nrules = [\"ban-drop-table\", \"ban-drop-view\"]\ndirection = \"down\"\nreason = \"Its task.\"\n\
         [[off]]\nrules = [\"ban-drop-table\"]\ndirection = \"up\"\nreason = \"Why not.\"\n\
         [[off]]\nrules = [\"ban-drop-view\"]\ndirection = \"down\"\nreason = \"Its task.\"\n",
    ));
    folder.write("001.up.sql", "DROP TABLE a;\n");
    folder.finds(&["001.up.sql"], &["accepted.toml:13:10 accepted-invalid"]);
}

#[test]
fn an_entry_that_says_too_little() {
    let folder = Folder::with_list(&list("[[off]]\nreason = \"a\"\n[[accepted]]\nreason = \"a\"\n"));
    folder.write("001.up.sql", "SELECT 1;\n");
    let found = folder.finds(
        &["001.up.sql"],
        &[
            "accepted.toml:4:1 accepted-invalid",
            "accepted.toml:6:1 accepted-invalid",
            "accepted.toml:6:1 accepted-invalid",
            "accepted.toml:6:1 accepted-invalid",
        ],
    );
    for (finding, missing) in found.iter().zip(["rules = ", "file = ", "rule = ", "lines = "]) {
        assert!(help(finding).contains(missing), "{finding}");
    }
}

#[test]
fn a_list_that_is_not_toml_or_not_of_this_form() {
    for (list, place, why) in [
        ("[[off]]\nrules = [\"é\"\nreason = 1\n", "3:1", "expected"),
        ("[[off]]\nrules = \"ban-drop-table\"\n", "2:9", "sequence"),
        ("[[off]]\ndirection = \"sideways\"\n", "2:13", "`up` or `down`"),
        ("# é\n[[accepted]]\nbecause = \"x\"\n", "3:1", "`because`"),
        ("[[ofF]]\n", "1:3", "`ofF`"),
    ] {
        let folder = Folder::with_list(list);
        folder.write("001.up.sql", "DROP TABLE a;\n");
        let found = folder.finds(&["001.up.sql"], &[&format!("accepted.toml:{place} accepted-invalid")]);
        let message = found[0]["message"].as_str().unwrap();
        assert!(message.contains(why) && message.contains("nothing was linted"), "{message}");
    }
}

#[test]
fn all_mistakes_at_once() {
    let folder = Folder::with_list(&list(
        "[[off]]\nrules = [\"no-rule\"]\n\
         [[accepted]]\nfile = \"001.up.sql\"\nrule = \"ban-drop-table\"\nlines = [\"DROP TABLE b;\"]\nreason = \"\"\n",
    ));
    folder.write("001.up.sql", "DROP TABLE a;\nSELEC 1;\n");
    folder.write("002.up.sql", "CREATE INDEX CONCURRENTLY a ON b (c);\n");
    folder.finds(
        &["002.up.sql", "001.up.sql"],
        &[
            "001.up.sql:1:1 ban-drop-table",
            "001.up.sql:2:1 syntax-error",
            "002.up.sql:1:1 needs-no-transaction",
            "accepted.toml:4:1 accepted-invalid",
            "accepted.toml:5:10 accepted-invalid",
            "accepted.toml:9:10 accepted-stale",
            "accepted.toml:10:10 accepted-invalid",
        ],
    );
}

/// The program finds nothing in the workspace that this package is part of.
#[test]
fn the_migrations_of_this_repository_pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let migrations = sql_files(&root, Path::new("migrations"));
    assert!(!migrations.is_empty());
    let mut command = command(&root);
    command.args(["--accepted", "migrations/accepted.toml"]).args(&migrations);
    let found = findings(command);
    assert!(found.is_empty(), "{found:#?}");
}

/// Returns the `.sql` files below a folder, relative to the root.
fn sql_files(root: &Path, folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            files.extend(sql_files(root, &path));
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    files
}

/// The list has entries for another program as well, which checks them.
#[test]
fn entries_for_the_round_trip() {
    let folder = Folder::with_list(&format!("{QUIET}\n[[rows]]\nfile = \"001.up.sql\"\nanything = 1\n"));
    folder.write("001.up.sql", "SELECT 1;\n");
    folder.finds(&["001.up.sql"], &[]);
}
