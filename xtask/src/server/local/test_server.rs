//! A PostgreSQL for tests: a private cluster that isn't durable, in memory if there is room, which nobody has to stop.
//!
//! A small shell, the keeper, waits on a named pipe that every process with a right to the server has open for writing. The
//! system closes it when the process ends in any way. When nobody has it open any more, the keeper stops the server and
//! deletes the folder. The processes of one test run follow each other, so a server that several may use waits for the next
//! one for a moment.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::Mode;
use nix::unistd::{geteuid, mkfifo};

use super::files::random_hex;
use super::pid_file::{Holder, PidFile};
use super::start::detach;
use super::{Binaries, Cluster, Files, Found, port_is_free};
use crate::account::Account;
use crate::checkout::{self, fnv1a};
use crate::connection::session;
use crate::database_url::{Address, DatabaseUrl, local_url};
use crate::env_file::write_private;
use crate::interrupt::Interrupt;
use crate::problem::{Code, Problem};
use crate::server::{StartError, roles};
use crate::target::Target;

/// The settings of the server. If the machine crashes, the data is lost, and nobody misses it.
const SETTINGS: [&str; 6] = [
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "autovacuum=off",
    "max_wal_size=1GB",
    "max_connections=400",
];

/// How long the server may take to be ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a process waits for the answer of the keeper. It is at work all the time, so this is only for a machine that is
/// very busy.
const ANSWER: Duration = Duration::from_secs(30);

/// How many tenths of a second the keeper of a shared server waits for the next process.
const PAUSES: &str = "10";

/// The ports to try. They aren't in the range from which systems choose ports by themselves.
const PORTS: std::ops::Range<u32> = 32_000..32_768;

/// The room in memory that a server needs at least, in bytes.
#[cfg(target_os = "linux")]
const ROOM: u64 = 2 << 30;

/// The pipe, in the server's folder.
const PIPE: &str = "users";

/// The file that the keeper makes before it stops the server.
const ENDING: &str = "ending";

/// Opens a pipe without waiting for the other end.
const NONBLOCKING: i32 = OFlag::O_NONBLOCK.bits();

/// What the keeper does: `$1` is the folder, and `$2` the number of pauses. It answers each process that writes its name.
const KEEPER: &str = r#"
PATH=$PATH:/usr/bin:/bin
dir=$1 pauses=$2 paused=0
while [ "$paused" -le "$pauses" ]; do
    if read -r name; then
        : >"$dir/answer-$name"
        paused=0
    else
        paused=$((paused + 1))
        [ "$paused" -gt "$pauses" ] || sleep 0.1
    fi
done
: >"$dir/ending"
exec </dev/null
serves() {
    read -r pid <"$dir/data/postmaster.pid" || return 1
    if [ -e /proc/self/cwd ]; then
        [ "$(readlink "/proc/$pid/cwd")" = "$dir/data" ]
    else
        kill -0 "$pid"
    fi
}
for _ in 1 2 3 4 5; do
    if serves; then
        kill -QUIT "$pid"
        for _ in $(seq 200); do serves || break; sleep 0.05; done
    fi
    rm -rf "$dir"
    [ -e "$dir" ] || break
    sleep 0.1
done
"#;

/// A server for tests. It runs until this value and those of the other processes that share it are dropped.
pub(crate) struct TestServer {
    pub(crate) address: Address,
    /// The password of all roles but the superuser.
    password: String,
    files: Files,
    /// The pipe. `None` only while this is dropped.
    users: Option<File>,
    /// The keeper of a server that nobody else may use.
    keeper: Option<Child>,
}

impl TestServer {
    /// Starts a server for this value alone. It has the roles of these databases.
    ///
    /// # Errors
    /// There are no binaries, or the server doesn't start.
    pub(crate) async fn start(root: &Path, targets: &[Target<'_>]) -> Result<Self> {
        Self::start_with(root, targets, "0").await
    }

    /// Joins the server that other processes of this checkout use for the same databases, or starts one.
    ///
    /// # Errors
    /// There are no binaries, or the server doesn't start.
    pub(crate) async fn share(root: &Path, targets: &[Target<'_>]) -> Result<Self> {
        let state = checkout::make_state_dir(root)?;
        let failed = |error: io::Error| Problem::unwritable(&state.join("test-server"), &error);
        let lock = File::create(state.join("test-server.lock")).map_err(failed)?;
        // One process at a time starts a server or joins it. The system releases the lock when the process ends.
        lock.lock().map_err(failed)?;
        let digest = digest(targets);
        let file = state.join("test-server");
        let text = fs::read_to_string(&file).unwrap_or_default();
        if let Some((_, folder)) = text.trim_end().split_once(' ').filter(|(written, _)| *written == digest)
            && let Some(server) = Self::join(Path::new(folder))?
        {
            return Ok(server);
        }
        let mut server = Self::start_with(root, targets, PAUSES).await?;
        // Other processes may use it as well, so nobody waits for its end.
        server.keeper = None;
        fs::write(&file, format!("{digest} {}\n", server.files.dir.display())).map_err(failed)?;
        Ok(server)
    }

    /// The same databases, with URLs that lead to this server.
    ///
    /// # Errors
    /// A URL's names can't be used.
    pub(crate) fn move_here<'t>(&self, targets: &[Target<'t>]) -> Result<Vec<Target<'t>>> {
        let moved = targets.iter().map(|target| {
            let DatabaseUrl { variable, user, database, .. } = &target.url;
            let text = local_url(self.address.port, user, &self.password, database);
            Ok(Target { url: DatabaseUrl::parse(variable, &text)?, ..target.clone() })
        });
        moved.collect()
    }

    /// The URL of a database on this server for its superuser.
    ///
    /// # Errors
    /// The file with the password can't be read.
    pub(crate) fn superuser_url(&self, database: &str) -> Result<String> {
        Ok(local_url(self.address.port, &self.files.superuser(), &self.files.password()?, database))
    }

    /// Joins the server in a folder. Returns `None` if it is ending, or isn't there any more.
    fn join(folder: &Path) -> Result<Option<Self>> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (files, account) = (Files { dir: folder.to_owned() }, Account::find()?);
        // When the server is gone, anybody may make a folder of that name.
        if !is_closed_to_others(folder, &account) {
            return Ok(None);
        }
        let mut users = match open_pipe(folder) {
            Ok(users) => users,
            // It was killed, and others may use the server.
            Err(error) if error.raw_os_error() == Some(nix::libc::ENXIO) && !folder.join(ENDING).exists() => {
                match keep(folder, &account, PAUSES) {
                    Ok((users, _)) => users,
                    Err(_) => return Ok(None),
                }
            }
            Err(_) => return Ok(None),
        };
        let name = format!("{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        if writeln!(users, "{name}").is_err() {
            return Ok(None);
        }
        let answer = folder.join(format!("answer-{name}"));
        let deadline = Instant::now() + ANSWER;
        while !answer.exists() {
            if !folder.exists() || Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(fs::remove_file(&answer));
        let pid_file = PidFile::of(files.data());
        if !pid_file.running().is_some_and(|server| matches!(pid_file.holder(server.pid), Holder::Server)) {
            return Ok(None);
        }
        let port = fs::read_to_string(folder.join("port")).ok().and_then(|port| port.trim().parse().ok());
        let password = fs::read_to_string(folder.join("password")).ok();
        let (Some(port), Some(password)) = (port, password) else { return Ok(None) };
        let address = Address { host: "127.0.0.1".into(), port };
        Ok(Some(Self { address, password, files, users: Some(users), keeper: None }))
    }

    async fn start_with(root: &Path, targets: &[Target<'_>], pauses: &str) -> Result<Self> {
        let account = Account::find()?;
        let folder = make_folder(&account)?;
        let failed = |error: io::Error| Problem::unwritable(&folder, &error);
        let pipe = folder.join(PIPE);
        let made =
            mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).map_err(io::Error::from).and_then(|()| account.own(&pipe));
        let (users, keeper) = made.and_then(|()| keep(&folder, &account, pauses)).map_err(failed)?;
        let files = Files { dir: folder.clone() };
        let password = random_hex(24).map_err(failed)?;
        // The password is sent as it is, on the loopback interface only. SCRAM would cost a test 12 ms for each login,
        // because it is computed by code that isn't optimised.
        let rules = folder.join("pg_hba.conf");
        fs::write(&rules, "host all all 127.0.0.1/32 password\n").map_err(failed)?;
        let settings = SETTINGS.map(str::to_owned).into_iter().chain([format!("hba_file={}", rules.display())]);
        let cluster = Cluster::for_tests(root, folder.clone(), account, settings.collect());
        let address = Address { host: "127.0.0.1".into(), port: 0 };
        // From here on, the keeper cleans up if anything fails.
        let mut server = Self { address, password, files, users: Some(users), keeper: Some(keeper) };
        let mut superuser = server.launch(&cluster).await?;
        let moved = server.move_here(targets)?;
        cluster.refuse_superuser(moved.iter().map(|target| &target.url))?;
        roles::let_in(&mut superuser, moved.iter().map(|target| &target.url)).await?;
        roles::make_declared(&mut superuser, &moved).await?;
        session::close(superuser).await;
        write_private(&folder.join("password"), &server.password).map_err(failed)?;
        fs::write(folder.join("port"), server.address.port.to_string()).map_err(failed)?;
        Ok(server)
    }

    /// Starts the server on a free port. Returns a session of the superuser.
    async fn launch(&mut self, cluster: &Cluster) -> Result<sqlx::postgres::PgConnection> {
        let interrupt = Interrupt::never();
        let binaries = binaries(cluster, &interrupt)?;
        let first = std::process::id().wrapping_mul(41).wrapping_add(seed());
        for number in 0..PORTS.end - PORTS.start {
            let port = PORTS.start + first.wrapping_add(number) % (PORTS.end - PORTS.start);
            self.address.port = u16::try_from(port)?;
            if !port_is_free(&self.address) {
                continue;
            }
            match cluster.start(&binaries, &self.address, PATIENCE, &interrupt).await {
                Ok((_, superuser)) => return Ok(superuser),
                // Another program has taken it meanwhile.
                Err(StartError::PortTaken | StartError::Unusable(_)) => {}
                Err(StartError::Failed(error)) => return Err(error),
            }
        }
        let what = format!("No port from {} to {} is free for a PostgreSQL for tests.", PORTS.start, PORTS.end - 1);
        Err(Problem::unavailable(Code::ClusterNotStarted, what).into())
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        drop(self.users.take());
        // A server of its own has gone when this value has. A shared one ends when nobody uses it.
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.wait());
        }
    }
}

/// The binaries of this machine, or those that were fetched for this user earlier.
fn binaries(cluster: &Cluster, interrupt: &Interrupt) -> Result<Binaries> {
    cluster.binaries(interrupt).or_else(|error| match cluster.fetched(true, interrupt) {
        Ok(Found::Ready(binaries)) => Ok(binaries),
        _ => Err(error),
    })
}

/// Starts the keeper of a folder, which reads from the pipe there. Returns the pipe's end for writing.
fn keep(folder: &Path, account: &Account, pauses: &str) -> io::Result<(File, Child)> {
    // An end for reading that doesn't wait is there at once. Then one for writing doesn't wait, either.
    let reader = OpenOptions::new().read(true).custom_flags(NONBLOCKING).open(folder.join(PIPE))?;
    let writer = open_pipe(folder)?;
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::empty()))?;
    let mut keeper = Command::new("/bin/sh");
    keeper.args(["-c", KEEPER, "xtask-test-server"]).arg(folder).arg(pauses);
    keeper.stdin(reader).stdout(Stdio::null()).stderr(Stdio::null());
    account.apply(&mut keeper);
    detach(&mut keeper);
    Ok((writer, keeper.spawn()?))
}

/// Opens a server's pipe for writing, which fails if it has no keeper.
fn open_pipe(folder: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).custom_flags(NONBLOCKING).open(folder.join(PIPE))
}

/// Makes a folder that no other process has, for files of the account that runs PostgreSQL.
fn make_folder(account: &Account) -> Result<PathBuf> {
    let parent = parent(account);
    let folder = parent.join(format!("xtask-tests-{:08x}{:08x}", std::process::id(), seed()));
    let made = DirBuilder::new().mode(0o755).create(&folder).and_then(|()| account.own(&folder));
    made.map_err(|error| Problem::unwritable(&folder, &error))?;
    // PostgreSQL shows its folder without links.
    Ok(folder.canonicalize().unwrap_or(folder))
}

/// Whether a folder belongs to the account that runs PostgreSQL, and nobody else can write to it.
fn is_closed_to_others(folder: &Path, account: &Account) -> bool {
    let owner = match account {
        Account::Own => geteuid().as_raw(),
        Account::Other { uid, .. } => *uid,
    };
    let found = fs::symlink_metadata(folder);
    found.is_ok_and(|found| found.is_dir() && found.uid() == owner && found.mode() & 0o022 == 0)
}

/// The folder for temporary files. It is in memory if there is room and TMPDIR isn't set: a server has a thousand files, and
/// each database has three hundred more.
fn parent(account: &Account) -> PathBuf {
    let memory = Path::new("/dev/shm");
    #[cfg(target_os = "linux")]
    let has_room =
        nix::sys::statvfs::statvfs(memory).is_ok_and(|found| found.blocks_available() * found.fragment_size() > ROOM);
    #[cfg(not(target_os = "linux"))]
    let has_room = false;
    if std::env::var_os("TMPDIR").is_none() && has_room {
        return memory.to_owned();
    }
    let chosen = std::env::temp_dir();
    if account.can_reach(&chosen.join("folder")) { chosen } else { PathBuf::from("/tmp") }
}

/// What a shared server has to have in common with the tests that join it.
fn digest(targets: &[Target<'_>]) -> String {
    let mut text = format!("{:?}", std::env::var_os("XTASK_PG_BINDIR"));
    for Target { database, url, .. } in targets {
        text.push_str(&format!(" {:?} {:?}", url.user, database.declared_roles()));
    }
    format!("{:016x}", fnv1a(text.as_bytes()))
}

/// A number that differs from call to call and from process to process.
#[expect(clippy::cast_possible_truncation, reason = "any 32 bits will do")]
fn seed() -> u32 {
    RandomState::new().build_hasher().finish() as u32
}
