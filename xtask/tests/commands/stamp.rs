//! Whose databases they are. A checkout that finds another one's databases at its URLs uses them only on purpose.

use std::process::Command;

use crate::ladder::moved;
use crate::ownership::folder_of_server;
use crate::support::fixture::{JOURNAL_HISTORY, LIBRARY_HISTORY, ROLE};
use crate::support::{Outcome, Server, Workspace, is_root, server_and_workspace, set_up, sql};

/// Makes another checkout, with the URLs of the first one.
fn another(first: &Workspace) -> Workspace {
    let second = Workspace::generic().build();
    second.write(".env.ci", first.read(".env.ci"));
    second
}

/// Makes another checkout whose `.env` has the URLs of the first one and isn't xtask's to change.
fn another_with_own_env(first: &Workspace) -> Workspace {
    let second = another(first);
    second.write_own_env();
    second
}

fn root(workspace: &Workspace) -> String {
    workspace.root().display().to_string()
}

/// The comment of a database.
#[track_caller]
fn comment(server: &Server, database: &str) -> String {
    let query = format!("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{database}'");
    server.query("postgres", &query).concat()
}

/// All that a run could write on the server.
fn state(server: &Server) -> [Vec<String>; 2] {
    [("library", LIBRARY_HISTORY), ("journal", JOURNAL_HISTORY)]
        .map(|(database, history)| sql::fingerprint(&server.admin(database), history))
}

/// The lines of a message that offer a way out.
fn remedies(outcome: &Outcome) -> Vec<String> {
    let lines = outcome.stderr.lines().filter_map(|line| line.trim().strip_prefix("→ "));
    lines.map(str::to_owned).collect()
}

/// A second clone with an `.env` of its user's is refused before anything is written. Each of the two ways works when it is
/// typed.
#[test]
fn a_second_checkout_with_an_env_file_of_its_users() {
    let (server, first) = set_up();
    first.write(".git/HEAD", "ref: refs/heads/feature/shelves\n");
    server.execute("postgres", "COMMENT ON DATABASE library IS NULL; COMMENT ON DATABASE journal IS NULL");
    first.run(&["db-setup"]).code(0).says(["except to write down in journal and library"]);
    let second = another_with_own_env(&first);
    second.add_migration("library", "003_shelves", "CREATE TABLE shelves (id integer);\n");
    server.execute("postgres", "DROP DATABASE journal");
    first.run(&["db-setup"]).code(0);

    let before = state(&server);
    let whose = [root(&first), "(branch feature/shelves, ".to_owned(), "--share".to_owned(), "sed -i".to_owned()];
    for arguments in [&["db-setup"][..], &["db-setup", "--dry-run"], &["db-setup", "--server", "running"]] {
        second.run(arguments).code(6).says(&whose);
    }
    assert_eq!(state(&server), before);
    // A database that isn't there yet isn't made beside the one that is another checkout's.
    server.execute("postgres", "ALTER DATABASE journal RENAME TO away");
    second.run(&["db-setup"]).code(6).says(&whose);
    server.assert_only(&["away", "library"]);
    server.execute("postgres", "ALTER DATABASE away RENAME TO journal");
    let before = state(&server);
    second.run(&["ci", "--only", "db-setup"]).code(6).says(&whose);
    server.assert_only(&["journal", "library"]);
    assert_eq!(state(&server), before);
    second.run(&["db-verify"]).code(3).says([&root(&first), "used all the same"]);
    let third = another_with_own_env(&first);
    third.run(&["db-verify", "--deep"]).code(0).says([&root(&first), "used all the same"]);

    // The first way.
    let refused = second.run(&["db-setup"]).code(6);
    assert!(remedies(&refused)[0].ends_with(": cargo xtask db-setup --share"), "{refused}");
    second.run(&["db-setup", "--share", "--dry-run"]).code(0);
    second.run(&["db-setup"]).code(6);
    second.accept_schema();
    second.run(&["db-setup", "--share"]).code(0);
    assert_eq!(sql::applied(&server.admin("library"), LIBRARY_HISTORY), [1, 2, 3]);
    let shared = state(&server);
    second.run(&["db-setup"]).code(0).says(["nothing was changed"]).lacks([root(&first)]);
    second.run(&["db-verify"]).code(0).lacks([root(&first)]);
    assert_eq!(state(&server), shared);
    assert!(comment(&server, "library").contains(&root(&first)), "the databases stay the first checkout's");

    // The second way. Only the ports change in the user's file.
    let refused = third.run(&["db-setup"]).code(6);
    let way = remedies(&refused)[1].clone();
    let command = way.split_once(": ").unwrap().1.strip_suffix(" && cargo xtask db-setup").expect(&way).to_owned();
    let own = third.read(".env");
    assert!(Command::new("sh").args(["-c", &command]).current_dir(third.root()).status().unwrap().success());
    assert_eq!(moved(&third, first.port()), own);
    assert!(!third.root().join(".env.old").exists());
    third.run(&["db-setup"]).code(0);
    third.run(&["db-verify"]).code(0);
    assert!(folder_of_server(&third).starts_with(third.root()) || is_root());
    third.run(&["db-stop"]).code(0);
    assert_eq!(state(&server), shared);
}

/// A second clone from nothing gets a port and databases of its own.
#[test]
fn a_second_checkout_from_nothing() {
    let (server, first) = set_up();
    let before = state(&server);
    let second = another(&first);
    second.run(&["db-setup", "--dry-run"]).code(0).says([root(&first)]);
    assert!(!second.root().join(".env").exists());
    // There may be no server but this one.
    let empty = second.empty();
    let nothing_else = second.xtask(&["db-setup"]).env("XTASK_PG_BINDIR", &empty).path([&empty]).run().code(6);
    nothing_else.says([root(&first).as_str(), "cargo xtask db-setup --share"]);
    second.run(&["db-setup", "--server", "running"]).code(6).says([root(&first).as_str(), "--server local"]);
    assert!(!second.root().join(".env").exists());

    second.run(&["db-setup"]).code(0).says([root(&first).as_str(), "is used instead, in the new .env"]);
    assert_eq!(moved(&second, first.port()), second.read(".env.ci"));
    second.run(&["db-setup"]).code(0).says(["nothing was changed"]);
    second.run(&["db-stop"]).code(0);
    assert_eq!(state(&server), before);

    // A copy of a checkout has a cluster with the stamps of the first one, but it is a cluster of its own.
    let copy = second.root().with_file_name(format!("copy-{}", second.suffix()));
    assert!(Command::new("cp").arg("-a").args([second.root(), &copy]).status().unwrap().success());
    if copy.join(".xtask/postgres").exists() {
        let there = second.xtask(&["db-setup"]).directory(&copy).run().code(0);
        there.says([root(&second).as_str(), "its server is this one's own"]);
        second.xtask(&["db-stop"]).directory(&copy).run().code(0);
    }

    // On the server of the first checkout, this one had its databases too. So it isn't moved away from them.
    let third = another(&first);
    third.write(".env", third.read(".env.ci"));
    third.write(".xtask/server", format!("uses=running\nrunning=127.0.0.1:{}\n", first.port()));
    third.run(&["db-setup"]).code(6).says([root(&first).as_str(), "cargo xtask db-setup --server local"]);
    assert_eq!(third.read(".env"), third.read(".env.ci"));
}

/// A checkout that is gone or was moved has no databases any more, and what isn't another checkout's is never refused.
#[test]
fn databases_of_no_other_checkout() {
    let (server, first) = set_up();
    let second = another_with_own_env(&first);

    // The first checkout is moved, and keeps its databases.
    let away = first.root().with_file_name(format!("moved-{}", first.suffix()));
    std::fs::rename(first.root(), &away).unwrap();
    let there = || first.xtask(&["db-setup"]).directory(&away).run().code(0);
    there().says([root(&first).as_str(), "isn't there any more"]);
    there().says(["nothing was changed"]).lacks(["belong"]);
    assert!(comment(&server, "library").contains(&away.display().to_string()));
    second.run(&["db-setup"]).code(6).says([away.display().to_string()]);

    // It is deleted. What the user has written into the comment stays, whatever comes before and after it.
    let stamp = comment(&server, "library");
    server.execute("postgres", &format!("COMMENT ON DATABASE library IS 'Bücher\n{stamp}\n''mine'''"));
    std::fs::remove_dir_all(&away).unwrap();
    second.run(&["db-setup"]).code(0).says([&away.display().to_string(), "isn't there any more"]);
    let taken = comment(&server, "library");
    assert!(taken.starts_with("Bücher\n'mine'\nxtask: {") && taken.contains(&root(&second)), "{taken}");
    assert!(!taken.contains(&away.display().to_string()));
    second.run(&["db-setup"]).code(0).says(["nothing was changed"]);
    second.run(&["db-verify", "--deep"]).code(0).lacks(["belong"]);

    // A copy of the databases is nobody's, until somebody sets it up.
    let third = Workspace::generic().build();
    let urls = second.read(".env.ci").replace("/library", "/copy").replace("/journal", "/copy_journal");
    third.write(".env.ci", &urls);
    third.write_own_env();
    server.execute("postgres", &format!("CREATE DATABASE copy TEMPLATE library OWNER {ROLE}"));
    server.execute("postgres", &format!("CREATE DATABASE copy_journal TEMPLATE journal OWNER {ROLE}"));
    assert_eq!(comment(&server, "copy"), "");
    third.run(&["db-setup", "--dry-run"]).code(0);
    assert_eq!(comment(&server, "copy"), "");
    third.run(&["db-setup"]).code(0).says(["write down in copy_journal and copy"]);
    assert!(comment(&server, "copy").contains(&root(&third)));

    // A role that doesn't own a database can't write into its comment, and uses it all the same.
    server.execute("postgres", "COMMENT ON DATABASE copy IS NULL; ALTER DATABASE copy OWNER TO test_admin");
    third.run(&["db-setup"]).code(0).says(["nothing was changed"]);
    assert_eq!(comment(&server, "copy"), "");

    // A folder of another machine tells nothing here.
    let foreign =
        r#"xtask: {"checkout":"/home/ann/library","branch":null,"at":"2026-01-02T03:04:05Z","machine":"else"}"#;
    server.execute("postgres", &format!("COMMENT ON DATABASE copy IS '{foreign}'"));
    third
        .run(&["db-setup"])
        .code(0)
        .says(["/home/ann/library on else (2026-01-02 03:04 UTC). It is used all the same"]);
    assert_eq!(comment(&server, "copy"), foreign);
}

/// Two checkouts make the databases at the same time. One of them has them then, and the other one says whose they are.
#[test]
fn two_checkouts_at_once() {
    let (server, first) = server_and_workspace();
    first.write_own_env();
    let second = another_with_own_env(&first);
    let both = [&first, &second];
    let runs = both.map(|workspace| workspace.xtask(&["db-setup"]).start());
    let ended = runs.map(|run| run.wait());
    let winner = ended.iter().position(|outcome| outcome.status.success()).expect("one of them wins");
    let [ref loser] = ended[1 - winner..2 - winner] else { unreachable!() };
    assert_eq!(loser.status.code(), Some(6), "{loser}");
    assert!(loser.text().contains(&root(both[winner])), "{loser}");
    for (database, other) in [("library", "journal"), ("journal", "library")] {
        assert!(comment(&server, database).contains(&root(both[winner])), "{other} has another stamp than {database}");
    }
    both[winner].run(&["db-setup"]).code(0).says(["nothing was changed"]);

    // With an `.env` that is made by then, the other one goes to a port of its own.
    server.execute("postgres", "DROP DATABASE journal");
    server.execute("postgres", "DROP DATABASE library");
    let (third, fourth) = (another(&first), another(&first));
    let runs = [&third, &fourth].map(|workspace| workspace.xtask(&["db-setup"]).start());
    for run in runs {
        run.wait().code(0);
    }
    let stays = [&third, &fourth].map(|workspace| workspace.read(".env") == workspace.read(".env.ci"));
    assert_eq!(stays.iter().filter(|stays| **stays).count(), 1);
    for workspace in [&third, &fourth] {
        workspace.run(&["db-setup"]).code(0).says(["nothing was changed"]);
        workspace.run(&["db-stop"]).code(0);
    }
}
