//! What is checked, a module for each subject.

mod actions;
mod pipeline;
mod safety;

use crate::document::Document;
use crate::finding::Finding;

/// What `cargo xtask` knows of itself.
pub(crate) struct Known<'a> {
    /// The steps of `cargo xtask ci`.
    pub(crate) steps: &'a [String],
    /// The commands of `cargo xtask`.
    pub(crate) commands: &'a [String],
}

/// Runs every check.
pub(crate) fn all(documents: &[Document], known: &Known<'_>, findings: &mut Vec<Finding>) {
    for document in documents {
        actions::check(document, findings);
        safety::check(document, findings);
    }
    pipeline::check(documents, known, findings);
}
