//! Unpacks an archive that was checked before, down to the disk.

use std::fs;
use std::io::{self, Cursor};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use zip::ZipArchive;

/// The folders that a server and its clients don't need: those that serve to compile programs against PostgreSQL.
const UNUSED: [&str; 2] = ["include", "pgxs"];

/// The number of files that are flushed to the disk at the same time. The disk writes them together, so a thousand files take
/// a third of a second in place of two or three seconds.
const FLUSHES: usize = 16;

/// Unpacks to a new folder. Everybody may read the files, because PostgreSQL may run as another account than this one.
///
/// All of it is on the disk when this returns. Without that, a power cut could leave files that are empty in a folder that
/// looks complete.
///
/// # Errors
/// A file can't be written. The folder is incomplete then.
pub(crate) fn unpack(bytes: Vec<u8>, to: &Path) -> io::Result<()> {
    match fs::remove_dir_all(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    make_dir(to)?;
    let (mut files, mut folders) = (Vec::new(), vec![to.to_owned()]);
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(io::Error::other)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(io::Error::other)?;
        // A name that leads out of the folder would be an attack. So would a link.
        let Some(name) = entry.enclosed_name().filter(|_| !entry.is_symlink()) else {
            return Err(io::Error::other("the archive has an entry that leads out of its folder"));
        };
        if is_unused(&name) {
            continue;
        }
        let path = to.join(name);
        if entry.is_dir() {
            make_dirs(&path, &mut folders)?;
            continue;
        }
        make_dirs(path.parent().unwrap_or(to), &mut folders)?;
        let runs = entry.unix_mode().is_some_and(|mode| mode & 0o100 != 0);
        io::copy(&mut entry, &mut fs::File::create_new(&path)?)?;
        set_mode(&path, if runs { 0o755 } else { 0o644 })?;
        files.push(path);
    }
    flush(&files)?;
    folders.iter().try_for_each(|folder| flush_folder(folder))
}

/// Waits until the contents of files are on the disk.
fn flush(files: &[PathBuf]) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            // Windows flushes only a file that is open for writing.
            fs::OpenOptions::new().write(true).open(file)?.sync_all()?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..FLUSHES).map(|_| scope.spawn(work)).collect();
        let ended = |thread: std::thread::ScopedJoinHandle<'_, io::Result<()>>| {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread that flushes files died")))
        };
        threads.into_iter().try_for_each(ended)
    })
}

/// Waits until the names in a folder are on the disk.
#[cfg(unix)]
pub(crate) fn flush_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// Windows has no such call.
#[cfg(not(unix))]
pub(crate) fn flush_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

fn is_unused(name: &Path) -> bool {
    name.extension().is_some_and(|extension| extension == "a")
        || name
            .components()
            .any(|part| matches!(part, Component::Normal(name) if UNUSED.iter().any(|unused| name == *unused)))
}

/// Makes a folder with those above it, up to one that `made` has, and adds them there.
fn make_dirs(folder: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    if made.iter().any(|made| made == folder) {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_dirs(above, made)?;
    }
    make_dir(folder)?;
    made.push(folder.to_owned());
    Ok(())
}

/// Makes a folder with a mode that doesn't depend on the user's umask.
fn make_dir(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)?;
    set_mode(folder, 0o755)
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}
