//! Runs of `cargo xtask bench`.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::left::{Left, processes};

/// The longest time for a run with the compilation of the tool. Only a run that hangs takes longer.
const DEADLINE: Duration = Duration::from_secs(10 * 60);

/// The variables in which cargo and the test runner describe this package. With them, cargo runs build scripts again.
const SAID: [&str; 5] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CFG_", "CARGO_BIN_", "NEXTEST"];

/// A folder for temporary files, and the run that uses it.
pub(crate) struct Bench {
    folder: TempDir,
    running: Option<Child>,
    stderr: Option<(BufReader<ChildStderr>, String)>,
}

/// The end of a run.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("bench-test-").tempdir().unwrap();
        // If root starts PostgreSQL, the server runs as another user, who must reach the folder.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, running: None, stderr: None }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
        command.args(["xtask", "bench"]).args(words).env("TMPDIR", self.folder.path());
        let is_said = |name: &str| SAID.iter().any(|said| name.starts_with(said));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_said)) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        command
    }

    /// Runs the benchmarks to their end.
    pub(crate) fn run(&self, words: &[&str]) -> Outcome {
        let output = self.command(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Outcome { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Runs the benchmarks until they print this text. Returns `None` if they end before.
    pub(crate) fn start_until(&mut self, words: &[&str], says: &str) -> Option<()> {
        let mut child = self.command(words).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        self.running = Some(child);
        let mut said = String::new();
        while stderr.read_line(&mut said).unwrap() > 0 && !said.contains(says) {}
        let found = said.contains(says).then_some(());
        self.stderr = Some((stderr, said));
        found
    }

    /// Waits until the run has ended and its children have closed the pipes.
    pub(crate) fn wait(&mut self) -> Outcome {
        let mut child = self.running.take().unwrap();
        let (mut rest, mut stderr) = self.stderr.take().unwrap();
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > DEADLINE {
                let _ = killpg(pid(&child), Signal::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        rest.read_to_string(&mut stderr).unwrap();
        let mut stdout = String::new();
        child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        Outcome { code: status.code(), stdout, stderr }
    }

    /// Sends a signal to `cargo xtask`, which has taken over the process of cargo.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(pid(self.running.as_ref().unwrap()), signal).unwrap();
    }

    /// Kills the program that measures, and nothing else.
    pub(crate) fn kill_program(&self) {
        let is_program = |line: &str| line.contains("xtask-bench --workspace");
        let found: Vec<_> = processes(self.folder.path()).into_iter().filter(|(_, line)| is_program(line)).collect();
        let [(program, _)] = found.as_slice() else { panic!("{found:?}") };
        kill(*program, Signal::SIGKILL).unwrap();
    }

    /// The files and processes of its runs.
    pub(crate) fn left(&self) -> Left {
        Left::of(self.folder.path())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // A test that fails leaves no run behind, because a run that is asked to end removes what it made.
        if let Some(mut child) = self.running.take() {
            let _ = kill(pid(&child), Signal::SIGTERM);
            let _ = child.wait();
        }
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}
