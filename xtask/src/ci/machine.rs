//! The programs that the pipeline looks for on this machine, and the machine's cores.

use std::path::Path;

/// Returns whether cargo has a subcommand.
pub(crate) fn has_cargo(subcommand: &str) -> bool {
    has(&format!("cargo-{subcommand}"))
}

/// Returns whether a program is on PATH.
pub(crate) fn has(program: &str) -> bool {
    which::which(program).is_ok()
}

/// Returns how many tests nextest should run at the same time, or `None` if the user has said so.
///
/// Tests with databases wait for their servers a good part of the time. With as many tests as cores, a quarter of the cores
/// was idle on two cores.
pub(crate) fn test_threads(root: &Path) -> Option<usize> {
    let config = std::fs::read_to_string(root.join(".config/nextest.toml")).unwrap_or_default();
    let is_chosen = std::env::var_os("NEXTEST_TEST_THREADS").is_some() || config.contains("test-threads");
    let cores = std::thread::available_parallelism().ok().filter(|_| !is_chosen)?.get();
    Some(cores + cores.div_ceil(2))
}
