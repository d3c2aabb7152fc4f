//! The temporary folders of the tests.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

/// Makes a folder whose name begins with `prefix`. It is deleted when the returned value is dropped.
pub(crate) fn folder(prefix: &str) -> TempDir {
    tempfile::Builder::new().prefix(prefix).tempdir_in(parent()).unwrap()
}

/// Returns the parent of the temporary folders. It is in memory if there is enough room and TMPDIR isn't set.
///
/// A server has a thousand files, and each database has three hundred more. The tests make and delete hundreds of both.
/// Whenever ext4 makes a file, it looks at every inode that was freed within the last minute, and uses none of them
/// (`find_inode_bit` in Linux's fs/ext4/ialloc.c). On a disk, that takes nearly half of the tests' time.
fn parent() -> &'static Path {
    static PARENT: OnceLock<PathBuf> = OnceLock::new();
    PARENT.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let chosen = std::env::var_os("TMPDIR").is_some();
        if !chosen && has_room(memory) { memory.to_owned() } else { std::env::temp_dir() }
    })
}

/// Returns whether a folder's file system allows programs to run and has room for all tests that run at the same time.
/// In a container, shared memory is often only 64 MiB.
#[cfg(target_os = "linux")]
fn has_room(folder: &Path) -> bool {
    use nix::sys::statvfs::{FsFlags, statvfs};
    /// The room for one test, in bytes. Two tests at a time were seen to use 265 MiB.
    const EACH: u64 = 256 << 20;
    let tests = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    statvfs(folder).is_ok_and(|found| {
        !found.flags().contains(FsFlags::ST_NOEXEC) && found.blocks_available() * found.fragment_size() > tests * EACH
    })
}

#[cfg(not(target_os = "linux"))]
fn has_room(_: &Path) -> bool {
    false
}
