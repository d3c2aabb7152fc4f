//! Reads a database's URL once, and keeps its parts: the server's address, the user and the database's name.
//!
//! Only the URL counts. sqlx takes each part that a URL leaves out from libpq's variables, from `~/.pgpass` or from the
//! machine, so one URL could lead two programs to two places. This module takes nothing from there:
//!
//! - `PGHOST`, `PGHOSTADDR`, `PGUSER`, `PGDATABASE`, a socket in one of the usual folders, the name of the account: the
//!   URL must name the host, the user and the database.
//! - `PGPORT`: a URL without a port means 5432.
//! - `PGPASSWORD`, `PGPASSFILE` and `~/.pgpass`: a URL without a password logs in without one, as `trust` and `peer`
//!   allow.
//! - `PGSSLMODE`: a URL without `sslmode` means `prefer`. If the variable asks for TLS and the host is another machine,
//!   the URL is refused, because the driver would connect without TLS and not say so.
//! - `PGOPTIONS`: the driver can't be told to ignore this variable, so no URL can be used while the variable is set.
//! - `PGAPPNAME`: the caller gives each session its name.
//! - `PGSSLROOTCERT`, `PGSSLCERT`, `PGSSLKEY`: these variables mean nothing without TLS.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use crate::{Address, UrlError};

/// The port of a URL that names none.
const PORT: u16 = 5432;

/// The longest name that PostgreSQL keeps, in bytes.
const LONGEST_NAME: usize = 63;

/// The databases that every server has. A project's own tables don't belong in them.
const POSTGRES_OWN: [&str; 3] = ["postgres", "template0", "template1"];

/// The options that name a host.
const HOST: &[&str] = &["host", "hostaddr"];

/// The option for TLS, in both of sqlx's spellings.
const SSL_MODE: &[&str] = &["sslmode", "ssl-mode"];

/// The characters that are encoded in a name. The others have no special meaning in any URL (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The URL of a database. It is printed as `host:port/database`, without user and password.
#[derive(Clone)]
pub struct DatabaseUrl {
    /// The variable that holds the URL.
    pub variable: String,
    /// The user that logs in.
    pub user: String,
    /// The password, which is empty if the URL has none.
    pub password: String,
    /// The server's address.
    pub address: Address,
    /// The database's name.
    pub database: String,
    url: Url,
    options: PgConnectOptions,
}

impl DatabaseUrl {
    /// Parses `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, the value of `variable`. The result doesn't depend on the
    /// process's environment.
    ///
    /// # Errors
    /// The text isn't a URL of this form, or it leaves out a part that another program would fill in.
    pub fn parse(variable: &str, text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        check_scheme(text)?;
        check_authority(text)?;
        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::EmptyHost => UrlError::NoHost,
            error => UrlError::Malformed(error),
        })?;
        let path = url.path().trim_start_matches('/');
        if path.contains(['/', ':']) {
            return Err(UrlError::NotAName);
        }
        for part in [url.username(), url.host_str().unwrap_or_default(), path] {
            decoded(part)?;
        }
        let password = match option(&url, &["password"]) {
            Some(password) => password,
            None => decoded(url.password().unwrap_or_default())?,
        };
        let options: PgConnectOptions = text.parse().map_err(|_| UrlError::WrongOption)?;

        let names_user = !url.username().is_empty() || option(&url, &["user"]).is_some();
        if !names_user || options.get_username().is_empty() {
            return Err(UrlError::NoUser);
        }
        let host = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None if options.get_host().starts_with('[') => return Err(UrlError::Brackets),
            None => options.get_host().to_owned(),
        };
        let names_host = url.host_str().is_some_and(|host| !host.is_empty()) || option(&url, HOST).is_some();
        if !names_host || host.is_empty() {
            return Err(UrlError::NoHost);
        }
        let names_database = !path.is_empty() || option(&url, &["dbname"]).is_some();
        let database = options.get_database().filter(|name| names_database && !name.is_empty());
        let database = database.ok_or(UrlError::NoDatabase)?.to_owned();
        if POSTGRES_OWN.contains(&database.as_str()) {
            return Err(UrlError::PostgresOwn);
        }
        let names_port = url.port().is_some() || option(&url, &["port"]).is_some();
        let port = if names_port { options.get_port() } else { PORT };
        let tls = option(&url, SSL_MODE).map_or(PgSslMode::Prefer, |_| options.get_ssl_mode());
        if needs_tls(tls) {
            return Err(UrlError::Tls);
        }
        Ok(Self {
            variable: variable.to_owned(),
            user: options.get_username().to_owned(),
            address: Address { host, port },
            database,
            options: options.port(port).password(&password).ssl_mode(tls),
            password,
            url,
        })
    }

    /// Returns the URL, if this process's environment doesn't change the sessions of the URL.
    ///
    /// # Errors
    /// The environment has settings that the driver can't ignore, or asks for TLS, which isn't compiled in.
    pub fn in_environment(self) -> Result<Self, UrlError> {
        self.in_environment_of(|name| std::env::var(name).ok())
    }

    fn in_environment_of(self, value: impl Fn(&str) -> Option<String>) -> Result<Self, UrlError> {
        if value("PGOPTIONS").is_some_and(|settings| !settings.trim().is_empty()) {
            return Err(UrlError::SessionsFromEnvironment);
        }
        let asks_for_tls = value("PGSSLMODE").and_then(|mode| mode.parse().ok()).is_some_and(needs_tls);
        if asks_for_tls && option(&self.url, SSL_MODE).is_none() && !self.address.is_loopback() {
            return Err(UrlError::TlsFromEnvironment);
        }
        Ok(self)
    }

    /// The options for a connection to the database. `pg_stat_activity` shows the session under `application_name`.
    pub fn options(&self, application_name: &str) -> PgConnectOptions {
        self.options.clone().application_name(application_name)
    }

    /// Whether both URLs lead to the same database, however their hosts are written.
    pub fn is_same_database(&self, other: &Self) -> bool {
        self.kept_name() == other.kept_name() && self.address.same_server(&other.address)
    }

    /// The part of the database's name that PostgreSQL keeps. It cuts a longer name without an error.
    pub fn kept_name(&self) -> &str {
        &self.database[..self.database.floor_char_boundary(LONGEST_NAME)]
    }

    /// Moves the URL to another port of its host.
    pub fn set_port(&mut self, port: u16) {
        // An option `port` would win over the port after the host.
        let mut pairs = pairs_without(&self.url, &["port"]);
        if self.url.set_port(Some(port)).is_err() {
            // A URL without a host before the path can't have a port there.
            pairs.push(format!("port={port}"));
        }
        set_pairs(&mut self.url, &pairs);
        self.options = self.options.clone().port(port);
        self.address.port = port;
    }

    /// The URL of another database on the same server, with the password, for the environment of a child. The URL names
    /// everything that the child would otherwise take from libpq's variables. The server shows the child's sessions
    /// under `application_name`.
    pub fn of_database(&self, database: &str, application_name: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(&format!("/{}", encoded(database)));
        let mut pairs = pairs_without(&url, &["dbname", "application_name"]);
        if option(&url, &["port"]).is_none() && url.set_port(Some(self.address.port)).is_err() {
            pairs.push(format!("port={}", self.address.port));
        }
        if self.password.is_empty() && option(&url, &["password"]).is_none() {
            pairs.push("password=".to_owned());
        }
        if option(&url, SSL_MODE).is_none() {
            pairs.push("sslmode=prefer".to_owned());
        }
        pairs.push(format!("application_name={}", encoded(application_name)));
        set_pairs(&mut url, &pairs);
        url.into()
    }

    /// The URL without its password, which may be printed.
    pub fn without_password(&self) -> String {
        let mut url = self.url.clone();
        // A URL without a host has no password there.
        let _ = url.set_password(None);
        let pairs = pairs_without(&url, &["password"]);
        set_pairs(&mut url, &pairs);
        url.into()
    }

    /// The URL with its password. It may stand in a file or in the environment of a child, but in no output.
    pub fn with_password(&self) -> &str {
        self.url.as_str()
    }
}

/// The URL of a database on the loopback interface, with the password.
pub fn local_url(port: u16, user: &str, password: &str, database: &str) -> String {
    let [user, password, database] = [user, password, database].map(encoded);
    format!("postgres://{user}:{password}@127.0.0.1:{port}/{database}?sslmode=disable")
}

/// Whether a mode fails without TLS.
fn needs_tls(mode: PgSslMode) -> bool {
    match mode {
        PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer => false,
        PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => true,
    }
}

fn check_scheme(text: &str) -> Result<(), UrlError> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()).unwrap_or_default();
    if matches!(scheme.as_str(), "postgres" | "postgresql") {
        return Ok(());
    }
    let is_driver = |driver: &str| driver.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match scheme.split_once('+') {
        Some(("postgres" | "postgresql", driver)) if is_driver(driver) => Err(UrlError::SqlAlchemy(scheme)),
        _ => Err(UrlError::NotPostgres),
    }
}

/// Finds a password with a character that ends the authority, which is the part before the path. The `@` that was meant
/// to end the password then stands after the authority. The rest of the password would be taken for a host, a port, a
/// database or an option, and messages would print it.
fn check_authority(text: &str) -> Result<(), UrlError> {
    let authority = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = authority.find(['/', '?', '#']).map_or("", |end| &authority[end..]);
    if rest.contains(['@', '#']) { Err(UrlError::CutShort) } else { Ok(()) }
}

/// The value of an option that has several names. The last value in the URL counts.
fn option(url: &Url, names: &[&str]) -> Option<String> {
    let pairs = url.query_pairs().filter(|(name, _)| names.contains(&name.as_ref()));
    pairs.last().map(|(_, value)| value.into_owned())
}

/// The options without those in `names`, in the URL's spelling.
fn pairs_without(url: &Url, names: &[&str]) -> Vec<String> {
    let pairs = url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let is_other = |pair: &&str| url::form_urlencoded::parse(pair.as_bytes()).all(|(name, _)| !names.contains(&&*name));
    pairs.filter(is_other).map(str::to_owned).collect()
}

fn set_pairs(url: &mut Url, pairs: &[String]) {
    url.set_query((!pairs.is_empty()).then(|| pairs.join("&")).as_deref());
}

/// A part of a URL without its percent-encoding, as sqlx reads it.
fn decoded(part: &str) -> Result<String, UrlError> {
    percent_decode_str(part).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| UrlError::NotUtf8)
}

fn encoded(part: &str) -> String {
    utf8_percent_encode(part, RESERVED).to_string()
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.database)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests;
