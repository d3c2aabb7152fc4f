//! The command line, and files that can't be read.

use assert_cmd::Command;

use crate::{Folder, QUIET, command, program};

/// Runs a command. Returns its exit code, its stdout and its stderr.
fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn files_that_cannot_be_read() {
    let folder = Folder::quiet();
    folder.write("001.up.sql", "DROP TABLE books;\n");
    folder.write("002.up.sql", b"SELECT '\xff';\n");
    folder.write("folder/README.md", "Nothing.\n");
    let (code, out, err) = run(&mut folder.command(&["001.up.sql", "002.up.sql", "003.up.sql", "folder"]));
    assert_eq!(code, 2);
    // The file that can be read is linted.
    assert!(out.contains("001.up.sql:1:1: ban-drop-table: "), "{out}");
    assert_eq!(err.lines().count(), 3, "{err}");
    for file in ["002.up.sql", "003.up.sql", "folder"] {
        assert!(err.lines().any(|line| line.starts_with(&format!("{file} in "))), "{err}");
    }
}

#[test]
fn a_list_that_cannot_be_read() {
    let folder = Folder::quiet();
    folder.write("001.up.sql", "DROP TABLE books;\n");
    let mut command = command(folder.path());
    let (code, out, err) = run(command.args(["--accepted", "elsewhere/accepted.toml", "001.up.sql"]));
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.starts_with("elsewhere/accepted.toml in "), "{err}");
}

#[test]
fn command_lines_that_cannot_be_used() {
    let folder = Folder::with_list(QUIET);
    for arguments in [&["--postgres", "fifteen", "a.sql"][..], &["--format", "xml", "a.sql"], &[]] {
        let (code, out, err) = run(program().current_dir(folder.path()).args(arguments));
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.starts_with("error: "), "{err}");
    }
}

#[test]
fn the_format_for_people() {
    let folder = Folder::quiet();
    folder.write("001.up.sql", "SELECT 1;\nCREATE INDEX a ON books (title);\n");
    let (code, out, err) = run(&mut folder.command(&["001.up.sql"]));
    assert_eq!((code, err.as_str()), (1, ""));
    assert_eq!(
        out,
        "001.up.sql:2:1: require-concurrent-index-creation: During normal index creation, table updates are blocked, \
         but reads are still allowed.\n  → Use `concurrently` to avoid blocking writes.\n  → Or accept it, with a reason, \
         in accepted.toml.\n"
    );
    folder.write("001.up.sql", "SELECT 1;\n");
    assert_eq!(run(&mut folder.command(&["001.up.sql"])), (0, String::new(), String::new()));
}
