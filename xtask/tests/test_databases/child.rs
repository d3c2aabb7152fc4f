//! A process that does what a test does with its databases. The other tests run it.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};
use tokio::runtime::Builder;
use xtask::test_databases::{TestDatabases, TestServer};

/// The variable that says what the process does.
pub(crate) const DOES: &str = "TEST_CHILD_DOES";

/// The file that ends a process that holds its databases.
pub(crate) const GO: &str = "go";

/// In a run of the tests, it does nothing.
#[test]
fn a_process_of_another_test() {
    let Ok(does) = std::env::var(DOES) else { return };
    match does.as_str() {
        "make" => drop(make()),
        "hold" => {
            let _databases = make();
            wait();
        }
        "panic" => {
            let _databases = make();
            panic!("a test fails");
        }
        "exit" => {
            let _databases = make();
            std::process::exit(3);
        }
        "threads" => std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(|| drop(make()))))),
        "async" => in_runtime(async {
            let databases = TestDatabases::new().await.unwrap();
            let pool = databases.pool("library");
            sqlx::query("INSERT INTO authors (name) VALUES ('x')").execute(&pool).await.unwrap();
            // The value is dropped in async code, with sessions of the pool and an open transaction of another one.
            let mut other = databases.connect("journal").await.unwrap();
            execute(&mut other, "BEGIN; INSERT INTO entries (entry) VALUES ('x')").await;
            drop(databases);
            assert!(sqlx::query("SELECT").execute(&mut other).await.is_err());
        }),
        "alone" => in_runtime(async {
            let file = File::open("Cargo.toml").unwrap();
            fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
            let server = TestServer::start().await.unwrap();
            let opened = opened_by_others(Path::new("Cargo.toml"));
            assert!(opened.is_empty(), "the server has inherited a file: {opened:?}");
            let databases = server.databases().await.unwrap();
            let name = databases.url("library").rsplit_once('/').unwrap().1.split('?').next().unwrap().to_owned();
            let mut superuser = PgConnection::connect(&server.superuser_url(&name).unwrap()).await.unwrap();
            execute(&mut superuser, "CREATE ROLE of_this_test; ALTER TABLE authors OWNER TO of_this_test").await;
            println!("alone");
        }),
        other => panic!("{other}"),
    }
    println!("ended");
}

/// Makes databases, looks into them, and says their names.
fn make() -> TestDatabases {
    let databases = TestDatabases::new_blocking().unwrap_or_else(|error| panic!("no databases: {error}"));
    in_runtime(async {
        for (name, table, history) in
            [("library", "books", "_sqlx.migrations"), ("journal", "entries", "history.applied")]
        {
            let mut connection = PgConnection::connect(databases.url(name)).await.unwrap();
            // There are as many files for the way down.
            let files = std::fs::read_dir(format!("migrations/{name}")).unwrap().count() / 2;
            let query =
                format!("SELECT (SELECT count(*) FROM {history} WHERE success), (SELECT count(*) FROM {table})");
            let row = sqlx::query(AssertSqlSafe(query)).fetch_one(&mut connection).await.unwrap();
            let (applied, rows): (i64, i64) = (row.try_get(0).unwrap(), row.try_get(1).unwrap());
            assert_eq!((usize::try_from(applied).unwrap(), rows), (files, 0), "{name}");
        }
    });
    let part = |name: &str| databases.url(name).split('@').next_back().unwrap().split('?').next().unwrap().to_owned();
    println!("made {} {}", part("library"), part("journal"));
    databases
}

fn wait() {
    while !Path::new(GO).exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn in_runtime(work: impl Future<Output = ()>) {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

async fn execute(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
}

/// The processes besides this one that have a file open.
fn opened_by_others(file: &Path) -> Vec<String> {
    let file = file.canonicalize().unwrap();
    let own = std::process::id().to_string();
    let is_process = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit()) && name != own;
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let open = |process: &std::fs::DirEntry| {
        let files = std::fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        files.into_iter().any(|open| std::fs::read_link(open.path()).is_ok_and(|open| open == file))
    };
    let others = processes.filter(|process| is_process(&process.file_name().to_string_lossy()) && open(process));
    others.map(|process| std::fs::read_to_string(process.path().join("cmdline")).unwrap_or_default()).collect()
}
