//! Where async work is waited for.

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Runtime};

/// One thread is enough: it waits for the servers, which work side by side.
pub(crate) fn new() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("the runtime for connections can't be started")
}

/// Waits for `work`, in a runtime of its own.
pub(crate) fn wait_for<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = new()?;
    let result = runtime.block_on(work);
    // A login that was given up may still wait for its server; it isn't waited for.
    runtime.shutdown_background();
    result
}
