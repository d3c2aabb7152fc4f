//! Opens PostgreSQL connections quickly in debug builds.
//!
//! A SCRAM login computes 4096 rounds of HMAC-SHA-256 in the body of an `async fn`
//! (`sqlx-postgres/src/connection/sasl.rs`), and such a body is compiled by the crate that polls it, with that crate's
//! optimisation level: 12 ms unoptimised, 4 ms here, since the workspace's `Cargo.toml` optimises this one small package.
//!
//! In between it yields 820 times. On the runtime's own thread each of these is a turn of its loop with a system call; on
//! a thread for blocking work it is nothing, and two logins run side by side.

use std::pin::Pin;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Error};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

/// Connects and logs in. The connection belongs to the current runtime.
///
/// Dropped before it is ready, the login goes on in its thread: a runtime that is to end has to be shut down in the
/// background, or it waits for it.
///
/// # Errors
/// Whatever sqlx reports: the connection refused or cut, the login refused, the database missing.
pub fn connect(options: PgConnectOptions) -> Pin<Box<dyn Future<Output = Result<PgConnection, Error>> + Send>> {
    Box::pin(async move {
        let runtime = Handle::current();
        let login = spawn_blocking(move || runtime.block_on(options.connect()));
        login.await.unwrap_or(Err(Error::WorkerCrashed))
    })
}
