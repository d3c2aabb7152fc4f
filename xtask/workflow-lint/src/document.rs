//! A workflow or an action: where they are, and what is in one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::finding::{Finding, Rule};
use crate::text::{Place, Text};
use crate::yaml::{self, Entry, Node};

/// Where GitHub looks for workflows.
pub(crate) const WORKFLOWS: &str = ".github/workflows";

/// Where actions of the repository's own are, by custom: a folder each.
const ACTIONS: &str = ".github/actions";

/// What a file is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It has jobs.
    Workflow,
    /// It has steps, which run in the job of whoever uses it.
    Action,
}

/// A file as it was read.
pub(crate) struct Source {
    kind: Kind,
    /// Relative to the root, with `/`.
    file: String,
    bytes: Vec<u8>,
}

/// A file as it was understood.
pub(crate) struct Document {
    pub(crate) kind: Kind,
    pub(crate) file: String,
    lines: Vec<String>,
    /// Nothing, if the file couldn't be understood: that is a finding already.
    root: Option<Node>,
}

/// A job of a workflow.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) name: &'a str,
    /// Where its name stands.
    pub(crate) place: Place,
    pub(crate) node: &'a Node,
}

/// A step of a job or of an action.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) node: &'a Node,
    /// Nothing, if it is an action's.
    pub(crate) job: Option<Job<'a>>,
}

impl Step<'_> {
    /// The script that it runs.
    pub(crate) fn script(&self) -> Option<&Text> {
        self.node.get("run")?.text()
    }
}

/// Reads all files there are. None without a folder for workflows: who has no GitHub has nothing to check.
pub(crate) fn sources(root: &Path) -> Result<Vec<Source>> {
    if !root.is_dir() {
        bail!("There is no folder {}.", root.display());
    }
    let mut found = yaml_files(root, WORKFLOWS)?.into_iter().map(|file| (Kind::Workflow, file)).collect::<Vec<_>>();
    if found.is_empty() {
        return Ok(Vec::new());
    }
    for name in names(&root.join(ACTIONS))? {
        let files = yaml_files(root, &format!("{ACTIONS}/{name}"))?;
        let is_action = |file: &String| matches!(file.rsplit('/').next(), Some("action.yml" | "action.yaml"));
        found.extend(files.into_iter().filter(is_action).map(|file| (Kind::Action, file)));
    }
    let (mut sources, mut unreadable) = (Vec::new(), Vec::new());
    for (kind, file) in found {
        match fs::read(root.join(&file)) {
            Ok(bytes) => sources.push(Source { kind, file, bytes }),
            Err(error) => unreadable.push(format!("{file} ({error})")),
        }
    }
    if !unreadable.is_empty() {
        bail!("Can't read {}.", unreadable.join(", "));
    }
    Ok(sources)
}

/// The files of YAML in a folder, sorted, relative to the root; none if there is no such folder.
fn yaml_files(root: &Path, folder: &str) -> Result<Vec<String>> {
    let is_yaml = |name: &String| {
        let path = PathBuf::from(name);
        path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml")
            && !root.join(folder).join(path).is_dir()
    };
    let names = names(&root.join(folder))?.into_iter().filter(is_yaml);
    Ok(names.map(|name| format!("{folder}/{name}")).collect())
}

/// The names in a folder, sorted; none if there is no such folder. A name that isn't Unicode is none that GitHub reads.
fn names(folder: &Path) -> Result<Vec<String>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let failed = || format!("Can't list {}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(failed)? {
        names.extend(entry.with_context(failed)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

impl Document {
    /// Understands a file as far as it can be understood.
    pub(crate) fn parse(source: Source, findings: &mut Vec<Finding>) -> Self {
        let Source { kind, file, bytes } = source;
        let mut document = Self { kind, file, lines: Vec::new(), root: None };
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let sound = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let place = String::from_utf8_lossy(sound).chars().fold(Place::START, Place::behind);
                findings.push(document.finding(place, Rule::YamlSyntax, "This is not UTF-8."));
                return document;
            }
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        document.lines = text.lines().map(str::to_owned).collect();
        match yaml::parse(text) {
            Ok(parsed) => {
                for (entry, first) in &parsed.duplicates {
                    let message = format!("`{}` stands here already, in line {}.", entry.key, first.line);
                    findings.push(
                        document
                            .finding(entry.place, Rule::DuplicateKey, message)
                            .help("GitHub refuses the whole file. Keep one of the two."),
                    );
                }
                document.understand(parsed.root, parsed.second, findings);
            }
            Err(error) => {
                let message = format!("This is no YAML: {}.", error.info());
                findings.push(document.finding(yaml::place(error.marker()), Rule::YamlSyntax, message));
            }
        }
        document
    }

    fn understand(&mut self, root: Option<Node>, second: Option<Place>, findings: &mut Vec<Finding>) {
        let (what, key) = match self.kind {
            Kind::Workflow => ("workflow", "jobs"),
            Kind::Action => ("action", "runs"),
        };
        if let Some(place) = second {
            let message = format!("A second document begins here; a {what} is one.");
            findings.push(self.finding(place, Rule::NotAWorkflow, message));
        }
        let place = root.as_ref().map_or(Place::START, |root| root.place);
        let content = root.as_ref().and_then(|root| root.get(key));
        match content {
            Some(content) if !content.entries().is_empty() => self.root = root,
            Some(content) => {
                let message = format!("`{key}` is empty, so this {what} does nothing.");
                findings.push(self.finding(content.place, Rule::NotAWorkflow, message));
            }
            None => {
                let message = format!("There is no `{key}` here, so this is no {what}.");
                findings.push(self.finding(place, Rule::NotAWorkflow, message));
            }
        }
    }

    pub(crate) fn finding(&self, place: Place, rule: Rule, message: impl Into<String>) -> Finding {
        Finding::new(&self.file, place, rule, message)
    }

    /// The entry of a workflow's top level.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.root.as_ref()?.entry(key)
    }

    /// Where the first key stands; nothing, if the file couldn't be understood.
    pub(crate) fn start(&self) -> Option<Place> {
        self.root.as_ref().map(|root| root.place)
    }

    pub(crate) fn jobs(&self) -> Vec<Job<'_>> {
        let jobs = self.entry("jobs").map_or(&[][..], |jobs| jobs.value.entries());
        jobs.iter().map(|entry| Job { name: &entry.key, place: entry.place, node: &entry.value }).collect()
    }

    /// All steps of all jobs, or the action's.
    pub(crate) fn steps(&self) -> Vec<Step<'_>> {
        fn of<'a>(node: &'a Node, job: Option<Job<'a>>) -> impl Iterator<Item = Step<'a>> {
            node.get("steps").into_iter().flat_map(Node::items).map(move |node| Step { node, job })
        }
        match self.kind {
            Kind::Workflow => self.jobs().into_iter().flat_map(|job| of(job.node, Some(job))).collect(),
            Kind::Action => self.entry("runs").into_iter().flat_map(|runs| of(&runs.value, None)).collect(),
        }
    }

    /// The comment behind a scalar of one line, without its `#`.
    pub(crate) fn comment_behind(&self, scalar: &Text) -> Option<&str> {
        let (_, last) = scalar.0.last()?;
        let line = self.lines.get(last.line - 1)?;
        let rest = line.char_indices().nth(last.column).map_or("", |(at, _)| &line[at..]);
        rest.split_once('#').map(|(_, comment)| comment.trim())
    }
}
