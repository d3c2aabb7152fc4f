//! Servers and roles that can't be used to make and migrate databases. Each is recognised before anything is changed.

use std::fmt::Write as _;
use std::path::Path;

use crate::support::fixture::{LIBRARY_HISTORY, PASSWORD, ROLE};
use crate::support::reaper::{Folder, Reaper, as_server_user};
use crate::support::server::{ADMIN, ADMIN_PASSWORD};
use crate::support::{
    DEADLINE, Server, Workspace, eventually, free_port, server_and_workspace, set_up, skip, sql, template,
};

/// A PgBouncer between the checkout and its server. It ends when this value is dropped.
struct Pooler {
    port: u16,
    _process: Reaper,
    _folder: Folder,
}

const PGBOUNCER: &str = "/usr/sbin/pgbouncer";

impl Pooler {
    /// Starts it, and waits until it answers.
    fn start(server: &Server, mode: &str, more: &str) -> Self {
        let folder = Folder::new("xtask-test-pooler-", "");
        crate::support::set_mode(folder.path(), 0o777);
        let port = free_port();
        let in_folder = |name: &str| folder.path().join(name).display().to_string();
        let mut settings = String::from("[databases]\n");
        write!(settings, "* = host=127.0.0.1 port={}\n[pgbouncer]\n", server.port).unwrap();
        write!(settings, "listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n").unwrap();
        write!(settings, "auth_type = plain\nauth_file = {}\npool_mode = {mode}\n{more}\n", in_folder("users"))
            .unwrap();
        let users = format!("\"{ROLE}\" \"{PASSWORD}\"\n\"{ADMIN}\" \"{ADMIN_PASSWORD}\"\n");
        std::fs::write(in_folder("users"), users).unwrap();
        std::fs::write(in_folder("settings.ini"), settings).unwrap();
        let start = format!("{PGBOUNCER} \"$1\"/settings.ini >\"$1\"/log 2>&1 & pooler=$!");
        let process =
            Reaper::spawn(&mut as_server_user("/bin/sh"), &start, "kill -TERM $pooler; wait $pooler", &[folder.path()]);
        let pooler = Self { port, _process: process, _folder: folder };
        eventually("the pooler listens", DEADLINE, || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(())
        });
        pooler
    }
}

/// Makes a checkout whose URLs lead to a pooler.
fn behind(server: &Server, pooler: &Pooler) -> Workspace {
    let workspace = Workspace::generic().build();
    workspace.point_at(server);
    workspace.set_authority("127.0.0.1", pooler.port, ROLE, PASSWORD);
    workspace
}

#[test]
fn a_pooler_in_transaction_mode_is_refused() {
    if !Path::new(PGBOUNCER).exists() {
        skip!("PgBouncer isn't installed");
    }
    for more in ["", "server_round_robin = 1\nmin_pool_size = 5", "default_pool_size = 1"] {
        let server = Server::start();
        let pooler =
            Pooler::start(&server, "transaction", &format!("ignore_startup_parameters = extra_float_digits\n{more}"));
        let workspace = behind(&server, &pooler);
        let outcome = workspace.run(&["db-setup", "--server", "running", "--timeout", "20"]).code(6);
        outcome.problem("pooler").says(["pooler", &pooler.port.to_string(), "JOURNAL_URL", "pool_mode = session"]);
        // Nothing was made, and no setting reached a session that others use.
        assert_eq!(server.databases(), Vec::<String>::new(), "{more}");
        workspace.run(&["db-verify", "--write"]).code(6).says(["pooler"]);
    }
}

/// What only reads needs no session of its own.
#[test]
fn a_pooler_in_transaction_mode_can_be_asked_for_the_state() {
    if !Path::new(PGBOUNCER).exists() {
        skip!("PgBouncer isn't installed");
    }
    for more in ["server_round_robin = 1\nmin_pool_size = 5", "default_pool_size = 1"] {
        let (server, workspace) = set_up();
        let more = format!("ignore_startup_parameters = extra_float_digits\n{more}");
        let pooler = Pooler::start(&server, "transaction", &more);
        workspace.set_authority("127.0.0.1", pooler.port, ROLE, PASSWORD);
        workspace.write(".env", workspace.read(".env.ci"));
        workspace.run(&["db-status"]).code(0).says(["proven (2 tables)"]);
        workspace.remove("migrations/library/002_books.up.sql");
        workspace.remove("migrations/library/002_books.down.sql");
        workspace.run(&["db-status"]).code(5).says(["missing here 002_books"]);
    }
}

#[test]
fn a_pooler_that_refuses_the_login_is_named() {
    if !Path::new(PGBOUNCER).exists() {
        skip!("PgBouncer isn't installed");
    }
    let server = Server::start();
    let pooler = Pooler::start(&server, "transaction", "");
    let workspace = behind(&server, &pooler);
    let outcome = workspace.run(&["db-setup", "--server", "running", "--timeout", "20"]).code(6);
    outcome.says(["pooler", "unsupported startup parameter"]);
}

/// Each client has one session of the server for as long as it is connected.
#[test]
fn a_pooler_in_session_mode_can_be_used() {
    if !Path::new(PGBOUNCER).exists() {
        skip!("PgBouncer isn't installed");
    }
    let (server, workspace) = set_up();
    let more = "ignore_startup_parameters = extra_float_digits\nserver_reset_query = DISCARD ALL";
    let pooler = Pooler::start(&server, "session", more);
    workspace.set_authority("127.0.0.1", pooler.port, ROLE, PASSWORD);
    workspace.write(".env", workspace.read(".env.ci"));
    workspace.add_migration("library", "003_more", "CREATE TABLE more (id integer);\n");
    workspace.accept_schema();
    workspace.run(&["db-setup", "--server", "running", "--timeout", "20"]).code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3]);
    // The pooler keeps sessions in the databases, and they are ended like anybody's.
    sql::execute(&workspace.login("library"), "INSERT INTO authors (name) VALUES ('kept')");
    workspace.run(&["db-snapshot", "save", "x"]).code(0);
    workspace.run(&["db-reset", "--yes"]).code(0);
    workspace.run(&["db-snapshot", "restore", "x"]).code(0);
    assert_eq!(sql::query(&workspace.login("library"), "SELECT name FROM authors"), ["kept"]);
}

#[test]
fn a_role_with_too_few_sessions() {
    let (server, workspace) = server_and_workspace();
    server.execute("postgres", &format!("ALTER ROLE {ROLE} CONNECTION LIMIT 2"));
    let outcome = workspace.run(&["db-setup", "--timeout", "20"]).code(6);
    outcome.problem("too-few-sessions").says([ROLE, "2 sessions at a time", "needs 5", "CONNECTION LIMIT 9"]);
    server.assert_only(&[]);
    // With as many as the message says, it works.
    server.execute("postgres", &format!("ALTER ROLE {ROLE} CONNECTION LIMIT 5"));
    workspace.run(&["db-setup"]).code(0);
    // And with as many as it says for schemas that differ.
    server.execute("postgres", &format!("ALTER ROLE {ROLE} CONNECTION LIMIT 9"));
    server.execute("library", "ALTER TABLE books ADD COLUMN stray text");
    server.execute("journal", "ALTER TABLE entries ADD COLUMN stray text");
    workspace.run(&["db-setup"]).code(4).says(["stray"]).lacks(["unknown which", "too many"]);
}

#[test]
fn a_role_that_may_only_read() {
    let (server, workspace) = set_up();
    workspace.add_migration("library", "003_more", "CREATE TABLE more (id integer);\n");
    workspace.accept_schema();
    for (set, reset) in [
        (format!("ALTER ROLE {ROLE} SET"), format!("ALTER ROLE \"{ROLE}\" RESET")),
        ("ALTER DATABASE library SET".into(), "ALTER DATABASE \"library\" RESET".into()),
        (
            format!("ALTER ROLE {ROLE} IN DATABASE library SET"),
            format!("ALTER ROLE \"{ROLE}\" IN DATABASE \"library\" RESET"),
        ),
    ] {
        server.execute("postgres", &format!("{set} default_transaction_read_only = on"));
        let reset = format!("{reset} default_transaction_read_only;");
        workspace.run(&["db-setup"]).code(6).problem("read-only").says(["may only read", &reset]);
        // The way out works.
        server.execute("postgres", &reset);
    }
    workspace.run(&["db-setup"]).code(0);
}

#[test]
fn a_standby() {
    let (server, workspace) = template::SET_UP.start_as(Server::start_standby);
    // What is there already is proven as on any server.
    workspace.run(&["db-setup"]).code(0);
    workspace.add_migration("library", "003_more", "CREATE TABLE more (id integer);\n");
    let outcome = workspace.run(&["db-setup"]).code(6).problem("standby").says(["standby", "primary", "JOURNAL_URL"]);
    outcome.lacks(["read-only transaction", "CREATEDB"]);
    workspace.run(&["db-verify", "--write"]).code(6).says(["standby"]);
    server.assert_only(&["journal", "library"]);
}
