//! Runs of the program: a clean environment, a deadline, and no secret in the output of any of them.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};

use super::process::{become_user, group, user, wait_or_kill};
use super::workspace::Workspace;
use super::{DEADLINE, is_root, set_mode};

/// A run that is about to start. Its environment is empty but for what [`Workspace::xtask`] sets.
pub(crate) struct Invocation<'a> {
    workspace: &'a Workspace,
    command: Command,
    deadline: Duration,
}

impl<'a> Invocation<'a> {
    pub(crate) fn new(workspace: &'a Workspace, arguments: &[&str]) -> Self {
        Self::of(workspace, program(workspace), arguments)
    }

    /// A run of another program, in the same way.
    pub(crate) fn of(workspace: &'a Workspace, program: impl AsRef<OsStr>, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(workspace.root())
            .env_clear()
            .env("PATH", workspace.base().join("bin"))
            .env("HOME", workspace.home())
            .env("TMPDIR", workspace.base().join("tmp"))
            .env("XTASK_CACHE_DIR", workspace.base().join("cache"));
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

    /// The folders to look for programs in.
    pub(crate) fn path<I: AsRef<Path>>(self, folders: impl IntoIterator<Item = I>) -> Self {
        let folders: Vec<PathBuf> = folders.into_iter().map(|folder| folder.as_ref().to_owned()).collect();
        let path = std::env::join_paths(folders).unwrap();
        self.env("PATH", path)
    }

    /// The working directory, relative to the checkout.
    pub(crate) fn directory(mut self, relative: impl AsRef<Path>) -> Self {
        self.command.current_dir(self.workspace.root().join(relative));
        self
    }

    /// Lets a run find cargo with its toolchain and registry, wherever its HOME is.
    pub(crate) fn with_cargo(mut self) -> Self {
        // The toolchain's own folder: rustc and its like are beside cargo.
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

    /// Lets cargo work in the folder that this program was compiled in, where sqlx and the tools are compiled once for
    /// all tests. What a cargo is told by its environment, this one is told too: else each would compile it anew.
    pub(crate) fn with_built_target(mut self) -> Self {
        for name in ["CARGO_INCREMENTAL", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WRAPPER"] {
            if let Some(value) = std::env::var_os(name) {
                self = self.env(name, value);
            }
        }
        self.env("CARGO_TARGET_DIR", built_target())
    }

    /// Has the programs in this folder found first.
    pub(crate) fn path_first(self, folder: PathBuf) -> Self {
        let folders = self.folders();
        self.path([folder].into_iter().chain(folders))
    }

    /// Where programs are looked for.
    fn folders(&self) -> Vec<PathBuf> {
        let path = self.command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value);
        std::env::split_paths(path.unwrap_or_default()).collect()
    }

    /// Hides a program that the search path leads to, and none of those beside it.
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

    /// How long the run may take before it is killed and the test fails.
    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Starts the run in a process group of its own, as a shell does with a job.
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

    /// Runs to the end.
    #[track_caller]
    pub(crate) fn run(self) -> Outcome {
        self.start().wait()
    }
}

/// A run that has started.
pub(crate) struct Running<'a> {
    workspace: &'a Workspace,
    child: Child,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
    deadline: Duration,
    label: String,
    started: Instant,
}

impl Running<'_> {
    /// What Ctrl-C does: SIGINT to the whole process group.
    pub(crate) fn interrupt(&self) {
        killpg(group(&self.child), Signal::SIGINT).unwrap();
    }

    /// What `kill PID` does: SIGTERM to the process alone.
    pub(crate) fn terminate(&self) {
        kill(group(&self.child), Signal::SIGTERM).unwrap();
    }

    /// SIGKILL to the process alone; what it has started lives on.
    pub(crate) fn kill(&self) {
        // A process that has ended already is a zombie until it is waited for: this can't hit a stranger.
        kill(group(&self.child), Signal::SIGKILL).unwrap();
    }

    /// Whether the run has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end, which must come before the deadline.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Outcome {
        let status = wait_or_kill(&mut self.child, self.deadline);
        let duration = self.started.elapsed();
        // What the run leaves behind (a server) must not hold its output open: `cargo xtask … | tee log` would
        // wait for it for ever.
        let rest = Duration::from_secs(10);
        let stdout = self.stdout.recv_timeout(rest);
        let stderr = self.stderr.recv_timeout(rest);
        let held = stdout.is_err() || stderr.is_err();
        let text = |output: Result<Vec<u8>, _>| String::from_utf8(output.unwrap_or_default()).unwrap();
        let (stdout, stderr) = (text(stdout), text(stderr));
        let Some(status) = status else {
            panic!("still running after {:?}: {}\n{stdout}\n{stderr}", self.deadline, self.label);
        };
        assert!(!held, "something still holds the output of {} open", self.label);
        let outcome = Outcome { label: self.label, status, stdout, stderr, duration };
        self.workspace.assert_no_secret(&outcome);
        outcome
    }
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    label: String,
    /// The exit status.
    pub(crate) status: ExitStatus,
    /// The result.
    pub(crate) stdout: String,
    /// Progress and errors.
    pub(crate) stderr: String,
    /// How long it took: to place signals, never to be asserted.
    pub(crate) duration: Duration,
}

impl Outcome {
    /// Fails unless the exit code is this one.
    #[track_caller]
    pub(crate) fn code(self, expected: i32) -> Self {
        assert!(self.status.code() == Some(expected), "exit code {expected} expected: {self}");
        self
    }

    /// Fails if the run succeeded.
    #[track_caller]
    pub(crate) fn fails(self) -> Self {
        assert!(self.status.code().is_some_and(|code| code != 0), "a failure expected: {self}");
        self
    }

    /// Fails unless the output, progress and errors included, has all of these.
    #[track_caller]
    pub(crate) fn says<T: AsRef<str>>(self, parts: impl IntoIterator<Item = T>) -> Self {
        for part in parts {
            assert!(self.text().contains(part.as_ref()), "{:?} expected: {self}", part.as_ref());
        }
        self
    }

    /// Fails unless the output has all of these, whatever their case.
    #[track_caller]
    pub(crate) fn mentions<T: AsRef<str>>(self, parts: impl IntoIterator<Item = T>) -> Self {
        let text = self.text().to_lowercase();
        for part in parts {
            assert!(text.contains(&part.as_ref().to_lowercase()), "{:?} expected: {self}", part.as_ref());
        }
        self
    }

    /// Fails unless the output, whatever its case, has one of these.
    #[track_caller]
    pub(crate) fn mentions_one_of(self, parts: &[&str]) -> Self {
        let text = self.text().to_lowercase();
        assert!(parts.iter().any(|part| text.contains(&part.to_lowercase())), "one of {parts:?} expected: {self}");
        self
    }

    /// Fails if the output has one of these.
    #[track_caller]
    pub(crate) fn lacks<T: AsRef<str>>(self, parts: impl IntoIterator<Item = T>) -> Self {
        for part in parts {
            assert!(!self.text().contains(part.as_ref()), "no {:?} expected: {self}", part.as_ref());
        }
        self
    }

    /// Both outputs.
    pub(crate) fn text(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    /// The events of `--format json`: each line of the result is one.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| {
            let event: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?} is not JSON ({error}): {self}"));
            assert!(event["event"].is_string(), "{line:?} has no field \"event\"");
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

/// Reads to the end on a thread, so that a full pipe never blocks the run.
fn collect(mut source: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = source.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

/// The program: cargo's, or a copy that another user can reach where cargo's lies below a closed home.
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

/// The target folder that this program was compiled in.
pub(crate) fn built_target() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_xtask")).ancestors().nth(2).unwrap()
}

/// The tester's own search path, with docker on it where there is one.
pub(crate) fn whole_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}
