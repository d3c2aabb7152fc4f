//! Opens PostgreSQL connections quickly in debug builds.
//!
//! The body of an `async fn` is compiled by the crate that polls it, with that crate's optimisation level. A
//! SCRAM login computes 4096 rounds of HMAC-SHA-256 in such a body (`sqlx-postgres/src/connection/sasl.rs`):
//! 12 ms in an unoptimised build, 4 ms here, since the workspace's `Cargo.toml` optimises this one small
//! package. Boxing the future makes sure that it is compiled here and not in the caller. The login yields to the
//! runtime 820 times; in a task of its own that doesn't wake everything that waits for it.

use std::pin::Pin;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Error};

/// Connects and logs in, on the current runtime.
///
/// # Errors
/// Whatever sqlx reports: the connection refused or cut, the login refused, the database missing.
pub fn connect(options: PgConnectOptions) -> Pin<Box<dyn Future<Output = Result<PgConnection, Error>> + Send>> {
    Box::pin(async move {
        let task = tokio::spawn(async move { options.connect().await });
        task.await.unwrap_or(Err(Error::WorkerCrashed))
    })
}
