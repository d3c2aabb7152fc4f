//! The address of a server.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The address at which a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name, an IP address without brackets, or the folder of a Unix socket.
    pub host: String,
    /// The port, which is also part of a Unix socket's name.
    pub port: u16,
}

impl Address {
    /// Whether the server can only be on this machine.
    pub fn is_loopback(&self) -> bool {
        let name = self.name();
        self.is_socket()
            || name == "localhost"
            // RFC 6761, section 6.3, keeps these names on the machine.
            || name.ends_with(".localhost")
            || self.ip().is_some_and(|ip| ip.is_loopback())
    }

    /// Whether the host is the folder of a Unix socket.
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    /// Whether both addresses belong to the same server, however their hosts are written. On the loopback interface the
    /// port decides. A Unix socket never equals a port, because the address doesn't tell which server made the socket.
    pub fn same_server(&self, other: &Self) -> bool {
        self.port == other.port && self.canonical_host() == other.canonical_host()
    }

    /// The IP address on which a server that we start must listen, so that programs reach it at this address.
    pub fn listen_ip(&self) -> &str {
        if self.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()) { &self.host } else { "127.0.0.1" }
    }

    /// The one spelling of a host that is compared.
    fn canonical_host(&self) -> String {
        if self.is_socket() {
            // Repeated slashes and a slash at the end mean nothing.
            return Path::new(&self.host).components().collect::<PathBuf>().display().to_string();
        }
        if self.is_loopback() {
            return "localhost".to_owned();
        }
        self.ip().map_or_else(|| self.name(), |ip| ip.to_string())
    }

    /// The host as resolvers compare it: in lower case, and without the dot that may end a full name.
    fn name(&self) -> String {
        self.host.strip_suffix('.').unwrap_or(&self.host).to_ascii_lowercase()
    }

    /// The IP address, if the host is one. An IPv4 address in IPv6 form (`::ffff:127.0.0.1`) counts as an IPv4 address.
    fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok().map(|ip: IpAddr| ip.to_canonical())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port }
    }

    #[test]
    fn every_spelling_of_this_machine_is_loopback() {
        for host in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "shop.localhost",
            "Shop.Localhost.",
            "127.0.0.1",
            "127.8.9.10",
            "::1",
            "0:0:0:0:0:0:0:1",
            "::ffff:127.0.0.1",
            "/run/postgresql",
        ] {
            assert!(at(host, 5432).is_loopback(), "{host}");
        }
        for host in ["", "db.example", "notlocalhost", "localhost.example", "128.0.0.1", "0.0.0.0", "::2", "10.0.0.1"] {
            assert!(!at(host, 5432).is_loopback(), "{host}");
        }
    }

    #[test]
    fn two_spellings_of_one_server_are_the_same_server() {
        for (one, other) in [
            ("localhost", "127.0.0.1"),
            ("shop.localhost", "::1"),
            ("localhost.", "LOCALHOST"),
            ("db.example", "DB.Example."),
            ("2001:db8::1", "2001:DB8:0:0:0:0:0:1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("/run/postgresql", "/run//postgresql/"),
        ] {
            assert!(at(one, 5432).same_server(&at(other, 5432)), "{one} {other}");
            assert!(!at(one, 5432).same_server(&at(other, 5433)), "{one} {other}");
        }
        for (one, other) in [
            ("localhost", "db.example"),
            ("10.0.0.1", "10.0.0.2"),
            ("/run/postgresql", "/tmp"),
            ("/run/postgresql", "localhost"),
            ("/RUN", "/run"),
        ] {
            assert!(!at(one, 5432).same_server(&at(other, 5432)), "{one} {other}");
        }
    }

    #[test]
    fn our_server_listens_at_the_ip_address_of_the_url() {
        for (host, ip) in [("localhost", "127.0.0.1"), ("127.0.0.2", "127.0.0.2"), ("::1", "::1"), ("x", "127.0.0.1")] {
            assert_eq!(at(host, 1).listen_ip(), ip);
        }
    }

    #[test]
    fn an_address_is_printed_as_people_write_it() {
        assert_eq!(at("db.example", 5433).to_string(), "db.example:5433");
        assert_eq!(at("::1", 5432).to_string(), "[::1]:5432");
        assert_eq!(at("/run", 5432).to_string(), "/run/.s.PGSQL.5432");
    }
}
