#![allow(clippy::unwrap_used)]

use super::*;

fn url(text: &str) -> DatabaseUrl {
    DatabaseUrl::parse("URL", text).unwrap_or_else(|error| panic!("{text} {error}"))
}

fn error(text: &str) -> UrlError {
    DatabaseUrl::parse("URL", text).unwrap_err()
}

fn is_refused_as(expected: &UrlError, texts: &[&str]) {
    for text in texts {
        let error = error(text);
        assert_eq!(error, *expected, "{text}");
        // Some URLs part the first letter of the password from the rest, so only the rest is looked for.
        assert!(!error.to_string().contains("unter2"), "{text}: {error}");
    }
}

#[test]
fn a_url_is_taken_apart() {
    for scheme in ["postgres", "postgresql", "PostgreSQL"] {
        let url = url(&format!(" {scheme}://me%40home:hunter%2F2@Db.example:5433/sh%20op?sslmode=disable\n"));
        assert_eq!((url.variable.as_str(), url.user.as_str(), url.password.as_str()), ("URL", "me@home", "hunter/2"));
        assert_eq!(url.address, Address { host: "Db.example".into(), port: 5433 });
        assert_eq!(url.database, "sh op");
    }
}

#[test]
fn options_win_over_what_stands_before_them() {
    let text =
        "postgres://a:x@db.example:1/b?user=me&password=y&password=hunter%262&hostaddr=::1&port=5433&dbname=shop";
    let url = url(text);
    assert_eq!((url.user.as_str(), url.password.as_str()), ("me", "hunter&2"));
    assert_eq!(url.to_string(), "[::1]:5433/shop");
    assert_eq!(url.options("x").get_username(), "me");
}

#[test]
fn a_url_without_a_port_means_postgresqls_port() {
    for text in ["postgres://me@localhost/shop", "postgres:///shop?user=me&host=localhost"] {
        assert_eq!((url(text).address.port, url(text).options("x").get_port()), (5432, 5432));
    }
}

#[test]
fn a_unix_socket_is_named_in_the_hosts_place_or_as_an_option() {
    for text in [
        "postgres://me:hunter2@%2Frun%2Fpostgresql:5433/shop",
        "postgres://me:hunter2@localhost:5433/shop?host=/run/postgresql",
        "postgres:///shop?host=/run/postgresql&user=me&password=hunter2&port=5433",
    ] {
        let url = url(text);
        assert_eq!(url.to_string(), "/run/postgresql/.s.PGSQL.5433/shop");
        assert!(url.address.is_socket() && url.password == "hunter2", "{text}");
        assert_eq!(url.options("x").get_socket().unwrap().to_str(), Some("/run/postgresql"));
    }
}

#[test]
fn the_password_is_not_printed() {
    let url = url("postgres://me:hunter2@db.example:5433/shop");
    assert_eq!(format!("{url} {url:?}"), "db.example:5433/shop DatabaseUrl(db.example:5433/shop)");
    assert_eq!(url.with_password(), "postgres://me:hunter2@db.example:5433/shop");
}

#[test]
fn another_scheme_is_refused() {
    is_refused_as(
        &UrlError::NotPostgres,
        &[
            "",
            "hunter2",
            "me:hunter2@localhost/shop",
            "postgres//me:hunter2@localhost/shop",
            "postgres:me:hunter2@localhost/shop",
            "mysql://me:hunter2@localhost/shop",
            "mysql+pymysql://me:hunter2@localhost/shop",
            "jdbc:postgresql://localhost/shop?password=hunter2",
            "postgres+me:hunter2@localhost://",
        ],
    );
}

#[test]
fn the_error_for_sqlalchemys_form_tells_what_to_write() {
    for scheme in ["postgresql+asyncpg", "postgres+psycopg2", "PostgreSQL+psycopg_async"] {
        let error = error(&format!("{scheme}://me:hunter2@localhost/shop")).to_string();
        let scheme = scheme.to_ascii_lowercase();
        assert!(error.contains(&format!("write `postgres://` where it says `{scheme}://`")), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

/// Each of these characters would end the host too early. Messages would then print the rest of the password as a name.
#[test]
fn an_unencoded_character_of_the_password_shows_nothing_of_it() {
    is_refused_as(
        &UrlError::CutShort,
        &[
            "postgres://me:2024/hunter2@localhost:5432/shop",
            "postgres://me:2024#hunter2@localhost:5432/shop",
            "postgres://me:2024?hunter2@localhost:5432/shop",
            "postgres://me:2024/h?unter2@localhost:5432/shop",
            "postgres://me:20@24/hunter2@localhost:5432/shop",
            "postgres://me:hun/ter2@localhost/shop",
            "postgres://me:/hunter2@localhost/shop",
            "postgres://me:hunter2/@localhost/shop",
            "postgres://me:hunter2@localhost/shop#hunter2",
            "postgres://me@localhost/shop?password=hunter2@",
        ],
    );
    // A character that can't be mistaken need not be encoded.
    for (text, password) in [
        ("postgres://me:a@b@localhost/shop", "a@b"),
        ("postgres://me:a:b@localhost/shop", "a:b"),
        ("postgres://me:100%@localhost/shop", "100%"),
        ("postgres://me:a%2Fb%23c%3Fd%40e@localhost/shop", "a/b#c?d@e"),
    ] {
        let url = url(text);
        assert_eq!((url.password.as_str(), url.address.host.as_str()), (password, "localhost"), "{text}");
    }
}

#[test]
fn a_wrong_port_is_not_shown() {
    is_refused_as(
        &UrlError::Malformed(url::ParseError::InvalidPort),
        &[
            "postgres://me:x@localhost:hunter2/shop",
            "postgres://me:x@localhost:99999/shop",
            "postgres://me:hunter2",
            "postgres://me:2024hunter2/shop",
        ],
    );
}

#[test]
fn other_nonsense_is_refused() {
    is_refused_as(&UrlError::Brackets, &["postgres://me:hunter2@[::1]/shop", "postgres://me:x@h/shop?host=[::1]"]);
    is_refused_as(&UrlError::Malformed(url::ParseError::InvalidIpv6Address), &["postgres://me:hunter2@[::x]/shop"]);
    is_refused_as(
        &UrlError::NotUtf8,
        &["postgres://me:%ffhunter2@localhost/shop", "postgres://m%ff:hunter2@localhost/shop", "postgres://me@h/%ff"],
    );
    is_refused_as(
        &UrlError::WrongOption,
        &[
            "postgres://me:hunter2@localhost/shop?sslmode=hunter2",
            "postgres://me@localhost/shop?port=hunter2",
            "postgres://me@localhost/shop?hostaddr=hunter2",
            "postgres://me@localhost/shop?statement-cache-capacity=hunter2",
        ],
    );
}

/// The driver would take each part that these URLs leave out from the environment or from the machine.
#[test]
fn a_url_has_to_name_user_host_and_database() {
    is_refused_as(
        &UrlError::NoUser,
        &[
            "postgres://localhost/shop",
            "postgres://:hunter2@localhost/shop",
            "postgres://me@localhost/shop?user=",
            // Half a password stands after a name, and the host is missing.
            "postgres://me:2024/hunter2",
        ],
    );
    is_refused_as(
        &UrlError::NoHost,
        &[
            "postgres://me:hunter2@/shop",
            "postgres://me:hunter2@:5432/shop",
            "postgres:///shop?user=me&password=hunter2",
            "postgres://me@localhost/shop?host=",
        ],
    );
    is_refused_as(
        &UrlError::NoDatabase,
        &[
            "postgres://me:hunter2@localhost",
            "postgres://me:hunter2@localhost/",
            "postgres://me:hunter2@localhost?sslmode=disable",
            "postgres://me:hunter2@localhost/shop?dbname=",
        ],
    );
}

#[test]
fn a_wrong_name_of_a_database_is_refused() {
    is_refused_as(&UrlError::NotAName, &["postgres://me@localhost/shop/hunter2", "postgres://me@localhost/shop:5432"]);
    is_refused_as(
        &UrlError::PostgresOwn,
        &[
            "postgres://me:hunter2@localhost/postgres",
            "postgres://me:hunter2@localhost/template0",
            "postgres://me:hunter2@localhost/template%31",
            "postgres://me:hunter2@localhost/shop?dbname=postgres",
        ],
    );
    assert_eq!(url("postgres://me@localhost/a%2Fb%3Ac%40").database, "a/b:c@");
}

#[test]
fn a_url_that_asks_for_tls_is_refused() {
    is_refused_as(
        &UrlError::Tls,
        &[
            "postgres://me:hunter2@localhost/shop?sslmode=require",
            "postgres://me:hunter2@localhost/shop?sslmode=verify-ca",
            "postgres://me:hunter2@localhost/shop?ssl-mode=VERIFY-FULL",
        ],
    );
    for mode in ["prefer", "allow", "disable"] {
        let url = url(&format!("postgres://me@db.example/shop?sslmode={mode}"));
        assert_eq!(format!("{:?}", url.options("x").get_ssl_mode()).to_lowercase(), mode);
    }
}

#[test]
fn settings_in_the_environment_are_not_ignored() {
    let here = "postgres://me@localhost/shop";
    let there = "postgres://me@db.example/shop";
    let said = "postgres://me@db.example/shop?sslmode=prefer";
    let tls = Some(UrlError::TlsFromEnvironment);
    let settings = Some(UrlError::SessionsFromEnvironment);
    for (text, name, value, expected) in [
        (there, "PGSSLMODE", "require", &tls),
        (there, "PGSSLMODE", "prefer", &None),
        (there, "PGSSLMODE", "nonsense", &None),
        (said, "PGSSLMODE", "require", &None),
        (here, "PGSSLMODE", "verify-full", &None),
        (here, "PGOPTIONS", "-c search_path=elsewhere", &settings),
        (here, "PGOPTIONS", " ", &None),
        (here, "PGHOST", "elsewhere", &None),
    ] {
        let result = url(text).in_environment_of(|asked| (asked == name).then(|| value.to_owned()));
        assert_eq!(result.err(), *expected, "{text} {name}={value}");
    }
}

#[test]
fn the_same_database_is_seen_however_its_host_is_written() {
    let same = [
        "postgres://a@localhost/shop",
        "postgresql://b:x@127.0.0.1:5432/shop",
        "postgres://c@localhost/shop?host=::1",
        "postgres://d@LOCALHOST:5432/other?dbname=shop",
        "postgres://e@localhost./shop",
        "postgres://f@db.localhost/sho%70",
    ];
    for text in same {
        assert!(url(same[0]).is_same_database(&url(text)), "{text}");
    }
    for text in ["postgres://a@localhost/Shop", "postgres://a@localhost:5433/shop", "postgres://a@db.example/shop"] {
        assert!(!url(same[0]).is_same_database(&url(text)), "{text}");
    }
}

#[test]
fn names_that_postgresql_cuts_to_one_are_the_same_database() {
    let named = |name: &str| url(&format!("postgres://a@localhost/{name}"));
    let long = "a".repeat(62);
    assert!(named(&format!("{long}bc")).is_same_database(&named(&format!("{long}bd"))));
    assert!(named(&format!("{long}b")).is_same_database(&named(&format!("{long}bd"))));
    assert!(!named(&format!("{long}b")).is_same_database(&named(&format!("{long}c"))));
    // A character isn't cut in two.
    assert!(named(&format!("{long}ä")).is_same_database(&named(&format!("{long}ö"))));
}

#[test]
fn the_port_is_moved_wherever_it_is_written() {
    for (text, moved) in [
        ("postgres://me:hunter2@localhost/shop", "postgres://me:hunter2@localhost:6000/shop"),
        ("postgres://me:hunter2@localhost:5432/shop?a=b+c%20d", "postgres://me:hunter2@localhost:6000/shop?a=b+c%20d"),
        ("postgres://me@localhost:1/shop?port=2&a=b", "postgres://me@localhost:6000/shop?a=b"),
        ("postgres:///shop?user=me&host=::1&port=2", "postgres:///shop?user=me&host=::1&port=6000"),
    ] {
        let mut url = url(text);
        url.set_port(6000);
        assert_eq!(url.with_password(), moved);
        assert_eq!((url.address.port, url.options("x").get_port()), (6000, 6000));
        // The new text is read as the same URL.
        let again = DatabaseUrl::parse("URL", moved).unwrap();
        assert!(again.is_same_database(&url), "{again} {url}");
    }
}

#[test]
fn a_child_is_told_everything() {
    for (text, expected) in [
        (
            "postgres://me:hunter2@localhost/shop?dbname=other&application_name=mine&options=-c%20a%3Db",
            "postgres://me:hunter2@localhost:5432/scratch_1?options=-c%20a%3Db&sslmode=prefer&application_name=xtask%201",
        ),
        (
            "postgres://me@localhost:5433/shop?sslmode=disable",
            "postgres://me@localhost:5433/scratch_1?sslmode=disable&password=&application_name=xtask%201",
        ),
        (
            "postgres:///shop?user=me&password=hunter2&host=/run",
            "postgres:///scratch_1?user=me&password=hunter2&host=/run&port=5432&sslmode=prefer&application_name=xtask%201",
        ),
    ] {
        assert_eq!(url(text).of_database("scratch_1", "xtask 1"), expected);
    }
    let child = url("postgres://me@localhost/shop").of_database("a/b?c#d%20@", "x");
    assert_eq!(url(&child).database, "a/b?c#d%20@");
}

#[test]
fn sessions_have_a_name() {
    let options = url("postgres://me@localhost/shop?application_name=other").options("xtask");
    assert_eq!((options.get_application_name(), options.get_database()), (Some("xtask"), Some("shop")));
}

#[test]
fn without_its_password() {
    for (url, shown) in [
        (
            "postgres://ann:s3cret@localhost:5433/shop?sslmode=disable",
            "postgres://ann@localhost:5433/shop?sslmode=disable",
        ),
        ("postgres://ann@localhost/shop?password=s3cret&port=5433", "postgres://ann@localhost/shop?port=5433"),
        ("postgres://ann%40home:s%2F3cret@localhost/shop?pass%77ord=s3cret", "postgres://ann%40home@localhost/shop"),
        (
            "postgres:///shop?host=/run/postgresql&user=ann&password=s3cret",
            "postgres:///shop?host=/run/postgresql&user=ann",
        ),
        ("postgres://ann@localhost/shop", "postgres://ann@localhost/shop"),
    ] {
        assert_eq!(DatabaseUrl::parse("A_URL", url).unwrap().without_password(), shown);
    }
}
