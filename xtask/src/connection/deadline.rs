//! The time in which a server must answer. A server that is paused, and a network that swallows everything, send nothing
//! and close nothing, so without a deadline a run would wait for ever.

use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::Result;

use crate::database_url::Address;
use crate::problem::Problem;

/// The shortest and the longest deadline, whatever the user's patience is. A busy server may need a few seconds.
const LIMITS: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(60);

/// How long one answer may take for a user of this patience.
pub(crate) fn for_an_answer(patience: Duration) -> Duration {
    patience.clamp(*LIMITS.start(), *LIMITS.end())
}

/// What is known of the migrations of a run whose connection is lost.
pub(crate) const STATE: &str = "A migration in one transaction is applied together with its row in the history, or not at \
                                all. Any other has its row, as not finished, before it begins. The next run finds out.";

/// Does work that waits for one or a few answers of a server, which must be there within `limit`.
///
/// # Errors
/// The errors of the work, the connection is lost, or the server is silent.
pub(crate) async fn within<T, E: Into<anyhow::Error>>(
    limit: Duration,
    address: &Address,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result.map_err(|error| if_lost(address, error.into())),
        Err(_) => Err(silent(address, limit).into()),
    }
}

/// The problem of a server that doesn't answer.
pub(crate) fn silent(address: &Address, limit: Duration) -> Problem {
    Problem::unavailable(format!(
        "The server at {address} stopped answering: it sent nothing for {} s.",
        limit.as_secs()
    ))
    .detail(STATE)
    .remedy("See whether the server is paused or overloaded, and whether the network reaches it.")
    .remedy("When it answers again: cargo xtask db-setup")
}

/// Explains an error if its cause is that the connection is lost, whatever the work was. Returns any other as it is.
pub(crate) fn if_lost(address: &Address, error: anyhow::Error) -> anyhow::Error {
    let is_lost = error.chain().any(|cause| match cause.downcast_ref() {
        Some(sqlx::Error::Io(_) | sqlx::Error::Protocol(_)) => true,
        // The server ends the session: class 57P of its codes.
        Some(sqlx::Error::Database(error)) => error.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    });
    if !is_lost {
        return error;
    }
    let cause = error.root_cause();
    Problem::unavailable(format!("The connection to the server at {address} was lost: {cause}."))
        .detail(STATE)
        .remedy("See whether the server runs, and whether the network reaches it.")
        .remedy("When it answers again: cargo xtask db-setup")
        .into()
}
