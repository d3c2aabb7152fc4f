//! What the pipeline finds on this machine.

/// Whether cargo has a subcommand.
pub(crate) fn has_cargo(subcommand: &str) -> bool {
    which::which(format!("cargo-{subcommand}")).is_ok()
}
