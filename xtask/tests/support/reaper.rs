//! Cleanup that happens even if the test is killed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::process::{self, wait_or_kill};
use super::{DEADLINE, is_root, set_mode, temporary};

/// The word that tells the shell to end without its last commands.
const NOTHING: &str = "nothing";

/// A shell that waits until its standard input closes, and then runs its last commands. The input closes when this
/// value is dropped, and also when this process dies of any signal.
pub(crate) struct Reaper {
    shell: Child,
}

impl Reaper {
    /// Starts the shell. It runs `start` at once and `finish` at the end. Both see `arguments` as `$1`, `$2` and so on.
    pub(crate) fn spawn(command: &mut Command, start: &str, finish: &str, arguments: &[&Path]) -> Self {
        use std::os::unix::process::CommandExt;
        let script = format!("{start}\nread -r word\n[ \"$word\" = {NOTHING} ] && exit\n{finish}");
        let shell = command
            .args(["-c", &script, "reaper"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A test runner signals the process group of a test that takes too long. The shell must survive that.
            .process_group(0)
            .spawn()
            .unwrap();
        Self { shell }
    }

    /// Returns whether the shell still waits. A shell that has ended by itself failed at its start.
    pub(crate) fn waits(&mut self) -> bool {
        self.shell.try_wait().unwrap().is_none()
    }

    /// Tells the shell that nothing is left to do at the end.
    fn dismiss(&mut self) {
        if let Some(input) = &mut self.shell.stdin {
            // A shell that has ended needs no word.
            let _ = writeln!(input, "{NOTHING}");
        }
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
    unused: bool,
    reaper: Reaper,
}

impl Folder {
    /// Makes the folder. The reaper runs `finish`, with the folder as `$1`, before it deletes the folder.
    pub(crate) fn new(prefix: &str, finish: &str) -> Self {
        let path = temporary::folder(prefix).keep();
        set_mode(&path, 0o755);
        // A process that was just killed may still write its last file.
        let delete = "for _ in 1 2 3 4 5; do rm -rf \"$1\" && break; chmod -R u+rwX \"$1\"; sleep 0.2; done";
        let finish = format!("{finish}\n{delete}");
        let reaper = Reaper::spawn(Command::new("/bin/sh").current_dir("/"), "", &finish, &[&path]);
        Self { path, unused: false, reaper }
    }

    /// Says whether no process uses the folder any more. Then the folder is deleted without the reaper's last commands.
    pub(crate) fn set_unused(&mut self, unused: bool) {
        self.unused = unused;
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // If a file can't be deleted, the reaper tries it in its own way.
        if self.unused && std::fs::remove_dir_all(&self.path).is_ok() {
            self.reaper.dismiss();
        }
    }
}

/// Returns a command that runs as `postgres` (or `nobody`) if the tests run as root, because PostgreSQL refuses root.
pub(crate) fn as_server_user(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if is_root() {
        process::become_user(&mut command, &server_user());
    }
    command
}

/// Returns the user that a server runs as if the tests run as root.
pub(crate) fn server_user() -> nix::unistd::User {
    ["postgres", "nobody"].into_iter().find_map(process::user).unwrap()
}
