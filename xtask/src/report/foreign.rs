//! Text that other programs have made: a server's messages, the output of tests, names in a database. It is shown, but it
//! gives no orders to the terminal or to GitHub's runner.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hasher, RandomState};

/// Shows control characters as text, so that a terminal doesn't obey them. Characters that change the direction of the
/// text are among them, because they can hide a part of it. Line ends and tabs stay.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    let is_order = |c: char| {
        let turns_text = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        (c.is_control() && !matches!(c, '\n' | '\t')) || turns_text
    };
    if !text.contains(is_order) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.replace("\r\n", "\n").chars() {
        if is_order(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// Shows a text in one line.
pub(super) fn in_one_line(text: &str) -> String {
    visible(text).replace('\n', " ")
}

/// A word that nobody can know before. GitHub's runner obeys no line until it reads the word.
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#stopping-and-starting-workflow-commands>
pub(super) fn unknown_word() -> String {
    format!("{:016x}{:016x}", RandomState::new().build_hasher().finish(), RandomState::new().build_hasher().finish())
}

/// Returns whether GitHub's runner would take a line for one of its commands. It looks for the newer form behind spaces,
/// and for the older one anywhere in the line (`ActionCommand.cs` in <https://github.com/actions/runner>).
pub(super) fn has_command(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with("::") || line.contains("##["))
}
