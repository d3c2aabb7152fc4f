//! The reasons why a text can't be used as a database's URL.

use std::error::Error;
use std::fmt;

/// A reason why a text can't be used as a database's URL.
///
/// Its text is the rest of a sentence that begins with the variable's name, without the full stop. The password may
/// stand anywhere in the URL, so the text quotes nothing of the URL but SQLAlchemy's scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// The text doesn't begin with `postgres://`.
    NotPostgres,
    /// The URL begins with this scheme, which only SQLAlchemy knows.
    SqlAlchemy(String),
    /// A character of the password ends the part with user and host too early.
    CutShort,
    /// The text isn't a URL.
    Malformed(url::ParseError),
    /// A decoded part of the URL isn't UTF-8.
    NotUtf8,
    /// One of the URL's options has a value that doesn't exist.
    WrongOption,
    /// The URL names no user.
    NoUser,
    /// The URL names no host.
    NoHost,
    /// The host is an IP address in brackets, which sqlx doesn't reach with tokio (`sqlx-core/src/net/socket/mod.rs`).
    Brackets,
    /// The URL names no database.
    NoDatabase,
    /// The text in the database's place can't be a name.
    NotAName,
    /// The URL names a database that PostgreSQL keeps for itself.
    PostgresOwn,
    /// The URL asks for TLS.
    Tls,
    /// The URL says nothing about TLS, and the environment asks for it.
    TlsFromEnvironment,
    /// The environment has settings for every session.
    SessionsFromEnvironment,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPostgres => "is not a PostgreSQL URL: it must begin with `postgres://`",
            Self::SqlAlchemy(scheme) => {
                return write!(
                    f,
                    "is in SQLAlchemy's form: write `postgres://` where it says `{scheme}://`, and keep the rest"
                );
            }
            Self::CutShort => {
                "has a special character that is not percent-encoded, probably in the password: write `/` as %2F, `#` as \
                 %23, `?` as %3F and `@` as %40"
            }
            Self::Malformed(error) => {
                return write!(
                    f,
                    "is not a valid URL ({error}): it must look like `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with \
                     the special characters of the password percent-encoded"
                );
            }
            Self::NotUtf8 => "has a percent-encoded character that is not valid UTF-8: write `%` itself as %25",
            Self::WrongOption => {
                "has an option after the `?` whose value the PostgreSQL driver doesn't understand: look at sslmode, port, \
                 hostaddr and statement-cache-capacity"
            }
            Self::NoUser => "names no user: it must begin with `postgres://USER:PASSWORD@`",
            Self::NoHost => {
                "names no host: write `localhost` for this machine, or the folder of a Unix socket with %2F for each `/`"
            }
            Self::Brackets => {
                "names an IPv6 address in brackets, which the PostgreSQL driver can't reach: write `localhost`, and if \
                 it has to be IPv6, put `?host=::1` after the database's name"
            }
            Self::NoDatabase => "names no database: it must end in `/` and the database's name",
            Self::NotAName => {
                "has an unencoded `/` or `:` in the database's name: write `/` as %2F and `:` as %3A, and the port after \
                 the host"
            }
            Self::PostgresOwn => {
                "names one of PostgreSQL's own databases (postgres, template0 and template1): name another database"
            }
            Self::Tls => {
                "asks for TLS with `sslmode`, and TLS is not compiled in: write `sslmode=disable` if the server may be \
                 reached without encryption"
            }
            Self::TlsFromEnvironment => {
                "says nothing about TLS while PGSSLMODE in the environment asks for it, and TLS is not compiled in: write \
                 `?sslmode=disable` after the database's name if the server may be reached without encryption"
            }
            Self::SessionsFromEnvironment => {
                "can't be used while PGOPTIONS is set in the environment, because the PostgreSQL driver gives its settings to \
                 every session: unset PGOPTIONS, or write the settings into the URL with `?options=`"
            }
        })
    }
}

impl Error for UrlError {}
