//! Whether a server is ready: a TCP connection, a login and a SELECT, the same for every provider.
//!
//! Two kinds of "no" are told apart. "Not yet" (starting up, refused, reset, cut) is asked again until a
//! deadline, in milliseconds; "never" (a refused login, a server that isn't PostgreSQL, a child that ended) ends
//! the wait at once.

use std::fmt;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Row};

use crate::problem::Problem;

/// How long one attempt may take. A listener that accepts and stays silent is not PostgreSQL.
const ATTEMPT: Duration = Duration::from_secs(4);

/// How often it is asked.
const POLL: std::ops::RangeInclusive<Duration> = Duration::from_millis(2)..=Duration::from_millis(12);

/// What an attempt came to.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Logged in and answered: its version, such as `15.18`.
    Ready(String),
    /// The login is good; the database isn't there.
    NoDatabase,
    /// Nothing listens.
    Nothing(String),
    /// Not yet: starting up, or the connection was cut.
    NotYet(String),
    /// PostgreSQL, but it refuses this login.
    Refused(String),
    /// Something else, or a server that can't be used.
    Never(String),
}

impl fmt::Display for Answer {
    /// As the end of a sentence that says what the server can't be used for: without a capital and without a full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(version) => write!(f, "PostgreSQL {version} is ready"),
            Self::NoDatabase => f.write_str("the database isn't there"),
            Self::Nothing(said) | Self::NotYet(said) | Self::Refused(said) | Self::Never(said) => f.write_str(said),
        }
    }
}

/// Asks once: logs in and has a SELECT answered.
pub(crate) async fn ask(options: PgConnectOptions) -> Answer {
    let mut connection = match connect(options).await {
        Ok(connection) => connection,
        Err(answer) => return answer,
    };
    match tokio::time::timeout(ATTEMPT, version(&mut connection)).await {
        Ok(Ok(version)) => {
            drop(connection.close().await);
            Answer::Ready(version)
        }
        Ok(Err(error)) => classify(&error),
        Err(_) => Answer::NotYet("it logs in and doesn't answer".into()),
    }
}

/// Logs in, or says what was heard instead.
pub(crate) async fn connect(options: PgConnectOptions) -> Result<PgConnection, Answer> {
    match tokio::time::timeout(ATTEMPT, xtask_connect::connect(options)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(classify(&error)),
        Err(_) => {
            let seconds = ATTEMPT.as_secs();
            let why = format!("something accepts connections, but says nothing for {seconds} s: not PostgreSQL");
            Err(Answer::Never(why))
        }
    }
}

/// The server's version, such as `15.18`.
async fn version(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    let row =
        sqlx::raw_sql("SELECT split_part(current_setting('server_version'), ' ', 1)").fetch_one(connection).await?;
    row.try_get(0)
}

/// What an error of a connection says about the server.
fn classify(error: &sqlx::Error) -> Answer {
    match error {
        sqlx::Error::Io(io) => match io.kind() {
            ErrorKind::ConnectionRefused => Answer::Nothing("nothing listens there".into()),
            ErrorKind::NotFound => Answer::Nothing("there is no such socket".into()),
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => Answer::NotYet("the connection was cut".into()),
            _ => Answer::Never(format!("{io}")),
        },
        sqlx::Error::Database(database) => {
            let message = database.message().to_owned();
            match database.code().as_deref() {
                Some("57P03") => Answer::NotYet(message),
                Some("53300") => Answer::NotYet(message),
                Some("3D000") => Answer::NoDatabase,
                Some("28P01" | "28000") => Answer::Refused(message),
                _ => Answer::Never(message),
            }
        }
        // "unknown message type" and the like: what came back is not PostgreSQL's protocol.
        sqlx::Error::Protocol(_) => Answer::Never("what answers there isn't PostgreSQL".into()),
        error => Answer::Never(error.to_string()),
    }
}

/// Asks until the server is ready or will never be.
///
/// `alive` is called between attempts and fails when waiting has no sense any more, for instance because the
/// server's process ended. The last thing heard is in the error when the deadline passes.
///
/// # Errors
/// As said, as a [`Problem`] without remedies: the provider knows those.
pub(crate) async fn wait(
    options: &PgConnectOptions,
    deadline: Instant,
    mut alive: impl AsyncFnMut() -> Result<()>,
) -> Result<Answer> {
    let mut pause = *POLL.start();
    loop {
        let last = match ask(options.clone()).await {
            Answer::Nothing(reason) | Answer::NotYet(reason) => reason,
            answer => return Ok(answer),
        };
        alive().await?;
        if Instant::now() >= deadline {
            return Err(Problem::unavailable(format!(
                "PostgreSQL wasn't ready in time; the last that was heard: {last}."
            ))
            .into());
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(*POLL.end());
    }
}
