//! Reads a file in the format of `.env`, and finds all its faults.
//!
//! dotenvy parses the file, because sqlx uses dotenvy too, and both have to find the same values. But the errors of
//! dotenvy name no line and quote the text, and after an open quote it reads nothing more of the file. So this module
//! gives dotenvy one statement at a time.

use std::collections::BTreeSet;

/// The variables and the faults of a file in the format of `.env`.
#[derive(Default)]
pub struct EnvFile {
    /// The variables, in the file's order. The first one of a name counts, as in every program that uses dotenvy.
    pub values: Vec<Value>,
    /// The faults of the lines that can't be read. All other lines are read.
    pub faults: Vec<Fault>,
}

/// A variable. It has no `Debug`, because it may hold a secret.
pub struct Value {
    /// The variable's name.
    pub name: String,
    /// The variable's value, without quotes.
    pub text: String,
    /// The line where the variable begins, counted from one.
    pub line: usize,
}

/// A fault in a line. It quotes nothing of the line, which may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, counted from one.
    pub line: usize,
    /// The rest of a sentence whose subject is the line, without the full stop.
    pub what: &'static str,
    /// A sentence that tells the user what to write.
    pub remedy: &'static str,
}

impl Fault {
    fn not_utf8(line: usize) -> Self {
        Self { line, what: "isn't valid UTF-8", remedy: "Save the file as UTF-8." }
    }

    fn not_an_assignment(line: usize) -> Self {
        let remedy = "Write NAME=value, with letters, digits and _ in the name, or begin a comment with #.";
        Self { line, what: "isn't NAME=value", remedy }
    }

    fn unreadable_value(line: usize) -> Self {
        let remedy = "Put a value with spaces, quotes, # or \\ in it between single quotes: NAME='a value'.";
        Self { line, what: "has a value that can't be read", remedy }
    }

    fn open_quote(line: usize) -> Self {
        let remedy = "Close the quote, or put the whole value between quotes of the other kind.";
        Self { line, what: "opens a quote that isn't closed", remedy }
    }

    fn reference(line: usize) -> Self {
        let remedy = "Write the value itself, or write \\$ for a dollar sign.";
        Self { line, what: "refers to a variable, whose value may come from the environment", remedy }
    }
}

impl EnvFile {
    /// Reads a file's content. A reference to another variable (`$NAME`) stands for the environment's value, or for the
    /// file's value if the environment doesn't set the variable.
    pub fn parse(content: &[u8]) -> Self {
        Self::of(&Statements::split(content))
    }

    /// Reads the content of a file that must not depend on the process's environment. A value that refers to another
    /// variable is a fault.
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

    /// Reads all assignments at once, because a value may refer to the variables before it.
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

/// A file's statements. Most statements are one line. A value between quotes may have several lines.
struct Statements {
    /// The statements that set a variable, each with the line where it begins and its text with the line's end.
    assignments: Vec<(usize, String)>,
    faults: Vec<Fault>,
}

/// How dotenvy understands a text.
enum Reading {
    /// A comment, or a blank line.
    Nothing,
    Assignment,
    /// A quote is open at the text's end.
    Open,
    Malformed,
}

impl Statements {
    fn split(content: &[u8]) -> Self {
        // Some editors on Windows begin a file with a byte order mark.
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
        // Without a newline at the end, dotenvy takes blanks at the end of a file for a statement that goes on.
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
        // The next line may be a good one, whatever is wrong with this one.
        1
    }
}

/// Tells how dotenvy understands the first statement of a text that ends with a newline.
fn read(text: &str) -> Reading {
    match dotenvy::from_read_iter(text.as_bytes()).next() {
        None => Reading::Nothing,
        Some(Ok(_)) => Reading::Assignment,
        // dotenvy names a complete line without its newline.
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

/// Finds the lines of an assignment with a `$` that dotenvy takes for a reference. Such a `$` stands neither in single
/// quotes nor after a backslash.
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
        // A backslash after a backslash escapes nothing.
        previous = if (previous, byte) == (b'\\', b'\\') { 0 } else { byte };
    }
    lines
}

#[cfg(test)]
mod tests;
