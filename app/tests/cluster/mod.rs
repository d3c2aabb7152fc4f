//! A private PostgreSQL for a test. It is made from nothing, on a free port of the loopback interface, and is deleted
//! afterwards.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, net};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};
use tempfile::TempDir;

/// How many ports the tests of this process have tried.
static TRIED: AtomicU32 = AtomicU32::new(0);

/// A running PostgreSQL. It is stopped and deleted when this value is dropped.
pub(crate) struct Cluster {
    server: Child,
    programs: Programs,
    port: u16,
    folder: TempDir,
}

impl Cluster {
    /// Starts a cluster. If this machine has no PostgreSQL, it says so and returns `None`, or fails if XTASK_NO_SKIP is
    /// set.
    pub(crate) async fn start() -> Option<Self> {
        let Some(programs) = Programs::find() else {
            let why = "PostgreSQL's initdb and postgres are neither on PATH nor in /usr/lib/postgresql/*/bin";
            assert!(env::var_os("XTASK_NO_SKIP").is_none(), "XTASK_NO_SKIP is set, and {why}");
            println!("skipped: {why}");
            return None;
        };
        let folder = temporary_folder();
        if let Some((user, group)) = programs.owner {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let data = folder.path().join("data");
        programs.initdb(folder.path(), &data);

        // The port is below the range from which the system chooses ports by itself. A port of that range could be
        // taken before it is used.
        // No two tests of a process try the same port, because it is free until the server of the first one uses it.
        let number = || std::process::id().wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed));
        let mut ports = std::iter::repeat_with(|| 32_000 + (number() % 768) as u16);
        let port = ports.find(|port| net::TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let server = programs
            .command("postgres", folder.path())
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
            .args(["-c", "fsync=off", "-c", "max_wal_size=1GB"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut cluster = Self { server, programs, port, folder };
        cluster.wait_until_ready().await;
        cluster.execute("postgres", "postgres", "CREATE ROLE quickcart LOGIN CREATEDB").await;
        Some(cluster)
    }

    async fn wait_until_ready(&mut self) {
        let started = Instant::now();
        loop {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            // The log is read first, because another server may answer on this port.
            let ready = log.contains("ready to accept connections");
            if ready && PgConnection::connect(&self.url("postgres", "postgres")).await.is_ok() {
                return;
            }
            assert!(self.server.try_wait().unwrap().is_none(), "postgres ended: {log}");
            assert!(started.elapsed() < Duration::from_secs(60), "postgres isn't ready: {log}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Returns the URL of a database. The server accepts any password.
    pub(crate) fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}:distinctive-password@127.0.0.1:{}/{database}", self.port)
    }

    /// Connects as `user`.
    pub(crate) async fn connect(&self, user: &str, database: &str) -> PgConnection {
        PgConnection::connect(&self.url(user, database)).await.unwrap()
    }

    /// Runs a script as `user`.
    pub(crate) async fn execute(&self, user: &str, database: &str, sql: &str) {
        let mut connection = self.connect(user, database).await;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Creates a database as the ordinary role `quickcart`, and applies `migrations/<name>` to it as that role.
    pub(crate) async fn migrate(&self, name: &str, database: &str) {
        self.execute("quickcart", "postgres", &format!("CREATE DATABASE {database}")).await;
        for file in migrations(name, ".up.sql") {
            self.execute("quickcart", database, &fs::read_to_string(file).unwrap()).await;
        }
    }
}

/// Returns the files of `migrations/<name>` that end in `suffix`, in order.
pub(crate) fn migrations(name: &str, suffix: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(name);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_str().unwrap().ends_with(suffix));
    files.sort();
    assert!(!files.is_empty(), "no {suffix} files in migrations/{name}");
    files
}

/// Makes a folder, in memory if there is room for the files of several servers and TMPDIR isn't set. The file system of
/// a disk, such as ext4, gets slow when thousands of files are made and deleted again and again.
fn temporary_folder() -> TempDir {
    #[cfg(target_os = "linux")]
    if env::var_os("TMPDIR").is_none()
        && nix::sys::statvfs::statvfs("/dev/shm").is_ok_and(|it| it.blocks_available() * it.fragment_size() > 2 << 30)
    {
        return tempfile::tempdir_in("/dev/shm").unwrap();
    }
    tempfile::tempdir().unwrap()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A plain kill would leave the server's own children behind. `pg_ctl stop` would look only every 0.1 s whether
        // the server has ended.
        let process = self.server.id().to_string();
        let stop = self.programs.command("pg_ctl", self.folder.path()).args(["kill", "QUIT", &process]).status();
        if !stop.is_ok_and(|status| status.success()) {
            let _ = self.server.kill();
        }
        let _ = self.server.wait();
    }
}

/// The folder of PostgreSQL's programs. If this process is root, also the user and the group that they run as.
struct Programs {
    folder: PathBuf,
    owner: Option<(u32, u32)>,
}

impl Programs {
    fn find() -> Option<Self> {
        // The one that is named comes first, as in the tests of xtask.
        let mut folders: Vec<PathBuf> = env::var_os("XTASK_PG_BINDIR").map(PathBuf::from).into_iter().collect();
        folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        let mut installed: Vec<_> = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().collect();
        installed.sort_by_key(|version| version.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
        folders.extend(installed.iter().rev().map(|version| version.path().join("bin")));
        let folder = folders
            .into_iter()
            .find(|folder| ["initdb", "postgres", "pg_ctl"].iter().all(|program| folder.join(program).is_file()))?;
        Some(Self { folder, owner: unprivileged_user() })
    }

    /// Makes a data folder, as a copy of an earlier one if there is one. initdb takes a second each time, and some test
    /// runners start a process for each test.
    fn initdb(&self, folder: &Path, data: &Path) {
        let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("app-initdb-{}.tar", self.stamp()));
        if made.exists() {
            fs::create_dir(data).unwrap();
            // tar restores the owner and the mode of every file. With blocks of this size it is twice as fast as cp.
            run(tar("-xmp", &made).arg("-C").arg(data));
            return;
        }
        let initdb = self
            .command("initdb", folder)
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                "--wal-segsize=1",
                "-D",
            ])
            .arg(data)
            .output()
            .unwrap();
        assert!(initdb.status.success(), "initdb: {}", String::from_utf8_lossy(&initdb.stderr));
        // The rename makes the archive visible as a whole. Each test has a folder with another name, also if several of them
        // run in one process.
        let aside = made.with_extension(folder.file_name().unwrap());
        run(tar("-c", &aside).arg("-C").arg(data).arg("."));
        fs::rename(&aside, &made).unwrap();
    }

    /// Returns what changes whenever PostgreSQL's programs are installed again, or the user who runs them.
    fn stamp(&self) -> String {
        let programs = ["initdb", "postgres"].map(|program| fs::metadata(self.folder.join(program)).unwrap());
        let stamps = programs.map(|found| format!("{}-{}-{}", found.ino(), found.ctime(), found.ctime_nsec()));
        format!("{}-{}", self.owner.map_or(0, |(user, _)| user), stamps.join("-"))
    }

    fn command(&self, program: &str, folder: &Path) -> Command {
        let mut command = Command::new(self.folder.join(program));
        // The server's user may enter this folder, but perhaps not the test's working directory.
        command.current_dir(folder).stdin(Stdio::null());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }
}

fn tar(mode: &str, archive: &Path) -> Command {
    let mut tar = Command::new("tar");
    tar.args([mode, "--numeric-owner", "-b", "256", "-f"]).arg(archive);
    tar
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Returns the user and the group of `postgres`, or else of `nobody`, if this process is root. PostgreSQL refuses to
/// run as root.
fn unprivileged_user() -> Option<(u32, u32)> {
    let id = Command::new("id").arg("-u").output().unwrap();
    if id.stdout.trim_ascii() != b"0" {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let find = |name: &str| {
        let fields: Vec<&str> =
            users.lines().map(|line| line.split(':').collect()).find(|f: &Vec<&str>| f[0] == name)?;
        Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
    };
    find("postgres").or_else(|| find("nobody"))
}
