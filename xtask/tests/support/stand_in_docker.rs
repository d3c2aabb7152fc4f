//! A stand-in for docker. It answers the program's questions with the recordings of [`recording`], and its containers
//! are servers of the tests. So a test sees what the program makes of an answer, without an engine and without its time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use nix::sys::stat::Mode;

use super::fixture::PASSWORD;
use super::recording::{ID, IMAGE, PORT, PROJECT, Recorded, SITUATIONS, questions};
use super::run::{Invocation, Outcome, Running};
use super::{Server, Workspace};

/// The program `docker`, which is the only one on the search path besides PostgreSQL's.
///
/// When this value is dropped, the test fails if the program asked a question that isn't recorded, or if a password was
/// on a command line.
pub(crate) struct StandInDocker<'w> {
    workspace: &'w Workspace,
    folder: PathBuf,
    servers: Arc<Mutex<Vec<Server>>>,
}

/// The script. It leaves out the options that the program adds to each compose command, and then looks for the answer
/// in the present situation. It uses nothing but the shell.
const SCRIPT: &str = r#"#!/bin/sh
here=${0%/*}
printf '%s\n' "$*" >> "$here/asked"
if [ "$1" = compose ]; then
    shift
    while :; do case $1 in --env-file|--project-name|--file) shift 2 ;; *) break ;; esac; done
    set -- compose "$@"
fi
read -r situation < "$here/situation"
[ ! -e "$here/port" ] || read -r port < "$here/port"
# An engine that hangs never answers. Nobody writes into this pipe.
if [ -e "$here/silent-at" ]; then
    read -r pattern < "$here/silent-at"
    case "$*" in $pattern) read -r _ < "$here/silence" ;; esac
fi
now() { printf '%s\n' "$1" > "$here/situation"; }
# The test has to do something for this answer, and says when it is done.
engine() {
    printf '%s\n' "$@" > "$here/to-engine"
    read -r _ < "$here/from-engine"
}
. "$here/$situation"
printf 'no answer is recorded for this in the situation %s: %s\n' "$situation" "$*" | while read -r line; do
    printf '%s\n' "$line" >&2
    printf '%s\n' "$line" >> "$here/unknown"
done
exit 99
"#;

impl<'w> StandInDocker<'w> {
    /// Makes the stand-in, in a situation that is recorded.
    pub(crate) fn new(workspace: &'w Workspace, situation: &str) -> Self {
        let folder = workspace.add_program("docker", "docker", SCRIPT);
        for (name, _) in SITUATIONS {
            let answers: String = questions(name).iter().map(answer).collect();
            std::fs::write(folder.join(name), format!("case \"$*\" in\n{answers}esac\n")).unwrap();
        }
        let servers = Arc::new(Mutex::new(Vec::new()));
        for pipe in ["to-engine", "from-engine", "silence"] {
            nix::unistd::mkfifo(&folder.join(pipe), Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        }
        let (engine, pipes) = (Arc::clone(&servers), folder.clone());
        std::thread::spawn(move || {
            // Reading and writing wait for the other side. After the test, the pipe is gone.
            while let Ok(request) = std::fs::read_to_string(pipes.join("to-engine")) {
                serve(&engine, &request);
                if std::fs::write(pipes.join("from-engine"), "done\n").is_err() {
                    break;
                }
            }
        });
        let stand_in = Self { workspace, folder, servers };
        stand_in.is_now(situation);
        stand_in.publishes(workspace.port());
        stand_in
    }

    /// Changes the situation.
    pub(crate) fn is_now(&self, situation: &str) {
        questions(situation);
        std::fs::write(self.folder.join("situation"), format!("{situation}\n")).unwrap();
    }

    /// Lets docker hang from now on, at the questions that match a pattern of the shell.
    pub(crate) fn is_silent_at(&self, pattern: &str) {
        std::fs::write(self.folder.join("silent-at"), format!("{pattern}\n")).unwrap();
    }

    /// Ends [`StandInDocker::is_silent_at`].
    pub(crate) fn answers(&self) {
        std::fs::remove_file(self.folder.join("silent-at")).unwrap();
    }

    /// Changes the port that the container publishes.
    pub(crate) fn publishes(&self, port: impl std::fmt::Display) {
        std::fs::write(self.folder.join("port"), format!("{port}\n")).unwrap();
    }

    /// Makes the stand-in visible to a run.
    pub(crate) fn show<'a>(&self, run: Invocation<'a>) -> Invocation<'a> {
        run.path([self.folder.clone(), self.workspace.base().join("bin")])
    }

    /// Runs the program with this stand-in.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        self.start(arguments).wait()
    }

    /// Starts the program with this stand-in.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running<'w> {
        self.show(self.workspace.xtask(arguments)).start()
    }

    /// Returns the command lines that contain these words, of all questions so far.
    pub(crate) fn asked(&self, words: &str) -> Vec<String> {
        let all = std::fs::read_to_string(self.folder.join("asked")).unwrap_or_default();
        all.lines().filter(|line| line.contains(words)).map(str::to_owned).collect()
    }
}

impl Drop for StandInDocker<'_> {
    fn drop(&mut self) {
        self.servers.lock().unwrap().clear();
        if !std::thread::panicking() {
            let unknown = std::fs::read_to_string(self.folder.join("unknown")).unwrap_or_default();
            assert!(unknown.is_empty(), "{unknown}");
            assert_eq!(self.asked(PASSWORD), Vec::<String>::new());
        }
    }
}

/// Starts and stops the server that stands in for the one in the container.
fn serve(servers: &Mutex<Vec<Server>>, request: &str) {
    let mut servers = servers.lock().unwrap();
    servers.clear();
    if let ["up", user, password, port] = request.lines().collect::<Vec<_>>()[..] {
        let server = Server::start_at(port.parse().unwrap()).unwrap();
        server.create_role(user, password, "SUPERUSER");
        servers.push(server);
    }
}

/// Returns the part of a script that gives an answer.
fn answer(recorded: &Recorded) -> String {
    let Recorded { question, stdout, stderr, code, then } = recorded;
    let pattern = quoted_pattern(question);
    let print = |text: &str, to: &str| match text {
        "" => String::new(),
        text => format!("    printf %s {}{to}\n", quoted(text)),
    };
    let then = match then.as_deref() {
        Some("running") => "    engine up \"$POSTGRES_USER\" \"$POSTGRES_PASSWORD\" \"$POSTGRES_PORT\"\n    \
             printf '%s\\n' \"$POSTGRES_PORT\" > \"$here/port\"\n    now running\n"
            .to_owned(),
        Some("stopped") => "    engine stop\n    now stopped\n".to_owned(),
        Some(then) => format!("    now {then}\n"),
        None => String::new(),
    };
    format!("{pattern})\n{}{}{then}    exit {code} ;;\n", print(stdout, ""), print(stderr, " >&2"))
}

/// Returns the pattern of a question. The image and the project may be any, but not the port.
fn quoted_pattern(question: &str) -> String {
    let any = "'*'";
    // Only the port that the container publishes.
    let published = r#"publish='"$port"'"#;
    format!(
        "'{}'",
        question.replace(ID, &id()).replace("publish=PORT", published).replace(IMAGE, any).replace(PROJECT, any)
    )
}

/// The id of the stand-in's container.
fn id() -> String {
    "1dea".repeat(16)
}

/// Quotes a text for the script, with values in place of the words that stand for them.
fn quoted(text: &str) -> String {
    let text = text.replace('\'', r"'\''").replace(ID, &id()).replace(PROJECT, "checkout");
    let text = text.replace(IMAGE, r#"'"$POSTGRES_IMAGE"'"#).replace(PORT, r#"'"$port"'"#);
    format!("'{text}'")
}
