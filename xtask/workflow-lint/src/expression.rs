//! GitHub's expressions, `${{ … }}`, as far as it takes to know what they refer to.

use std::ops::Range;

use crate::text::{Place, Text};

/// What an expression refers to: `github.event.issue.title`, in lower case, as GitHub doesn't tell cases apart.
pub(crate) struct Reference {
    pub(crate) path: String,
    pub(crate) place: Place,
}

/// The expressions in a text, each from `${{` to `}}`.
pub(crate) fn all(text: &Text) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.0.len() {
        match end(text, at) {
            Some(end) => {
                found.push(at..end);
                at = end;
            }
            None => at += 1,
        }
    }
    found
}

/// Where the expression that begins at `start` ends; nothing, if none does. One without an end goes to the text's.
pub(crate) fn end(text: &Text, start: usize) -> Option<usize> {
    let is = |at: usize, wanted: char| text.0.get(at).is_some_and(|(character, _)| *character == wanted);
    if !(is(start, '$') && is(start + 1, '{') && is(start + 2, '{')) {
        return None;
    }
    let (mut at, mut quoted) = (start + 3, false);
    while at < text.0.len() {
        if is(at, '\'') {
            quoted = !quoted;
        } else if !quoted && is(at, '}') && is(at + 1, '}') {
            return Some(at + 2);
        }
        at += 1;
    }
    Some(at)
}

/// What the expression in this range refers to.
pub(crate) fn references(text: &Text, range: &Range<usize>) -> Vec<Reference> {
    let characters = &text.0[range.start + 3..range.end];
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&(character, place)) = characters.get(at) {
        if character == '\'' {
            at = end_of_string(characters, at);
        } else if character.is_ascii_alphabetic() || character == '_' {
            let (path, end) = path(characters, at);
            found.push(Reference { path, place });
            at = end;
        } else if character.is_ascii_digit() {
            at += characters[at..].iter().take_while(|(character, _)| character.is_ascii_alphanumeric()).count();
        } else {
            at += 1;
        }
    }
    found
}

/// The path of the matrix that this expression stands for: `["os"]` for `${{ matrix.os }}`.
pub(crate) fn matrix_path(text: &Text, range: &Range<usize>) -> Option<Vec<String>> {
    let inner: String = Text(text.0[range.start + 3..range.end].to_vec()).to_string();
    let inner = inner.strip_suffix("}}")?.trim();
    let references = references(text, range);
    let [Reference { path, .. }] = &references[..] else { return None };
    // Anything around it, such as a function or an operator, makes another value of it.
    let written = inner.to_ascii_lowercase().replace("['", ".").replace("']", "");
    (written == *path).then_some(())?;
    let mut parts = path.split('.').map(str::to_owned);
    (parts.next()? == "matrix").then(|| parts.collect())
}

/// The end of the string that begins at `start`; a quote within is written twice, and read as two strings.
fn end_of_string(characters: &[(char, Place)], start: usize) -> usize {
    let rest = characters[start + 1..].iter().position(|(character, _)| *character == '\'');
    rest.map_or(characters.len(), |length| start + 1 + length + 1)
}

/// The path that begins at `start`, with `['name']` written as `.name`, and its end.
fn path(characters: &[(char, Place)], start: usize) -> (String, usize) {
    let is_name = |character: char| character.is_ascii_alphanumeric() || "_-*".contains(character);
    let (mut path, mut at) = (String::new(), start);
    while let Some(&(character, _)) = characters.get(at) {
        if is_name(character) || character == '.' {
            path.push(character.to_ascii_lowercase());
            at += 1;
        } else if character == '[' && characters.get(at + 1).is_some_and(|(character, _)| *character == '\'') {
            let end = end_of_string(characters, at + 1);
            path.push('.');
            path.extend(
                characters[at + 2..end.saturating_sub(1).max(at + 2)].iter().map(|(c, _)| c.to_ascii_lowercase()),
            );
            at = end + 1;
        } else {
            break;
        }
    }
    (path, at.min(characters.len()))
}
