//! The files that a run opens, as strace sees them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::run::Invocation;
use super::workspace::Workspace;
use super::{DEADLINE, Outcome};

/// Prepares a run of a program below strace, which writes what the program opens into `file`.
pub(crate) fn traced<'a>(workspace: &'a Workspace, file: &Path, program: &Path, arguments: &[&str]) -> Invocation<'a> {
    let calls = "trace=open,openat,openat2";
    let file = file.display().to_string();
    let program = program.display().to_string();
    let own =
        ["-f", "--seccomp-bpf", "-qqq", "-y", "-s", "4096", "-e", "signal=none", "-e", calls, "-o", &file, &program];
    Invocation::of(workspace, "strace", &[&own[..], arguments].concat())
}

/// Returns the files below `root` that were opened for reading, relative to it. The program's first thread doesn't count: it
/// reads all inputs before the first step, and each step has a thread of its own.
pub(crate) fn opened(trace: &str, root: &Path) -> BTreeSet<PathBuf> {
    let first = trace.split_whitespace().next().unwrap_or_default();
    let calls = trace.lines().filter_map(|line| line.split_once(' '));
    calls.filter(|(thread, _)| *thread != first).filter_map(|(_, call)| read(call, root)).collect()
}

/// Returns the file that a call has opened for reading, if it lies below `root`.
fn read(call: &str, root: &Path) -> Option<PathBuf> {
    let (arguments, result) = call.rsplit_once(" = ")?;
    if arguments.contains("O_WRONLY") || arguments.contains("O_DIRECTORY") {
        return None;
    }
    // strace shows the file behind the number: `3</home/me/checkout/file>`.
    let path = Path::new(result.split_once('<')?.1.strip_suffix('>')?);
    let path = path.strip_prefix(root).ok().filter(|path| root.join(path).is_file())?;
    Some(path.to_owned())
}

/// Runs strace to its end. Returns what the program opened, and its outcome.
#[track_caller]
pub(crate) fn run(run: Invocation<'_>, file: &Path) -> (String, Outcome) {
    let outcome = run.deadline(5 * DEADLINE).run();
    (String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned(), outcome)
}
