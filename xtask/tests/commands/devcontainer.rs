//! `.devcontainer`: what can be checked of it without a Codespace.

use std::path::Path;

use crate::support::run::{Invocation, whole_path};
use crate::support::{Workspace, docker, skip};

fn read(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The database has the user and the password that the URLs have, so `db-setup` finds a server that runs.
#[test]
fn the_dev_container_has_the_login_of_the_contract() {
    let contract = read(".env.ci");
    let url = contract.lines().find_map(|line| line.strip_prefix("DATABASE_URL=postgres://")).unwrap();
    let (user, password) = url.split_once('@').unwrap().0.split_once(':').unwrap();
    let compose = read(".devcontainer/compose.yaml");
    for (name, value) in [("USER", user), ("PASSWORD", password)] {
        for name in [format!("POSTGRES_{name}"), format!("PG{name}")] {
            assert!(compose.contains(&format!(" {name}: {value}\n")), "{name} isn't {value} in\n{compose}");
        }
    }
    let container: serde_json::Value = serde_json::from_str(&read(".devcontainer/devcontainer.json")).unwrap();
    let folder = container["workspaceFolder"].as_str().unwrap();
    assert!(compose.contains(&format!("- .:{folder}:")), "{folder} isn't mounted in\n{compose}");
    assert_eq!(container["postCreateCommand"], "cargo xtask db-setup");
}

#[test]
fn compose_takes_the_files_of_the_dev_container() {
    if !std::env::split_paths(&whole_path()).any(|folder| folder.join("docker").exists()) {
        skip!("docker isn't installed");
    }
    let workspace = Workspace::generic().build();
    for file in ["compose.yaml", ".devcontainer/compose.yaml"] {
        workspace.write(file, read(file));
    }
    let compose = |arguments: &[&str]| {
        Invocation::of(&workspace, "docker", &[&["compose"], arguments].concat())
            .env("PATH", whole_path())
            .env("DOCKER_CONFIG", docker::config_folder())
            .run()
    };
    if compose(&["version"]).status.code() != Some(0) {
        skip!("docker has no compose");
    }
    let files = ["-f", "compose.yaml", "-f", ".devcontainer/compose.yaml"];
    let services = compose(&[&files[..], &["config", "--services"]].concat()).code(0).stdout;
    let mut services: Vec<_> = services.lines().collect();
    services.sort_unstable();
    assert_eq!(services, ["db", "dev"]);
}
