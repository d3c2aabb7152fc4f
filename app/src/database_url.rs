//! The URL of a PostgreSQL database.

use std::fmt;
use std::net::IpAddr;

use sqlx::postgres::PgConnectOptions;
use url::Url;

/// The URL of a PostgreSQL database, parsed. It can be printed: as `host:port/database`, without user and password.
#[derive(Clone)]
pub struct DatabaseUrl {
    options: PgConnectOptions,
    database: String,
}

impl DatabaseUrl {
    /// Parses `postgres://user:password@host:port/database`.
    ///
    /// # Errors
    /// What is wrong, as the rest of a sentence that begins with the variable's name. Nothing of the value is quoted:
    /// where it is malformed, the password can be anywhere in it.
    pub fn parse(value: &str) -> Result<Self, String> {
        let scheme = value.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("postgres" | "postgresql") => {}
            Some(scheme) if scheme.starts_with("postgres+") || scheme.starts_with("postgresql+") => {
                return Err(format!(
                    "is in SQLAlchemy's form: write `postgres://` where it says `{scheme}://`, and leave the rest"
                ));
            }
            _ => return Err("is not a PostgreSQL URL: it must begin with `postgres://`".to_owned()),
        }
        let url = Url::parse(value).map_err(|error| {
            format!("is not a valid URL ({error}); special characters of the password must be percent-encoded")
        })?;
        // An unencoded `/` or `#` ends the host early: the rest of the password would pass for a database's name,
        // and be printed as one.
        let path = url.path().trim_start_matches('/');
        if path.contains(['/', '@', ':']) || url.fragment().is_some() {
            return Err(
                "is cut in the wrong place: write `/` as %2F, `#` as %23, `?` as %3F and `@` as %40 in the password"
                    .to_owned(),
            );
        }
        let options: PgConnectOptions =
            value.parse().map_err(|_| "has a part that the PostgreSQL driver doesn't understand".to_owned())?;
        // The driver would otherwise fall back to PGDATABASE or the user's name.
        let named = !path.is_empty() || url.query_pairs().any(|(key, value)| key == "dbname" && !value.is_empty());
        match options.get_database() {
            Some(database) if named => Ok(Self { database: database.to_owned(), options }),
            _ => Err("names no database: it must end in `/` and the database's name".to_owned()),
        }
    }

    /// What the driver needs to connect, the password included.
    pub fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// Whether both lead to one database, however the host is written.
    pub fn is_same_database(&self, other: &Self) -> bool {
        self.place() == other.place()
    }

    fn place(&self) -> (String, u16, &str) {
        (self.canonical_host(), self.options.get_port(), &self.database)
    }

    /// One spelling for every way to write this machine.
    fn canonical_host(&self) -> String {
        let host = self.host();
        let name = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        let is_loopback = name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        if is_loopback { "localhost".to_owned() } else { name }
    }

    fn host(&self) -> String {
        match self.options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => self.options.get_host().to_owned(),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.host(), self.options.get_port(), self.database)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn both_schemes_are_read_and_the_password_is_not_printed() {
        for scheme in ["postgres", "postgresql"] {
            let url =
                DatabaseUrl::parse(&format!("{scheme}://me:hunter2@db.example:5433/shop?sslmode=disable")).unwrap();
            assert_eq!(format!("{url} {url:?}"), "db.example:5433/shop DatabaseUrl(db.example:5433/shop)");
        }
    }

    #[test]
    fn sqlalchemys_form_is_told_what_to_write() {
        for scheme in ["postgresql+asyncpg", "postgres+psycopg2"] {
            let problem = DatabaseUrl::parse(&format!("{scheme}://me:hunter2@localhost/shop")).unwrap_err();
            assert!(problem.contains(&format!("write `postgres://` where it says `{scheme}://`")), "{problem}");
        }
    }

    #[test]
    fn malformed_urls_are_refused_without_a_word_of_them() {
        for value in [
            "hunter2",
            "mysql://me:hunter2@localhost/shop",
            "postgres://me:hun/ter2@localhost/shop",
            "postgres://me:12/hunter2@localhost",
            "postgres://me:12#hunter2@localhost/shop",
            "postgres://me:12?hunter2@localhost/shop",
            "postgres://me:hunter2@localhost",
            "postgres://me:hunter2@localhost/",
            "postgres://me:hunter2@localhost:hunter2/shop",
            "postgres://me:%ffhunter2@localhost/shop",
            "postgres://me:hunter2@localhost/shop?sslmode=hunter2",
        ] {
            let problem = DatabaseUrl::parse(value).unwrap_err();
            assert!(!problem.contains("unter2"), "{value}: {problem}");
        }
    }

    #[test]
    fn the_same_database_is_seen_however_its_host_is_written() {
        let same = [
            "postgres://a@localhost/shop",
            "postgresql://b:x@127.0.0.1:5432/shop",
            "postgres://c@[::1]/shop",
            "postgres://d@LOCALHOST:5432/other?dbname=shop",
        ];
        let first = DatabaseUrl::parse(same[0]).unwrap();
        for value in same {
            assert!(first.is_same_database(&DatabaseUrl::parse(value).unwrap()), "{value}");
        }
        for value in ["postgres://a@localhost/Shop", "postgres://a@localhost:5433/shop", "postgres://a@db.example/shop"]
        {
            assert!(!first.is_same_database(&DatabaseUrl::parse(value).unwrap()), "{value}");
        }
    }
}
