//! Child processes and users.

use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, User};

/// Returns the user of that name, if this machine has one.
pub(crate) fn user(name: &str) -> Option<User> {
    User::from_name(name).unwrap()
}

/// Makes a command run as another user. Only root can do that.
pub(crate) fn become_user(command: &mut Command, user: &User) {
    use std::os::unix::process::CommandExt;
    command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
}

/// Returns the process group that a child leads.
pub(crate) fn group(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

/// Waits for a child that leads a process group. At the deadline it kills the group and returns `None`.
pub(crate) fn wait_or_kill(child: &mut Child, deadline: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if start.elapsed() > deadline {
            let _ = killpg(group(child), Signal::SIGKILL);
            child.wait().unwrap();
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Returns the command lines of all processes, except this one, that have to do with a folder: it stands in their command
/// lines, or they work in it. A run of the tested program has the folder nowhere in its command line.
pub(crate) fn in_folder(folder: &str) -> Vec<String> {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let own = std::process::id().to_string();
    processes
        .flatten()
        .filter(|process| process.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|process| process.file_name().to_string_lossy() != own)
        .filter_map(|process| {
            let line = std::fs::read(process.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let works_there =
                || std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
            (line.contains(folder) || works_there()).then_some(line)
        })
        .collect()
}

/// Returns whether a process runs. A process that has ended doesn't run, even if its parent has not waited for it yet.
pub(crate) fn runs(pid: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the name. The name is in parentheses, and may itself contain parentheses.
    let ended = status.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']));
    nix::sys::signal::kill(pid, None).is_ok() && !ended
}
