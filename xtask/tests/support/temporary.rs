//! Where the tests make their folders.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

/// A new folder whose name begins with `prefix`, deleted when it is dropped.
pub(crate) fn folder(prefix: &str) -> TempDir {
    tempfile::Builder::new().prefix(prefix).tempdir_in(parent()).unwrap()
}

/// In memory where there is room, unless TMPDIR says otherwise.
///
/// A server has a thousand files, a database three hundred more, and the tests make and delete hundreds of both. ext4
/// looks at each inode that was freed within the last minute, and takes none of them, whenever it makes a file
/// (`find_inode_bit` in Linux's fs/ext4/ialloc.c): on a disk that takes nearly half of the tests' time.
fn parent() -> &'static Path {
    static PARENT: OnceLock<PathBuf> = OnceLock::new();
    PARENT.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let chosen = std::env::var_os("TMPDIR").is_some();
        if !chosen && has_room(memory) { memory.to_owned() } else { std::env::temp_dir() }
    })
}

/// Whether programs may be run from a file system that holds what all tests that run at the same time make. In a
/// container, shared memory is often 64 MiB.
#[cfg(target_os = "linux")]
fn has_room(folder: &Path) -> bool {
    use nix::sys::statvfs::{FsFlags, statvfs};
    /// In bytes. Two at a time were seen to have 265 MiB.
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
