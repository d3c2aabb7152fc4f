//! Splits SQL into tokens, as PostgreSQL's own scanner does. All code in this workspace that reads SQL uses this lexer.
//!
//! The tokens of a text follow each other without a gap, and white space and comments are tokens as well. So a caller
//! can cut the text at any token. An unfinished piece, for example a string without its end, is one token up to the end
//! of the text. The lexer assumes that `standard_conforming_strings` is on, which is the default.

use std::ops::Range;

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// White space.
    Space,
    /// `-- up to the end of the line`, or `/* a /* nested */ block */`.
    Comment,
    /// A keyword, or a name without quotes.
    Word,
    /// `"a name"`, or `U&"a name"`.
    QuotedIdentifier,
    /// `'text'`, also with E, B, X, N or U& before it, or `$tag$text$tag$`.
    String,
    /// `1`, `1.5e-3`, `.5`, `0xff`, `1_000`.
    Number,
    /// `$1`.
    Parameter,
    /// A comma, a semicolon, a parenthesis, or an operator with all of its characters.
    Symbol,
}

/// A token: a piece of SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'s> {
    /// The kind of the token.
    pub kind: Kind,
    /// The text of the token.
    pub text: &'s str,
    /// The position of its first byte.
    pub start: usize,
}

impl Token<'_> {
    /// Returns the position after its last byte.
    #[must_use]
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Returns the range of its bytes.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start..self.end()
    }

    /// Returns whether the token is white space or a comment, which PostgreSQL ignores.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        matches!(self.kind, Kind::Space | Kind::Comment)
    }

    /// Returns whether the token is this word, in upper or lower case and without quotes.
    #[must_use]
    pub fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Returns whether the token is this operator or punctuation mark.
    #[must_use]
    pub fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    /// Returns the name that the token stands for. A name without quotes is in lower case. For `U&"…"` the result is
    /// `None`, because the lexer doesn't read its escapes.
    #[must_use]
    pub fn identifier(&self) -> Option<String> {
        match self.kind {
            Kind::Word => Some(self.text.to_ascii_lowercase()),
            Kind::QuotedIdentifier => {
                let inner = self.text.strip_prefix('"')?.strip_suffix('"')?;
                Some(inner.replace("\"\"", "\""))
            }
            _ => None,
        }
    }
}

/// Returns the tokens of a text, from its start to its end.
#[must_use]
pub fn tokens(sql: &str) -> Tokens<'_> {
    Tokens { sql, at: 0 }
}

/// The iterator that [`tokens`] returns.
#[derive(Clone, Debug)]
pub struct Tokens<'s> {
    sql: &'s str,
    at: usize,
}

impl<'s> Iterator for Tokens<'s> {
    type Item = Token<'s>;

    fn next(&mut self) -> Option<Token<'s>> {
        let rest = &self.sql[self.at..];
        let (kind, length) = piece(rest.as_bytes(), self.at == 0)?;
        let token = Token { kind, text: &rest[..length], start: self.at };
        self.at += length;
        Some(token)
    }
}

/// Returns the kind and the length of the token that these bytes begin with. Only ASCII characters end a token, so no
/// character is ever cut in two.
fn piece(rest: &[u8], at_start: bool) -> Option<(Kind, usize)> {
    let next = rest.get(1).copied();
    Some(match *rest.first()? {
        first if is_space(first) => (Kind::Space, run(rest, is_space)),
        // Some editors put a byte order mark at the start of a file.
        _ if at_start && rest.starts_with("\u{feff}".as_bytes()) => (Kind::Space, "\u{feff}".len()),
        b'-' if next == Some(b'-') => (Kind::Comment, run(rest, |byte| byte != b'\n' && byte != b'\r')),
        b'/' if next == Some(b'*') => (Kind::Comment, block_comment(rest)),
        b'\'' => (Kind::String, quoted(rest, 0, false)),
        b'"' => (Kind::QuotedIdentifier, quoted(rest, 0, false)),
        b'$' if next.is_some_and(|byte| byte.is_ascii_digit()) => {
            (Kind::Parameter, 1 + run(&rest[1..], |byte| byte.is_ascii_digit()))
        }
        b'$' => dollar_quoted(rest).map_or((Kind::Symbol, 1), |length| (Kind::String, length)),
        first if is_letter(first) => word(rest),
        b'.' if next.is_some_and(|byte| byte.is_ascii_digit()) => (Kind::Number, number(rest)),
        first if first.is_ascii_digit() => (Kind::Number, number(rest)),
        first if is_operator(first) => (Kind::Symbol, operator(rest)),
        b':' if matches!(next, Some(b':' | b'=')) => (Kind::Symbol, 2),
        b'.' if next == Some(b'.') => (Kind::Symbol, 2),
        _ => (Kind::Symbol, 1),
    })
}

/// Counts the bytes at the start that belong to the token.
fn run(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|&byte| !belongs(byte)).unwrap_or(bytes.len())
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Returns whether a word may begin with this byte. For PostgreSQL, every byte beyond ASCII is a letter.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_operator(byte: u8) -> bool {
    b"+-*/<>=~!@#%^&|`?".contains(&byte)
}

/// Returns the length of a block comment. Block comments nest in PostgreSQL.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => depth += 1,
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    rest.len()
}

/// Returns the length of the text up to the end of the quotes that open at `open`. A doubled quote ends nothing.
fn quoted(rest: &[u8], open: usize, escapes: bool) -> usize {
    let quote = rest[open];
    let mut at = open + 1;
    while let Some(&byte) = rest.get(at) {
        at += match byte {
            b'\\' if escapes => 2,
            _ if byte != quote => 1,
            _ if rest.get(at + 1) == Some(&quote) => 2,
            _ => return at + 1,
        };
    }
    rest.len()
}

/// Returns the length of `$tag$text$tag$`, if the bytes begin with it.
fn dollar_quoted(rest: &[u8]) -> Option<usize> {
    let length = run(&rest[1..], |byte| is_letter(byte) || byte.is_ascii_digit());
    let tag = rest.get(..length + 2).filter(|tag| tag.ends_with(b"$"))?;
    let mut at = tag.len();
    while let Some(found) = rest.get(at..)?.iter().position(|&byte| byte == b'$') {
        at += found;
        if rest[at..].starts_with(tag) {
            return Some(at + tag.len());
        }
        at += 1;
    }
    Some(rest.len())
}

/// Reads a word, or a string or name with a letter before its quote.
fn word(rest: &[u8]) -> (Kind, usize) {
    match rest {
        [b'e' | b'E', b'\'', ..] => (Kind::String, quoted(rest, 1, true)),
        [b'b' | b'B' | b'n' | b'N' | b'x' | b'X', b'\'', ..] => (Kind::String, quoted(rest, 1, false)),
        [b'u' | b'U', b'&', b'\'', ..] => (Kind::String, quoted(rest, 2, false)),
        [b'u' | b'U', b'&', b'"', ..] => (Kind::QuotedIdentifier, quoted(rest, 2, false)),
        _ => (Kind::Word, run(rest, |byte| is_letter(byte) || byte.is_ascii_digit() || byte == b'$')),
    }
}

fn number(rest: &[u8]) -> usize {
    let digits = |from: usize| run(&rest[from..], |byte| byte.is_ascii_digit() || byte == b'_');
    if let [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', digit, ..] = rest
        && digit.is_ascii_hexdigit()
    {
        return 2 + run(&rest[2..], |byte| byte.is_ascii_hexdigit() || byte == b'_');
    }
    let mut end = digits(0);
    // `1..10` is a range, so its first dot doesn't belong to the number.
    if rest.get(end) == Some(&b'.') && rest.get(end + 1) != Some(&b'.') {
        end += 1 + digits(end + 1);
    }
    if let [b'e' | b'E', exponent @ ..] = &rest[end..] {
        let sign = usize::from(matches!(exponent.first(), Some(b'+' | b'-')));
        if exponent.get(sign).is_some_and(u8::is_ascii_digit) {
            end += 1 + sign + digits(end + 1 + sign);
        }
    }
    end
}

/// Returns the length of an operator. It ends where a comment begins.
fn operator(rest: &[u8]) -> usize {
    let length = run(rest, is_operator);
    let comment = rest[..length].windows(2).position(|pair| pair == b"--" || pair == b"/*");
    comment.unwrap_or(length)
}
