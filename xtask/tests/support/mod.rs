//! Helpers that the tests share: private servers, temporary checkouts, and runs of the program with a deadline.
//!
//! No helper waits for a fixed time. Each one polls a condition until it holds or its deadline passes. Everything that
//! a test starts is stopped and deleted when the test ends, even if the test is killed (see [`reaper`]).

// Each test binary uses only a part of this module.
#![allow(dead_code, unused_imports, unused_macros)]

pub(crate) mod cleanup;
pub(crate) mod docker;
pub(crate) mod event_schema;
pub(crate) mod fixture;
pub(crate) mod listener;
pub(crate) mod pipeline;
pub(crate) mod process;
pub(crate) mod reaper;
pub(crate) mod recording;
pub(crate) mod run;
pub(crate) mod server;
pub(crate) mod snapshot;
pub(crate) mod sql;
pub(crate) mod stand_in_cargo;
pub(crate) mod stand_in_docker;
pub(crate) mod template;
pub(crate) mod temporary;
pub(crate) mod trace;
pub(crate) mod wire;
pub(crate) mod workspace;

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub(crate) use pipeline::Pipeline;
pub(crate) use run::{Outcome, Running};
pub(crate) use server::Server;
pub(crate) use stand_in_cargo::StandInCargo;
pub(crate) use workspace::Workspace;

/// A time that is long enough for everything that ends at all, even on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// Skips a test because this machine lacks something that the test needs. If `XTASK_NO_SKIP` is set, the test fails.
macro_rules! skip {
    ($($why:tt)*) => {{
        let why = format!($($why)*);
        let may_skip = std::env::var_os("XTASK_NO_SKIP").is_none();
        assert!(may_skip, "XTASK_NO_SKIP is set, so this test may not be skipped: {why}");
        println!("skipped: {why}");
        return;
    }};
}
pub(crate) use skip;

/// Polls `condition` until it returns a value. Fails if that takes longer than `deadline`.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        let waited = start.elapsed();
        assert!(waited < deadline, "this did not happen within {deadline:?}: {what}");
        // Each poll costs something, for example a login. The longer the wait, the longer the pause between two polls.
        std::thread::sleep((waited / 10).clamp(Duration::from_millis(2), Duration::from_millis(50)));
    }
}

/// Returns a port of the loopback interface that nothing listens on at the moment.
///
/// The port is not in the range from which the system chooses ports for connections and for other tests. A port of that
/// range would sometimes be taken between its choice and its use. Each process begins at a different port.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let choose = || {
        let number = std::process::id().wrapping_mul(41).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        u16::try_from(20_000 + number % 12_000).ok()
    };
    std::iter::repeat_with(choose).flatten().find(is_free).unwrap()
}

/// Returns whether the tests run as root. Root can become other users, but PostgreSQL refuses to run as root.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Starts a server and makes a checkout whose URLs point to it. The role in the URLs may create databases.
pub(crate) fn server_and_workspace() -> (Server, Workspace) {
    let server = Server::start();
    let workspace = Workspace::generic().build();
    workspace.point_at(&server);
    (server, workspace)
}

/// Starts a server and makes a checkout, in the state after the first `db-setup`: both databases exist, and `.env`.
pub(crate) fn set_up() -> (Server, Workspace) {
    template::SET_UP.start()
}

/// Returns the permission bits of a file.
pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Sets the permission bits of a file.
pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
