//! `cargo xtask ci`: everything that CI runs.

use anyhow::Result;

use super::Context;

/// Returns what may be typed next.
pub(crate) fn run(_context: &Context<'_>) -> Result<Vec<String>> {
    Ok(Vec::new())
}
