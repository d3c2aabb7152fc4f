//! Docker for the tests: which compose program there is, and which containers run.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::is_root;
use super::process::wait_or_kill;
use super::run::{Invocation, whole_path};
use super::workspace::Workspace;

/// The image that `compose.yaml` names.
pub(crate) const IMAGE: &str = "postgres:15-alpine";

/// The compose program that a test uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Docker {
    /// `docker compose`, docker's plugin.
    Plugin,
    /// `docker-compose`, a separate program. The plugin is hidden from the run.
    Standalone,
}

impl Docker {
    /// Returns what this machine lacks for a test with a real engine, or `None` if it lacks nothing.
    pub(crate) fn missing(self) -> Option<String> {
        let compose: &[&str] = match self {
            Self::Plugin => &["docker", "compose", "version"],
            Self::Standalone => &["docker-compose", "version"],
        };
        // The engine has to answer for its images.
        [compose, &["docker", "image", "inspect", IMAGE]]
            .into_iter()
            .find(|command| docker(command).is_none())
            .map(|command| format!("`{}` fails here", command.join(" ")))
    }

    /// Makes docker visible to a run, with this compose program only.
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

/// The folder in which docker keeps its plugins and contexts.
pub(crate) fn config_folder() -> OsString {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".docker").into_os_string();
    std::env::var_os("DOCKER_CONFIG").unwrap_or_else(home)
}

/// Returns the output of a command, or `None` if it fails or takes too long.
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

/// Changes two things in a checkout's compose file that only cost time in a test. The rest of the file stays as it is.
///
/// With `TZ`, initdb doesn't read every time zone, which takes seconds on some of the file systems that engines use.
/// The volume is in the checkout's temporary folder, which is in memory, because PostgreSQL flushes a new cluster to
/// disk. Only root can delete the files that the container makes there, so for other users the volume isn't moved.
pub(crate) fn make_quick(workspace: &Workspace) {
    let text = workspace.read("compose.yaml");
    let (services, volume) = text.split_once("\nvolumes:\n").unwrap();
    let (before, after) = services.split_once("      POSTGRES_DB: postgres\n").unwrap();
    assert_eq!(volume, "  data:\n");
    let folder = workspace.base().join("volume");
    let mut options = String::new();
    if is_root() && cfg!(target_os = "linux") {
        std::fs::create_dir_all(&folder).unwrap();
        options =
            format!("    driver: local\n    driver_opts: {{type: none, o: bind, device: \"{}\"}}\n", folder.display());
    }
    let environment = "      POSTGRES_DB: postgres\n      TZ: UTC\n";
    workspace.write("compose.yaml", format!("{before}{environment}{after}\nvolumes:\n{volume}{options}"));
}

/// Returns the containers of a checkout with their state, such as `id running`.
pub(crate) fn containers(workspace: &Workspace) -> Vec<String> {
    let format = "{{.ID}} {{.State}} {{.Names}} {{.Label \"com.docker.compose.project\"}} {{.Labels}}";
    let all = docker(&["docker", "ps", "-a", "--no-trunc", "--format", format]).unwrap_or_default();
    let mut found = Vec::new();
    for line in all.lines().filter(|line| line.contains(workspace.suffix())) {
        if let [id, state, _, project, ..] = line.split(' ').collect::<Vec<_>>()[..] {
            // The cleanup deletes the project's volumes, whatever their names are.
            std::fs::write(workspace.base().join("uses-docker"), format!("{project}\n")).unwrap();
            found.push(format!("{id} {state}"));
        }
    }
    found
}

/// The part of a checkout's cleanup that removes its containers, volumes and networks, if its runs could see docker.
/// Their names or labels contain the checkout's suffix.
pub(crate) const CLEANUP: &str = r#"
if [ -e "$1/uses-docker" ]; then
    docker ps -a --format '{{.ID}} {{.Names}} {{.Labels}}' | grep SUFFIX | cut -d ' ' -f 1 | xargs -r docker rm -f -v
    docker volume ls --format '{{.Name}} {{.Labels}}' | grep SUFFIX | cut -d ' ' -f 1 | xargs -r docker volume rm -f
    docker network ls --format '{{.Name}} {{.Labels}}' | grep SUFFIX | cut -d ' ' -f 1 | xargs -r docker network rm
    while read -r project; do
        label=label=com.docker.compose.project=$project
        docker volume ls -q --filter "$label" | xargs -r docker volume rm -f
        docker network ls -q --filter "$label" | xargs -r docker network rm
    done < "$1/uses-docker"
fi
"#;
