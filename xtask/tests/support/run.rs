//! Runs of the program. Each run has a clean environment and a deadline. A secret in its output fails the test.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};

use super::event_schema;
use super::process::{become_user, group, user, wait_or_kill};
use super::workspace::Workspace;
use super::{DEADLINE, is_root, set_mode};

/// A run that has not started yet. Its environment holds only the variables that [`Invocation::of`] and the test set.
pub(crate) struct Invocation<'a> {
    workspace: &'a Workspace,
    command: Command,
    deadline: Duration,
}

impl<'a> Invocation<'a> {
    pub(crate) fn new(workspace: &'a Workspace, arguments: &[&str]) -> Self {
        Self::of(workspace, program(workspace), arguments)
    }

    /// Prepares a run of another program in the same way.
    pub(crate) fn of(workspace: &'a Workspace, program: impl AsRef<OsStr>, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(workspace.root())
            .env_clear()
            .env("PATH", workspace.base().join("bin"))
            .env("HOME", workspace.home())
            .env("TMPDIR", workspace.base().join("tmp"))
            .env("XTASK_CACHE_DIR", shared_cache(workspace));
        if let Some(owner) = workspace.owner().filter(|_| is_root()) {
            become_user(&mut command, &user(owner).unwrap());
        }
        Self { workspace, command, deadline: DEADLINE }
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Gives the checkout a cache of its own, which is empty at first. So its first cluster is made by initdb.
    pub(crate) fn own_cache(self) -> Self {
        let cache = own_cache(self.workspace);
        self.env("XTASK_CACHE_DIR", cache)
    }

    /// Sets the folders in which the run looks for programs.
    pub(crate) fn path<I: AsRef<Path>>(self, folders: impl IntoIterator<Item = I>) -> Self {
        let folders: Vec<PathBuf> = folders.into_iter().map(|folder| folder.as_ref().to_owned()).collect();
        let path = std::env::join_paths(folders).unwrap();
        self.env("PATH", path)
    }

    /// Sets the working directory, relative to the checkout.
    pub(crate) fn directory(mut self, relative: impl AsRef<Path>) -> Self {
        self.command.current_dir(self.workspace.root().join(relative));
        self
    }

    /// Makes cargo, its toolchain and its registry available to the run, whatever the run's HOME is.
    pub(crate) fn with_cargo(mut self) -> Self {
        // rustc and the toolchain's other programs are in the same folder as cargo.
        let toolchain = Path::new(env!("CARGO")).parent().map(Path::to_owned);
        let path = std::env::join_paths(toolchain.into_iter().chain(std::env::split_paths(&whole_path()))).unwrap();
        self = self.env("CARGO", env!("CARGO")).env("PATH", path);
        for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            let below_home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(folder).into_os_string());
            if let Some(value) = std::env::var_os(name).or_else(below_home) {
                self = self.env(name, value);
            }
        }
        self
    }

    /// Makes cargo use the target folder that this program was compiled in. There sqlx and the tools are compiled once
    /// for all tests. If the variables below had other values than in this process, cargo would compile them again.
    pub(crate) fn with_built_target(mut self) -> Self {
        for name in ["CARGO_INCREMENTAL", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WRAPPER"] {
            if let Some(value) = std::env::var_os(name) {
                self = self.env(name, value);
            }
        }
        self.env("CARGO_TARGET_DIR", built_target())
    }

    /// Puts a folder first on the search path.
    pub(crate) fn path_first(self, folder: PathBuf) -> Self {
        let folders = self.folders();
        self.path([folder].into_iter().chain(folders))
    }

    /// Returns the folders on the search path.
    fn folders(&self) -> Vec<PathBuf> {
        let path = self.command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value);
        std::env::split_paths(path.unwrap_or_default()).collect()
    }

    /// Hides one program of the search path. The other programs in its folder stay visible.
    pub(crate) fn without(self, program: &str) -> Self {
        let mut folders = self.folders();
        for (number, folder) in folders.iter_mut().enumerate().filter(|(_, folder)| folder.join(program).exists()) {
            let others = self.workspace.base().join(format!("without-{program}-{number}"));
            if !others.exists() {
                std::fs::create_dir(&others).unwrap();
                for entry in std::fs::read_dir(&*folder).unwrap().flatten().filter(|entry| entry.file_name() != program)
                {
                    std::os::unix::fs::symlink(entry.path(), others.join(entry.file_name())).unwrap();
                }
            }
            *folder = others;
        }
        self.path(folders)
    }

    /// Sets how long the run may take. After that time the run is killed and the test fails.
    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Starts the run in its own process group, as a shell does with a job.
    pub(crate) fn start(mut self) -> Running<'a> {
        use std::os::unix::process::CommandExt;
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = self.command.spawn().unwrap();
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        let name = Path::new(self.command.get_program()).file_name().unwrap_or_default().to_string_lossy();
        let label = format!("{name} {:?}", self.command.get_args().collect::<Vec<_>>());
        let started = Instant::now();
        Running { workspace: self.workspace, child, stdout, stderr, deadline: self.deadline, label, started }
    }

    /// Runs the program to its end.
    #[track_caller]
    pub(crate) fn run(self) -> Outcome {
        self.start().wait()
    }
}

/// A run that has started.
pub(crate) struct Running<'a> {
    workspace: &'a Workspace,
    child: Child,
    stdout: Collected,
    stderr: Collected,
    deadline: Duration,
    label: String,
    started: Instant,
}

impl Running<'_> {
    /// Returns whether the run has written this to its standard output.
    pub(crate) fn stdout_has(&self, part: &str) -> bool {
        self.stdout.text().contains(part)
    }

    /// Sends SIGINT to the whole process group, as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        killpg(group(&self.child), Signal::SIGINT).unwrap();
    }

    /// Sends SIGTERM to the process alone, as `kill PID` does.
    pub(crate) fn terminate(&self) {
        kill(group(&self.child), Signal::SIGTERM).unwrap();
    }

    /// Sends SIGKILL to the process alone. The processes that it has started live on.
    pub(crate) fn kill(&self) {
        // A process that has ended is a zombie until this test waits for it, so its pid can't be another process's yet.
        kill(group(&self.child), Signal::SIGKILL).unwrap();
    }

    /// Returns whether the run has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end of the run. Fails if the deadline passes first.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Outcome {
        let status = wait_or_kill(&mut self.child, self.deadline);
        let duration = self.started.elapsed();
        // A server that the run leaves behind must not hold the run's output open. Otherwise `cargo xtask … | tee log`
        // would wait forever.
        let rest = Duration::from_secs(10);
        let held = [&self.stdout, &self.stderr].iter().any(|output| output.end.recv_timeout(rest).is_err());
        let [stdout, stderr] =
            [&self.stdout, &self.stderr].map(|output| String::from_utf8(output.bytes.lock().unwrap().clone()).unwrap());
        let Some(status) = status else {
            panic!("still running after {:?}: {}\n{stdout}\n{stderr}", self.deadline, self.label);
        };
        assert!(!held, "a process still holds the output of {} open", self.label);
        let outcome = Outcome { label: std::mem::take(&mut self.label), status, stdout, stderr, duration };
        self.workspace.assert_no_secret(&outcome);
        outcome
    }
}

impl Drop for Running<'_> {
    /// Ends a run that nobody has waited for, because the test has failed before. The run is asked to end, so that it ends
    /// the processes that it has started itself.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = killpg(group(&self.child), Signal::SIGTERM);
            wait_or_kill(&mut self.child, Duration::from_secs(15));
        }
    }
}

/// The outcome of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    label: String,
    /// The exit status.
    pub(crate) status: ExitStatus,
    /// The standard output, which holds the result.
    pub(crate) stdout: String,
    /// The standard error, which holds progress and errors.
    pub(crate) stderr: String,
    /// The duration of the run. Tests use it to choose the time of a signal, and never assert it.
    pub(crate) duration: Duration,
}

impl Outcome {
    /// Fails unless the exit code is `expected`.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Self {
        assert!(self.status.code() == Some(expected), "expected exit code {expected}: {self}");
        self
    }

    /// Fails if the run succeeded.
    #[track_caller]
    pub(crate) fn fails(self) -> Self {
        assert!(self.status.code().is_some_and(|code| code != 0), "expected a failure: {self}");
        self
    }

    /// Fails unless the output has a problem with this word: as text, in an event, in a check of doctor, or as the title of
    /// GitHub's annotation. `problems::every_word_is_provoked` finds these calls.
    #[track_caller]
    pub(crate) fn problem(self, word: &str) -> Self {
        let text = self.text();
        let shown = [format!("[{word}]"), format!("\"code\":\"{word}\""), format!("title={word}::")];
        assert!(shown.iter().any(|shown| text.contains(shown)), "expected a problem with the word {word}: {self}");
        self
    }

    /// Fails unless the output, including progress and errors, contains all of these parts.
    #[track_caller]
    pub(crate) fn says<T: AsRef<str>>(self, parts: impl IntoIterator<Item = T>) -> Self {
        for part in parts {
            assert!(self.text().contains(part.as_ref()), "expected {:?} in the output: {self}", part.as_ref());
        }
        self
    }

    /// Fails unless the output contains all of these parts, in upper or lower case.
    #[track_caller]
    pub(crate) fn mentions<T: AsRef<str>>(self, parts: impl IntoIterator<Item = T>) -> Self {
        let text = self.text().to_lowercase();
        for part in parts {
            assert!(text.contains(&part.as_ref().to_lowercase()), "expected {:?} in the output: {self}", part.as_ref());
        }
        self
    }

    /// Fails unless the output contains one of these parts, in upper or lower case.
    #[track_caller]
    pub(crate) fn mentions_one_of(self, parts: &[&str]) -> Self {
        let text = self.text().to_lowercase();
        assert!(
            parts.iter().any(|part| text.contains(&part.to_lowercase())),
            "expected one of {parts:?} in the output: {self}"
        );
        self
    }

    /// Fails if the output contains one of these parts.
    #[track_caller]
    pub(crate) fn lacks<T: AsRef<str>>(self, parts: impl IntoIterator<Item = T>) -> Self {
        for part in parts {
            assert!(!self.text().contains(part.as_ref()), "unexpected {:?} in the output: {self}", part.as_ref());
        }
        self
    }

    /// Returns the standard output and the standard error together.
    pub(crate) fn text(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    /// Returns the events of `--format json`. Each line of the standard output is one event.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| {
            let event: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?} is not JSON ({error}): {self}"));
            let errors = event_schema::errors(&event);
            assert!(errors.is_empty(), "docs/events.schema.json describes other events than {line}: {errors:#?}");
            event
        };
        self.stdout.lines().map(parse).collect()
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { label, status, stdout, stderr, .. } = self;
        write!(formatter, "{label}: {status}\n--- stdout ---\n{stdout}\n--- stderr ---\n{stderr}\n---")
    }
}

/// Reads an output to its end on a thread, so that a full pipe never blocks the run.
fn collect(mut source: impl Read + Send + 'static) -> Collected {
    let (sender, end) = channel();
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let collected = Collected { bytes: Arc::clone(&bytes), end };
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = source.read(&mut buffer) {
            bytes.lock().unwrap().extend_from_slice(&buffer[..length]);
        }
        let _ = sender.send(());
    });
    collected
}

/// The output of a run, up to now.
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    /// Gets a message at the end of the output.
    end: Receiver<()>,
}

impl Collected {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }
}

/// Returns the path of the program that cargo built. If the checkout's owner can't reach it, returns the path of a
/// copy.
fn program(workspace: &Workspace) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let built = Path::new(env!("CARGO_BIN_EXE_xtask"));
    let open = |path: &Path| std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o001 != 0);
    if workspace.owner().is_none() || built.ancestors().all(open) {
        return built.to_owned();
    }
    let copy = workspace.base().join("xtask");
    if !copy.exists() {
        std::fs::copy(built, &copy).unwrap();
        set_mode(&copy, 0o755);
    }
    copy
}

/// Returns the cache of initdb's result. The runs of all tests share it, because initdb takes longer than most tests.
/// If a checkout has an owner, who can't write there, it has a cache of its own.
fn shared_cache(workspace: &Workspace) -> PathBuf {
    if workspace.owner().is_some() {
        return own_cache(workspace);
    }
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("xtask-cache-{}", nix::unistd::geteuid()))
}

fn own_cache(workspace: &Workspace) -> PathBuf {
    workspace.base().join("cache")
}

/// Returns the target folder that this program was compiled in.
pub(crate) fn built_target() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_xtask")).ancestors().nth(2).unwrap()
}

/// Returns the search path of the tests themselves. Docker is on it if it is installed.
pub(crate) fn whole_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}
