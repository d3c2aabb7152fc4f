//! PostgreSQL in a container: the service `db` of `compose.yaml`, through `docker compose` or a standalone
//! `docker-compose`.
//!
//! `up -d` starts the container, and this program itself asks PostgreSQL whether it is ready. `--wait` would notice
//! that only at the interval of the health check. The user, the password and the port reach compose through the
//! environment.

mod engine;
mod find;
mod foresee;
mod override_file;
mod stop;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::postgres::PgConnection;

pub(crate) use self::find::Unusable;
pub(crate) use self::stop::not_stopped;
use super::{Record, StartError, roles};
use crate::checkout;
use crate::connection::readiness::{self, Answer};
use crate::database_url::DatabaseUrl;
use crate::interrupt::Interrupt;
use crate::problem::{Code, Problem};
use crate::process::{Child, Ended};

/// The compose file, at the workspace root.
const FILE: &str = "compose.yaml";
/// The service in the compose file.
const SERVICE: &str = "db";
/// The address at which the compose file opens the container's port.
const PUBLISHED: &str = "127.0.0.1";
/// The image, unless `POSTGRES_IMAGE` names another one. `compose.yaml` has the same default.
const IMAGE: &str = "postgres:15-alpine";

/// How long `up` may take when the image is on this machine.
const UP: Duration = Duration::from_secs(90);
/// How long `up` may take when it has to pull the image first.
const PULL: Duration = Duration::from_secs(600);

/// The first pause between two looks at a container that starts, and the longest one. A look takes time in which
/// PostgreSQL isn't asked.
const LOOKS: std::ops::RangeInclusive<Duration> = Duration::from_millis(400)..=Duration::from_secs(1);

/// A compose that works, and the project that it manages for this checkout.
#[derive(Clone)]
pub(crate) struct Compose {
    /// `docker compose` or `docker-compose`.
    command: Vec<String>,
    root: PathBuf,
    /// The name of the project, see [`Record::project`].
    project: String,
    /// The plugin's version, such as `2.26.1-4`. It is empty for the standalone program.
    version: String,
    image_is_there: bool,
    /// How long a question may take.
    question: Duration,
}

impl Compose {
    /// Describes what [`Compose::start`] would run.
    pub(crate) fn describe(&self) -> String {
        let pull = if self.image_is_there { "" } else { ", which it pulls first" };
        format!("{} up -d {SERVICE} with {}{pull}", self.command.join(" "), image())
    }

    /// The image, if it isn't on this machine yet.
    pub(crate) fn image_to_pull(&self) -> Option<String> {
        (!self.image_is_there).then(image)
    }

    /// Refuses an address at which nobody reaches a container.
    fn refuse_address(&self, url: &DatabaseUrl) -> Result<(), Unusable> {
        if url.address.listen_ip() == PUBLISHED {
            return Ok(());
        }
        let DatabaseUrl { variable, address, .. } = url;
        Err(Unusable::new(
            format!("a container's port is open at {PUBLISHED} only, but {variable} names {address}"),
            format!("Write localhost or {PUBLISHED} into {variable}"),
        ))
    }

    /// Starts the container, and waits until PostgreSQL in it is ready. The container is made first if there is none.
    ///
    /// # Errors
    /// [`StartError::Unusable`] if the container can't be reached at the URL's address or the image can't be pulled, [`StartError::PortTaken`] if the port is taken, or else
    /// the failure with the last lines of the container's log.
    pub(crate) async fn start(
        &self,
        url: &DatabaseUrl,
        patience: Duration,
        interrupt: &Interrupt,
    ) -> Result<String, StartError> {
        self.refuse_address(url).map_err(StartError::Unusable)?;
        Record::keep_project(&self.root, &self.project)?;
        override_file::write(self, url);
        let deadline = if self.image_is_there { UP } else { PULL };
        let up = self.compose(deadline, Some(url)).args(["up", "-d", SERVICE]);
        let mut ended = up.run(interrupt)?;
        if ended.stderr.contains("paused container") {
            self.compose(self.question, None).args(["unpause", SERVICE]).run(interrupt)?;
            ended = up.run(interrupt)?;
        }
        if !ended.status.success() {
            return Err(self.explain_up(&up, &ended, interrupt));
        }
        let mut pause = *LOOKS.start();
        let mut next_look = Instant::now() + pause;
        let alive = async || {
            interrupt.check()?;
            if Instant::now() < next_look {
                return Ok(());
            }
            pause = (pause * 2).min(*LOOKS.end());
            next_look = Instant::now() + pause;
            match self.state(interrupt)?.as_str() {
                "exited" | "dead" | "restarting" => Err(self
                    .with_log(
                        Problem::unavailable(Code::ContainerFailed, "The container ended while it was starting."),
                        interrupt,
                    )
                    .remedy(self.see_log())
                    .into()),
                _ => Ok(()),
            }
        };
        match readiness::wait(&url.options("xtask").database("postgres"), Instant::now() + patience, alive).await? {
            Answer::Ready(version) => Ok(version),
            Answer::NoDatabase => Ok(String::new()),
            Answer::Refused(said) => Err(StartError::Failed(self.other_password(&said, url).into())),
            answer @ (Answer::Never(_) | Answer::Stranger(_) | Answer::Nothing(_) | Answer::NotYet(_)) => {
                let problem = Problem::unavailable(
                    Code::ContainerFailed,
                    format!("PostgreSQL in the container can't be used: {answer}."),
                );
                Err(StartError::Failed(self.with_log(problem, interrupt).remedy(self.see_log()).into()))
            }
        }
    }

    /// Returns whether this checkout's container publishes that port.
    pub(crate) fn publishes(&self, port: u16, interrupt: &Interrupt) -> Result<bool> {
        let ended = self.compose(self.question, None).args(["port", SERVICE, "5432"]).run(interrupt)?;
        Ok(ended.status.success() && ended.stdout.trim().ends_with(&format!(":{port}")))
    }

    /// The problem that the container refuses the login. Its data keeps the user and the password that it was made
    /// with, whatever the URL says now.
    pub(crate) fn other_password(&self, said: &str, url: &DatabaseUrl) -> Problem {
        let volume = volume(&self.project);
        Problem::unavailable(
            Code::ContainerPassword,
            format!("The container's PostgreSQL refuses the login of {}: {said}.", url.variable),
        )
        .detail(format!(
            "Its data, in the volume {volume}, was made with another user or password than {} has now.",
            url.variable
        ))
        .remedy(format!("Put the old user and password back into {}", url.variable))
        .remedy(format!(
            "or start with an empty server, which deletes all of its data: {} -p {} down && docker volume rm {volume}",
            self.command.join(" "),
            self.project
        ))
    }

    fn explain_up(&self, up: &Child, ended: &Ended, interrupt: &Interrupt) -> StartError {
        let said = ended.stderr.to_lowercase();
        if said.contains("port is already allocated") || said.contains("address already in use") {
            return StartError::PortTaken;
        }
        let has_image = || {
            let docker = which::which("docker").ok()?;
            let inspect = ["image", "inspect", "--format", "{{.Id}}", &image()];
            Some(Child::new(docker, self.question).args(inspect).run(interrupt).ok()?.status.success())
        };
        if !self.image_is_there && has_image() != Some(true) {
            return StartError::Unusable(no_image(&ended.stderr));
        }
        StartError::Failed(self.with_log(failed(up, ended), interrupt).into())
    }

    /// The container's state, such as `running` or `exited`. It is empty if there is no container.
    fn state(&self, interrupt: &Interrupt) -> Result<String> {
        let Some(id) = container(&self.project, None, self.question, interrupt)? else { return Ok(String::new()) };
        let inspect = Child::new("docker", self.question).args(["inspect", "--format", "{{.State.Status}}", &id]);
        Ok(inspect.run(interrupt)?.stdout.trim().to_owned())
    }

    fn see_log(&self) -> String {
        format!("See its whole log: {} -p {} logs {SERVICE}", self.command.join(" "), self.project)
    }

    fn with_log(&self, problem: Problem, interrupt: &Interrupt) -> Problem {
        let logs = self.compose(self.question, None).args(["logs", "--no-color", "--tail", "15", SERVICE]);
        match logs.run(interrupt) {
            Ok(ended) if !ended.stdout.trim().is_empty() => {
                problem.detail("The end of the container's log:").details(lines(&ended.stdout))
            }
            _ => problem,
        }
    }

    fn empty_file_path(&self) -> PathBuf {
        checkout::state_dir(&self.root).join("empty.env")
    }

    /// The empty file that compose reads instead of `.env`. It is a real file, because docker-compose 1.29 refuses a
    /// device.
    fn empty_file(&self) -> PathBuf {
        let path = self.empty_file_path();
        if !path.is_file() {
            // If the file can't be made, compose itself reports that.
            drop(checkout::make_state_dir(&self.root).map(|_| std::fs::write(&path, "")));
        }
        path
    }

    /// A compose command for this checkout's project. It doesn't read `.env`, whose values are for the application. A
    /// value that compose can't parse would stop it.
    fn compose(&self, deadline: Duration, url: Option<&DatabaseUrl>) -> Child {
        self.compose_with(&self.empty_file(), deadline, url)
    }

    fn compose_with(&self, env_file: &Path, deadline: Duration, url: Option<&DatabaseUrl>) -> Child {
        let program = which::which(&self.command[0]).unwrap_or_else(|_| PathBuf::from(&self.command[0]));
        let placeholder = || "unused".to_owned();
        let (user, password, port) = match url {
            Some(url) => (url.user.clone(), url.password.clone(), url.address.port),
            None => (placeholder(), placeholder(), 1),
        };
        Child::new(program, deadline)
            .args(&self.command[1..])
            .args([OsStr::new("--env-file"), env_file.as_os_str()])
            .args(["--project-name", &self.project, "--file", FILE])
            .dir(&self.root)
            .env("POSTGRES_USER", user)
            .env("POSTGRES_PASSWORD", password)
            .env("POSTGRES_PORT", port.to_string())
            .env("POSTGRES_IMAGE", image())
    }
}

/// The id of a project's container, if there is one. If a port is named, it is one that runs and publishes that port.
///
/// # Errors
/// Docker fails, or doesn't answer in time.
pub(super) fn container(
    project: &str,
    published: Option<u16>,
    question: Duration,
    interrupt: &Interrupt,
) -> Result<Option<String>> {
    // Docker answers this in a tenth of the time that compose takes, and it is asked again and again during a start.
    let label = |name: &str, value: &str| format!("label=com.docker.compose.{name}={value}");
    let (project, service) = (label("project", project), label("service", SERVICE));
    let ps = ["ps", "-a", "-q", "--no-trunc", "--filter", &project, "--filter", &service];
    let ps = Child::new("docker", question).args(ps);
    let ps = published.into_iter().fold(ps, |ps, port| ps.args(["--filter".to_owned(), format!("publish={port}")]));
    let ended = ps.run(interrupt)?;
    if !ended.status.success() {
        return Err(failed(&ps, &ended).remedy("See whether Docker answers: docker ps").into());
    }
    let id = ended.stdout.lines().next().map(str::trim).filter(|id| !id.is_empty());
    Ok(id.map(str::to_owned))
}

/// The problem that a command of compose or docker failed.
fn failed(command: &Child, ended: &Ended) -> Problem {
    Problem::unavailable(Code::ComposeFailed, format!("`{command}` failed.")).details(lines(&ended.stderr))
}

/// The reason that the image is neither on this machine nor to be had.
fn no_image(said: &str) -> Unusable {
    Unusable::of_docker(
        &format!("the image {} can't be pulled: {}", image(), last_line(said)),
        &format!("docker pull {}, or name another image: POSTGRES_IMAGE=…", image()),
    )
}

/// Logs in as the container's superuser, which is the role of the first URL.
pub(super) async fn log_in(url: &DatabaseUrl) -> Result<PgConnection, Answer> {
    readiness::connect(url.options("xtask").database("postgres").options(roles::QUIET)).await
}

/// The name of the volume with a project's data.
pub(super) fn volume(project: &str) -> String {
    format!("{project}_data")
}

fn image() -> String {
    std::env::var("POSTGRES_IMAGE").ok().filter(|image| !image.is_empty()).unwrap_or_else(|| IMAGE.to_owned())
}

fn lines(text: &str) -> Vec<String> {
    let plain = console::strip_ansi_codes(text);
    plain.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn last_line(text: &str) -> String {
    lines(text).pop().unwrap_or_default()
}
