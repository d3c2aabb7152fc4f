//! What the pipeline finds on this machine.

/// Whether cargo has a subcommand.
pub(crate) fn has_cargo(subcommand: &str) -> bool {
    has(&format!("cargo-{subcommand}"))
}

/// Whether a program is on PATH.
pub(crate) fn has(program: &str) -> bool {
    which::which(program).is_ok()
}
