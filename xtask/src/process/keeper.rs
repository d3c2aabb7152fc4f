//! The keeper of a run: a process that ends what the run has started, if the run is ended without any time for that, as by
//! SIGKILL or by a second Ctrl-C.
//!
//! The keeper waits until its standard input closes. Only the run has the other end, and the system closes it, whatever ends
//! the run. A child that is just being made has it too, but only until its program begins. All processes of the run are
//! known by a variable in their environment, which they pass on to what they start in groups of their own. A server of
//! this checkout's databases gets no such variable, and goes on.

use std::ffi::OsString;
use std::io::{Read, Write, stdin};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use super::own_group;
use super::tree::Tree;

/// The variable of a run's processes: the marks of the run and of the runs that it is a part of.
pub(super) const VARIABLE: &str = "STARTED_BY_XTASK";

/// The variable of a keeper: the mark of its run.
const KEEPER: &str = "XTASK_KEEPER";

/// How often processes are looked for that others have started meanwhile.
const ROUNDS: usize = 5;

/// The mark of this run, if it has a keeper.
static MARK: OnceLock<String> = OnceLock::new();

/// The keeper, as the run sees it.
pub(crate) struct Keeper(Option<Child>);

impl Keeper {
    /// Starts the keeper. Whatever this process starts from then on has its mark. Without a keeper, a run is as good as
    /// before, so no failure is an error.
    pub(crate) fn start() -> Self {
        let started = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let mark = MARK.get_or_init(|| format!("{}.{:x}", std::process::id(), started.as_nanos()));
        let keeper = std::env::current_exe().and_then(|program| {
            let mut command = Command::new(program);
            command.env(KEEPER, mark).current_dir("/");
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            own_group(&mut command);
            command.spawn()
        });
        Self(keeper.ok())
    }

    /// Ends the keeper. The processes of the run are left alone: the run has ended those that it started.
    pub(crate) fn dismiss(self) {
        if let Some(mut keeper) = self.0 {
            drop(keeper.stdin.take().map(|mut pipe| pipe.write_all(b".")));
            drop(keeper.wait());
        }
    }
}

/// The value of [`VARIABLE`] for the processes of this run.
pub(super) fn marks() -> Option<OsString> {
    let mark = MARK.get()?;
    let mut marks = std::env::var_os(VARIABLE).unwrap_or_default();
    marks.push(" ");
    marks.push(mark);
    Some(marks)
}

/// Runs as a keeper, if this process was started as one.
pub(crate) fn keep() -> Option<ExitCode> {
    let mark = std::env::var(KEEPER).ok()?;
    for signal in crate::interrupt::ending_signals() {
        // It outlives what asks the processes of a run to end.
        drop(signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false))));
    }
    let mut word = Vec::new();
    drop(stdin().read_to_end(&mut word));
    if word.is_empty() {
        for _ in 0..ROUNDS {
            let tree = Tree::marked(VARIABLE, &mark);
            if tree.is_empty() {
                break;
            }
            tree.end();
        }
    }
    Some(ExitCode::SUCCESS)
}
