//! The commands of a script, as far as sh and PowerShell agree about them.

use super::yaml::{Piece, Place};

/// Splits a script into its commands, also those in parentheses. A command has its words without their quotes, up to
/// the first redirection, and the operator after them. The operator is the end of a line or one of `;&|()`.
pub(super) fn commands(script: Vec<(char, Place)>) -> Vec<(Vec<Piece>, char)> {
    let (mut commands, mut words, mut word) = (Vec::new(), Vec::new(), None::<Piece>);
    let (mut quote, mut redirected) = (None, false);
    let end = script.last().map(|(_, place)| ('\n', *place));
    let mut rest = script.into_iter().chain(end).peekable();
    while let Some((character, place)) = rest.next() {
        let next = rest.peek().map_or(' ', |(next, _)| *next);
        let add = |word: &mut Option<Piece>, more: Option<char>| {
            word.get_or_insert_with(|| (String::new(), place)).0.extend(more);
        };
        match (quote, character) {
            // This character at the end of a line continues the command, in sh or in PowerShell.
            (None, '\\' | '`') if next == '\n' => drop(rest.next()),
            (None | Some('"'), '\\') if "\"\\$`".contains(next) => add(&mut word, rest.next().map(|(next, _)| next)),
            (Some(open), _) if open == character => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                add(&mut word, None);
            }
            (None, '#') if word.is_none() => while rest.next_if(|(next, _)| *next != '\n').is_some() {},
            (None, '<' | '>') => {
                // In `2>file` the number is a part of the redirection.
                word.take_if(|(text, _)| text.chars().all(|digit| digit.is_ascii_digit()));
                words.extend(word.take().filter(|_| !redirected));
                redirected = true;
                rest.next_if(|(next, _)| *next == '&');
            }
            (None, _) if character.is_whitespace() || ";&|()".contains(character) => {
                words.extend(word.take().filter(|_| !redirected));
                if "\n;&|()".contains(character) {
                    commands.push((std::mem::take(&mut words), character));
                    redirected = false;
                }
            }
            _ => add(&mut word, Some(character)),
        }
    }
    commands
}
