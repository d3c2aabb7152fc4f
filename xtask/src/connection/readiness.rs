//! The check that a server is ready: a TCP connection, a login and a SELECT. It is the same for every provider.
//!
//! There are two kinds of "no". After "not yet" (starting up, refused, reset, cut), the server is asked again every few
//! milliseconds until a deadline. "Never" (a refused login, a server that isn't PostgreSQL, a child that ended) ends
//! the wait at once.

use std::fmt;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::database_url::Address;
use crate::problem::{Code, Problem};

/// How long one attempt may take at most. A listener that accepts and stays silent is not PostgreSQL.
const ATTEMPT: Duration = Duration::from_secs(4);

/// After this time without an answer, it is asked whether a web server listens. PostgreSQL answers much sooner.
const SILENCE: Duration = Duration::from_millis(700);

pub(crate) const WEB_SERVER: &str = "a web server listens there, and not PostgreSQL";

/// The pause between two attempts.
const POLL: std::ops::RangeInclusive<Duration> = Duration::from_millis(2)..=Duration::from_millis(12);

/// The result of an attempt.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The server is ready. The text is its version, such as `15.18`.
    Ready(String),
    /// The server accepts the login, but the database doesn't exist.
    NoDatabase,
    /// Nothing listens at the address.
    Nothing(String),
    /// The server is starting up, or the connection was cut.
    NotYet(String),
    /// The server is PostgreSQL, but it refuses this login.
    Refused(String),
    /// The server is PostgreSQL, but it can't be used.
    Never(String),
    /// What listens at the address isn't PostgreSQL, or doesn't answer.
    Stranger(String),
}

impl fmt::Display for Answer {
    /// Writes the end of a sentence about the server, without a capital letter and without a full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(version) => write!(f, "PostgreSQL {version} is ready"),
            Self::NoDatabase => f.write_str("the database doesn't exist"),
            Self::Nothing(said)
            | Self::NotYet(said)
            | Self::Refused(said)
            | Self::Never(said)
            | Self::Stranger(said) => f.write_str(said),
        }
    }
}

/// The command that shows which program listens at an address.
pub(crate) fn who_listens(address: &Address) -> String {
    let port = address.port;
    if !address.is_loopback() {
        return format!("See whether {} is the right host, and whether the network reaches it.", address.host);
    }
    let command = if cfg!(target_os = "linux") {
        format!("ss --listening --tcp --processes 'sport = :{port}'")
    } else {
        format!("lsof -nP -iTCP:{port} -sTCP:LISTEN")
    };
    format!("See which program listens there: {command}")
}

/// Asks once: logs in and runs a SELECT.
pub(crate) async fn ask(options: PgConnectOptions) -> Answer {
    ask_within(ATTEMPT, options).await
}

/// Asks once, like [`ask`]. A user who is less patient than this program waits only as long as `patience` for something
/// silent.
pub(crate) async fn ask_within(patience: Duration, options: PgConnectOptions) -> Answer {
    let mut connection = match connect_within(patience, options).await {
        Ok(connection) => connection,
        Err(answer) => return answer,
    };
    match tokio::time::timeout(ATTEMPT, version(&mut connection)).await {
        Ok(Ok(version)) => {
            drop(connection.close().await);
            Answer::Ready(version)
        }
        Ok(Err(error)) => classify(&error),
        Err(_) => Answer::NotYet("the login succeeded, but the SELECT wasn't answered".into()),
    }
}

/// Logs in, or returns the answer that it got instead.
pub(crate) async fn connect(options: PgConnectOptions) -> Result<PgConnection, Answer> {
    connect_within(ATTEMPT, options).await
}

/// Logs in, like [`connect`], within `patience`.
pub(crate) async fn connect_within(patience: Duration, options: PgConnectOptions) -> Result<PgConnection, Answer> {
    let limit = ATTEMPT.min(patience);
    let mut login = xtask_connect::connect(options.clone());
    let mut ended = tokio::time::timeout(limit.min(SILENCE), &mut login).await;
    if ended.is_err() {
        if is_web_server(&options).await {
            return Err(Answer::Stranger(WEB_SERVER.into()));
        }
        ended = tokio::time::timeout(limit.saturating_sub(SILENCE), login).await;
    }
    match ended {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(classify(&error)),
        Err(_) => {
            let seconds = limit.as_secs();
            let why = format!(
                "something accepts connections but sends nothing for {seconds} s, so it isn't PostgreSQL, or it is paused"
            );
            Err(Answer::Stranger(why))
        }
    }
}

/// Returns whether the program at this address answers as a web server does. Such a program waits for more words than
/// PostgreSQL's protocol has, so a login there never ends.
pub(crate) async fn is_web_server(options: &PgConnectOptions) -> bool {
    let host = options.get_host().trim_matches(['[', ']']);
    let ask = async {
        let mut stream = TcpStream::connect((host, options.get_port())).await?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await?;
        std::io::Result::Ok(answer == *b"HTTP/")
    };
    options.get_socket().is_none() && matches!(tokio::time::timeout(SILENCE, ask).await, Ok(Ok(true)))
}

/// The server's version, such as `15.18`.
async fn version(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    let row =
        sqlx::raw_sql("SELECT split_part(current_setting('server_version'), ' ', 1)").fetch_one(connection).await?;
    row.try_get(0)
}

/// Turns an error of a connection into an answer.
fn classify(error: &sqlx::Error) -> Answer {
    match error {
        sqlx::Error::Io(io) => match io.kind() {
            ErrorKind::ConnectionRefused => Answer::Nothing("nothing listens there".into()),
            ErrorKind::NotFound => Answer::Nothing("the socket doesn't exist".into()),
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => Answer::NotYet("the connection was cut".into()),
            _ => Answer::Stranger(format!("{io}")),
        },
        sqlx::Error::Database(database) => {
            let message = database.message().to_owned();
            match database.code().as_deref() {
                Some("57P03") => Answer::NotYet(message),
                Some("53300") => Answer::NotYet(message),
                Some("3D000") => Answer::NoDatabase,
                // PgBouncer passes the server's message on, but not its code.
                Some("08P01") if message.starts_with("database ") && message.ends_with(" does not exist") => {
                    Answer::NoDatabase
                }
                Some("28P01" | "28000") => Answer::Refused(message),
                // sqlx sends a parameter that PgBouncer refuses unless its settings say otherwise.
                Some("08P01") if message.contains("unsupported startup parameter") => Answer::Never(format!(
                    "a connection pooler answers there, which refuses to pass this program on ({message})"
                )),
                _ => Answer::Never(message),
            }
        }
        // For example "unknown message type": the answer doesn't follow PostgreSQL's protocol.
        sqlx::Error::Protocol(_) => Answer::Stranger("the program that answers there isn't PostgreSQL".into()),
        error => Answer::Never(error.to_string()),
    }
}

/// Asks until the server is ready, or until it is clear that it will never be ready.
///
/// `alive` is called between attempts. It fails if there is no reason to wait any longer, for example because the
/// server's process ended.
///
/// # Errors
/// `alive` fails, or the deadline passes. The [`Problem`] then holds the last answer. It has no remedies, because only
/// the provider knows them.
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
            return Err(Problem::unavailable(
                Code::ServerNotReady,
                format!("PostgreSQL wasn't ready in time. The last attempt ended with: {last}."),
            )
            .into());
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(*POLL.end());
    }
}
