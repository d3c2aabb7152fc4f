//! Unpacks an archive that was checked before.

use std::fs;
use std::io::{self, Cursor};
use std::path::{Component, Path};

use zip::ZipArchive;

/// The folders that a server and its clients don't need: those that serve to compile programs against PostgreSQL.
const UNUSED: [&str; 2] = ["include", "pgxs"];

/// Unpacks to a new folder. Everybody may read the files, because PostgreSQL may run as another account than this one.
///
/// # Errors
/// A file can't be written. The folder is incomplete then.
pub(crate) fn unpack(bytes: Vec<u8>, to: &Path) -> io::Result<()> {
    match fs::remove_dir_all(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    make_dir(to)?;
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
            make_dirs(to, &path)?;
            continue;
        }
        make_dirs(to, path.parent().unwrap_or(to))?;
        let runs = entry.unix_mode().is_some_and(|mode| mode & 0o100 != 0);
        io::copy(&mut entry, &mut fs::File::create_new(&path)?)?;
        set_mode(&path, if runs { 0o755 } else { 0o644 })?;
    }
    Ok(())
}

fn is_unused(name: &Path) -> bool {
    name.extension().is_some_and(|extension| extension == "a")
        || name
            .components()
            .any(|part| matches!(part, Component::Normal(name) if UNUSED.iter().any(|unused| name == *unused)))
}

fn make_dirs(top: &Path, folder: &Path) -> io::Result<()> {
    if folder == top || folder.is_dir() {
        return Ok(());
    }
    make_dirs(top, folder.parent().unwrap_or(top))?;
    make_dir(folder)
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
