//! The check of the settings' contract: the program accepts it, it holds no real credential, and git doesn't know `.env`.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use url::Url;

use super::{Passed, Setting};
use crate::ci::command::CommandLine;
use crate::database_url::Address;
use crate::env_file::{self, CONTRACT, Contract, FILE};
use crate::problem::{Problem, Problems};
use crate::process::Child;

/// The time that git may take. It only reads its index.
const GIT: Duration = Duration::from_secs(60);

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

/// Words that only a made-up value contains.
const HARMLESS: [&str; 9] = ["test", "example", "dummy", "fake", "sample", "change", "placeholder", "local", "secret"];

pub(super) fn check(settings_check: Option<&CommandLine>, setting: &Setting<'_>) -> Result<Passed> {
    let root = &setting.context.workspace.root;
    let mut problems = Problems::default();
    let Some(Contract { values, problems: wrong }) = env_file::contract(root)? else {
        return Ok(Passed::InPart(format!("there is no {CONTRACT}")));
    };
    problems.0.extend(wrong);
    for url in
        setting.context.workspace.url_variables().iter().filter(|url| !values.iter().any(|value| value.name == **url))
    {
        problems
            .0
            .push(Problem::failed(format!("{CONTRACT} has no {url}, which a sqlx.toml names.")).at(CONTRACT, 1, None));
    }
    for value in &values {
        problems.0.extend(real_credential(value));
    }
    let git = in_git(setting, &mut problems)?;
    if let Some(settings_check) = settings_check {
        let printed = settings_check.run(setting)?;
        if !printed.problems.0.is_empty() {
            problems.0.push(
                Problem::failed(format!("{CONTRACT} doesn't satisfy the settings."))
                    .at(CONTRACT, 1, None)
                    .details(printed.text.trim().lines().map(str::to_owned))
                    .remedy(format!("`{settings_check}` says the same.")),
            );
        }
    }
    problems.into_result()?;
    let mut what = format!("{CONTRACT} has {} harmless values", values.len());
    match settings_check {
        Some(_) => what.push_str(" that satisfy the settings"),
        None => what.push_str("; no settings to satisfy: Cargo.toml has no [workspace.metadata.xtask] env-check"),
    }
    if !git {
        return Ok(Passed::InPart(format!("{what}; this is no git checkout, so nothing was asked about {FILE}")));
    }
    Ok(Passed::With(what))
}

/// Reports a `.env` that git tracks or doesn't ignore. Returns whether this is a git checkout at all.
fn in_git(setting: &Setting<'_>, problems: &mut Problems) -> Result<bool> {
    let root: &Path = &setting.context.workspace.root;
    if which::which("git").is_err() {
        return Ok(false);
    }
    let git = |args: &[&str]| {
        let child = Child::new("git", GIT).dir(root).args(args.iter().copied());
        Ok::<_, anyhow::Error>(child.run(setting.context.interrupt)?.status.success())
    };
    // In a checkout of another user, git tells root about "dubious ownership" and answers nothing else.
    if !git(&["rev-parse", "--is-inside-work-tree"])? {
        return Ok(false);
    }
    if git(&["ls-files", "--error-unmatch", FILE])? {
        problems.0.push(
            Problem::failed(format!("{FILE} is tracked by git: whoever clones the repository has its secrets."))
                .at(FILE, 1, None)
                .remedy(format!("git rm --cached {FILE}"))
                .remedy("Then change every secret in it: the history keeps them."),
        );
    } else if !git(&["check-ignore", "--quiet", FILE])? {
        problems.0.push(
            Problem::failed(format!("Git doesn't ignore {FILE}: the next `git add` may take it along."))
                .at(".gitignore", 1, None)
                .remedy(format!("echo {FILE} >> .gitignore")),
        );
    }
    Ok(true)
}

/// Reports a value that looks like a real credential. The value isn't shown, because it may be one.
fn real_credential(value: &env_file::Value) -> Option<Problem> {
    let env_file::Value { name, text, line } = value;
    let why = looks_real(text)?;
    Some(
        Problem::failed(format!("{name} looks like a real credential: {why}."))
            .at(CONTRACT, *line, None)
            .detail(format!("{CONTRACT} is public; the value isn't shown here."))
            .remedy(
                "Revoke it if it's real, and put a made-up one in its place: test_…, or words with _ between them.",
            ),
    )
}

fn looks_real(text: &str) -> Option<String> {
    if text.contains("-----BEGIN") {
        return Some("it holds a key in PEM format".to_owned());
    }
    if let Some(prefix) = PREFIXES.iter().find(|prefix| text.starts_with(**prefix)) {
        return Some(format!("it begins as such tokens do ({prefix}…)"));
    }
    if text.contains("://") {
        return password_for_elsewhere(text);
    }
    let words = text.to_lowercase();
    if HARMLESS.iter().any(|word| words.contains(word)) {
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
    let random = text.split(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c)).find(|row| is_random(row));
    random.map(|row| format!("it has {} characters in a row that look random", row.len()))
}

/// Returns the reason why a URL of any kind seems to have a real password in it.
fn password_for_elsewhere(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let option = |wanted: &str| url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
    let password = option("password").or_else(|| url.password().map(str::to_owned)).unwrap_or_default();
    let host = option("host").or_else(|| url.host_str().map(str::to_owned)).unwrap_or_default();
    let host = host.trim_matches(['[', ']']).to_owned();
    // An encoded host is a Unix socket's folder.
    if password.is_empty() || host.is_empty() || host.starts_with('%') || host.ends_with("example.com") {
        return None;
    }
    let address = Address { host, port: 0 };
    (!address.is_loopback()).then(|| format!("it has a password for {}, which isn't this machine", address.host))
}

/// Returns whether a text looks random: letters of both cases, or hexadecimal digits, mixed with numbers, and few of them
/// twice.
fn is_random(row: &str) -> bool {
    let has = |test: fn(&u8) -> bool| row.bytes().any(|byte| test(&byte));
    let digits = has(u8::is_ascii_digit);
    let mixed = has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    let hex = row.bytes().all(|byte| byte.is_ascii_hexdigit()) && has(u8::is_ascii_alphabetic);
    row.len() >= RANDOM && digits && (mixed || hex) && entropy(row) > 3.0
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
        ] {
            assert!(looks_real(text).is_some(), "{text}");
        }
    }
}
