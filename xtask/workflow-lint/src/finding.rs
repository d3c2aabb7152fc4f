//! What was found, and how it is written down.

use std::fmt;

use serde::Serialize;

use crate::text::Place;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Rule {
    /// The file is no YAML.
    YamlSyntax,
    /// A mapping has a key twice.
    DuplicateKey,
    /// The file is YAML, and neither a workflow nor an action.
    NotAWorkflow,
    /// No workflow calls `cargo xtask ci`.
    PipelineNotCalled,
    /// `--only` or `--skip` names a step that doesn't exist.
    UnknownStep,
    /// `cargo xtask` is called with a command that doesn't exist.
    UnknownCommand,
    /// An action is named by something that can be moved to other code.
    UnpinnedAction,
    /// A pinned action doesn't say which version the commit is.
    UnnamedVersion,
    /// A workflow leaves its permissions to the repository's settings.
    MissingPermissions,
    /// A workflow asks for more than it needs everywhere.
    ExcessivePermissions,
    /// A workflow runs with the repository's secrets on what a stranger wrote.
    PullRequestTarget,
    /// A script contains what a stranger can write.
    ScriptInjection,
    /// A job may run for six hours.
    MissingTimeout,
    /// The token stays behind in the checkout.
    PersistedCredentials,
}

/// One thing that is wrong, at its place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Finding {
    /// Relative to the root, with `/`.
    file: String,
    line: usize,
    column: usize,
    rule: Rule,
    /// What is wrong, in sentences.
    message: String,
    /// What mends it, a sentence each.
    help: Vec<String>,
}

impl Finding {
    pub(crate) fn new(file: &str, place: Place, rule: Rule, message: impl Into<String>) -> Self {
        let Place { line, column } = place;
        Self { file: file.to_owned(), line, column, rule, message: message.into(), help: Vec::new() }
    }

    /// Adds what mends it.
    pub(crate) fn help(mut self, sentence: impl Into<String>) -> Self {
        self.help.push(sentence.into());
        self
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The one list of names is serde's.
        self.serialize(f)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, rule, message, help } = self;
        write!(f, "{file}:{line}:{column}: {rule}: {message}")?;
        help.iter().try_for_each(|sentence| write!(f, "\n  → {sentence}"))
    }
}
