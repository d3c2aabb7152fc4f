//! Opens PostgreSQL connections quickly in debug builds.
//!
//! A SCRAM login computes 4096 rounds of HMAC-SHA-256 in the body of an `async fn`
//! (`sqlx-postgres/src/connection/sasl.rs`). The body of an `async fn` is compiled in the crate that polls it, with
//! that crate's optimisation level. Without optimisation, a login takes 12 ms. Here it takes 4 ms, because the
//! workspace's `Cargo.toml` optimises this small package.
//!
//! The login yields 820 times. On the runtime's own thread, each time is a turn of the runtime's loop with a system
//! call. On a thread for blocking work it costs nothing, and two logins run in parallel.

use std::pin::Pin;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Error};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

/// Connects and logs in. The connection belongs to the current runtime.
///
/// If the future is dropped before it is ready, the login goes on in its thread. The runtime must then be shut down in
/// the background, or its shutdown waits for the login.
///
/// # Errors
/// sqlx's error, if the connection is refused or cut, the login is refused, or the database doesn't exist.
pub fn connect(options: PgConnectOptions) -> Pin<Box<dyn Future<Output = Result<PgConnection, Error>> + Send>> {
    Box::pin(async move {
        let runtime = Handle::current();
        let login = spawn_blocking(move || runtime.block_on(options.connect()));
        login.await.unwrap_or(Err(Error::WorkerCrashed))
    })
}
