//! The time in which a server must answer. A server that is paused, and a network that swallows everything, send nothing
//! and close nothing, so without a deadline a run would wait for ever.

use std::time::Duration;

use anyhow::Result;

use crate::database_url::Address;
use crate::problem::{Code, Exit, Problem};
use crate::target::{LONGEST_ANSWER, Target};

/// The shortest deadline, whatever the user's patience is. A busy server may need a few seconds.
const SHORTEST: Duration = Duration::from_secs(5);

/// How long one answer may take for a user of this patience.
pub(crate) fn for_an_answer(patience: Duration) -> Duration {
    patience.clamp(SHORTEST, LONGEST_ANSWER)
}

/// What is known of the migrations of a run whose connection is lost.
pub(crate) const STATE: &str = "A migration in one transaction is applied together with its row in the history, or not at \
                                all. Any other has its row, as not finished, before it begins. The next run finds out.";

/// What a run does with the databases.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    Migrating,
    /// It changes nothing but its own scratch databases.
    Reading,
    /// It gives databases other names, in one transaction.
    Exchanging,
}

impl Run {
    /// Adds the state of the databases, and what to type when the server answers again.
    pub(crate) fn describe(self, problem: Problem) -> Problem {
        match self {
            Self::Migrating => problem.detail(STATE).remedy("When it answers again: cargo xtask db-setup"),
            Self::Exchanging => problem
                .detail("All databases of that server were exchanged, or none was.")
                .remedy("When the server answers again, see which of them: cargo xtask db-snapshot list"),
            Self::Reading => problem
                .detail("Your databases are as they were. A scratch database may be left, and the next run drops it.")
                .remedy("When the server answers again, run the same command once more."),
        }
    }
}

/// Does work of a migrating run that waits for one or a few answers of a server, which must be there within `limit`.
///
/// # Errors
/// The errors of the work, the connection is lost, or the server is silent.
pub(crate) async fn within<T, E: Into<anyhow::Error>>(
    limit: Duration,
    address: &Address,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T> {
    bounded(limit, address, Run::Migrating, work).await
}

/// Does the same for a run that changes no database but its own scratch databases.
///
/// # Errors
/// The errors of the work, the connection is lost, or the server is silent.
pub(crate) async fn without_changes<T, E: Into<anyhow::Error>>(
    target: &Target<'_>,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T> {
    bounded(target.limit, &target.url.address, Run::Reading, work).await
}

/// Does work that waits for one or a few answers of a server, which must be there within `limit`. `run` says what is known of
/// the databases otherwise.
///
/// # Errors
/// The errors of the work, the connection is lost, or the server is silent.
pub(crate) async fn bounded<T, E: Into<anyhow::Error>>(
    limit: Duration,
    address: &Address,
    run: Run,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result.map_err(|error| if_lost(address, error.into(), run)),
        Err(_) => Err(silent(address, limit, run).into()),
    }
}

/// Returns whether an error says that there is no server, or that it doesn't answer.
pub(crate) fn is_unavailable(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Problem>().is_some_and(|problem| problem.exit == Exit::Unavailable)
}

/// The problem of a server that doesn't answer.
pub(crate) fn silent(address: &Address, limit: Duration, run: Run) -> Problem {
    let seconds = limit.as_secs();
    run.describe(
        Problem::unavailable(
            Code::ServerSilent,
            format!("The server at {address} stopped answering: it sent nothing for {seconds} s."),
        )
        .remedy("See whether the server is paused or overloaded, and whether the network reaches it."),
    )
}

/// Explains an error if its cause is that the connection is lost, whatever the work was. Returns any other as it is.
pub(crate) fn if_lost(address: &Address, error: anyhow::Error, run: Run) -> anyhow::Error {
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
    run.describe(
        Problem::unavailable(
            Code::ConnectionLost,
            format!("The connection to the server at {address} was lost: {cause}."),
        )
        .remedy("See whether the server runs, and whether the network reaches it."),
    )
    .into()
}
