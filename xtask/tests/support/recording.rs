//! Recordings of docker: what the program asks, and what docker answered to it.
//!
//! Each file in `tests/fixtures/docker/` is a situation, for example a port that is taken. Its questions are in an
//! order in which they can be put to a real engine. A test does that, and so shows that the recordings are still true.
//!
//! A line that begins with `$` is a question. The lines that begin with `out`, `err` and `exit` are its answer, and
//! `then` names the situation that the question leads to. The words in capital letters stand for values that are
//! different each time. The options that the program adds to each compose command are left out.

/// The words that stand for other values.
pub(crate) const ID: &str = "ID";
pub(crate) const IMAGE: &str = "IMAGE";
pub(crate) const PORT: &str = "PORT";
pub(crate) const PROJECT: &str = "PROJECT";

/// A situation, with the name of its file.
pub(crate) const SITUATIONS: [(&str, &str); 11] = [
    ("nothing", include_str!("../fixtures/docker/nothing.txt")),
    ("running", include_str!("../fixtures/docker/running.txt")),
    ("stopped", include_str!("../fixtures/docker/stopped.txt")),
    ("image-missing", include_str!("../fixtures/docker/image-missing.txt")),
    ("port-taken", include_str!("../fixtures/docker/port-taken.txt")),
    ("ends", include_str!("../fixtures/docker/ends.txt")),
    ("broken-file", include_str!("../fixtures/docker/broken-file.txt")),
    ("engine-off", include_str!("../fixtures/docker/engine-off.txt")),
    ("no-permission", include_str!("../fixtures/docker/no-permission.txt")),
    ("no-plugin", include_str!("../fixtures/docker/no-plugin.txt")),
    ("remote-context", include_str!("../fixtures/docker/remote-context.txt")),
];

/// A question with its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) question: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
    /// The situation after the question, if it is another one.
    pub(crate) then: Option<String>,
}

/// Returns the questions of a situation.
#[track_caller]
pub(crate) fn questions(situation: &str) -> Vec<Recorded> {
    let (_, text) = SITUATIONS.iter().find(|(name, _)| *name == situation).unwrap();
    let mut all: Vec<Recorded> = Vec::new();
    // The text above the first question says what the situation is.
    for line in text.lines().skip_while(|line| !line.starts_with("$ ")).filter(|line| !line.is_empty()) {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        if kind == "$" {
            all.push(Recorded { question: rest.to_owned(), ..Recorded::default() });
            continue;
        }
        let last = all.last_mut().unwrap();
        match kind {
            "out" => last.stdout += &format!("{rest}\n"),
            "err" => last.stderr += &format!("{rest}\n"),
            "exit" => last.code = rest.parse().unwrap(),
            "then" => last.then = Some(rest.to_owned()),
            _ => panic!("{situation}: {line:?}"),
        }
    }
    assert!(!all.is_empty());
    all
}
