//! `db-status`, against each state that it knows. It writes nothing in any of them.

use serde_json::Value;

use crate::support::fixture::{JOURNAL_HISTORY, LIBRARY_HISTORY, ROLE};
use crate::support::{DEADLINE, Outcome, Server, Workspace, eventually, server_and_workspace, set_up, sql};

/// Runs the command for programs. Returns the state that it shows.
#[track_caller]
pub(crate) fn state(workspace: &Workspace, code: i32) -> Value {
    of(&workspace.run(&["db-status", "--format", "json"]).code(code))
}

#[track_caller]
fn of(outcome: &Outcome) -> Value {
    let events = outcome.events();
    let states: Vec<_> = events.iter().filter(|event| event["event"] == "status").collect();
    assert_eq!(states.len(), 1, "{outcome}");
    states[0].clone()
}

/// A database of a state.
#[track_caller]
pub(crate) fn database<'s>(state: &'s Value, name: &str) -> &'s Value {
    state["databases"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()
}

/// The migrations of a database, such as `002_books pending`.
#[track_caller]
fn migrations(state: &Value, name: &str) -> Vec<String> {
    let all = database(state, name)["migrations"].as_array().unwrap().iter();
    all.map(|one| format!("{} {}", one["name"].as_str().unwrap(), one["state"].as_str().unwrap())).collect()
}

/// All that a run could write: the rows of the catalogs and of the histories, what the server has counted, and the files.
fn all_state(server: &Server, workspace: &Workspace) -> Vec<String> {
    let sessions = "SELECT pid::text FROM pg_stat_activity WHERE application_name LIKE 'xtask%'";
    eventually("the sessions have ended", DEADLINE, || server.query("postgres", sessions).is_empty().then_some(()));
    let mut all = Vec::new();
    for (database, history) in [("library", LIBRARY_HISTORY), ("journal", JOURNAL_HISTORY)] {
        if server.databases().contains(&database.to_owned()) {
            let is_migrated = format!("SELECT to_regclass('{history}')::text");
            let history = if server.query(database, &is_migrated) == [""] {
                "(SELECT 0 AS version, 0 AS xmin) AS none"
            } else {
                history
            };
            all.extend(sql::fingerprint(&server.admin(database), history));
        }
    }
    all.extend(server.query(
        "postgres",
        "SELECT concat_ws(' ', datname, tup_inserted, tup_updated, tup_deleted, temp_files, deadlocks) \
         FROM pg_stat_database WHERE datname IS NOT NULL ORDER BY 1",
    ));
    all.extend(server.query("postgres", "SELECT format('%s %s', datname, datconnlimit) FROM pg_database ORDER BY 1"));
    let files = workspace.files_with_state().into_iter();
    all.extend(files.map(|(path, content, changed)| format!("{} {content:?} {changed:?}", path.display())));
    all
}

/// Fails if the command, in any of its forms, writes anything.
#[track_caller]
pub(crate) fn writes_nothing(server: &Server, workspace: &Workspace) {
    let before = all_state(server, workspace);
    for options in [&["db-status"][..], &["db-status", "--brief"], &["db-status", "--format", "json"]] {
        workspace.run(options);
    }
    assert_eq!(all_state(server, workspace), before);
}

#[test]
fn everything_is_proven() {
    let (server, workspace) = set_up();
    workspace.write(".git/HEAD", "ref: refs/heads/feature/shelves\n");
    server.execute("postgres", "COMMENT ON DATABASE library IS NULL");
    workspace.run(&["db-setup"]).code(0);
    writes_nothing(&server, &workspace);
    let state = state(&workspace, 0);
    assert_eq!(state["settings"], ".env");
    let [here] = state["servers"].as_array().unwrap().as_slice() else { panic!("{state}") };
    assert_eq!(here["address"], format!("127.0.0.1:{}", server.port));
    assert_eq!((&here["provider"], &here["answers"]), (&"running".into(), &true.into()));
    let started = "SELECT to_char(pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
    assert_eq!(here["started_at"], server.query("postgres", started)[0]);
    assert_eq!(migrations(&state, "library"), ["001_authors applied", "002_books applied"]);
    let library = database(&state, "library");
    for (name, value) in [("exists", Value::from(true)), ("owner", ROLE.into()), ("encoding", "UTF8".into())] {
        assert_eq!(library[name], value, "{library}");
    }
    assert_eq!(library["schema"]["state"], "proven");
    let belongs = &library["belongs_to"];
    assert_eq!((&belongs["whose"], &belongs["branch"]), (&"ours".into(), &"feature/shelves".into()));
    let row = "SELECT execution_time::text FROM _sqlx.migrations WHERE version = 2";
    let took: f64 = server.query("library", row)[0].parse().unwrap();
    assert!((library["migrations"][1]["seconds"].as_f64().unwrap() * 1e9 - took).abs() < 1000.0, "{library}");

    workspace.run(&["db-status"]).code(0).says(["002_books", "proven (2 tables)", "UTF8"]);
    let quiet = workspace.run(&["db-status", "--quiet"]).code(0);
    assert_eq!(quiet.text().trim(), "");
    let brief = workspace.run(&["db-status", "--brief"]).code(0);
    assert_eq!(brief.text().trim(), "");
}

#[test]
fn migrations_are_pending() {
    let (server, workspace) = set_up();
    workspace.add_migration("library", "003_more", "CREATE TABLE more (id integer);\n");
    server.execute("postgres", "DROP DATABASE journal");
    server.execute("postgres", &format!("CREATE DATABASE journal OWNER {ROLE}"));
    writes_nothing(&server, &workspace);
    let state = state(&workspace, 3);
    assert_eq!(migrations(&state, "library"), ["001_authors applied", "002_books applied", "003_more pending"]);
    assert_eq!(migrations(&state, "journal"), ["001_entries pending"]);
    assert_eq!(database(&state, "library")["schema"]["state"], "not-compared");
    workspace.run(&["db-status"]).code(3).problem("migrations-pending").says(["cargo xtask db-setup"]);
    let quiet = workspace.run(&["db-status", "--quiet"]).code(3);
    assert_eq!(quiet.text().trim(), "");
    let brief = workspace.run(&["db-status", "--brief"]).code(3);
    let line = "The databases differ from this checkout: 001_entries isn't applied to journal; 003_more isn't applied to \
                library. To apply what is pending: cargo xtask db-setup";
    assert_eq!(brief.text().trim(), line);
}

/// People see the newest ones, and programs see all.
#[test]
fn many_migrations() {
    let (_server, workspace) = set_up();
    (3..=9).for_each(|number| workspace.add_migration("library", &format!("00{number}_more"), "SELECT 1;\n"));
    workspace.run(&["db-setup"]).code(0);
    assert_eq!(migrations(&state(&workspace, 0), "library").len(), 9);
    let outcome = workspace.run(&["db-status"]).code(0).says(["applied      001_authors to 004_more (4)", "005_more"]);
    outcome.lacks(["002_books", "003_more"]);
}

#[test]
fn the_history_differs() {
    let (server, workspace) = server_and_workspace();
    workspace.add_migration("library", "007_of another branch".replace(' ', "_").as_str(), "SELECT 7;\n");
    workspace.run(&["db-setup"]).code(0);
    for side in ["up", "down"] {
        workspace.remove(&format!("migrations/library/007_of_another_branch.{side}.sql"));
        workspace.remove(&format!("migrations/library/002_books.{side}.sql"));
    }
    workspace.add_migration("library", "002_films", "SELECT 2;\n");
    workspace.add_migration("library", "005_late", "SELECT 5;\n");
    workspace.add_migration("library", "008_new", "SELECT 8;\n");
    let authors = "migrations/library/001_authors.up.sql";
    workspace.write(authors, workspace.read(authors) + "-- another end\n");
    server.execute("journal", &format!("UPDATE {JOURNAL_HISTORY} SET success = false"));
    writes_nothing(&server, &workspace);
    let state = state(&workspace, 5);
    let expected = [
        "001_authors modified",
        "002_books missing",
        "002_films pending",
        "005_late out-of-order",
        "007_of_another_branch missing",
        "008_new pending",
    ];
    assert_eq!(migrations(&state, "library"), expected);
    assert_eq!(migrations(&state, "journal"), ["001_entries unfinished"]);
    let outcome = workspace.run(&["db-status"]).code(5).problem("history-differs");
    outcome.says(["missing here", "out of order", "modified", "unfinished", "cargo xtask db-switch"]);
    let brief = workspace.run(&["db-status", "--brief"]).code(5);
    let line = "library has 002_books, 007_of_another_branch, which aren't here; 001_authors isn't what library has; \
                002_films, 005_late, 008_new aren't applied to library. To make them fit: cargo xtask db-switch";
    assert!(brief.text().trim().ends_with(line), "{brief}");
}

#[test]
fn the_schema_differs() {
    let (server, workspace) = set_up();
    server.execute("library", "ALTER TABLE books ADD COLUMN stray text");
    let many: String = (0..9).map(|number| format!("CREATE TABLE extra_{number} (id integer); ")).collect();
    server.execute("journal", &many);
    writes_nothing(&server, &workspace);
    let state = state(&workspace, 4);
    let differences = &database(&state, "library")["schema"]["differences"];
    assert!(differences[0].as_str().unwrap().contains("public.books.stray"), "{differences}");
    assert_eq!(database(&state, "journal")["schema"]["differences"].as_array().unwrap().len(), 9);
    let outcome = workspace.run(&["db-status"]).code(4).problem("schema-differs").says(["stray", "… and 4 more"]);
    outcome.lacks(["extra_0"]).says(["cargo xtask db-verify"]);
}

#[test]
fn databases_that_are_missing() {
    let (server, workspace) = set_up();
    server.execute("postgres", "DROP DATABASE journal");
    writes_nothing(&server, &workspace);
    let one = state(&workspace, 6);
    assert_eq!(database(&one, "journal")["exists"], false);
    assert_eq!(database(&one, "library")["schema"]["state"], "proven");
    assert_eq!(migrations(&one, "journal"), ["001_entries pending"]);
    // Without any database, the server is asked in its own one.
    server.execute("postgres", "DROP DATABASE library");
    writes_nothing(&server, &workspace);
    let none = state(&workspace, 6);
    assert!(none["servers"][0]["version"].is_string(), "{none}");
    workspace
        .run(&["db-status"])
        .code(6)
        .problem("database-unreachable")
        .says(["doesn't exist", "cargo xtask db-setup"]);
    let brief = workspace.run(&["db-status", "--brief"]).code(6);
    assert_eq!(brief.text().trim(), "");
}

/// The contract names the server that would be used.
#[test]
fn without_settings() {
    let (server, workspace) = set_up();
    workspace.remove(".env");
    writes_nothing(&server, &workspace);
    let state = state(&workspace, 0);
    assert_eq!(state["settings"], ".env.ci");
    assert_eq!(database(&state, "library")["schema"]["state"], "proven");
    workspace.run(&["db-status"]).code(0).says(["There is no .env yet"]);
    // A checkout that isn't set up has nothing that could differ.
    workspace.add_migration("library", "003_more", "SELECT 1;\n");
    assert_eq!(workspace.run(&["db-status", "--brief"]).code(3).text().trim(), "");
    assert!(!workspace.root().join(".env").exists());
}

#[test]
fn databases_of_another_checkout() {
    let (server, first) = set_up();
    server.execute("postgres", "COMMENT ON DATABASE library IS NULL; COMMENT ON DATABASE journal IS NULL");
    first.run(&["db-setup"]).code(0);
    assert_eq!(database(&state(&first, 0), "library")["belongs_to"]["whose"], "ours");
    let second = Workspace::generic().build();
    second.write(".env.ci", first.read(".env.ci"));
    second.write_own_env();
    second.add_migration("library", "003_more", "SELECT 1;\n");
    writes_nothing(&server, &second);
    let others = state(&second, 6);
    let belongs = &database(&others, "library")["belongs_to"];
    assert_eq!(
        (&belongs["whose"], &belongs["checkout"]),
        (&"others".into(), &first.root().display().to_string().into())
    );
    let outcome = second.run(&["db-status"]).code(6).problem("other-checkout");
    outcome.says([first.root().display().to_string().as_str(), "cargo xtask db-setup"]);
    assert_eq!(second.run(&["db-status", "--brief"]).code(6).text().trim(), "");
    second.accept_schema();
    second.run(&["db-setup", "--share"]).code(0);
    assert_eq!(database(&state(&second, 0), "library")["belongs_to"]["whose"], "shared");
}

#[test]
fn scratch_databases_that_lie_about() {
    let (server, workspace) = set_up();
    // Marked like those of a run: library's was left behind, and journal's is in use.
    for name in ["library_scratch_0a1b2c3d4e5f", "journal_scratch_ff1b2c3d4e5f"] {
        let limit = 0x7378_6462;
        server.execute("postgres", &format!("CREATE DATABASE {name} OWNER {ROLE} CONNECTION LIMIT {limit}"));
    }
    server.execute("postgres", &format!("CREATE DATABASE library_scratch_aaaaaaaaaaaa OWNER {ROLE}"));
    server.query("postgres", "SELECT pg_advisory_lock(x'7378ff1b2c3d4e5f'::bigint)::text");
    writes_nothing(&server, &workspace);
    let state = state(&workspace, 0);
    let expected = serde_json::json!([
        {"database": "journal_scratch_ff1b2c3d4e5f", "in_use": true},
        {"database": "library_scratch_0a1b2c3d4e5f", "in_use": false},
    ]);
    assert_eq!(state["servers"][0]["scratch"], expected);
    workspace.run(&["db-status"]).code(0).says(["library_scratch_0a1b2c3d4e5f: left behind"]);
    workspace.run(&["doctor"]).problem("left-behind").says(["library_scratch_0a1b2c3d4e5f"]).lacks(["journal_scratch"]);
}

/// The branch of a migration is written down when it is applied, so it is known when the file is gone.
#[test]
fn where_migrations_came_from() {
    let (server, workspace) = set_up();
    workspace.write(".git/HEAD", "ref: refs/heads/feature/shelves\n");
    workspace.write(".git/refs/heads/feature/shelves", "0123456789abcdef0123456789abcdef01234567\n");
    workspace.add_migration("library", "003_shelves", "CREATE TABLE shelves (id integer);\n");
    workspace.accept_schema();
    workspace.run(&["db-setup"]).code(0);
    workspace.remove("migrations/library/003_shelves.up.sql");
    workspace.remove("migrations/library/003_shelves.down.sql");
    writes_nothing(&server, &workspace);
    let gone = state(&workspace, 5);
    let shelves = &database(&gone, "library")["migrations"][2];
    assert_eq!((&shelves["state"], &shelves["branch"]), (&"missing".into(), &"feature/shelves".into()));
    assert_eq!(shelves["commit"], "0123456789abcdef0123456789abcdef01234567");
    workspace.run(&["db-status"]).code(5).says(["from feature/shelves (012345678)"]);
    let brief = workspace.run(&["db-status", "--brief"]).code(5);
    brief.says(["library has 003_shelves (of feature/shelves), which isn't here"]);
    // Somebody has changed what is recorded, so it doesn't count.
    server.execute("library", "UPDATE _sqlx.migrations_texts SET branch = 'main' WHERE version = 3");
    workspace.run(&["db-status"]).code(5).lacks(["from main", "from feature"]);
    // A table of that name that isn't ours is named.
    server.execute("library", "DROP TABLE _sqlx.migrations_texts; CREATE TABLE _sqlx.migrations_texts (id integer)");
    let outcome = workspace.run(&["db-status"]).code(5).problem("history-unreadable").problem("history-differs");
    outcome.says(["_sqlx.migrations_texts isn't the table"]);
}

#[test]
fn snapshots() {
    let (server, workspace) = set_up();
    workspace.run(&["db-snapshot", "save", "before the sale"]).code(0);
    writes_nothing(&server, &workspace);
    let state = state(&workspace, 0);
    let [set] = state["snapshots"].as_array().unwrap().as_slice() else { panic!("{state}") };
    assert_eq!(set["name"], "before the sale");
    assert_eq!(set["databases"].as_array().unwrap().len(), 2);
    workspace.run(&["db-status"]).code(0).says(["before the sale: journal and library"]);
}
