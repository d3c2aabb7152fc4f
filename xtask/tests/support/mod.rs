//! What the tests have in common: private servers, temporary checkouts, runs of the program with a deadline.
//!
//! Nothing here waits for a length of time: a condition is polled until it holds or its deadline passes. All that a
//! test starts is stopped and deleted when it ends, and also when it is killed (see [`reaper`]).

// Each test binary uses its part of this module.
#![allow(dead_code, unused_imports, unused_macros)]

pub(crate) mod docker;
pub(crate) mod fixture;
pub(crate) mod listener;
pub(crate) mod pipeline;
pub(crate) mod process;
pub(crate) mod reaper;
pub(crate) mod run;
pub(crate) mod server;
pub(crate) mod snapshot;
pub(crate) mod sql;
pub(crate) mod temporary;
pub(crate) mod workspace;

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub(crate) use pipeline::Pipeline;
pub(crate) use run::{Outcome, Running};
pub(crate) use server::Server;
pub(crate) use workspace::Workspace;

/// Long enough for everything that ends at all, on a busy machine too.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// Ends a test that needs what this machine lacks; with `XTASK_NO_SKIP` set, fails it.
macro_rules! skip {
    ($($why:tt)*) => {{
        let why = format!($($why)*);
        assert!(std::env::var_os("XTASK_NO_SKIP").is_none(), "may not be skipped: {why}");
        println!("skipped: {why}");
        return;
    }};
}
pub(crate) use skip;

/// Polls `condition` until it gives a value; fails when that takes longer than `deadline`.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        let waited = start.elapsed();
        assert!(waited < deadline, "not within {deadline:?}: {what}");
        // To ask costs something, a login for instance: the longer it takes anyway, the seldomer.
        std::thread::sleep((waited / 10).clamp(Duration::from_millis(2), Duration::from_millis(50)));
    }
}

/// A port of the loopback interface that nothing listens on at the moment.
///
/// Not one that the system hands out by itself, to a connection or to another test: between its choice and its use it
/// would be taken now and then. Each process has a row of its own to choose from.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let choose = || {
        let number = std::process::id().wrapping_mul(41).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        u16::try_from(20_000 + number % 12_000).ok()
    };
    std::iter::repeat_with(choose).flatten().find(is_free).unwrap()
}

/// Whether the tests run as root, who can become other users and whom PostgreSQL refuses.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A server, and a checkout whose URLs lead to it with a role that may create databases.
pub(crate) fn server_and_workspace() -> (Server, Workspace) {
    let server = Server::start();
    let workspace = Workspace::generic().build();
    workspace.point_at(&server);
    (server, workspace)
}

/// The permission bits of a file.
pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Sets the permission bits of a file.
pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
