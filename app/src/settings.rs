//! The settings, typed and checked.
//!
//! They come from the process's environment and, for what isn't set there, from `.env` in the workspace's root. All
//! that is wrong is reported at once, and no value is ever quoted: a secret may stand in the wrong variable.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::path::Path;

use xtask_env::{DatabaseUrl, UrlError};

use crate::env_file::{EnvFile, find_workspace_root};
use crate::secret::Secret;

/// The variables that have to be set. `.env.ci` in the workspace's root has safe values for all of them.
pub const VARIABLES: [&str; 10] = [
    "TELEGRAM_BOT_TOKEN",
    "ADMIN_USER_IDS",
    "PAKASIR_API_KEY",
    "PAKASIR_PROJECT_SLUG",
    "DATABASE_URL",
    "AUDIT_DATABASE_URL",
    "SECRET_KEY",
    "ENCRYPTION_KEY",
    "ENVIRONMENT",
    "DEBUG",
];

/// A shorter key could be guessed.
const KEY_CHARACTERS: usize = 32;

/// Everything that QuickCart is told from outside. Its `Debug` output contains no secret.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The bot's token, from Telegram's BotFather.
    pub telegram_bot_token: Secret,
    /// The Telegram user ids that may use the admin commands.
    pub admin_user_ids: Vec<i64>,
    /// The key for Pakasir's API.
    pub pakasir_api_key: Secret,
    /// The shop's name at Pakasir.
    pub pakasir_project_slug: String,
    /// The main database.
    pub database_url: DatabaseUrl,
    /// The audit database, another one than the main database.
    pub audit_database_url: DatabaseUrl,
    /// The key that signs.
    pub secret_key: Secret,
    /// The key that encrypts.
    pub encryption_key: Secret,
    /// What kind of installation this is.
    pub environment: Environment,
    /// Whether to help developers at the cost of telling too much. Never in production.
    pub debug: bool,
}

/// The kinds of installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// A developer's machine.
    Development,
    /// Tests, by hand or in CI.
    Testing,
    /// Where customers pay.
    Production,
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Development => "development",
            Self::Testing => "testing",
            Self::Production => "production",
        })
    }
}

/// All that is wrong with the settings: a sentence for each, none of which quotes a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<String>);

impl Problems {
    /// The sentences.
    pub fn sentences(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl Error for Problems {}

impl Settings {
    /// Loads the settings as they are for a process started in the folder `start`.
    ///
    /// # Errors
    /// All that is wrong, `.env` included.
    pub fn load(start: &Path) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let root = find_workspace_root(start).unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        // Exactly this file: a walk upwards, as in dotenvy::dotenv(), would find the `.env` of another project.
        let mut file = root.map(|root| EnvFile::read(&root.join(".env"))).unwrap_or_default();
        problems.append(&mut file.problems);
        let mut variables = file.variables;
        let mut empty = Vec::new();
        for name in VARIABLES {
            match std::env::var_os(name).map(std::ffi::OsString::into_string) {
                Some(Ok(value)) => {
                    // CI sets a secret that it doesn't have to nothing. To fall back to the file here would run with
                    // other settings than the ones asked for.
                    if value.trim().is_empty() {
                        empty.push(name);
                    }
                    variables.insert(name.to_owned(), value);
                }
                Some(Err(_)) => problems.push(format!("{name} is not valid UTF-8.")),
                None => {}
            }
        }
        Self::read(Reader { variables: &variables, empty_in_environment: empty, in_environment: true, problems })
    }

    /// Makes settings of what the file at `path` says by itself, without the process's environment.
    ///
    /// # Errors
    /// All that is wrong, which may be that there is no such file.
    pub fn from_file(path: &Path) -> Result<Self, Problems> {
        let EnvFile { variables, problems } =
            EnvFile::read_by_itself(path).map_err(|problem| Problems(vec![problem]))?;
        Self::read(Reader::alone(&variables, problems))
    }

    /// Makes settings of the variables alone, without the process's environment or a file.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn from_variables(variables: &BTreeMap<String, String>) -> Result<Self, Problems> {
        Self::read(Reader::alone(variables, Vec::new()))
    }

    fn read(mut reader: Reader<'_>) -> Result<Self, Problems> {
        // Each is read before any is missed, so that one run tells everything.
        let telegram_bot_token = reader.secret("TELEGRAM_BOT_TOKEN");
        let admin_user_ids = reader.parse("ADMIN_USER_IDS", admin_user_ids);
        let pakasir_api_key = reader.secret("PAKASIR_API_KEY");
        let pakasir_project_slug = reader.parse("PAKASIR_PROJECT_SLUG", |value| Ok(value.to_owned()));
        let database_url = reader.database_url("DATABASE_URL");
        let audit_database_url = reader.database_url("AUDIT_DATABASE_URL");
        let secret_key = reader.parse("SECRET_KEY", key);
        let encryption_key = reader.parse("ENCRYPTION_KEY", key);
        let environment = reader.parse("ENVIRONMENT", environment);
        let debug = reader.parse("DEBUG", boolean);

        if let (Some(main), Some(audit)) = (&database_url, &audit_database_url)
            && main.is_same_database(audit)
        {
            reader.problems.push(format!(
                "AUDIT_DATABASE_URL names the same database as DATABASE_URL ({main}): the audit trail needs its own."
            ));
        }
        if (environment, debug) == (Some(Environment::Production), Some(true)) {
            reader.problems.push("DEBUG is true although ENVIRONMENT is production: set it to false.".to_owned());
        }

        let problems = reader.problems;
        let settings = (|| {
            Some(Self {
                telegram_bot_token: telegram_bot_token?,
                admin_user_ids: admin_user_ids?,
                pakasir_api_key: pakasir_api_key?,
                pakasir_project_slug: pakasir_project_slug?,
                database_url: database_url?,
                audit_database_url: audit_database_url?,
                secret_key: secret_key?,
                encryption_key: encryption_key?,
                environment: environment?,
                debug: debug?,
            })
        })();
        match settings {
            Some(settings) if problems.is_empty() => Ok(settings),
            _ => Err(Problems(problems)),
        }
    }
}

/// Reads variables one after the other and collects what is wrong with them.
struct Reader<'a> {
    variables: &'a BTreeMap<String, String>,
    /// The variables that the environment sets to nothing.
    empty_in_environment: Vec<&'a str>,
    /// Whether the settings are for this process, with its environment.
    in_environment: bool,
    problems: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Reads the variables as they would be anywhere.
    fn alone(variables: &'a BTreeMap<String, String>, problems: Vec<String>) -> Self {
        Self { variables, empty_in_environment: Vec::new(), in_environment: false, problems }
    }

    /// `parse` says what is wrong as the rest of a sentence that begins with the variable's name.
    fn parse<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let problem = match self.variables.get(name).map(|value| value.trim()) {
            None => "is missing".to_owned(),
            Some("") if self.empty_in_environment.contains(&name) => {
                "is empty in the environment, which wins over .env: set it there, or unset it".to_owned()
            }
            Some("") => "is empty".to_owned(),
            Some(value) => match parse(value) {
                Ok(parsed) => return Some(parsed),
                Err(problem) => problem,
            },
        };
        self.problems.push(format!("{name} {problem}."));
        None
    }

    fn database_url(&mut self, name: &str) -> Option<DatabaseUrl> {
        let in_environment = self.in_environment;
        self.parse(name, |value| {
            let url = DatabaseUrl::parse(name, value);
            let url = if in_environment { url.and_then(DatabaseUrl::in_environment) } else { url };
            url.map_err(|error: UrlError| error.to_string())
        })
    }

    fn secret(&mut self, name: &str) -> Option<Secret> {
        self.parse(name, |value| Ok(Secret::new(value.to_owned())))
    }
}

fn admin_user_ids(value: &str) -> Result<Vec<i64>, String> {
    let mut ids = Vec::new();
    for (index, id) in value.split(',').enumerate() {
        let problem = || format!("has no integer in place {}: write Telegram user ids, separated by commas", index + 1);
        ids.push(id.trim().parse().map_err(|_| problem())?);
    }
    Ok(ids)
}

fn key(value: &str) -> Result<Secret, String> {
    match value.chars().count() {
        KEY_CHARACTERS.. => Ok(Secret::new(value.to_owned())),
        length => Err(format!("has {length} characters: it must have {KEY_CHARACTERS} or more")),
    }
}

fn environment(value: &str) -> Result<Environment, String> {
    match value {
        "development" => Ok(Environment::Development),
        "testing" => Ok(Environment::Testing),
        "production" => Ok(Environment::Production),
        _ => Err("must be development, testing or production".to_owned()),
    }
}

fn boolean(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const KEY: &str = "hunter2-hunter2-hunter2-hunter2-";

    fn variables(changes: &[(&str, &str)]) -> BTreeMap<String, String> {
        let mut variables: BTreeMap<String, String> = [
            ("TELEGRAM_BOT_TOKEN", "1:hunter2"),
            ("ADMIN_USER_IDS", "1, 2"),
            ("PAKASIR_API_KEY", "hunter2"),
            ("PAKASIR_PROJECT_SLUG", "shop"),
            ("DATABASE_URL", "postgres://me:hunter2@localhost/shop"),
            ("AUDIT_DATABASE_URL", "postgres://me:hunter2@localhost/audit"),
            ("SECRET_KEY", KEY),
            ("ENCRYPTION_KEY", KEY),
            ("ENVIRONMENT", "production"),
            ("DEBUG", "false"),
        ]
        .iter()
        .chain(changes)
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
        variables.retain(|_, value| value != "unset");
        variables
    }

    fn problems(changes: &[(&str, &str)]) -> Vec<String> {
        Settings::from_variables(&variables(changes)).unwrap_err().sentences().to_vec()
    }

    #[test]
    fn complete_settings_are_read_and_print_no_secret() {
        let settings = Settings::from_variables(&variables(&[])).unwrap();
        assert_eq!(settings.admin_user_ids, [1, 2]);
        assert_eq!((settings.environment, settings.debug), (Environment::Production, false));
        assert_eq!(settings.telegram_bot_token.expose(), "1:hunter2");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn each_rule_names_its_variable() {
        for (name, value, expected) in [
            ("TELEGRAM_BOT_TOKEN", "unset", "is missing"),
            ("PAKASIR_API_KEY", "", "is empty"),
            ("PAKASIR_PROJECT_SLUG", " ", "is empty"),
            ("ADMIN_USER_IDS", "1,x", "no integer in place 2"),
            ("ADMIN_USER_IDS", "1,,2", "no integer in place 2"),
            ("ADMIN_USER_IDS", "99999999999999999999", "no integer in place 1"),
            ("SECRET_KEY", &KEY[1..], "has 31 characters"),
            ("ENCRYPTION_KEY", "äöü", "has 3 characters"),
            ("ENVIRONMENT", "prod", "development, testing or production"),
            ("DEBUG", "1", "true or false"),
            ("DEBUG", "True", "ENVIRONMENT is production"),
            ("DATABASE_URL", "postgresql+asyncpg://me:hunter2@localhost/shop", "write `postgres://`"),
            ("AUDIT_DATABASE_URL", "postgresql://you@127.0.0.1:5432/shop", "the same database"),
        ] {
            let found = problems(&[(name, value)]);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(&format!("{name} ")) && found[0].contains(expected), "{}", found[0]);
            assert!(!found[0].contains("hunter2"), "{}", found[0]);
        }
    }

    #[test]
    fn everything_is_reported_at_once() {
        let all: Vec<_> = VARIABLES.iter().map(|name| (*name, "unset")).collect();
        assert_eq!(problems(&all), VARIABLES.map(|name| format!("{name} is missing.")));
    }

    #[test]
    fn debug_is_allowed_outside_production() {
        let settings = Settings::from_variables(&variables(&[("ENVIRONMENT", "testing"), ("DEBUG", "true")])).unwrap();
        assert!(settings.debug);
    }
}
