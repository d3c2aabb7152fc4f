//! Whether docker can be had for a test, and what it runs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::process::wait_or_kill;
use super::run::{Invocation, whole_path};
use super::workspace::Workspace;

/// The image that `compose.yaml` names.
const IMAGE: &str = "postgres:15-alpine";

/// Which compose a test uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Docker {
    /// `docker compose`, docker's plugin.
    Plugin,
    /// `docker-compose`, a program of its own; the plugin is hidden.
    Standalone,
}

impl Docker {
    /// What is missing for a test with a real engine.
    pub(crate) fn missing(self) -> Option<String> {
        let compose: &[&str] = match self {
            Self::Plugin => &["docker", "compose", "version"],
            Self::Standalone => &["docker-compose", "version"],
        };
        [compose, &["docker", "version"], &["docker", "image", "inspect", IMAGE]]
            .into_iter()
            .find(|command| docker(command).is_none())
            .map(|command| format!("`{}` fails here", command.join(" ")))
    }

    /// Lets a run see docker, and this compose only.
    pub(crate) fn show<'a>(self, workspace: &Workspace, run: Invocation<'a>) -> Invocation<'a> {
        let file = workspace.base().join("uses-docker");
        if !file.exists() {
            std::fs::write(file, "").unwrap();
        }
        let run = run.env("PATH", whole_path());
        match self {
            Self::Plugin => run.env("DOCKER_CONFIG", config_folder()),
            Self::Standalone => {
                let empty = workspace.base().join("docker-config");
                std::fs::create_dir_all(&empty).unwrap();
                run.env("DOCKER_CONFIG", empty)
            }
        }
    }
}

/// Where docker keeps its plugins and contexts.
pub(crate) fn config_folder() -> OsString {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".docker").into_os_string();
    std::env::var_os("DOCKER_CONFIG").unwrap_or_else(home)
}

/// The output of a command, if it succeeds in time.
pub(crate) fn docker(command: &[&str]) -> Option<String> {
    use std::os::unix::process::CommandExt;
    let file = tempfile::tempfile().unwrap();
    let mut child = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .ok()?;
    let status = wait_or_kill(&mut child, Duration::from_secs(60))?;
    let mut text = String::new();
    let mut file = file;
    std::io::Seek::rewind(&mut file).unwrap();
    std::io::Read::read_to_string(&mut file, &mut text).unwrap();
    status.success().then_some(text)
}

/// The containers of a checkout, with their state: `id running`.
pub(crate) fn containers(workspace: &Workspace) -> Vec<String> {
    let all = docker(&["docker", "ps", "-a", "-q", "--no-trunc"]).unwrap_or_default();
    let mut found = Vec::new();
    for id in all.lines() {
        // A container may go between the two calls.
        let Some(details) = docker(&["docker", "inspect", id]) else {
            continue;
        };
        if details.contains(workspace.suffix()) {
            let state = docker(&["docker", "inspect", "-f", "{{.State.Status}}", id]).unwrap_or_default();
            remember_project(workspace, id);
            found.push(format!("{id} {}", state.trim()));
        }
    }
    found
}

/// Notes the compose project, so that its volumes are deleted at the end whatever their names.
fn remember_project(workspace: &Workspace, id: &str) {
    let label = "{{index .Config.Labels \"com.docker.compose.project\"}}";
    if let Some(project) = docker(&["docker", "inspect", "-f", label, id]) {
        std::fs::write(workspace.base().join("uses-docker"), project).unwrap();
    }
}
