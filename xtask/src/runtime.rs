//! The runtime that async work runs on.

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Runtime};

/// Makes a runtime. One thread is enough, because it only waits for the servers, which work at the same time.
pub(crate) fn new() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("the runtime for connections can't be started")
}

/// Runs `work` to its end on a new runtime.
pub(crate) fn wait_for<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = new()?;
    let result = runtime.block_on(work);
    // A login that was given up may still wait for its server. The shutdown doesn't wait for that login.
    runtime.shutdown_background();
    result
}
