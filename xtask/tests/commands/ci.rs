//! `ci`: every step runs, also after one has failed; what a step printed is shown if it failed, and then all of it.

use std::path::Path;

use crate::support::run::whole_path;
use crate::support::{Outcome, Workspace, server_and_workspace};

/// Cargo needs its own home and toolchain, wherever this run's HOME is.
fn ci(workspace: &Workspace) -> Outcome {
    // The toolchain's own folder: rustc and its like are beside cargo.
    let toolchain = Path::new(env!("CARGO")).parent().map(Path::to_owned);
    let path = std::env::join_paths(toolchain.into_iter().chain(std::env::split_paths(&whole_path()))).unwrap();
    let mut run = workspace.xtask(&["ci"]).env("CARGO", env!("CARGO")).env("PATH", path);
    for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let below_home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(folder).into_os_string());
        if let Some(value) = std::env::var_os(name).or_else(below_home) {
            run = run.env(name, value);
        }
    }
    run.run()
}

const TESTS: &str = "\
//! Tests.
#[cfg(test)]
mod tests {
    #[test]
    fn holds() {}
}
";

#[test]
fn all_is_well() {
    let (server, workspace) = server_and_workspace();
    workspace.write("crates/tools/src/lib.rs", TESTS);
    let outcome = ci(&workspace).code(0);
    outcome.says(["format", "lint", "db-setup", "test", "1 passed, 0 failed, 0 skipped"]).lacks(["FAILED"]);
    server.assert_only(&["journal", "library"]);
}

#[test]
fn what_fails_is_shown_in_full_and_does_not_stop_the_rest() {
    let (_server, workspace) = server_and_workspace();
    workspace.write("crates/tools/src/lib.rs", "//! Not formatted.\npub   fn f()  {}\n");
    workspace.write("crates/library/src/lib.rs", "//! Linted.\npub fn f(x: &Vec<u8>) -> bool { x.len() == 0 }\n");
    workspace.write("crates/journal/src/lib.rs", TESTS.replace("{}", "{ assert_eq!(1, 2, \"one is not two\") }"));
    workspace.add_migration("library", "003_breaks", "SELECT missing;\n");
    let outcome = ci(&workspace).code(1);
    outcome.says([
        "FAILED format",
        "pub   fn f()  {}",
        "FAILED lint",
        "clippy::len_zero",
        "FAILED db-setup",
        "migrations/library/003_breaks.up.sql:1:8",
        "FAILED test",
        "one is not two",
        "cargo fmt --all --check",
    ]);
}
