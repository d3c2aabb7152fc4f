//! psql: the one of this machine, or else the one in this checkout's container.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::compose::container;
#[cfg(unix)]
use super::local::{Cluster, Found};
use super::{Provider, Record};
use crate::context::Context;
use crate::database_url::DatabaseUrl;
use crate::problem::{Code, Problem};
use crate::process;
use crate::system::System;

const PROGRAM: &str = "psql";

/// What libpq's variables could say against the URL. The URL has the last word.
const AGAINST: [&str; 8] = [
    "PGHOSTADDR",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGTARGETSESSIONATTRS",
    "PGREQUIREPEER",
    "PGREQUIREAUTH",
    "PGCHANNELBINDING",
    "PGGSSENCMODE",
];

/// A file of passwords that doesn't exist.
const NO_FILE: &str = "/nonexistent/pgpass";

/// The host and the port of PostgreSQL inside the container.
const INSIDE: (&str, &str) = ("127.0.0.1", "5432");

/// How long Docker may take to say which container it is.
const QUESTION: Duration = Duration::from_secs(20);

/// A psql that can be run.
pub(crate) enum Psql {
    OfThisMachine(PathBuf),
    /// In the container with this id.
    InContainer(String),
}

impl Psql {
    /// Finds psql: on PATH, beside the programs that run private clusters, or in the container that is the server of the URL.
    ///
    /// # Errors
    /// There is none, or Docker doesn't answer.
    pub(crate) fn find(url: &DatabaseUrl, context: Context<'_>) -> Result<Self> {
        let root = &context.workspace.root;
        if let Ok(program) = which::which(PROGRAM) {
            return Ok(Self::OfThisMachine(program));
        }
        #[cfg(unix)]
        for program in beside_the_server(context) {
            if program.is_file() {
                return Ok(Self::OfThisMachine(program));
            }
        }
        context.interrupt.check()?;
        let record = Record::read(root);
        let mut problem = Problem::failed(Code::NoPsql, "psql isn't installed here.")
            .remedy(format!("Install it: {}", System::this().install_psql()));
        if record.uses == Some(Provider::Compose) && url.address.is_loopback() {
            // Another server may be at the URL by now, whose databases aren't in the container.
            let published = Some(url.address.port);
            if let Some(id) = container(&record.project(root), published, QUESTION, context.interrupt)? {
                return Ok(Self::InContainer(id));
            }
            problem = problem.remedy("or start the container, which has one: cargo xtask db-setup");
        }
        Err(problem.into())
    }

    /// Lets psql take the place of this process. The password is in its environment only.
    ///
    /// # Errors
    /// psql can't be run.
    pub(crate) fn become_shell<T>(self, url: &DatabaseUrl, args: &[OsString]) -> Result<T> {
        let mut variables = variables(url);
        let mut command = match self {
            Self::OfThisMachine(program) => Command::new(program),
            Self::InContainer(id) => {
                variables[0].1 = INSIDE.0.to_owned();
                variables[1].1 = INSIDE.1.to_owned();
                let mut docker = Command::new("docker");
                docker.args(["exec", "--interactive"]);
                if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
                    docker.arg("--tty");
                }
                // Docker takes the value of a variable without one from its own environment.
                docker.args(variables.iter().flat_map(|(name, _)| ["--env", name]));
                docker.args([id.as_str(), PROGRAM]);
                docker
            }
        };
        for name in process::said_by_cargo().chain(AGAINST.map(OsString::from)) {
            command.env_remove(name);
        }
        command.args(args).envs(variables);
        let program = command.get_program().to_string_lossy().into_owned();
        Err(Problem::failed(Code::ProgramFailed, format!("{program} can't be run: {}.", replace_this_process(command)))
            .remedy(format!("Try it by hand: {program} --version"))
            .into())
    }
}

/// The variables that lead psql to the database. The host and the port are the first two.
fn variables(url: &DatabaseUrl) -> Vec<(&'static str, String)> {
    let options = url.options(PROGRAM);
    let mut variables = vec![
        ("PGHOST", url.address.host.clone()),
        ("PGPORT", url.address.port.to_string()),
        ("PGUSER", url.user.clone()),
        ("PGDATABASE", url.database.clone()),
        ("PGSSLMODE", format!("{:?}", options.get_ssl_mode()).to_lowercase()),
        ("PGPASSWORD", url.password.clone()),
        // A URL without a password logs in without one, and not with one of ~/.pgpass.
        ("PGPASSFILE", NO_FILE.to_owned()),
    ];
    variables.extend(options.get_options().map(|options| ("PGOPTIONS", options.to_owned())));
    variables
}

/// The places beside PostgreSQL's own programs, which aren't on PATH in most distributions.
#[cfg(unix)]
fn beside_the_server(context: Context<'_>) -> Vec<PathBuf> {
    let Ok(cluster) = Cluster::locate(&context.workspace.root) else { return Vec::new() };
    let fetched = match cluster.fetched(true, context.interrupt) {
        Ok(Found::Ready(binaries)) => Some(binaries),
        _ => None,
    };
    let found = cluster.binaries(context.interrupt).ok().into_iter().chain(fetched);
    found.map(|binaries| binaries.program(PROGRAM)).collect()
}

/// Returns only if the command can't be run.
#[cfg(unix)]
fn replace_this_process(mut command: Command) -> std::io::Error {
    std::os::unix::process::CommandExt::exec(&mut command)
}

/// Windows has no such call. Ctrl-C reaches psql as well there.
#[cfg(not(unix))]
fn replace_this_process(mut command: Command) -> std::io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}
