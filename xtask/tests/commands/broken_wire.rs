//! A network that fails in the middle of a run: the run ends by itself, and a plain run afterwards repairs everything.

use crate::support::fixture::{JOURNAL_HISTORY, LIBRARY_HISTORY, PASSWORD, ROLE};
use crate::support::sql::Session;
use crate::support::wire::{Failure, Wire};
use crate::support::{DEADLINE, Server, Workspace, eventually, server_and_workspace, set_up, sql};

/// Runs a cold db-setup over a wire that fails after `last` messages. Returns how many messages there were.
fn cold_run(server: &Server, workspace: &Workspace, failure: Failure, last: usize) -> usize {
    for database in server.databases() {
        server.execute("postgres", &format!("DROP DATABASE {} WITH (FORCE)", sql::identifier(&database)));
    }
    let wire = Wire::new(server.port, failure, last);
    workspace.set_authority("127.0.0.1", wire.port, ROLE, PASSWORD);
    workspace.write(".env", workspace.read(".env.ci"));
    let outcome = workspace.run(&["db-setup", "--server", "running", "--timeout", "3"]);
    let at = format!("{failure:?} after message {last}: {outcome}");
    assert!(matches!(outcome.status.code(), Some(0 | 1 | 6)), "{at}");
    assert!(!outcome.text().contains("Correct the migration"), "the migration isn't at fault. {at}");
    wire.messages()
}

/// Fails at some points of a cold run with a file outside a transaction, and repairs each time. With `XTASK_TEST_POINTS`
/// set to `all`, every message is such a point.
fn fails_at_points(failure: Failure, points: usize) {
    let (server, workspace) = server_and_workspace();
    let up = "-- no-transaction\nCREATE INDEX CONCURRENTLY books_author_id_idx ON books (author_id);\n";
    workspace.add_migration("library", "003_idx", up);
    workspace.accept_schema();
    let whole = cold_run(&server, &workspace, failure, usize::MAX);
    assert!(whole > 60, "{whole} messages");
    let all = std::env::var_os("XTASK_TEST_POINTS").is_some_and(|points| points == "all");
    let points = if all { whole } else { points };
    for point in 1..=points {
        let last = point * whole / points;
        let seen = cold_run(&server, &workspace, failure, last);
        assert!(seen >= last.min(whole / 2), "{seen} of {last}");
        workspace.set_server(&server);
        workspace.write(".env", workspace.read(".env.ci"));
        let outcome = workspace.run(&["db-setup"]);
        assert!(outcome.status.code() == Some(0), "{failure:?} after message {last} of {whole}: {outcome}");
        let applied = format!("SELECT version::text FROM {LIBRARY_HISTORY} WHERE success ORDER BY version");
        assert_eq!(server.query("library", &applied), ["1", "2", "3"], "{failure:?} after message {last}");
        assert_eq!(sql::applied(&server.admin("journal"), JOURNAL_HISTORY), [1]);
        server.assert_only(&["journal", "library"]);
    }
    println!("{points} points of {whole} messages: {failure:?}");
}

#[test]
fn a_wire_that_is_cut() {
    fails_at_points(Failure::Cut, 12);
}

#[test]
fn a_wire_that_stalls() {
    fails_at_points(Failure::Stall, 3);
}

#[test]
fn one_connection_that_stalls() {
    fails_at_points(Failure::StallOne, 3);
}

/// A run that only reads, and its work on a scratch database, end as well. The wires fail at the same time, because each
/// run waits for seconds.
#[test]
fn a_proof_over_a_wire_that_fails() {
    let (server, workspace) = set_up();
    let start = |failure, last| {
        let wire = Wire::new(server.port, failure, last);
        let url = |database| format!("postgres://{ROLE}:{PASSWORD}@127.0.0.1:{}/{database}", wire.port);
        let run = workspace.xtask(&["db-verify", "--deep", "--timeout", "5"]);
        let run = run.env("LIBRARY_URL", url("library")).env("JOURNAL_URL", url("journal")).start();
        (wire, run)
    };
    let (wire, run) = start(Failure::Stall, usize::MAX);
    run.wait().code(0);
    let whole = wire.messages();
    let points =
        [(Failure::Stall, 2), (Failure::Stall, 6), (Failure::StallOne, 5), (Failure::StallOne, 8), (Failure::Cut, 7)];
    let runs = points.map(|(failure, tenths)| (whole * tenths / 10, start(failure, whole * tenths / 10)));
    let mut failed = 0;
    for (last, (wire, run)) in runs {
        let outcome = run.wait();
        // On a busy machine, a run asks more often how its statements get on, so another one may end with fewer messages.
        if wire.messages() < last {
            outcome.code(0);
            continue;
        }
        failed += 1;
        let outcome = outcome.code(6);
        let outcome = outcome.mentions_one_of(&["run the same command once more", "See which program listens there"]);
        let outcome = outcome.mentions_one_of(&[
            "stopped answering",
            "was lost",
            "was cut off",
            "can't be opened",
            "can't be reached",
        ]);
        outcome.lacks(["Correct the migration", "drifted", "cargo xtask db-setup"]);
    }
    assert!(failed > 1, "{failed} of {} runs were cut", points.len());
    workspace.run(&["db-verify", "--deep"]).code(0);
    server.assert_only(&["journal", "library"]);
}

/// The answer to the migration itself never arrives. The server has finished it.
#[test]
fn an_answer_to_a_migration_that_is_lost() {
    let (server, workspace) = set_up();
    workspace.add_migration("library", "003_waits", "SELECT pg_advisory_lock(4711);\n");
    let mut session = Session::open(&server.admin("library")).unwrap();
    session.execute("SELECT pg_advisory_lock(4711)").unwrap();
    let wire = Wire::new(server.port, Failure::Stall, usize::MAX);
    workspace.set_authority("127.0.0.1", wire.port, ROLE, PASSWORD);
    workspace.write(".env", workspace.read(".env.ci"));
    let run = workspace.xtask(&["db-setup", "--server", "running", "--timeout", "3"]).start();
    eventually("the migration waits", DEADLINE, || {
        server.xtask_statements().iter().any(|statement| statement.contains("4711")).then_some(())
    });
    wire.stall_the_session_of("4711");
    session.close();
    run.wait().code(6).problem("server-silent").says(["stopped answering", "003_waits", "cargo xtask db-setup"]);
    drop(wire);
    workspace.set_server(&server);
    workspace.write(".env", workspace.read(".env.ci"));
    workspace.run(&["db-setup"]).code(0);
}

/// A migration that takes long says so, and whose lock it waits for. The run after it names the session that holds the
/// setup lock.
#[test]
fn a_migration_that_takes_long_says_what_it_waits_for() {
    let (server, workspace) = set_up();
    workspace.add_migration("library", "003_waits", "SELECT pg_advisory_lock(4711);\n");
    let mut session = Session::open(&server.admin("library")).unwrap();
    session.execute("SELECT pg_advisory_lock(4711)").unwrap();
    let run = workspace.xtask(&["db-setup", "--format", "json"]).start();
    eventually("the run says what it waits for", DEADLINE, || {
        let parts = ["library: 003_waits has run for", "waits for a lock that \\\"test\\\" holds"];
        parts.iter().all(|part| run.stdout_has(part)).then_some(())
    });
    workspace.run(&["db-setup", "--timeout", "1"]).fails().says(["xtask db-setup", "SELECT pg_terminate_backend("]);
    session.close();
    run.wait().code(0);
}
