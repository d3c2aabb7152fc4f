//! What is made once and copied for each test: the data folder of a server, and a checkout that is set up on it.
//!
//! A template is kept below the target folder for all test processes. The name of its folder holds a stamp of every
//! program that made it, so a template that another build made is never used.

use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use super::process::become_user;
use super::reaper::server_user;
use super::server::{ADMIN, ADMIN_PASSWORD, Server, binaries};
use super::{DEADLINE, Workspace, eventually, is_root, process, set_mode, temporary};

/// The folder of all templates.
const KEPT: &str = env!("CARGO_TARGET_TMPDIR");

/// The size of the blocks that tar reads and writes, in units of 512 bytes. With tar's own size of 20, unpacking a data
/// folder took about a tenth longer.
const BLOCK: &str = "256";

/// The flags of initdb. Small WAL files make the copies small.
const INITDB: [&str; 6] =
    ["--no-sync", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--wal-segsize=1", "--username"];

/// A checkout that `make` has set up on a server.
pub(crate) struct Template {
    /// The name, which no other template of the same test program may have.
    pub(crate) name: &'static str,
    /// Sets up a checkout whose URLs point to the server.
    pub(crate) make: fn(&Server, &Workspace),
}

/// The checkout of [`super::fixture`] after its first `db-setup`.
pub(crate) const SET_UP: Template = Template {
    name: "set-up",
    make: |_, workspace| {
        workspace.run(&["db-setup"]).code(0);
    },
};

impl Template {
    /// Starts a server and makes a checkout, both in the state that `make` leaves behind.
    pub(crate) fn start(&self) -> (Server, Workspace) {
        self.start_as(Server::start_with)
    }

    /// Does the same with a server that `start` starts on the files of an archive.
    pub(crate) fn start_as(&self, start: fn(&Path) -> Server) -> (Server, Workspace) {
        let made_by = [Path::new(env!("CARGO_BIN_EXE_xtask")).to_owned(), std::env::current_exe().unwrap()];
        let kept = kept(self.name, &made_by, |folder| {
            let (server, workspace) = super::server_and_workspace();
            (self.make)(&server, &workspace);
            shut_down(&server);
            pack(server.folder(), &folder.join("cluster.tar"));
            copy_files(workspace.root(), &folder.join("checkout"));
        });
        let server = start(&kept.join("cluster.tar"));
        let workspace = Workspace::generic().build();
        copy_files(&kept.join("checkout"), workspace.root());
        workspace.set_server(&server);
        if workspace.root().join(".env").exists() {
            // The file that db-setup makes is a copy of the contract, and the server has another port now.
            workspace.write(".env", workspace.read(".env.ci"));
        }
        if !server.folder().join("standby.signal").exists() {
            // The checkout of the template is gone, and the databases would be taken over.
            let folder = workspace.root().canonicalize().unwrap();
            let stamp = format!(r#"'"checkout":"[^"]*"', '"checkout":"{}"'"#, folder.display());
            let statement = format!("UPDATE pg_shdescription SET description = regexp_replace(description, {stamp})");
            server.execute("postgres", &statement);
        }
        (server, workspace)
    }
}

/// Fills the cache of a checkout's runs with the result of initdb, as an earlier `db-setup` left it there.
pub(crate) fn fill_cache(cache: &Path) {
    let made_by = [Path::new(env!("CARGO_BIN_EXE_xtask")).to_owned()];
    let kept = kept("cache", &made_by, |folder| {
        let workspace = Workspace::generic().build();
        workspace.xtask(&["db-setup"]).own_cache().run().code(0);
        workspace.run(&["db-stop"]).code(0);
        pack(&workspace.base().join("cache"), &folder.join("cache.tar"));
    });
    run(tar("-xmp").arg("-f").arg(kept.join("cache.tar")).arg("-C").arg(cache));
}

/// Returns the folder in which the program that stands in for cargo keeps answers of the real one.
pub(crate) fn answers_of_cargo() -> PathBuf {
    kept("cargo", &[PathBuf::from(env!("CARGO"))], |_| ())
}

/// Returns an archive of a data folder that initdb made.
pub(crate) fn cluster() -> PathBuf {
    let made = kept("initdb", &[], |folder| {
        let scratch = temporary::folder("xtask-test-initdb-");
        let (data, password) = (scratch.path().join("data"), scratch.path().join("password"));
        fs::write(&password, ADMIN_PASSWORD).unwrap();
        fs::create_dir(&data).unwrap();
        let mut initdb = Command::new(binaries().join("initdb"));
        initdb.current_dir("/").args(INITDB).arg(ADMIN).arg("--pwfile").arg(&password).arg("-D").arg(&data);
        if is_root() {
            let user = server_user();
            for path in [scratch.path(), &data, &password] {
                nix::unistd::chown(path, Some(user.uid), Some(user.gid)).unwrap();
            }
            become_user(&mut initdb, &user);
        }
        run(&mut initdb);
        // A login with a password takes 4,096 rounds of HMAC in this process, and a test logs in a dozen times.
        let rules = fs::read_to_string(data.join("pg_hba.conf")).unwrap();
        fs::write(data.join("pg_hba.conf"), format!("host all {ADMIN} 127.0.0.1/32 trust\n{rules}")).unwrap();
        pack(&data, &folder.join("cluster.tar"));
    });
    made.join("cluster.tar")
}

/// Makes a data folder from an archive, with the owner that it had. Only root can restore an owner.
pub(crate) fn unpack(archive: &Path, data: &Path) {
    fs::create_dir(data).unwrap();
    run(tar("-xmp").arg("-f").arg(archive).arg("-C").arg(data));
    set_mode(data, 0o700);
}

/// Packs the data folder of a server that has ended. The log would tell the next server's test that it is ready.
fn pack(data: &Path, archive: &Path) {
    run(tar("-c").args(["--exclude=./log", "-f"]).arg(archive).arg("-C").arg(data).arg("."));
}

fn tar(mode: &str) -> Command {
    let mut tar = Command::new("tar");
    tar.args([mode, "--numeric-owner", "-b", BLOCK]);
    tar
}

/// Shuts a server down in order, so that a server on a copy of its files has nothing to recover.
fn shut_down(server: &Server) {
    let pid = fs::read_to_string(server.folder().join("postmaster.pid")).unwrap();
    let pid = Pid::from_raw(pid.lines().next().unwrap().parse().unwrap());
    kill(pid, Signal::SIGINT).unwrap();
    eventually("the server has shut down", DEADLINE, || (!process::runs(pid)).then_some(()));
    assert!(server.log().contains("database system is shut down"), "{}", server.log());
}

/// Returns the folder of a template. `make` fills it if there is none yet of the same programs.
fn kept(name: &str, programs: &[PathBuf], make: impl FnOnce(&Path)) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    (geteuid().as_raw(), INITDB, ADMIN, ADMIN_PASSWORD).hash(&mut hasher);
    for program in programs.iter().chain(&["postgres", "initdb"].map(|name| binaries().join(name))) {
        stamp(program).hash(&mut hasher);
    }
    // Only other builds of the same test program have templates of this prefix, so only theirs are removed below.
    let prefix = format!("template-{}-{name}-", env!("CARGO_CRATE_NAME"));
    let kept = Path::new(KEPT).join(format!("{prefix}{:016x}", hasher.finish()));
    if kept.exists() {
        return kept;
    }
    // One test process makes the template, and others wait for it. The system releases the lock when the process ends.
    let lock = File::create(Path::new(KEPT).join(format!("{prefix}lock"))).unwrap();
    lock.lock().unwrap();
    if !kept.exists() {
        remove_old(&prefix);
        // A process that is killed leaves an unfinished folder, which has another name.
        let unfinished = tempfile::Builder::new().prefix(&prefix).suffix("-new").tempdir_in(KEPT).unwrap();
        make(unfinished.path());
        fs::rename(unfinished.path(), &kept).unwrap();
        let _ = unfinished.keep();
    }
    kept
}

/// Returns what changes whenever a program is built or installed again. Nobody can set the last two numbers.
fn stamp(program: &Path) -> (OsString, u64, u64, i64, i64, i64) {
    let found = fs::metadata(program).unwrap();
    let path = program.as_os_str().to_owned();
    (path, found.len(), found.ino(), found.mtime_nsec(), found.ctime(), found.ctime_nsec())
}

/// Removes the templates of earlier builds of this test program. A run of an earlier build may still use a template that
/// was made a short time ago.
fn remove_old(prefix: &str) {
    const OLD: Duration = Duration::from_secs(10 * 60);
    for entry in fs::read_dir(KEPT).unwrap().flatten() {
        let is_old = |found: fs::Metadata| found.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age > OLD));
        let is_template = entry.file_name().to_string_lossy().starts_with(prefix);
        if is_template && entry.metadata().is_ok_and(|found| found.is_dir() && is_old(found)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Copies the files of a folder, with their modes, into another folder.
fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let copy = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_files(&entry.path(), &copy);
        } else {
            fs::copy(entry.path(), copy).unwrap();
        }
    }
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
