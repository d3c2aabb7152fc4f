//! The keeper, a process that removes all files, servers and containers of the benchmarks, however they end.
//!
//! The keeper waits until its standard input closes. The system closes the input when the benchmarks end, also when
//! they are killed. The keeper has its own process group, which Ctrl-C on a terminal doesn't reach.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, Write, stdin};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::problem::Problem;

/// The name of a file in the folder. The file exists if the benchmarks may have made containers.
pub(crate) const COMPOSE_WAS_USED: &str = "compose-was-used";

/// The longest time for commands and servers to end before they are killed.
const GRACE: Duration = Duration::from_secs(30);

/// The longest time for an answer of Docker.
const DOCKER: Duration = Duration::from_secs(60);

/// How often processes are looked for that may start others meanwhile.
const ROUNDS: usize = 5;

/// The pause between two looks at a process that was asked to end.
const POLL: Duration = Duration::from_millis(20);

/// The keeper, as the benchmarks see it.
pub(crate) struct Keeper {
    process: Child,
    pipe: ChildStdin,
}

impl Keeper {
    /// Starts the keeper. From then on, the folder is removed in any case.
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let failed = "The process that cleans up after the benchmarks can't be started";
        let program = std::env::current_exe().context(failed)?;
        let mut process = Command::new(program)
            .args([OsStr::new("clean-up"), folder.as_os_str()])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .context(failed)?;
        let pipe = process.stdin.take().ok_or_else(|| Problem::failed(format!("{failed}: it has no input.")))?;
        Ok(Self { process, pipe })
    }

    /// Tells the keeper the process group that runs now, or that no group runs.
    pub(crate) fn runs(&mut self, group: Option<Pid>) -> Result<()> {
        let number = group.map_or(0, Pid::as_raw);
        writeln!(self.pipe, "{number}").context("The process that cleans up after the benchmarks has ended too early")
    }

    /// Lets the keeper clean up, and waits for its end.
    pub(crate) fn finish(self) -> Result<()> {
        let Self { mut process, pipe } = self;
        drop(pipe);
        let status =
            process.wait().context("The end of the process that cleans up after the benchmarks can't be waited for")?;
        if status.success() {
            Ok(())
        } else {
            Err(Problem::failed("Some files, servers or containers of the benchmarks could not be removed.").into())
        }
    }
}

/// Runs as the keeper: waits for the end of the benchmarks, and removes everything that they made.
pub(crate) fn keep(folder: &Path) -> ExitCode {
    let mut group = None;
    for line in stdin().lock().lines().map_while(Result::ok) {
        group = line.trim().parse().ok().map(Pid::from_raw);
    }
    if let Some(group) = group.filter(|group| group.as_raw() > 1) {
        end_group(group);
    }
    // A command that began when the benchmarks were killed may not have been named yet. It may start a server.
    for _ in 0..ROUNDS {
        servers(folder).iter().for_each(Server::stop);
        let left = working_in(folder);
        if left.is_empty() {
            break;
        }
        for pid in left {
            // It may have ended by itself.
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
    let mut left = Vec::new();
    if folder.join(COMPOSE_WAS_USED).exists() {
        left.extend(remove_containers(&project_prefix(folder)).err());
    }
    left.extend(remove(folder).err());
    let code = if left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    for error in left {
        eprintln!("{}", Problem::of(error));
    }
    code
}

/// Asks a process group to end, and kills it if it takes too long.
fn end_group(group: Pid) {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        if killpg(group, signal).is_err() || gone_within(GRACE, || killpg(group, None) == Err(Errno::ESRCH)) {
            return;
        }
    }
}

fn gone_within(limit: Duration, gone: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !gone() {
        if start.elapsed() > limit {
            return false;
        }
        std::thread::sleep(POLL);
    }
    true
}

/// Finds the processes that work in the folder. Only Linux tells where a process works.
fn working_in(folder: &Path) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let works_there =
        |process: &fs::DirEntry| fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
    let pid = |process: fs::DirEntry| process.file_name().to_str()?.parse().ok().map(Pid::from_raw);
    processes.filter(works_there).filter_map(pid).filter(|pid| *pid != Pid::this()).collect()
}

/// A PostgreSQL server that was started in the folder.
struct Server {
    data: PathBuf,
    pid: Pid,
}

/// Finds the servers whose data is in one of the folder's checkouts, or beside them.
fn servers(folder: &Path) -> Vec<Server> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| [".xtask/postgres/data", "data"].map(|data| entry.path().join(data)))
        .filter_map(|data| {
            let file = fs::read_to_string(data.join("postmaster.pid")).ok()?;
            let pid = file.lines().next()?.trim().parse().ok().filter(|pid| *pid > 1)?;
            Some(Server { data, pid: Pid::from_raw(pid) })
        })
        .collect()
}

impl Server {
    /// Stops the server at once. Its data is deleted next, so it need not write anything.
    fn stop(&self) {
        for signal in [Signal::SIGQUIT, Signal::SIGKILL] {
            // The number may belong to another process by now.
            if !self.is_it() || kill(self.pid, signal).is_err() || gone_within(GRACE, || !self.is_it()) {
                return;
            }
        }
    }

    /// Whether the process is this server. A server's working folder is its data folder, whose path also stands on its
    /// command line.
    fn is_it(&self) -> bool {
        if let (Ok(folder), Ok(data)) = (fs::read_link(format!("/proc/{}/cwd", self.pid)), self.data.canonicalize()) {
            return folder == data;
        }
        let line = Command::new("ps").args(["-o", "args=", "-p", &self.pid.to_string()]).stdin(Stdio::null()).output();
        line.is_ok_and(|line| String::from_utf8_lossy(&line.stdout).contains(&*self.data.to_string_lossy()))
    }
}

/// The beginning of the names of the folder's compose projects. xtask takes the name of the checkout's folder in small
/// letters, and adds a hash.
pub(crate) fn project_prefix(folder: &Path) -> String {
    format!("{}-", folder.file_name().unwrap_or_default().to_string_lossy().to_lowercase())
}

/// Removes containers, volumes and networks of all compose projects whose names begin with `prefix`.
fn remove_containers(prefix: &str) -> Result<()> {
    let kinds: [(&[&str], &[&str], &str); 3] = [
        (&["ps", "--all"], &["rm", "--force", "--volumes"], "{{.ID}}"),
        (&["volume", "ls"], &["volume", "rm", "--force"], "{{.Name}}"),
        (&["network", "ls"], &["network", "rm"], "{{.ID}}"),
    ];
    for (list, remove, name) in kinds {
        let format = format!("{{{{.Label \"com.docker.compose.project\"}}}} {name}");
        let found = docker(&[list, &["--format", &format]].concat())?;
        let ours =
            found.lines().filter_map(|line| line.split_once(' ')).filter(|(project, _)| project.starts_with(prefix));
        let names: Vec<&str> = ours.map(|(_, name)| name).collect();
        if !names.is_empty() {
            docker(&[remove, &names].concat())?;
        }
    }
    Ok(())
}

/// Runs docker, and returns its output.
fn docker(args: &[&str]) -> Result<String> {
    let shown = format!("docker {}", args.join(" "));
    let failed = |why: String| -> anyhow::Error {
        Problem::failed(format!("`{shown}` {why}. Containers of the benchmarks may still exist."))
            .remedy("docker ps --all")
            .into()
    };
    let command = duct::cmd("docker", args).stdin_null().stdout_capture().stderr_null().unchecked();
    let handle = command.start().map_err(|error| failed(format!("can't be run: {error}")))?;
    let ended = handle.wait_timeout(DOCKER).map_err(|error| failed(format!("can't be waited for: {error}")))?;
    match ended {
        Some(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Some(output) => Err(failed(format!("failed ({})", output.status))),
        None => {
            let _ = handle.kill();
            Err(failed(format!("did not end within {} s", DOCKER.as_secs())))
        }
    }
}

/// Deletes a folder. It tries several times, because a process that was just killed may still write its last file.
fn remove(folder: &Path) -> Result<()> {
    let mut last = Ok(());
    for _ in 0..50 {
        last = fs::remove_dir_all(folder);
        if last.is_ok() || !folder.exists() {
            return Ok(());
        }
        std::thread::sleep(5 * POLL);
    }
    last.map_err(|error| {
        Problem::failed(format!("The folder {} can't be deleted: {error}.", folder.display()))
            .remedy(format!("rm -rf '{}'", folder.display()))
            .into()
    })
}
