//! Who listens on a port of this machine.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::Result;

use super::Finding;
use crate::database_url::Address;
use crate::interrupt::Interrupt;
use crate::process::Child;

/// How long lsof may take.
const LSOF: Duration = Duration::from_secs(10);

/// The state of a socket that listens, in `/proc/net/tcp`.
const LISTENS: &str = "0A";

/// Says who listens at an address.
pub(super) fn look(address: &Address, interrupt: &Interrupt) -> Result<Finding> {
    if !address.is_loopback() || address.is_socket() {
        return Ok(Finding::NotApplicable(format!("{address} is no port of this machine")));
    }
    let (is_taken, programs) = match fs::read_to_string("/proc/net/tcp") {
        Ok(table) => {
            let sockets = sockets(&table, address.port);
            let more = fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
            let sockets: BTreeSet<String> = sockets.into_iter().chain(self::sockets(&more, address.port)).collect();
            (!sockets.is_empty(), programs_of(&sockets))
        }
        Err(_) => {
            let programs = by_lsof(address.port, interrupt)?;
            (!programs.is_empty(), programs)
        }
    };
    let port = address.port;
    Ok(Finding::Well(match (is_taken, programs.is_empty()) {
        (false, _) => format!("{port} is free"),
        (true, false) => format!("{port} is open: {}", programs.join(", ")),
        (true, true) => format!("{port} is open, by a program of another user, which the system doesn't tell"),
    }))
}

/// The numbers of the sockets that listen on a port, from `/proc/net/tcp` (proc_pid_net(5)): the second column is the local
/// address, the fourth the state, the tenth the number of the socket.
fn sockets(table: &str, port: u16) -> Vec<String> {
    let end = format!(":{port:04X}");
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let listens = |columns: &Vec<&str>| columns.len() > 9 && columns[1].ends_with(&end) && columns[3] == LISTENS;
    lines.filter(listens).map(|columns| format!("socket:[{}]", columns[9])).collect()
}

/// The programs that have one of these sockets open, as far as this user may know.
fn programs_of(sockets: &BTreeSet<String>) -> Vec<String> {
    if sockets.is_empty() {
        return Vec::new();
    }
    let has_one = |process: &fs::DirEntry| {
        let files = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(|to| sockets.contains(&*to.to_string_lossy()))
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = processes.filter(|entry| entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()));
    processes
        .filter(has_one)
        .map(|process| {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            // PostgreSQL works in its data folder, which tells whose it is.
            let folder = fs::read_link(process.path().join("cwd")).ok().filter(|_| name.starts_with("postgres"));
            let folder = folder.map_or_else(String::new, |folder| format!(", data in {}", folder.display()));
            format!("{} (process {}{folder})", name.trim(), process.file_name().to_string_lossy())
        })
        .collect()
}

/// Asks lsof, on systems without `/proc`.
fn by_lsof(port: u16, interrupt: &Interrupt) -> Result<Vec<String>> {
    if which::which("lsof").is_err() {
        return Ok(Vec::new());
    }
    let which = format!("-iTCP:{port}");
    let lsof = Child::new("lsof", LSOF).args(["-nP", which.as_str(), "-sTCP:LISTEN", "-Fpc"]);
    let ended = lsof.run(interrupt)?;
    // A line for each fact: p123 and cpostgres.
    let mut process = "";
    let mut programs = Vec::new();
    for line in ended.stdout.lines() {
        match line.split_at_checked(1) {
            Some(("p", number)) => process = number,
            Some(("c", name)) => programs.push(format!("{name} (process {process})")),
            _ => {}
        }
    }
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::sockets;

    #[test]
    fn only_sockets_that_listen_on_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   107        0 19183 1 0 100 0\n   \
            1: 0100007F:1539 00000000:0000 0A 00000000:00000000 00:00000000 00000000   107        0 19184 1 0 100 0\n   \
            2: 0100007F:1538 0100007F:9C40 01 00000000:00000000 00:00000000 00000000   107        0 19185 1 0 20 4\n";
        assert_eq!(sockets(table, 5432), ["socket:[19183]"]);
        assert!(sockets(table, 5434).is_empty());
    }
}
