//! A finding, with its place in a file.

use std::fmt;

use serde::Serialize;

use crate::rule::Rule;

/// One thing that is wrong, at a place in a file.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) file: String,
    #[serde(flatten)]
    pub(crate) position: Position,
    pub(crate) rule: Rule,
    /// What is wrong, in a sentence.
    pub(crate) message: String,
    /// What mends it, a sentence each.
    pub(crate) help: Vec<String>,
}

/// Line and column, from one, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Position {
    /// Where the byte at `offset` is. Lines end with LF or CRLF.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Self { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }

    /// The line's text, without what surrounds it.
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
