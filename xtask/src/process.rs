//! Child processes. Each has a deadline, its own process group, no stdin, and a command line that errors can show.
//!
//! A command line never holds a secret. Secrets go through the environment.

#[cfg(unix)]
pub(crate) mod keeper;
#[cfg(unix)]
mod tree;

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::Result;

#[cfg(unix)]
use self::tree::Tree;
#[cfg(unix)]
use crate::account::Account;
use crate::interrupt::Interrupt;
use crate::problem::{Code, Problem};

/// How long a child that was asked to end may take before it is asked again, and then before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// The pause between two looks at a child. It begins short, because most children end soon.
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
    /// `program` is a path, or a name that is looked up on PATH.
    pub(crate) fn new(program: impl Into<PathBuf>, deadline: Duration) -> Self {
        let program = program.into();
        // duct takes a bare name in a `PathBuf` for a file in the current folder.
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

    /// A command of the cargo that runs this program. Cargo describes this package in the environment of this process.
    /// The command doesn't get these variables, because they would make the build scripts of other packages run again.
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

    /// Sets the account that the command runs as.
    #[cfg(unix)]
    pub(crate) fn account(mut self, account: Account) -> Self {
        self.account = Some(account);
        self
    }

    /// Runs the command to its end, whatever its exit status is.
    ///
    /// # Errors
    /// The command can't be started, it does not end before its deadline, or the user presses Ctrl-C. In the last two
    /// cases it is stopped with all of its children.
    pub(crate) fn run(&self, interrupt: &Interrupt) -> Result<Ended> {
        let output = self.wait(self.expression().stdout_capture().stderr_capture(), interrupt, || {})?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Ended { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }

    /// Runs the command like [`Child::run`], and passes on each line of its output when the command writes it.
    ///
    /// # Errors
    /// Those of [`Child::run`].
    pub(crate) fn run_watched(&self, interrupt: &Interrupt, mut on_line: impl FnMut(&str)) -> Result<Ended> {
        let (sender, lines) = channel();
        let mut expression = self.expression();
        for stream in [Stream::Out, Stream::Err] {
            let (reader, writer) = std::io::pipe()?;
            expression = match stream {
                Stream::Out => expression.stdout_file(writer),
                Stream::Err => expression.stderr_file(writer),
            };
            let sender = sender.clone();
            std::thread::spawn(move || read_lines(reader, |line| sender.send((stream, line)).is_ok()));
        }
        drop(sender);
        let (mut stdout, mut stderr) = (String::new(), String::new());
        let mut take = |(stream, line): (Stream, String)| {
            on_line(&line);
            let text = if stream == Stream::Out { &mut stdout } else { &mut stderr };
            text.push_str(&line);
            text.push('\n');
        };
        let status = self.wait(expression, interrupt, || lines.try_iter().for_each(&mut take))?.status;
        // A process that the command left behind may hold the pipe open. It isn't waited for.
        while let Ok(line) = lines.recv_timeout(GRACE) {
            take(line);
        }
        Ok(Ended { status, stdout, stderr })
    }

    fn expression(&self) -> duct::Expression {
        #[cfg(unix)]
        let account = self.account.clone();
        let mut expression =
            duct::cmd(&self.program, &self.args).stdin_null().unchecked().before_spawn(move |command| {
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
        #[cfg(unix)]
        if let Some(marks) = keeper::marks() {
            expression = expression.env(keeper::VARIABLE, marks);
        }
        for (name, value) in &self.env {
            expression = expression.env(name, value);
        }
        expression
    }

    /// Starts the command and waits for its end. `each` is called now and then.
    fn wait(
        &self,
        expression: duct::Expression,
        interrupt: &Interrupt,
        mut each: impl FnMut(),
    ) -> Result<std::process::Output> {
        let handle = expression.start().map_err(|error| {
            Problem::failed(Code::ProgramFailed, format!("`{self}` can't be run: {error}."))
                .remedy(format!("Try it by hand: {self}"))
        })?;
        // It may hold an end of a pipe that is read to the end.
        drop(expression);
        let deadline = Instant::now() + self.deadline;
        let mut pause = *POLL.start();
        loop {
            if let Some(output) = handle.wait_timeout(pause)? {
                return Ok(output.clone());
            }
            each();
            pause = (pause * 2).min(*POLL.end());
            let ended = interrupt.check().map_err(anyhow::Error::from).and_then(|()| {
                if Instant::now() < deadline {
                    return Ok(());
                }
                let seconds = self.deadline.as_secs();
                Err(Problem::failed(
                    Code::ProgramSlow,
                    format!("`{self}` did not end within {seconds} s, so it was stopped."),
                )
                .remedy(format!("See whether it hangs when you run it by hand: {self}"))
                .into())
            });
            if let Err(reason) = ended {
                stop(&handle);
                return Err(reason);
            }
        }
    }
}

/// One of the two outputs of a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

/// Reads lines until the end, or until `take` refuses one.
fn read_lines(reader: impl std::io::Read, take: impl Fn(String) -> bool) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
        if !take(text) {
            return;
        }
        line.clear();
    }
}

impl fmt::Display for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.display())?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", quoted(&arg.to_string_lossy())))
    }
}

/// The names of the variables in which cargo describes a process's package to that process.
pub(crate) fn said_by_cargo() -> impl Iterator<Item = OsString> {
    let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CFG_", "CARGO_BIN_"];
    let is_own = move |name: &OsString| prefixes.iter().any(|own| name.to_string_lossy().starts_with(own));
    std::env::vars_os().map(|(name, _)| name).filter(is_own)
}

/// An argument, quoted for a shell.
pub(crate) fn quoted(arg: &str) -> Cow<'_, str> {
    if arg.is_empty() || arg.contains(|c: char| c.is_whitespace() || "'\"$\\`*?&|;<>(){}#~!".contains(c)) {
        Cow::Owned(format!("'{}'", arg.replace('\'', r"'\''")))
    } else {
        Cow::Borrowed(arg)
    }
}

/// Gives the child its own group. Ctrl-C on the terminal then reaches only this program, which ends the child with all
/// of its children.
#[cfg(unix)]
fn own_group(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn own_group(_command: &mut std::process::Command) {}

/// Asks the child and all processes below it to end, and kills them if they don't.
fn stop(handle: &duct::Handle) {
    #[cfg(unix)]
    let groups: Vec<_> = handle.pids().into_iter().filter_map(|pid| i32::try_from(pid).ok()).collect();
    #[cfg(unix)]
    let mut tree = Tree::below(&groups);
    // A test runner that is asked a second time kills its tests. They are in groups of their own.
    'asked: for kill in [false, false, true] {
        signal_group(handle, kill);
        let deadline = Instant::now() + GRACE;
        // A process that still holds the pipe after SIGKILL has left the group. The loop doesn't wait for it.
        while Instant::now() < deadline {
            if handle.wait_timeout(*POLL.end()).is_ok_and(|output| output.is_some()) {
                break 'asked;
            }
            // What has left the group may hold the pipe.
            #[cfg(unix)]
            if !tree.look(&groups) {
                break 'asked;
            }
        }
    }
    // What tests have started may be in other groups, such as a run of this program.
    #[cfg(unix)]
    tree.end();
    drop(handle.wait_timeout(*POLL.end()));
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
