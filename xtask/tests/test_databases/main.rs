//! Databases for tests, as tests use them: processes that make their databases on a real server, and end in every way.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod child;
mod own_server;
mod template;
mod test;

#[path = "../support/mod.rs"]
mod support;

use support::run::Invocation;
use support::{Server, Workspace};

/// Prepares a process that does something with test databases in a checkout ([`child`]).
fn child<'a>(workspace: &'a Workspace, does: &str) -> Invocation<'a> {
    let program = std::env::current_exe().unwrap();
    let arguments = ["child::a_process_of_another_test", "--exact", "--nocapture"];
    Invocation::of(workspace, program, &arguments).env(child::DOES, does)
}

/// Returns the databases of a server whose names are of a kind, such as `template` or `test`.
fn of_kind(server: &Server, kind: &str) -> Vec<String> {
    let infix = format!("_{kind}_");
    server.databases().into_iter().filter(|name| name.contains(&infix)).collect()
}

/// Fails unless the server has nothing but the templates of the two databases.
#[track_caller]
fn assert_only_templates(server: &Server) {
    let bases: Vec<_> = server.databases().iter().map(|name| name[..name.len() - 12].to_owned()).collect();
    assert_eq!(bases, ["journal_template_", "library_template_"]);
}

/// Makes a server write all statements into its log.
fn log_all(server: &Server) {
    server.execute("postgres", "ALTER SYSTEM SET log_statement = 'all'");
    server.execute("postgres", "SELECT pg_reload_conf()");
}
