//! The recordings of docker's answers, put to a real engine again.
//!
//! Docker's words and the exit codes of its failures change with its versions. An answer is still true if it is a success
//! or a failure as before, and if it has the same words that `server/compose.rs` looks for. An answer that the program
//! reads as a whole has to be the same.

use std::process::{Command, Stdio};

use crate::compose::needs;
use crate::support::docker::{self, Docker, docker};
use crate::support::fixture::ROLE;
use crate::support::listener::Listener;
use crate::support::recording::{ID, IMAGE, PORT, PROJECT, Recorded, questions};
use crate::support::{DEADLINE, Workspace, eventually, is_root, process, skip};

/// The words that the program looks for. Docker has several for the same thing.
const WORDS: [&[&str]; 4] = [
    &["permission denied"],
    &["no such image"],
    &["port is already allocated", "address already in use"],
    // The program shows the container's log.
    &["no_such_setting"],
];

/// A checkout whose questions are put to a real engine.
struct Real<'w> {
    workspace: &'w Workspace,
    variables: Vec<(&'static str, String)>,
    user: Option<nix::unistd::User>,
}

impl<'w> Real<'w> {
    fn new(workspace: &'w Workspace) -> Self {
        Docker::Plugin.show(workspace, workspace.xtask(&[]));
        std::fs::write(workspace.base().join("empty.env"), "").unwrap();
        let variables = vec![
            ("POSTGRES_USER", ROLE.to_owned()),
            ("POSTGRES_PASSWORD", "unused".to_owned()),
            ("POSTGRES_PORT", workspace.port().to_string()),
            ("POSTGRES_IMAGE", docker::IMAGE.to_owned()),
        ];
        Self { workspace, variables, user: None }
    }

    fn with(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.variables.retain(|(other, _)| *other != name);
        self.variables.push((name, value.to_string()));
        self
    }

    fn value(&self, name: &str) -> &str {
        &self.variables.iter().find(|(other, _)| *other == name).unwrap().1
    }

    /// The container's id. It is empty if there is no container.
    fn id(&self) -> String {
        let found = docker::containers(self.workspace);
        found.first().and_then(|found| found.split(' ').next()).unwrap_or_default().to_owned()
    }

    fn ask(&self, question: &str) -> Recorded {
        let mut command = Command::new("docker");
        let project = format!("recording-{}", self.workspace.suffix());
        let mut words = question.split(' ');
        if let Some(compose) = question.strip_prefix("compose ").filter(|rest| !rest.starts_with("version")) {
            command.args(["compose", "--env-file"]).arg(self.workspace.base().join("empty.env"));
            command.args(["--project-name", &project, "--file", "compose.yaml"]);
            words = compose.split(' ');
        }
        for word in words {
            match word {
                ID => command.arg(self.id()),
                IMAGE => command.arg(self.value("POSTGRES_IMAGE")),
                "publish=PORT" => command.arg(format!("publish={}", self.value("POSTGRES_PORT"))),
                word => command.arg(word.replace(PROJECT, &project)),
            };
        }
        command.current_dir(self.workspace.root()).envs(self.variables.iter().cloned()).stdin(Stdio::null());
        if let Some(user) = &self.user {
            process::become_user(&mut command, user);
            command.current_dir("/");
        }
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Recorded {
            question: question.to_owned(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            code: output.status.code().unwrap(),
            then: None,
        }
    }

    /// Puts the questions of a situation, and compares the answers with the recorded ones.
    #[track_caller]
    fn is_like(&self, situation: &str) {
        for recorded in questions(situation) {
            let compare = |real: &Recorded| {
                (real.code == 0) == (recorded.code == 0) && words(real) == words(&recorded) && {
                    let [is_whole, expected] = [whole(real), whole(&recorded)];
                    is_whole == expected.replace(ID, &self.id()).replace(PORT, self.value("POSTGRES_PORT"))
                }
            };
            let mut real = self.ask(&recorded.question);
            if situation == "ends" && !recorded.question.contains(" up ") {
                // A moment passes until the container has ended.
                eventually("the recorded answer", DEADLINE, || {
                    real = self.ask(&recorded.question);
                    compare(&real).then_some(())
                });
            }
            assert!(compare(&real), "{situation}\nexpected: {recorded:#?}\nreal: {real:#?}");
        }
    }
}

/// Returns which of the words are in an answer.
fn words(answer: &Recorded) -> Vec<bool> {
    let text = format!("{}{}", answer.stdout, answer.stderr).to_lowercase();
    WORDS.iter().map(|same| same.iter().any(|word| text.contains(word))).collect()
}

/// Returns the output, if the program reads the whole of it.
fn whole(answer: &Recorded) -> &str {
    let read = ["ps ", "compose port", "inspect --format", "context inspect"];
    if read.iter().any(|question| answer.question.starts_with(question)) { answer.stdout.trim() } else { "" }
}

#[test]
fn of_a_container() {
    needs!(Docker::Plugin);
    let workspace = Workspace::generic().build();
    docker::make_quick(&workspace);
    // PostgreSQL can't be stopped in order while initdb runs, and nobody needs this cluster.
    let compose = workspace.read("compose.yaml").replace("    ports:\n", "    stop_signal: SIGKILL\n    ports:\n");
    workspace.write("compose.yaml", &compose);
    let real = || Real::new(&workspace);
    real().with("POSTGRES_IMAGE", &"nowhere.invalid/none:1").is_like("image-missing");
    workspace.write("compose.yaml", "services: [\n");
    real().is_like("broken-file");
    workspace.write("compose.yaml", &compose);
    for situation in ["nothing", "running", "stopped"] {
        real().is_like(situation);
    }
    let listener = Listener::closes();
    real().with("POSTGRES_PORT", &listener.port).is_like("port-taken");
    let ends = compose.replace("    ports:\n", "    command: [\"-c\", \"no_such_setting=1\"]\n    ports:\n");
    workspace.write("compose.yaml", ends);
    real().is_like("ends");
}

#[test]
fn of_an_engine_that_cannot_be_used() {
    needs!(Docker::Plugin);
    let workspace = Workspace::generic().build();
    let real = || Real::new(&workspace);
    real().with("DOCKER_HOST", &"unix:///nowhere.sock").is_like("engine-off");

    let far = workspace.base().join("far");
    std::fs::create_dir(&far).unwrap();
    let create = "context create far --docker host=tcp://docker.example.invalid:2375";
    for question in [create, "context use far"] {
        assert_eq!(real().with("DOCKER_CONFIG", &far.display()).ask(question).code, 0);
    }
    real().with("DOCKER_CONFIG", &far.display()).is_like("remote-context");
}

#[test]
fn of_docker_without_its_plugin() {
    needs!(Docker::Plugin);
    let workspace = Workspace::generic().build();
    let config = workspace.empty().display().to_string();
    if Command::new("docker")
        .args(["compose", "version"])
        .env("DOCKER_CONFIG", &config)
        .output()
        .unwrap()
        .status
        .success()
    {
        skip!("the plugin is in a folder of the system, and can't be hidden");
    }
    Real::new(&workspace).with("DOCKER_CONFIG", &config).is_like("no-plugin");
}

#[test]
fn of_a_user_without_permission() {
    needs!(Docker::Plugin);
    if !is_root() {
        skip!("only root can become another user");
    }
    let workspace = Workspace::generic().build();
    // The user can't read the plugin in the folder of root.
    let plugin = std::path::Path::new(&docker::config_folder()).join("cli-plugins/docker-compose");
    let config = workspace.base().join("docker-config");
    std::fs::create_dir_all(config.join("cli-plugins")).unwrap();
    if plugin.exists() {
        std::fs::copy(plugin, config.join("cli-plugins/docker-compose")).unwrap();
    }
    let mut real = Real::new(&workspace).with("DOCKER_CONFIG", &config.display());
    real.user = process::user("nobody");
    real.is_like("no-permission");
    assert!(docker(&["docker", "image", "inspect", docker::IMAGE]).is_some());
}
