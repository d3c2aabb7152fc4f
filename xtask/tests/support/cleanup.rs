//! What a checkout's runs may leave behind, and its removal without the help of the tested program.

use std::path::Path;

use super::{docker, process};

/// Returns the script that runs before a checkout is deleted. `suffix` is the unique part of the checkout's name.
pub(super) fn script(suffix: &str) -> String {
    format!("{SCRIPT}{}", docker::CLEANUP).replace("SUFFIX", suffix)
}

/// Returns whether anything is left for the script: a cluster, a process, or perhaps a container.
pub(super) fn is_needed(base: &Path, suffix: &str) -> bool {
    let outside = || std::fs::read_dir("/var/lib/xtask").into_iter().flatten().flatten();
    let is_reaper = |line: &String| line.split(' ').any(|word| word == "reaper");
    base.join("uses-docker").exists()
        || has_cluster(base)
        || outside().any(|entry| entry.file_name().to_string_lossy().contains(suffix))
        || !process::in_folder(&format!("{}/", base.display())).iter().all(is_reaper)
}

/// Returns whether a folder holds the data of a PostgreSQL server, complete or not.
fn has_cluster(folder: &Path) -> bool {
    std::fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let name = entry.file_name();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => name == "pg_wal" || has_cluster(&entry.path()),
            _ => name == "postmaster.pid",
        }
    })
}

/// The script removes the servers and containers that the checkout's runs started. It signals a server's process only if
/// that process works in the data folder whose file names its pid.
const SCRIPT: &str = r#"
for file in $(find "$1" /var/lib/xtask -name postmaster.pid 2>/dev/null | tr ' ' '?'); do
    for file in $file; do
        # The servers that initdb runs write a minus before their pid. They end on SIGTERM.
        data=$(dirname "$file"); pid=$(head -n 1 "$file"); signal=INT
        case $pid in -*) pid=${pid#-}; signal=TERM ;; esac
        case $data in "$1"/*|*SUFFIX*) ;; *) continue ;; esac
        [ "$(readlink "/proc/$pid/cwd")" = "$data" ] || continue
        kill -$signal "$pid"
        for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        kill -KILL "$pid" 2>/dev/null
    done
done
# A process that a killed run left behind, such as initdb, would go on making files. The reapers' shells, this one
# included, also have the folder in their command lines. They have the argument "reaper" as well, and are spared.
# A run of the tested program works in the folder, and has it nowhere in its command line.
for process in $(find /proc/[0-9]*/cwd -maxdepth 0 \( -lname "$1" -o -lname "$1/*" \) 2>/dev/null); do
    process=${process%/cwd}; kill -KILL "${process#/proc/}"
done
for process in $(grep -slFe "$1/" /proc/[0-9]*/cmdline); do
    grep -qzx reaper "$process" || { process=${process%/cmdline}; kill -KILL "${process#/proc/}"; }
done
rm -rf /var/lib/xtask/*SUFFIX*
"#;
