//! Finds the files of a run, and the processes that work with them.

use std::fs;
use std::path::Path;

use nix::unistd::Pid;

/// The content of a folder for temporary files, and the processes that work with it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Left {
    pub(crate) files: Vec<String>,
    /// The command lines of the processes.
    pub(crate) processes: Vec<String>,
}

impl Left {
    pub(crate) fn of(folder: &Path) -> Self {
        let files = fs::read_dir(folder).unwrap().flatten();
        Self {
            files: files.map(|file| file.file_name().to_string_lossy().into_owned()).collect(),
            processes: processes(folder).into_iter().map(|(_, line)| line).collect(),
        }
    }
}

/// Finds the processes that work in a folder, or that have it on their command line or in their environment. Returns
/// them with their command lines. A process that has ended doesn't count, even if its parent hasn't waited for it yet.
pub(crate) fn processes(folder: &Path) -> Vec<(Pid, String)> {
    let name = folder.to_string_lossy();
    let text =
        |path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " ")).unwrap_or_default();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let ids = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|id: &u32| *id != std::process::id());
    ids.filter_map(|id| {
        let process = Path::new("/proc").join(id.to_string());
        let line = text(process.join("cmdline"));
        let works_there = fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
        let concerned = works_there || line.contains(&*name) || text(process.join("environ")).contains(&*name);
        (concerned && !line.is_empty()).then(|| Some((Pid::from_raw(i32::try_from(id).ok()?), line)))?
    })
    .collect()
}
