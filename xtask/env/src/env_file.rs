//! What a file in the format of `.env` says, and what is wrong with it.
//!
//! dotenvy parses it, because sqlx uses dotenvy too, and both have to find the same values. But the errors of dotenvy name
//! no line and quote the text, and an open quote takes the rest of the file with it. So dotenvy is asked about one statement
//! at a time.

use std::collections::BTreeSet;

/// What a file in the format of `.env` says, and what is wrong with it.
#[derive(Default)]
pub struct EnvFile {
    /// The variables, in the file's order. Of two with one name, the first counts, as everywhere that dotenvy reads the file.
    pub values: Vec<Value>,
    /// The lines that can't be read. The others are read all the same.
    pub faults: Vec<Fault>,
}

/// A variable. It has no `Debug`, because it may hold a secret.
pub struct Value {
    /// The variable's name.
    pub name: String,
    /// Its value, without quotes.
    pub text: String,
    /// The line where it begins, from one.
    pub line: usize,
}

/// What is wrong with a line. Nothing of the line is quoted: it may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from one.
    pub line: usize,
    /// The rest of a sentence that begins with the line, without the full stop.
    pub what: &'static str,
    /// A sentence that says what to write.
    pub remedy: &'static str,
}

impl Fault {
    fn not_utf8(line: usize) -> Self {
        Self { line, what: "isn't valid UTF-8", remedy: "Save the file as UTF-8." }
    }

    fn not_an_assignment(line: usize) -> Self {
        let remedy = "Write NAME=value, with letters, digits and _ in the name, or # before a comment.";
        Self { line, what: "isn't NAME=value", remedy }
    }

    fn unreadable_value(line: usize) -> Self {
        let remedy = "Put a value with spaces, quotes, # or \\ in it between single quotes: NAME='a value'.";
        Self { line, what: "has a value that can't be read", remedy }
    }

    fn open_quote(line: usize) -> Self {
        let remedy = "Close it, or put the whole value between quotes of the other kind.";
        Self { line, what: "opens a quote that isn't closed", remedy }
    }

    fn reference(line: usize) -> Self {
        let remedy = "Write the value itself, or \\$ where the sign is meant.";
        Self { line, what: "refers to a variable, which may be the environment's", remedy }
    }
}

impl EnvFile {
    /// Reads a file's content. A value that refers to another variable (`$NAME`) has the environment's value put in, if it
    /// is set there, else the file's.
    pub fn parse(content: &[u8]) -> Self {
        Self::of(&Statements::split(content))
    }

    /// Reads the content of a file that has to say the same whatever the process's environment is: a value that refers to
    /// another variable is a fault.
    pub fn parse_by_itself(content: &[u8]) -> Self {
        let statements = Statements::split(content);
        let mut file = Self::of(&statements);
        let references = statements.assignments.iter().flat_map(|(line, text)| references(*line, text));
        file.faults.extend(references.map(Fault::reference));
        file.faults.sort_by_key(|fault| fault.line);
        file
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|value| value.name == name).map(|value| value.text.as_str())
    }

    /// All of them in one reading, because a value may refer to those before it.
    fn of(statements: &Statements) -> Self {
        let text: String = statements.assignments.iter().map(|(_, text)| text.as_str()).collect();
        let mut known = BTreeSet::new();
        let values = dotenvy::from_read_iter(text.as_bytes()).flatten().zip(&statements.assignments);
        let values = values.map(|((name, text), (line, _))| Value { name, text, line: *line });
        Self {
            values: values.filter(|value| known.insert(value.name.clone())).collect(),
            faults: statements.faults.clone(),
        }
    }
}

/// A file's statements. Most are a line each; a value between quotes may go on for several.
struct Statements {
    /// Those that set a variable: the line where they begin, and their text with the line's end.
    assignments: Vec<(usize, String)>,
    faults: Vec<Fault>,
}

/// How dotenvy takes a text.
enum Reading {
    /// A comment, or a blank line.
    Nothing,
    Assignment,
    /// A quote is open at its end.
    Open,
    Malformed,
}

impl Statements {
    fn split(content: &[u8]) -> Self {
        // Windows' editors begin a file with a byte order mark.
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        let lines: Vec<_> = content.split(|byte| *byte == b'\n').map(std::str::from_utf8).collect();
        let mut statements = Self { assignments: Vec::new(), faults: Vec::new() };
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            at += statements.add(at + 1, line.ok(), &lines[at + 1..]);
        }
        statements
    }

    /// Adds the statement that begins with this line. Returns the number of its lines.
    fn add(&mut self, number: usize, line: Option<&str>, following: &[Result<&str, std::str::Utf8Error>]) -> usize {
        let Some(line) = line else {
            self.faults.push(Fault::not_utf8(number));
            return 1;
        };
        // dotenvy takes blanks at the end of a file without a newline for a statement that goes on.
        let mut text = format!("{line}\n");
        match read(&text) {
            Reading::Nothing => return 1,
            Reading::Assignment => {
                self.assignments.push((number, text));
                return 1;
            }
            Reading::Malformed if is_assignment(line) => self.faults.push(Fault::unreadable_value(number)),
            Reading::Malformed => self.faults.push(Fault::not_an_assignment(number)),
            Reading::Open => {
                for (count, line) in (2..).zip(following.iter().map_while(|line| line.ok())) {
                    text.push_str(line);
                    text.push('\n');
                    if !line.contains(['"', '\'']) {
                        continue;
                    }
                    match read(&text) {
                        Reading::Open => {}
                        Reading::Assignment => {
                            self.assignments.push((number, text));
                            return count;
                        }
                        Reading::Nothing | Reading::Malformed => break,
                    }
                }
                self.faults.push(Fault::open_quote(number));
            }
        }
        // The next line may be a good one, whatever this one was meant to be.
        1
    }
}

/// How dotenvy takes the beginning of a text that ends with a newline.
fn read(text: &str) -> Reading {
    match dotenvy::from_read_iter(text.as_bytes()).next() {
        None => Reading::Nothing,
        Some(Ok(_)) => Reading::Assignment,
        // A line that is whole is handed on without its end.
        Some(Err(dotenvy::Error::LineParse(line, _))) if line.ends_with('\n') => Reading::Open,
        Some(Err(_)) => Reading::Malformed,
    }
}

/// Whether a line at least begins with a name and `=`.
fn is_assignment(line: &str) -> bool {
    let Some((name, _)) = line.split_once('=') else { return false };
    let name = name.trim();
    let name = name.strip_prefix("export ").unwrap_or(name).trim_start();
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

/// The lines of an assignment that have a `$` which dotenvy takes for a reference: neither in single quotes nor after a
/// backslash.
fn references(first: usize, assignment: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    let value = assignment.split_once('=').map_or("", |(_, value)| value);
    let (mut line, mut quote, mut previous) = (first, None, b' ');
    for byte in value.bytes() {
        match (quote, byte) {
            (None, b'#') if previous.is_ascii_whitespace() => break,
            (None, b'\'' | b'"') if previous != b'\\' => quote = Some(byte),
            (Some(open), _) if open == byte && (open == b'\'' || previous != b'\\') => quote = None,
            (None | Some(b'"'), b'$') if previous != b'\\' && lines.last() != Some(&line) => lines.push(line),
            (_, b'\n') => line += 1,
            _ => {}
        }
        // A backslash that is escaped escapes nothing.
        previous = if (previous, byte) == (b'\\', b'\\') { 0 } else { byte };
    }
    lines
}

#[cfg(test)]
mod tests;
