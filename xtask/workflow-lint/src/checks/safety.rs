//! What a workflow may do, who can make it do so, and for how long.

use crate::document::{Document, Kind};
use crate::expression;
use crate::finding::{Finding, Rule};
use crate::yaml::{Entry, Node, Value};

/// Checks a file's permissions, triggers, scripts and time limits.
pub(crate) fn check(document: &Document, findings: &mut Vec<Finding>) {
    if document.kind == Kind::Workflow {
        permissions(document, findings);
        triggers(document, findings);
        timeouts(document, findings);
    }
    scripts(document, findings);
}

fn permissions(document: &Document, findings: &mut Vec<Finding>) {
    let Some(start) = document.start() else { return };
    let entry = document.entry("permissions");
    if let Some(permissions) = entry.map(|entry| &entry.value).filter(|permissions| !permissions.is_null()) {
        findings.extend(everything(document, permissions));
        findings.extend(permissions.entries().iter().filter_map(|entry| for_every_job(document, entry)));
    } else {
        let message = "What this workflow's token may do is left to the repository's settings.";
        findings.push(
            document
                .finding(entry.map_or(start, |entry| entry.place), Rule::MissingPermissions, message)
                .help("Add it at the top level: permissions: {contents: read}"),
        );
    }
    for job in document.jobs() {
        findings.extend(job.node.get("permissions").and_then(|permissions| everything(document, permissions)));
    }
}

/// A permission at the top level that isn't the one to read what was checked out.
fn for_every_job(document: &Document, entry: &Entry) -> Option<Finding> {
    let is_needed = entry.key == "contents" && entry.value.is("read");
    if is_needed || entry.value.is("none") {
        return None;
    }
    let value = entry.value.text().map(ToString::to_string).unwrap_or_default();
    let message = format!("`{}: {value}` is given to every job of this workflow.", entry.key);
    Some(
        document
            .finding(entry.place, Rule::ExcessivePermissions, message)
            .help("Give it to the job that needs it, under the job's own `permissions`."),
    )
}

/// A word in place of a list: `write-all`, `read-all`.
fn everything(document: &Document, permissions: &Node) -> Option<Finding> {
    let word = permissions.text().filter(|_| !permissions.is_null())?;
    Some(
        document
            .finding(permissions.place, Rule::ExcessivePermissions, format!("`{word}` names nothing that is needed."))
            .help("List what is needed, such as: permissions: {contents: read}"),
    )
}

fn triggers(document: &Document, findings: &mut Vec<Finding>) {
    let Some(on) = document.entry("on").map(|entry| &entry.value) else { return };
    let name = "pull_request_target";
    let place = match &on.value {
        Value::Scalar(_) => on.is(name).then_some(on.place),
        Value::Sequence(items) => items.iter().find(|item| item.is(name)).map(|item| item.place),
        Value::Mapping(_) => on.entry(name).map(|entry| entry.place),
    };
    findings.extend(place.map(|place| {
        let message =
            "`pull_request_target` runs with this repository's secrets, and a stranger's pull request starts it.";
        document.finding(place, Rule::PullRequestTarget, message).help("Use `pull_request`: it has no secrets to lose.")
    }));
}

fn timeouts(document: &Document, findings: &mut Vec<Finding>) {
    for job in document.jobs() {
        // A job that calls another workflow can't have one; the jobs of that workflow do.
        if job.node.get("uses").is_none() && job.node.get("timeout-minutes").is_none() {
            let message = format!("`{}` has no `timeout-minutes`: if it hangs, it does so for six hours.", job.name);
            findings.push(
                document
                    .finding(job.place, Rule::MissingTimeout, message)
                    .help("Add about twice what it takes, such as: timeout-minutes: 30"),
            );
        }
    }
}

fn scripts(document: &Document, findings: &mut Vec<Finding>) {
    for step in document.steps() {
        let Some(script) = step.script() else { continue };
        for range in expression::all(script) {
            for reference in expression::references(script, &range) {
                if !is_writable(&reference.path) {
                    continue;
                }
                let message =
                    format!("`{}` becomes part of the script: whoever writes it writes commands.", reference.path);
                findings.push(
                    document.finding(reference.place, Rule::ScriptInjection, message).help(
                        "Hand it over in the environment: `env:` with NAME: ${{ … }}, and \"$NAME\" in the script.",
                    ),
                );
            }
        }
    }
}

/// Whether this is something that whoever starts the workflow can write, a branch's name included.
fn is_writable(path: &str) -> bool {
    let below = |context: &str| path == context || path.strip_prefix(context).is_some_and(|rest| rest.starts_with('.'));
    path == "github" || below("github.event") || below("github.head_ref") || below("inputs")
}
