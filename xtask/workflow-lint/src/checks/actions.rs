//! Other people's actions: pinned by commit, and the checkout without a token left behind.

use crate::document::Document;
use crate::finding::{Finding, Rule};
use crate::text::Text;
use crate::yaml::Node;

/// Checks every `uses:` of a file, those of steps and those of jobs that call another workflow.
pub(crate) fn check(document: &Document, findings: &mut Vec<Finding>) {
    let uses = |node: &Node| node.get("uses").and_then(Node::text).cloned();
    for job in document.jobs() {
        if let Some(uses) = uses(job.node) {
            findings.extend(pinned(document, &uses));
        }
    }
    for step in document.steps() {
        if let Some(uses) = uses(step.node) {
            findings.extend(pinned(document, &uses));
            findings.extend(credentials(document, step.node, &uses));
        }
    }
}

fn pinned(document: &Document, uses: &Text) -> Option<Finding> {
    let (name, place) = (uses.to_string(), uses.place()?);
    // The checkout's own.
    if name.starts_with("./") {
        return None;
    }
    if let Some(image) = name.strip_prefix("docker://") {
        let digest = image.split_once("@sha256:").map(|(_, digest)| digest);
        return (!digest.is_some_and(|digest| is_hex(digest, 64))).then(|| {
            document
                .finding(place, Rule::UnpinnedAction, format!("`{name}` can be another image tomorrow."))
                .help("Pin it by its digest: docker://IMAGE:TAG@sha256:<64 hex digits>")
        });
    }
    let (action, reference) = name.split_once('@').unwrap_or((&name, ""));
    if !is_hex(reference, 40) {
        let message = match reference {
            "" => format!("`{name}` doesn't say which commit."),
            _ => format!("`{reference}` is no full commit: who can move it there runs other code here."),
        };
        let pinned = format!("{action}@<40 hex digits> # v1.2.3");
        return Some(
            document
                .finding(place, Rule::UnpinnedAction, message)
                .help(format!("Pin the commit that is meant, and say which version it is: {pinned}"))
                .help(format!(
                    "The commits of all versions: git ls-remote --tags https://github.com/{}",
                    repository(action)
                )),
        );
    }
    let named = document.comment_behind(uses).is_some_and(|comment| {
        let version = comment.strip_prefix('v').unwrap_or(comment);
        version.starts_with(|first: char| first.is_ascii_digit())
    });
    (!named).then(|| {
        document
            .finding(
                place,
                Rule::UnnamedVersion,
                format!("Nobody can tell which version of `{action}` this commit is."),
            )
            .help(format!("Say so behind it, where it is updated together with the commit: {name} # v1.2.3"))
    })
}

/// `owner/name` of `owner/name/folder`.
fn repository(action: &str) -> &str {
    action.match_indices('/').nth(1).map_or(action, |(at, _)| &action[..at])
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn credentials(document: &Document, step: &Node, uses: &Text) -> Option<Finding> {
    let name = uses.to_string();
    if !name.split('@').next().is_some_and(|action| action.eq_ignore_ascii_case("actions/checkout")) {
        return None;
    }
    let option = step.get("with").and_then(|with| with.get("persist-credentials"));
    if option.is_some_and(|option| option.is("false")) {
        return None;
    }
    let place = option.map(|option| option.place).or_else(|| uses.place())?;
    Some(
        document
            .finding(
                place,
                Rule::PersistedCredentials,
                "The job's token stays in .git, where every later step can read it.",
            )
            .help("Add it to the step's `with`: persist-credentials: false"),
    )
}
