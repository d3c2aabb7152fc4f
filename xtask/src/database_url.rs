//! A database's URL, taken apart once: where the server is, who logs in, which database.

use std::fmt;

use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::problem::Problem;

/// A URL that sqlx understands. Its `Debug` and `Display` leave the password out.
#[derive(Clone)]
pub(crate) struct DatabaseUrl {
    /// The variable that it comes from.
    pub(crate) variable: String,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) address: Address,
    pub(crate) database: String,
    url: Url,
    options: PgConnectOptions,
}

/// Where a server listens.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name, an IP address, or the folder of a Unix socket.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl DatabaseUrl {
    /// # Errors
    /// It isn't a URL, isn't PostgreSQL's, or names no database. The password is in no message.
    pub(crate) fn parse(variable: &str, text: &str) -> Result<Self, Problem> {
        let wrong = |reason: &str| {
            Problem::failed(format!("{variable} can't be used: {reason}"))
                .remedy(format!("{variable}=postgres://USER:PASSWORD@localhost:5432/DATABASE"))
        };
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        if let Some((dialect, driver)) = scheme.split_once('+') {
            return Err(wrong(&format!(
                "\"{dialect}+{driver}://\" is how SQLAlchemy writes it. Write \"postgres://\" in its place and leave \
                 the rest as it is."
            )));
        }
        let url = Url::parse(text).map_err(|error| {
            wrong(&format!(
                "it isn't a URL: {error}. A character such as @, /, :, # or % in the password has to be written as %40, \
                 %2F, %3A, %23 or %25."
            ))
        })?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(wrong(&format!(
                "\"{}://\" isn't PostgreSQL; it has to begin with \"postgres://\".",
                url.scheme()
            )));
        }
        // sqlx's own words would show what stands in the URL.
        let unreadable = |_| wrong("one of its options, after the \"?\", can't be read.");
        let options: PgConnectOptions = text.parse().map_err(unreadable)?;
        let database = options.get_database().unwrap_or_default().to_owned();
        if database.is_empty() {
            return Err(wrong("it names no database."));
        }
        if matches!(database.as_str(), "postgres" | "template0" | "template1") {
            return Err(wrong(&format!("\"{database}\" is a database of PostgreSQL's own; name one that is yours.")));
        }
        let host = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => options.get_host().trim_matches(['[', ']']).to_owned(),
        };
        let from_query = url.query_pairs().find(|(key, _)| key == "password").map(|(_, value)| value.into_owned());
        Ok(Self {
            variable: variable.to_owned(),
            user: options.get_username().to_owned(),
            password: from_query.or_else(|| url.password().map(decoded)).unwrap_or_default(),
            address: Address { host, port: options.get_port() },
            database,
            url,
            options,
        })
    }

    /// How to connect to its database, under a name that `pg_stat_activity` shows.
    pub(crate) fn options(&self, application_name: &str) -> PgConnectOptions {
        self.options.clone().application_name(application_name)
    }

    /// The same login on another port.
    pub(crate) fn set_port(&mut self, port: u16) {
        // It fails for URLs without a host only, and those have no port to begin with.
        let _ = self.url.set_port(Some(port));
        self.options = self.options.clone().port(port);
        self.address.port = port;
    }

    /// The URL of another database on the same server, with the password, for the environment of a child. The server
    /// knows its sessions by `application_name`.
    pub(crate) fn of_database(&self, database: &str, application_name: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(&format!("/{database}"));
        let others: Vec<(String, String)> = self.url.query_pairs().into_owned().collect();
        let kept = others.iter().filter(|(key, _)| key != "dbname" && key != "application_name");
        url.query_pairs_mut().clear().extend_pairs(kept).append_pair("application_name", application_name);
        url.into()
    }

    /// The URL with its password, to be written into `.env` and nowhere else.
    pub(crate) fn with_password(&self) -> &str {
        self.url.as_str()
    }
}

/// A part of a URL without its percent encoding, as sqlx reads it.
fn decoded(part: &str) -> String {
    percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned()
}

impl Address {
    /// Whether it can only be this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let name = self.host.to_ascii_lowercase();
        self.is_socket()
            || name == "localhost"
            || name.ends_with(".localhost")
            || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    }

    /// Whether it's a Unix socket.
    pub(crate) fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    /// Whether two addresses are the same server: on the loopback interface, the port says it.
    pub(crate) fn same_server(&self, other: &Self) -> bool {
        let loopback = |address: &Self| address.is_loopback() && !address.is_socket();
        self == other || (self.port == other.port && loopback(self) && loopback(other))
    }

    /// The IP address for a server of our own to listen on.
    pub(crate) fn listen_ip(&self) -> &str {
        if self.host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()) { &self.host } else { "127.0.0.1" }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            host if self.is_socket() => write!(f, "{host}/.s.PGSQL.{}", self.port),
            host if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://{}@{}/{}", self.user, self.address, self.database)
    }
}
