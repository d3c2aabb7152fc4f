//! The programs that the pipeline looks for on this machine.

/// Returns whether cargo has a subcommand.
pub(crate) fn has_cargo(subcommand: &str) -> bool {
    has(&format!("cargo-{subcommand}"))
}

/// Returns whether a program is on PATH.
pub(crate) fn has(program: &str) -> bool {
    which::which(program).is_ok()
}
