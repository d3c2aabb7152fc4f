//! The temporary folder of the benchmarks, and the calls of programs in it.

use std::cell::RefCell;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;
use xshell::Shell;

use crate::interrupt::Interrupt;
use crate::keeper::Keeper;
use crate::problem::Problem;

/// The number of lines that are shown of a failed command's output.
const SHOWN: usize = 20;

/// The beginning of the folder's name.
const PREFIX: &str = "xtask-bench-";

/// The folder of the benchmarks, and the things that calls of programs need.
pub(crate) struct Bench {
    pub(crate) folder: PathBuf,
    /// The shell, which runs commands in the folder unless a command names another one.
    pub(crate) shell: Shell,
    pub(crate) interrupt: Interrupt,
    keeper: RefCell<Keeper>,
}

/// The time that a command took, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Took {
    pub(crate) wall: f64,
    /// The user and system time of the command and of all its children that were waited for.
    pub(crate) cpu: f64,
}

/// The end of a command.
pub(crate) struct Ended {
    pub(crate) took: Took,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Bench {
    /// Makes the folder, and starts the process that removes the folder at the end.
    ///
    /// With `in_memory`, the folder is in memory if so many bytes are free there and the user has not chosen a folder.
    pub(crate) fn set_up(interrupt: Interrupt, in_memory: Option<u64>) -> Result<Self> {
        let failed = "The folder for the benchmarks can't be made";
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .rand_bytes(8)
            .tempdir_in(parent(in_memory)?)
            .context(failed)?
            .keep();
        let keeper = Keeper::start(&folder).inspect_err(|_| drop(fs::remove_dir_all(&folder)))?;
        // If root starts a private server, the server runs as another user, who must reach the folder.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).context(failed)?;
        let folder = folder.canonicalize().context(failed)?;
        let shell = Shell::new()?;
        shell.change_dir(&folder);
        // The user's own cache of initdb's result stays unchanged.
        shell.set_var("XTASK_CACHE_DIR", folder.join("cache"));
        Ok(Self { folder, shell, interrupt, keeper: RefCell::new(keeper) })
    }

    /// Removes everything.
    ///
    /// # Errors
    /// Something could not be removed. The keeper has named it.
    pub(crate) fn clear_away(self) -> Result<()> {
        self.keeper.into_inner().finish()
    }

    /// Runs a command to its end, whatever its exit status.
    ///
    /// # Errors
    /// The command can't be run, or the user interrupts the benchmarks.
    pub(crate) fn end(&self, command: impl Into<Command>) -> Result<Ended> {
        self.run_once(&mut command.into(), true)
    }

    /// Runs a command that has to succeed, and returns what it prints.
    ///
    /// # Errors
    /// The command fails or can't be run, or the user interrupts the benchmarks.
    pub(crate) fn read(&self, command: impl Into<Command>) -> Result<String> {
        let mut command = command.into();
        let ended = self.run_once(&mut command, true)?;
        succeeded(&command, &ended)?;
        Ok(ended.stdout.trim_end().to_owned())
    }

    /// Runs a command that has to succeed, and discards its standard output.
    ///
    /// # Errors
    /// The command fails or can't be run, or the user interrupts the benchmarks.
    pub(crate) fn measure(&self, command: &mut Command) -> Result<Took> {
        let ended = self.run_once(command, false)?;
        succeeded(command, &ended)?;
        Ok(ended.took)
    }

    fn run_once(&self, command: &mut Command, keep_output: bool) -> Result<Ended> {
        self.interrupt.check()?;
        let shown = shown(command);
        let (out, err) = (self.folder.join("stdout"), self.folder.join("stderr"));
        let file = |path: &Path| File::create(path).with_context(|| format!("{} can't be written", path.display()));
        // The output goes to files, because this program need not read them while the clock runs.
        command.stdin(Stdio::null()).stderr(file(&err)?).process_group(0);
        command.stdout(if keep_output { file(&out)?.into() } else { Stdio::null() });

        let cpu = children_cpu()?;
        let start = Instant::now();
        let mut child = command.spawn().with_context(|| format!("`{shown}` can't be run"))?;
        // The child leads a process group, which has the child's number.
        let group = i32::try_from(child.id()).map(Pid::from_raw).context("The number of a process is out of range")?;
        let told = self.keeper.borrow_mut().runs(Some(group));
        self.interrupt.runs(group);
        let status = child.wait();
        let wall = start.elapsed();
        self.interrupt.ended();

        let status = status.with_context(|| format!("`{shown}` can't be waited for"))?;
        told.and_then(|()| self.keeper.borrow_mut().runs(None))?;
        self.interrupt.check()?;
        let text = |path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        let stdout = if keep_output { text(&out) } else { String::new() };
        let cpu = u64::try_from(children_cpu()? - cpu).unwrap_or_default();
        let took = Took { wall: wall.as_secs_f64(), cpu: Duration::from_micros(cpu).as_secs_f64() };
        Ok(Ended { took, status, stdout, stderr: text(&err) })
    }
}

fn succeeded(command: &Command, ended: &Ended) -> Result<()> {
    if ended.status.success() {
        return Ok(());
    }
    let lines: Vec<&str> = ended.stdout.lines().chain(ended.stderr.lines()).filter(|line| !line.is_empty()).collect();
    let last = lines.iter().skip(lines.len().saturating_sub(SHOWN)).map(|line| (*line).to_owned());
    Err(Problem::failed(format!("`{}` failed ({}).", shown(command), ended.status)).details(last).into())
}

/// A command line for people. It holds no secret, because passwords are passed in the environment.
fn shown(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// The CPU time in microseconds of all processes that this process and its children have waited for so far.
fn children_cpu() -> Result<i64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("The system doesn't tell the CPU time")?;
    Ok(usage.user_time().num_microseconds() + usage.system_time().num_microseconds())
}

/// The folder for temporary files. If root runs the benchmarks, other users must be able to reach the folder, because
/// PostgreSQL refuses root.
fn parent(in_memory: Option<u64>) -> Result<PathBuf> {
    let memory = PathBuf::from("/dev/shm");
    let chosen = match in_memory {
        Some(bytes) if std::env::var_os("TMPDIR").is_none() && has_room(&memory, bytes) => memory,
        _ => std::env::temp_dir(),
    };
    if !nix::unistd::geteuid().is_root() {
        return Ok(chosen);
    }
    let open = |path: &Path| {
        path.ancestors().all(|dir| dir.metadata().is_ok_and(|found| found.permissions().mode() & 0o001 != 0))
    };
    let usual = ["/var/tmp", "/tmp"].map(PathBuf::from);
    std::iter::once(chosen.clone()).chain(usual).find(|path| open(path)).ok_or_else(|| {
        Problem::unavailable(format!(
            "PostgreSQL doesn't run as root, and no other user can reach the files in {}.",
            chosen.display()
        ))
        .remedy("Name a folder that every user can reach: TMPDIR=/some/folder cargo xtask bench …")
        .into()
    })
}

/// Whether so many bytes are free in a file system in memory. Only Linux has one at a fixed path.
#[cfg(target_os = "linux")]
fn has_room(folder: &Path, bytes: u64) -> bool {
    nix::sys::statvfs::statvfs(folder).is_ok_and(|found| found.blocks_available() * found.fragment_size() > bytes)
}

#[cfg(not(target_os = "linux"))]
fn has_room(_: &Path, _: u64) -> bool {
    false
}

/// A port of the loopback interface on which no program listens at the moment.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("No port of this machine is free")?;
    Ok(listener.local_addr().context("The system doesn't tell the number of a free port")?.port())
}
