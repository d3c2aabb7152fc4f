//! Cleaning up that happens even when the test is killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::process::{self, wait_or_kill};
use super::{DEADLINE, is_root, set_mode, temporary};

/// A shell that waits until its standard input closes, which happens when this value is dropped and also when this
/// process dies of whatever signal, and then runs its last commands.
pub(crate) struct Reaper {
    shell: Child,
}

impl Reaper {
    /// `start` is run at once, `finish` at the end. Both see `arguments` as `$1`, `$2` and so on.
    pub(crate) fn spawn(command: &mut Command, start: &str, finish: &str, arguments: &[&Path]) -> Self {
        use std::os::unix::process::CommandExt;
        let script = format!("{start}\nread -r _\n{finish}");
        let shell = command
            .args(["-c", &script, "reaper"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Not in the group of the test, which a test runner signals when it takes too long.
            .process_group(0)
            .spawn()
            .unwrap();
        Self { shell }
    }

    /// Whether it still waits. One that has ended on its own has failed at its start.
    pub(crate) fn waits(&mut self) -> bool {
        self.shell.try_wait().unwrap().is_none()
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        wait_or_kill(&mut self.shell, DEADLINE);
    }
}

/// A temporary folder that every user can pass through, deleted by a [`Reaper`].
pub(crate) struct Folder {
    path: PathBuf,
    reaper: Reaper,
}

impl Folder {
    /// `finish` is run before the folder, its `$1`, is deleted.
    pub(crate) fn new(prefix: &str, finish: &str) -> Self {
        let path = temporary::folder(prefix).keep();
        set_mode(&path, 0o755);
        // What was just killed may still write its last file.
        let delete = "for _ in 1 2 3 4 5; do chmod -R u+rwX \"$1\"; rm -rf \"$1\" && break; sleep 0.2; done";
        let finish = format!("{finish}\n{delete}");
        let reaper = Reaper::spawn(Command::new("/bin/sh").current_dir("/"), "", &finish, &[&path]);
        Self { path, reaper }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// A command that runs as `postgres` (or `nobody`) when the tests run as root, since PostgreSQL refuses root.
pub(crate) fn as_server_user(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if is_root() {
        process::become_user(&mut command, &server_user());
    }
    command
}

/// The user that a server may run as when root starts it.
pub(crate) fn server_user() -> nix::unistd::User {
    ["postgres", "nobody"].into_iter().find_map(process::user).unwrap()
}
