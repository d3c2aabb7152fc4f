//! The commands in a script, as words. It knows of sh and of PowerShell what it takes to find a command's arguments.

use crate::expression;
use crate::text::Text;

/// A command's words, without their quotes.
pub(crate) type Command = Vec<Text>;

/// The commands of a script, also those in parentheses and behind `&&`, `||`, `|` and `;`.
pub(crate) fn commands(script: &Text) -> Vec<Command> {
    let mut lexer = Lexer::default();
    let mut at = 0;
    while at < script.0.len() {
        at = lexer.next(script, at);
    }
    lexer.end_command();
    lexer.commands
}

#[derive(Default)]
struct Lexer {
    commands: Vec<Command>,
    command: Command,
    word: Option<Text>,
    quote: Option<char>,
}

impl Lexer {
    /// Takes what stands at `at`. Returns where to go on.
    fn next(&mut self, script: &Text, at: usize) -> usize {
        // One that couldn't be resolved is one word, whatever blanks it has.
        if let Some(end) = expression::end(script, at) {
            (at..end).for_each(|at| self.push(script, at));
            return end;
        }
        let (character, next) = (script.0[at].0, script.0.get(at + 1).map(|(character, _)| *character));
        match (self.quote, character) {
            (Some(quote), _) if quote == character => self.quote = None,
            (Some('"'), '\\') if matches!(next, Some('"' | '\\' | '$' | '`')) => {
                self.push(script, at + 1);
                return at + 2;
            }
            (Some(_), _) => self.push(script, at),
            (None, '\'' | '"') => {
                self.quote = Some(character);
                self.word.get_or_insert_default();
            }
            // The line goes on in the next one: sh's and PowerShell's way to say so.
            (None, '\\' | '`') if next == Some('\n') => return at + 2,
            (None, '\\') if next.is_some() => {
                self.push(script, at + 1);
                return at + 2;
            }
            (None, '\n' | ';' | '&' | '|' | '(' | ')' | '`') => self.end_command(),
            (None, '#') if self.word.is_none() => {
                let rest = script.0[at..].iter().position(|(character, _)| *character == '\n');
                return rest.map_or(script.0.len(), |length| at + length);
            }
            (None, '<' | '>') => {
                self.end_word();
                self.push(script, at);
                // `>&2`: this `&` ends no command.
                return if next == Some('&') { at + 2 } else { at + 1 };
            }
            (None, _) if character.is_whitespace() => self.end_word(),
            (None, _) => self.push(script, at),
        }
        at + 1
    }

    fn push(&mut self, script: &Text, at: usize) {
        self.word.get_or_insert_default().0.push(script.0[at]);
    }

    fn end_word(&mut self) {
        self.command.extend(self.word.take());
    }

    fn end_command(&mut self) {
        self.end_word();
        if !self.command.is_empty() {
            self.commands.push(std::mem::take(&mut self.command));
        }
    }
}
