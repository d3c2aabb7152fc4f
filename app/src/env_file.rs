//! Files like `.env`: the workspace's is found, and read line by line.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What such a file says, and what is wrong with it.
#[derive(Debug, Default)]
pub struct EnvFile {
    /// The variables. Where one is set twice the first line counts, as everywhere that dotenvy reads the file.
    pub variables: BTreeMap<String, String>,
    /// A sentence for each thing that is wrong. None of them quotes the file: its lines hold secrets.
    pub problems: Vec<String>,
}

impl EnvFile {
    /// Reads the file at `path`. One that doesn't exist is empty.
    pub fn read(path: &Path) -> Self {
        match fs::read(path) {
            Ok(content) => Self::parse(&content, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::default(),
            Err(error) => {
                Self { problems: vec![format!("{} can't be read: {error}.", path.display())], ..Self::default() }
            }
        }
    }

    /// Reads the file at `path`, which has to be there and to say the same whatever the process's environment is.
    ///
    /// # Errors
    /// It isn't there, or can't be read.
    pub fn read_by_itself(path: &Path) -> Result<Self, String> {
        let content = fs::read(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!("There is no file {}.", path.display()),
            _ => format!("{} can't be read: {error}.", path.display()),
        })?;
        let mut file = Self::parse(&content, path);
        // dotenvy would put in what the environment has.
        for line in references(&content) {
            file.problems.push(format!(
                "{}: line {line} refers to a variable, which may be the environment's: write the value itself, or \\$ \
                 where the sign is meant.",
                path.display()
            ));
        }
        Ok(file)
    }

    fn parse(content: &[u8], path: &Path) -> Self {
        let mut file = Self::default();
        // Windows editors begin a file with a byte order mark, which dotenvy's iterator takes for part of a name.
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        let line = Rc::new(Cell::new(0));
        for entry in dotenvy::from_read_iter(Lines { rest: content, line: Rc::clone(&line), in_line: false }) {
            let what = match entry {
                Ok((name, value)) => {
                    file.variables.entry(name).or_insert(value);
                    continue;
                }
                Err(dotenvy::Error::LineParse(text, _)) => {
                    // An open quote makes dotenvy read on to the end of the file: the line to mend is the first.
                    match text.lines().count().max(1) {
                        1 => format!("line {}", line.get()),
                        lines => format!(
                            "line {} (read on to line {}: is a quote left open?)",
                            line.get() + 1 - lines,
                            line.get()
                        ),
                    }
                }
                Err(_) => {
                    file.problems.push(format!("{}: line {} is not valid UTF-8.", path.display(), line.get()));
                    continue;
                }
            };
            file.problems.push(format!(
                "{}: {what} is malformed: write NAME=value, and quotes around a value that has spaces in it.",
                path.display()
            ));
        }
        file
    }
}

/// The lines that have a `$` which dotenvy takes for a reference: neither in single quotes nor after a backslash.
fn references(content: &[u8]) -> Vec<usize> {
    let mut lines = Vec::new();
    // A quoted value may go on for several lines.
    let mut quote = None;
    for (number, line) in (1..).zip(content.split(|byte| *byte == b'\n')) {
        let mut previous = b' ';
        for byte in line.iter().copied() {
            match (quote, byte) {
                (None, b'#') if previous.is_ascii_whitespace() => break,
                (None, b'\'' | b'"') if previous != b'\\' => quote = Some(byte),
                (Some(open), _) if open == byte && (open == b'\'' || previous != b'\\') => quote = None,
                (None | Some(b'"'), b'$') if previous != b'\\' && lines.last() != Some(&number) => lines.push(number),
                _ => {}
            }
            // An escaped backslash escapes nothing.
            previous = if (previous, byte) == (b'\\', b'\\') { 0 } else { byte };
        }
    }
    lines
}

/// Hands out the file one line at a time and counts, because dotenvy's errors say nothing of where they are.
struct Lines<'a> {
    rest: &'a [u8],
    line: Rc<Cell<usize>>,
    /// Whether the last piece that was handed out stopped in the middle of a line.
    in_line: bool,
}

impl Read for Lines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |newline| newline + 1);
        let length = end.min(buffer.len());
        let (piece, rest) = self.rest.split_at(length);
        buffer[..length].copy_from_slice(piece);
        if length > 0 && !self.in_line {
            self.line.set(self.line.get() + 1);
        }
        self.in_line = length > 0 && piece.last() != Some(&b'\n');
        self.rest = rest;
        Ok(length)
    }
}

/// Finds the workspace's root: the nearest folder, from `start` upwards, whose `Cargo.toml` has a `[workspace]`.
///
/// # Errors
/// A `Cargo.toml` on the way can't be read. Going on would take a folder further up for the root, and its `.env`.
pub fn find_workspace_root(start: &Path) -> Result<Option<PathBuf>, String> {
    for folder in start.ancestors() {
        let manifest = folder.join("Cargo.toml");
        let content = match fs::read_to_string(&manifest) {
            Ok(content) => content,
            // NotADirectory: `start` itself may be a file.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
            Err(error) => return Err(format!("{} can't be read: {error}.", manifest.display())),
        };
        let table: toml::Table = toml::from_str(&content)
            .map_err(|error| format!("{} can't be read: {}.", manifest.display(), error.message()))?;
        if table.contains_key("workspace") {
            return Ok(Some(folder.to_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(content: &[u8]) -> Vec<String> {
        EnvFile::parse(content, Path::new(".env")).problems
    }

    #[test]
    fn comments_quotes_and_a_byte_order_mark_are_understood() {
        let file =
            EnvFile::parse(b"\xef\xbb\xbfA=1\r\n# a comment\n\nexport B=\"two words\" # why\nA=3\n", Path::new(".env"));
        assert!(file.problems.is_empty(), "{:?}", file.problems);
        assert_eq!(file.variables, BTreeMap::from([("A".into(), "1".into()), ("B".into(), "two words".into())]));
    }

    #[test]
    fn every_malformed_line_is_reported_with_its_number_and_not_quoted() {
        let mut content =
            format!("A=1\nKEY={} hunter2\n\n# comment\nnonsense hunter2\n", "x".repeat(20_000)).into_bytes();
        content.extend_from_slice(b"B=\xff\nC=3\n");
        let found = problems(&content);
        assert_eq!(found.len(), 3, "{found:?}");
        for (problem, line) in found.iter().zip([2, 5, 6]) {
            assert!(problem.starts_with(&format!(".env: line {line} is ")), "{problem}");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn references_to_other_variables_are_found_where_dotenvy_would_follow_them() {
        let content = "A=$HOME\nB=\"x${A}y$B\"\nC='$A'\nD=\\$A\nE=\"\\$A\"\n# $A\nF=x # $A\nG='\n$A\n'\nH=\"'$A\"\n\
                       I=x\\\\$A\nJ=\"\n$A\"\nK=x#$A\nL=\\'$A\n";
        // Every name but C to G is a line with one; each quoted newline shifts the rest by one.
        assert_eq!(references(content.as_bytes()), [1, 2, 11, 12, 14, 15, 16]);
    }

    #[test]
    fn an_open_quote_is_reported_where_it_opens() {
        for end in ["", "\n"] {
            let found = problems(format!("A=1\n# comment\nB='hunter2\nC=3\nD=4{end}").as_bytes());
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].starts_with(".env: line 3 (read on to line 5"), "{}", found[0]);
        }
    }
}
