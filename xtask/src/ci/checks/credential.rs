//! Tells whether a value looks like a real credential: a key, a token, a password for another machine, a secret URL.

use crate::database_url::Address;

/// The beginnings of real tokens: those of AWS, GitHub, GitLab, Google, npm, Slack, Stripe, SendGrid, OpenAI and the like, and
/// of JSON web tokens.
const PREFIXES: [&str; 17] = [
    "AKIA",
    "ASIA",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "AIza",
    "npm_",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "sk_live_",
    "rk_live_",
    "SG.",
    "sk-",
    "eyJ",
];

/// The length, in characters, from which a text can look random.
const RANDOM: usize = 24;

/// The length from which a part of a URL can look random if it has hyphens or underscores, and that of one piece of it.
const RANDOM_WITH_HYPHENS: (usize, usize) = (32, 12);

/// Words that only a made-up value contains.
const HARMLESS: [&str; 9] = ["test", "example", "dummy", "fake", "sample", "change", "placeholder", "local", "secret"];

/// The ends of names that lead to no machine: <https://www.rfc-editor.org/rfc/rfc2606>.
const RESERVED: [&str; 6] = ["example.com", "example.net", "example.org", ".example", ".invalid", ".test"];

/// The URLs with which anybody can write to somebody's chat: the end of the host, and the beginning of the path.
const WEBHOOKS: [(&str, &str); 8] = [
    ("hooks.slack.com", "/services/"),
    ("discord.com", "/api/webhooks/"),
    ("discordapp.com", "/api/webhooks/"),
    ("webhook.office.com", "/"),
    ("outlook.office.com", "/webhook/"),
    ("chat.googleapis.com", "/v1/spaces/"),
    ("hooks.zapier.com", "/hooks/"),
    ("maker.ifttt.com", "/trigger/"),
];

/// The names of settings that hold a password, in lower case.
const PASSWORDS: [&str; 7] = ["password", "passwd", "pwd", "pass", "secret", "accountkey", "sharedaccesskey"];

/// The names of settings that hold a host, in lower case.
const HOSTS: [&str; 7] = ["host", "hostaddr", "server", "data source", "address", "addr", "endpoint"];

/// Returns the reason why a value looks like a real credential.
pub(super) fn looks_real(text: &str) -> Option<String> {
    if text.contains("-----BEGIN") {
        return Some("it holds a key in PEM format".to_owned());
    }
    if let Some(why) = token(text) {
        return Some(why);
    }
    if let Some((_, rest)) = text.split_once("://") {
        return in_url(rest);
    }
    if let Some(host) = in_settings(text).or_else(|| before_host(text)) {
        return Some(for_elsewhere(&host));
    }
    random(text)
}

/// Recognises a token by its beginning.
fn token(text: &str) -> Option<String> {
    let prefix = PREFIXES.iter().find(|prefix| text.starts_with(**prefix))?;
    Some(format!("it begins as such tokens do ({prefix}…)"))
}

/// Recognises a token of Telegram, and a text with many characters in a row that look random.
fn random(text: &str) -> Option<String> {
    if is_made_up(text) {
        return None;
    }
    // A token of Telegram is an id of eight digits or more, a colon, and 35 characters.
    if let Some((id, token)) = text.split_once(':')
        && id.len() >= 8
        && id.bytes().all(|byte| byte.is_ascii_digit())
        && token.len() == 35
    {
        return Some("it has the form of a bot's token".to_owned());
    }
    let row =
        text.split(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c)).find(|row| is_random(row, RANDOM))?;
    Some(format!("it has {} characters in a row that look random", row.len()))
}

fn is_made_up(text: &str) -> bool {
    let words = text.to_lowercase();
    HARMLESS.iter().any(|word| words.contains(word))
}

/// Looks at a URL of any kind, without its scheme. Nothing is asked of its form, because a password may hold any
/// character, and there may be several hosts.
fn in_url(rest: &str) -> Option<String> {
    let end = |text: &str| text.find(['/', '?', '#']).unwrap_or(text.len());
    let mut authority = end(rest);
    // A password with a slash in it, which should be percent-encoded, ends at the last @.
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !rest[..authority].contains('@')
        && let Some((_, port)) = rest[..authority].rsplit_once(':')
        && !is_port(port)
        && let Some(at) = rest.rfind('@')
    {
        authority = at + end(&rest[at..]);
    }
    let (user, hosts) = rest[..authority].rsplit_once('@').unwrap_or(("", &rest[..authority]));
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let (path, query) = rest[authority..].split_once('?').unwrap_or((&rest[authority..], ""));
    let options: Vec<_> = query.split(['&', '#']).filter_map(|option| option.split_once('=')).collect();
    let option = |wanted: &[&str]| {
        let found = options.iter().find(|(name, _)| wanted.contains(&name.to_lowercase().as_str()));
        found.map(|(_, value)| *value)
    };
    let hosts = option(&HOSTS).unwrap_or(hosts);
    let host = hosts.split(',').map(without_port).find(|host| is_elsewhere(host))?;
    if is_password(option(&PASSWORDS).unwrap_or(password)) {
        return Some(for_elsewhere(host));
    }
    if let Some((_, secret)) = WEBHOOKS
        .iter()
        .filter(|(name, _)| host == *name || host.ends_with(&format!(".{name}")))
        .find_map(|(name, beginning)| Some((name, path.strip_prefix(beginning)?)))
        && !is_made_up(secret)
        && entropy(secret.rsplit('/').next().unwrap_or_default()) > 1.0
    {
        return Some(format!("whoever has this URL can write to a channel at {host}"));
    }
    let parts = path.split('/').chain(options.iter().map(|(_, value)| *value)).chain([user]);
    // Telegram writes the word bot before the token.
    let mut parts = parts.chain(path.split('/').filter_map(|part| part.strip_prefix("bot")));
    parts.find_map(|part| token(part).or_else(|| random(part)).or_else(|| random_with_hyphens(part)))
}

/// Recognises a token in the characters of URLs, in which hyphens and underscores stand anywhere.
fn random_with_hyphens(part: &str) -> Option<String> {
    let (whole, piece) = RANDOM_WITH_HYPHENS;
    let is_token = part.len() >= whole
        && !is_made_up(part)
        && part.split(['-', '_']).any(|one| is_random(one, piece) && one.bytes().any(|byte| byte.is_ascii_lowercase()));
    is_token.then(|| format!("it has {} characters in a row that look random", part.len()))
}

/// Looks at settings in a row: `host=… password=…`, as libpq takes them, or with semicolons between them. Returns the
/// host that a password is for.
fn in_settings(text: &str) -> Option<String> {
    let parts: Vec<_> = if text.contains(';') { text.split(';').collect() } else { text.split_whitespace().collect() };
    let pairs: Vec<_> = parts.iter().filter_map(|part| part.split_once('=')).collect();
    let value = |wanted: &[&str]| {
        let found = pairs.iter().find(|(name, _)| wanted.contains(&name.trim().to_lowercase().as_str()));
        found.map(|(_, value)| value.trim().trim_matches(['\'', '"']))
    };
    value(&PASSWORDS).filter(|password| is_password(password))?;
    let host = value(&HOSTS)?;
    let host = host.split_once(':').filter(|(kind, _)| *kind == "tcp").map_or(host, |(_, host)| host);
    let host = without_port(host.split(',').next().unwrap_or_default());
    is_elsewhere(host).then(|| host.to_owned())
}

/// Looks at `user:password@host` and `user:password@tcp(host:port)/name`. Returns the host.
fn before_host(text: &str) -> Option<String> {
    let (login, rest) = text.rsplit_once('@')?;
    let (user, password) = login.split_once(':')?;
    let is_address = ["mailto", "sip", "xmpp", "acct"].contains(&user);
    if text.contains(char::is_whitespace) || user.is_empty() || is_address || !is_password(password) {
        return None;
    }
    let rest = rest.split_once('(').map_or(rest, |(_, inside)| inside);
    let host = without_port(rest.split([')', '/', '?', ',']).next().unwrap_or_default());
    is_elsewhere(host).then(|| host.to_owned())
}

fn for_elsewhere(host: &str) -> String {
    format!("it has a password for {host}, which isn't this machine")
}

/// Returns whether a text can be a password. `<password>` and the like stand for one.
fn is_password(text: &str) -> bool {
    let is_named = text.starts_with('<') && text.ends_with('>');
    !is_named && text.chars().any(|c| !"*x.".contains(c))
}

fn without_port(host: &str) -> &str {
    if let Some((address, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    // An address of IPv6 without brackets has several colons.
    host.split_once(':').filter(|(_, port)| !port.contains(':')).map_or(host, |(host, _)| host)
}

/// Returns whether a host is another machine.
fn is_elsewhere(host: &str) -> bool {
    // A path, encoded or not, is a Unix socket's folder.
    if host.is_empty() || host.starts_with(['/', '%']) || RESERVED.iter().any(|end| host.ends_with(end)) {
        return false;
    }
    !Address { host: host.to_owned(), port: 0 }.is_loopback()
}

/// Returns whether a text looks random: letters of both cases, or hexadecimal digits, mixed with numbers, and few of them
/// twice.
fn is_random(row: &str, shortest: usize) -> bool {
    let has = |test: fn(&u8) -> bool| row.bytes().any(|byte| test(&byte));
    let digits = has(u8::is_ascii_digit);
    let mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    let hex = row.bytes().all(|byte| byte.is_ascii_hexdigit()) && has(u8::is_ascii_alphabetic);
    row.len() >= shortest && digits && (mixed || hex) && entropy(row) > 3.0
}

/// Returns Shannon's entropy in bits for each character.
fn entropy(row: &str) -> f64 {
    let mut counts = [0_u32; 256];
    row.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let length = row.len() as f64;
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / length).map(|p| -p * p.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::looks_real;

    #[test]
    fn made_up_values_are_let_through() {
        for text in [
            "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11",
            "test_secret_key_32_characters_long_for_ci_testing_only",
            "0123456789",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1A",
            "postgres://me:hunter2@localhost:5432/shop",
            "postgres://me:hunter2@db.example.com/shop",
            "postgres://me:hunter2@%2Frun%2Fpostgresql/shop",
            "postgres:///shop?host=/run/postgresql&password=hunter2",
            "postgres://me@db.acme.io/shop",
            "/usr/share/a/long/path/with/many/parts",
            "redis://:hunter2@127.0.0.1:6379,[::1]:6380/0",
            "redis://:<password>@cache.acme.io/0",
            "https://docs.acme.io/guides/how-we-moved-to-Postgres-15-in-2024.html?page=2#top",
            "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
            "https://test-key@sentry.example.com/1",
            "host=localhost user=me password=hunter2",
            "me:hunter2@tcp(127.0.0.1:3306)/shop",
            "mailto:help@acme.io",
            "Support: help@acme.io",
        ] {
            assert_eq!(looks_real(text), None, "{text}");
        }
    }

    #[test]
    fn what_looks_real_is_caught() {
        for text in [
            "5839201746:AAF3kd82jslQ0xP_mZz91vWqLr4TnYbHcUe",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "AKIAIOSFODNN7EXAMPLE",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
            "wJalrXUtnFEMI7K7MDENG7bPxRfiCYzzzzzzzzKEY",
            "-----BEGIN PRIVATE KEY-----",
            "postgres://me:hunter2@db.acme.io/shop",
            // No URL for sqlx: TLS isn't compiled in.
            "postgres://me:hunter2@db.acme.io/shop?sslmode=require",
            "postgres:///shop?host=db.acme.io&password=hunter2",
            "amqps://me:hunter2@queue.acme.io",
            "redis://:hunter2@cache.acme.io:6379/0",
            "redis://:hunter2@localhost:6379,cache-2.acme.io:6379",
            "redis://:hun/ter#2@cache.acme.io:6379",
            "mongodb+srv://me:hun%40ter2@cluster0.acme.io",
            // The key in the DSN of an error tracker.
            "https://9f86d081884c7d659a2feaa0c55ad015@o123456.ingest.acme.io/4507",
            "https://hooks.slack.com/services/T02ABCDEF/B03GHIJKL/a1B2c3D4e5F6g7H8i9J0k1L2",
            "https://discord.com/api/webhooks/1122334455667788990/Zk3_q-9aB7cD2eF4gH6iJ8kL0mN1oP3qR5sT7uV9wX",
            "https://api.telegram.org/bot5839201746:AAF3kd82jslQ0xP_mZz91vWqLr4TnYbHcUe/sendMessage",
            "https://ingest.acme.io/v1?key=wJalrXUtnFEMI7K7MDENG7bPxRfiCY",
            "host=db.acme.io user=me password='hunter2' dbname=shop",
            "Server=tcp:db.acme.io,1433;Initial Catalog=shop;User ID=me;Password=hunter2",
            "me:hunter2@tcp(db.acme.io:3306)/shop",
        ] {
            assert!(looks_real(text).is_some(), "{text}");
        }
    }
}
