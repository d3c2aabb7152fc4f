//! Which compose this machine has, and why it can't be used if it can't.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::{Compose, FILE, SERVICE, engine, image, lines};
use crate::interrupt::Interrupt;
use crate::problem::{Code, Problem};
use crate::process::{Child, Ended};
use crate::server::Record;
use crate::system::System;

/// How long a question to Docker's engine may take at most. An engine that hangs never answers.
const QUESTION: Duration = Duration::from_secs(20);
/// How long the standalone program may take to answer. It is written in Python and starts slowly on a busy machine.
const STANDALONE: Duration = Duration::from_secs(40);

/// The reason why a provider can't be used here, and the way to fix that.
#[derive(Clone)]
pub(crate) struct Unusable {
    pub(crate) why: String,
    /// More facts, one sentence each. They are shown only if no provider can be used.
    pub(crate) details: Vec<String>,
    pub(crate) remedy: String,
    /// The same as a problem by itself, if it has a word of its own.
    pub(crate) problem: Option<Problem>,
    /// Whether no container can run then, because Docker isn't installed or its engine doesn't run.
    pub(crate) runs_nothing: bool,
}

impl Unusable {
    pub(crate) fn new(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { why: why.into(), details: Vec::new(), remedy: remedy.into(), problem: None, runs_nothing: false }
    }

    /// Takes a problem for the reason.
    pub(crate) fn of(problem: Problem) -> Self {
        let (details, remedy) = (problem.details.clone(), problem.remedies.join(", "));
        Self { details, ..Self::new(problem.what.clone(), remedy) }.with(problem)
    }

    /// The reason that Docker can't be used.
    pub(super) fn of_docker(why: &str, remedy: &str) -> Self {
        let end = if why.ends_with(['.', '?', '!']) { "" } else { "." };
        let problem = Problem::unavailable(Code::DockerUnusable, format!("{}{end}", capital(why))).remedy(remedy);
        Self::new(why, remedy).with(problem)
    }

    fn with(self, problem: Problem) -> Self {
        Self { problem: Some(problem), ..self }
    }
}

impl Compose {
    /// Looks for a compose that works, and starts nothing. A user who is less patient than this program waits only as
    /// long as `patience` for an engine that hangs.
    ///
    /// # Errors
    /// The outer error is only Ctrl-C. The inner error is the reason why compose can't be used.
    pub(crate) fn find(root: &Path, patience: Duration, interrupt: &Interrupt) -> Result<Result<Self, Unusable>> {
        let question = QUESTION.min(patience);
        let unusable = |why: &str, remedy: &str| Ok(Err(Unusable::of_docker(why, remedy)));
        let runs_nothing = |why: &str, remedy: &str| {
            let unusable = Unusable::of_docker(why, remedy);
            Ok(Err(Unusable { runs_nothing: true, ..unusable }))
        };
        if !root.join(FILE).is_file() {
            return unusable(
                &format!("there is no {FILE} here"),
                &format!("Write a {FILE} with a service {SERVICE}, or bring it back: git checkout -- {FILE}"),
            );
        }
        let docker = which::which("docker").ok();
        let standalone = which::which("docker-compose").ok();
        if docker.is_none() && standalone.is_none() {
            return runs_nothing(
                "Docker isn't installed",
                &format!("Install Docker: {}", System::this().install_docker()),
            );
        }
        if let Some(host) = engine::remote(docker.as_deref(), question, interrupt) {
            return unusable(
                &format!("Docker's engine is on another machine ({host}), and nothing is started there"),
                "docker context use default, and unset DOCKER_HOST",
            );
        }
        let ask =
            |program: &Path, args: &[&str]| Child::new(program, question).args(args.iter().copied()).run(interrupt);
        // Both questions are asked at the same time, so together they take only as long as the slower one.
        let (plugin, image) = std::thread::scope(|scope| {
            let image = image();
            let plugin =
                docker.as_deref().map(|docker| scope.spawn(move || ask(docker, &["compose", "version", "--short"])));
            let image =
                docker.as_deref().map(|docker| ask(docker, &["image", "inspect", "--format", "{{.Id}}", &image]));
            (plugin.and_then(|thread| thread.join().ok()), image)
        });
        interrupt.check()?;
        if let Some(Err(error)) = &image {
            return Ok(Err(silent(error)));
        }
        let works = |ended: &Option<Result<Ended>>| matches!(ended, Some(Ok(ended)) if ended.status.success());
        // The standalone program takes much longer to answer than the plugin, and mostly isn't needed.
        let own = if works(&plugin) {
            None
        } else {
            let version = |program| Child::new(program, STANDALONE.min(patience)).args(["version", "--short"]);
            standalone.as_deref().map(|program| version(program).run(interrupt))
        };
        let command = if works(&plugin) {
            vec!["docker".to_owned(), "compose".to_owned()]
        } else if works(&own) {
            vec!["docker-compose".to_owned()]
        } else if [&plugin, &image].into_iter().flatten().flatten().any(|ended| ended.stderr.contains("podman")) {
            return unusable(
                "the program docker is podman's here, and has no compose",
                "Install Docker, or let Docker's own program with its compose plugin use podman's service: \
                 systemctl --user start podman.socket, and DOCKER_HOST=unix://$XDG_RUNTIME_DIR/podman/podman.sock",
            );
        } else if let Some(error) = [&plugin, &own].into_iter().flatten().find_map(|asked| asked.as_ref().err()) {
            interrupt.check()?;
            return Ok(Err(silent(error)));
        } else {
            return unusable(
                "Docker is installed, but neither its compose plugin nor docker-compose is",
                &format!("Install compose: {}", System::this().install_compose()),
            );
        };
        let image_is_there = match image {
            Some(Ok(ended)) if ended.status.success() => true,
            Some(Ok(ended)) if ended.stderr.contains("permission denied") => {
                return unusable(
                    "this user has no permission to use Docker's engine",
                    &format!("{}, then log in again", System::this().join_docker()),
                );
            }
            Some(Ok(ended)) if !ended.stderr.to_lowercase().contains("no such image") => {
                let said = lines(&ended.stderr).into_iter().next().unwrap_or_default();
                return runs_nothing(
                    &format!("Docker's engine isn't running: {said}"),
                    &format!("Start it: {}", System::this().start_docker()),
                );
            }
            _ => false,
        };
        let version = match &plugin {
            Some(Ok(ended)) if command.len() > 1 => ended.stdout.trim().to_owned(),
            _ => String::new(),
        };
        let project = Record::read(root).project(root);
        Ok(Ok(Self { command, root: root.to_owned(), project, version, image_is_there, question }))
    }
}

/// The reason that Docker doesn't answer a question in time.
pub(super) fn silent(error: &impl std::fmt::Display) -> Unusable {
    Unusable::of_docker(&format!("Docker doesn't answer: {error}"), "Restart Docker, and look at its log.")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
