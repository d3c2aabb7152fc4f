//! A finding, with its place in a file.

use std::fmt;

use serde::Serialize;

use crate::rule::Rule;

/// A problem at a place in a file.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) file: String,
    #[serde(flatten)]
    pub(crate) position: Position,
    pub(crate) rule: Rule,
    /// The problem, in one sentence.
    pub(crate) message: String,
    /// The remedies, each in one sentence.
    pub(crate) help: Vec<String>,
}

/// A line and a column. Both count from one. The column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Position {
    /// Returns the position of the byte at `offset`. Lines end with LF or CRLF.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Self { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }

    /// Returns the line's text, without the blanks around it.
    pub(crate) fn line_of(self, text: &str) -> &str {
        text.lines().nth(self.line - 1).unwrap_or_default().trim()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position;
        write!(f, "{}:{line}:{column}: {}: {}", self.file, self.rule, self.message)?;
        for help in &self.help {
            write!(f, "\n  → {help}")?;
        }
        Ok(())
    }
}
