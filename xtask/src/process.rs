//! Child processes: a deadline, a process group of their own, no stdin, and a command line that errors can show.
//!
//! Command lines carry no secrets: those go through the environment.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::Result;

#[cfg(unix)]
use crate::account::Account;
use crate::interrupt::Interrupt;
use crate::problem::Problem;

/// How long a child that was asked to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// How often a child is looked at: first often, since most end soon, then seldom.
const POLL: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_millis(20);

/// A command to run.
#[derive(Clone)]
pub(crate) struct Child {
    program: PathBuf,
    args: Vec<OsString>,
    dir: Option<PathBuf>,
    env: Vec<(String, OsString)>,
    env_remove: Vec<OsString>,
    deadline: Duration,
    #[cfg(unix)]
    account: Option<Account>,
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Child {
    /// A command with a deadline, counted from its start.
    ///
    /// `program` is a path, or a name to be found on PATH.
    pub(crate) fn new(program: impl Into<PathBuf>, deadline: Duration) -> Self {
        let program = program.into();
        // To duct a bare name in a `PathBuf` is a file in the current folder.
        let program =
            if program.components().count() == 1 { which::which(&program).unwrap_or(program) } else { program };
        Self {
            program,
            args: Vec::new(),
            dir: None,
            env: Vec::new(),
            env_remove: Vec::new(),
            deadline,
            #[cfg(unix)]
            account: None,
        }
    }

    /// Cargo, the one that runs this program. What cargo says of this package to the process that it runs is taken
    /// away: it would have other packages' build scripts run again.
    pub(crate) fn cargo(deadline: Duration) -> Self {
        let child = Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), deadline);
        said_by_cargo().fold(child, Self::env_remove)
    }

    pub(crate) fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn env_remove(mut self, name: impl Into<OsString>) -> Self {
        self.env_remove.push(name.into());
        self
    }

    /// The account that it runs as.
    #[cfg(unix)]
    pub(crate) fn account(mut self, account: Account) -> Self {
        self.account = Some(account);
        self
    }

    /// Runs it to its end, whatever its exit status.
    ///
    /// # Errors
    /// It can't be started, did not end before its deadline (then it and its children are killed), or somebody
    /// pressed Ctrl-C (likewise).
    pub(crate) fn run(&self, interrupt: &Interrupt) -> Result<Ended> {
        #[cfg(unix)]
        let account = self.account.clone();
        let mut expression = duct::cmd(&self.program, &self.args)
            .stdin_null()
            .stdout_capture()
            .stderr_capture()
            .unchecked()
            .before_spawn(move |command| {
                own_group(command);
                #[cfg(unix)]
                if let Some(account) = &account {
                    account.apply(command);
                }
                Ok(())
            });
        if let Some(dir) = &self.dir {
            expression = expression.dir(dir);
        }
        for name in &self.env_remove {
            expression = expression.env_remove(name);
        }
        for (name, value) in &self.env {
            expression = expression.env(name, value);
        }
        let handle = expression.start().map_err(|error| Problem::failed(format!("`{self}` can't be run: {error}.")))?;
        let deadline = Instant::now() + self.deadline;
        let mut pause = *POLL.start();
        loop {
            if let Some(output) = handle.wait_timeout(pause)? {
                return Ok(Ended {
                    status: output.status,
                    stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                    stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
                });
            }
            pause = (pause * 2).min(*POLL.end());
            let ended = interrupt.check().map_err(anyhow::Error::from).and_then(|()| {
                if Instant::now() < deadline {
                    return Ok(());
                }
                let seconds = self.deadline.as_secs();
                Err(Problem::failed(format!("`{self}` did not end within {seconds} s; it was stopped.")).into())
            });
            if let Err(reason) = ended {
                stop(&handle);
                return Err(reason);
            }
        }
    }
}

impl fmt::Display for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.display())?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", quoted(&arg.to_string_lossy())))
    }
}

/// The variables in which cargo tells a process that it runs about that process's own package.
pub(crate) fn said_by_cargo() -> impl Iterator<Item = OsString> {
    let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CFG_", "CARGO_BIN_"];
    let is_own = move |name: &OsString| prefixes.iter().any(|own| name.to_string_lossy().starts_with(own));
    std::env::vars_os().map(|(name, _)| name).filter(is_own)
}

/// An argument as a shell takes it.
pub(crate) fn quoted(arg: &str) -> Cow<'_, str> {
    if arg.is_empty() || arg.contains(|c: char| c.is_whitespace() || "'\"$\\`*?&|;<>(){}#~!".contains(c)) {
        Cow::Owned(format!("'{}'", arg.replace('\'', r"'\''")))
    } else {
        Cow::Borrowed(arg)
    }
}

/// A group of its own: Ctrl-C on the terminal reaches us alone, and we end the child with all its children.
#[cfg(unix)]
fn own_group(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn own_group(_command: &mut std::process::Command) {}

/// Ends the child and its children: first politely, then for good.
fn stop(handle: &duct::Handle) {
    // Asked a second time, a test runner kills its tests, which are in groups of their own and out of reach from here.
    for kill in [false, false, true] {
        signal_group(handle, kill);
        // What still holds the pipe after SIGKILL to the whole group left the group; it isn't waited for.
        if handle.wait_timeout(GRACE).is_ok_and(|output| output.is_some()) {
            return;
        }
    }
}

#[cfg(unix)]
fn signal_group(handle: &duct::Handle, kill: bool) {
    use nix::sys::signal::{Signal, killpg};
    use nix::unistd::Pid;
    let signal = if kill { Signal::SIGKILL } else { Signal::SIGTERM };
    for pid in handle.pids() {
        // The child leads its group and is not reaped before `wait`, so the number is still its own.
        if let Ok(pid) = i32::try_from(pid) {
            let _ = killpg(Pid::from_raw(pid), signal);
        }
    }
}

#[cfg(not(unix))]
fn signal_group(handle: &duct::Handle, _kill: bool) {
    let _ = handle.kill();
}
