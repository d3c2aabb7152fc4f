//! Writes the tables and their foreign keys as an entity diagram in Mermaid's language.
//!
//! What Mermaid takes for a name was read in its lexer, version 11. A quoted name may hold character codes such as `#34;`. The
//! name and the type of a column may not, so they are written with other characters, and the true name is shown beside them.

use super::{Entity, Field, Outline};
use crate::sql::{Kind, tokens};

/// GitHub shows no diagram whose text has more characters than this (Mermaid's `maxTextSize`).
const LONGEST: usize = 50_000;

/// Mermaid puts tables without a foreign key into one row. If there are more than this, the diagram goes from left to right,
/// so that they stand below each other.
const ROW: usize = 4;

/// Writes the diagram, with the columns that are keys. All columns would make it too wide to be read, and they are in the
/// tables below it. Without any column if GitHub wouldn't show it otherwise. Returns `None` if there are no tables, or too many.
pub(super) fn diagram(outline: &Outline) -> Option<String> {
    outline.tables().next()?;
    [true, false].into_iter().map(|keys| draw(outline, keys)).find(|text| text.chars().count() <= LONGEST)
}

impl Outline {
    /// The tables.
    fn tables(&self) -> impl Iterator<Item = &Entity> {
        self.entities.iter().filter(|entity| !entity.kind.is_view())
    }
}

fn draw(outline: &Outline, keys: bool) -> String {
    let mut text = String::from("erDiagram\n");
    let is_alone = |at: &usize| !outline.references.iter().any(|key| key.from == *at || key.to == *at);
    if (0..outline.tables().count()).filter(is_alone).count() > ROW {
        text.push_str("    direction LR\n");
    }
    for table in outline.tables() {
        let fields = table.columns.iter().filter(|field| keys && field.is_key());
        let lines: Vec<_> = fields.map(attribute).collect();
        text.push_str(&format!("    {}", quoted(&table.name)));
        if !lines.is_empty() {
            text.push_str(&format!(" {{\n{}    }}", lines.concat()));
        }
        text.push('\n');
    }
    for reference in &outline.references {
        let [to, from] = [reference.to, reference.from].map(|at| quoted(&outline.entities[at].name));
        let one = if reference.optional { "|o" } else { "||" };
        let many = if reference.unique { "o|" } else { "o{" };
        text.push_str(&format!("    {to} {one}--{many} {from} : {}\n", quoted(&reference.columns.join(", "))));
    }
    text
}

impl Field {
    fn is_key(&self) -> bool {
        self.in_primary_key || !self.refers_to.is_empty() || !self.unique_with.is_empty()
    }
}

/// The line of a column: its type, its name, and its keys.
fn attribute(field: &Field) -> String {
    let name = word(&field.name);
    let keys = [
        ("PK", field.in_primary_key),
        ("FK", !field.refers_to.is_empty()),
        ("UK", field.unique_with.iter().any(Vec::is_empty)),
    ];
    let keys: Vec<_> = keys.into_iter().filter(|(_, holds)| *holds).map(|(key, _)| key).collect();
    let mut line = format!("        {} {name}", word(&short_type(&field.type_name)));
    if !keys.is_empty() {
        line.push_str(&format!(" {}", keys.join(", ")));
    }
    if name != field.name {
        line.push_str(&format!(" {}", quoted(&field.name)));
    }
    line + "\n"
}

/// A name in quotes. Characters that could mean something to Mermaid, or to Markdown, which it reads in names, are written as
/// codes. A name of no characters is a space.
fn quoted(name: &str) -> String {
    let mut text = String::from("\"");
    let mut before = ' ';
    let mut rest = name.chars().peekable();
    while let Some(character) = rest.next() {
        let in_word = before.is_alphanumeric() && rest.peek().is_some_and(|next| next.is_alphanumeric());
        match character {
            other if other.is_alphanumeric() || (!other.is_ascii() && !other.is_control()) => text.push(other),
            '_' | '.' | '-' if in_word => text.push(character),
            other if other.is_control() => text.push('?'),
            other => text.push_str(&format!("#{};", u32::from(other))),
        }
        before = character;
    }
    if name.is_empty() {
        text.push_str("#32;");
    }
    text + "\""
}

/// A name as Mermaid allows it for a column or a type.
fn word(name: &str) -> String {
    let allowed = |character: char| {
        character.is_ascii_alphanumeric() || "_[]".contains(character) || ('\u{c0}'..='\u{fffd}').contains(&character)
    };
    let mut word: String = name.chars().map(|character| if allowed(character) { character } else { '_' }).collect();
    // Between two of them, Markdown would show a name in italics.
    if word.starts_with('_') && word.ends_with('_') {
        word = word.trim_matches('_').to_owned();
    }
    if !word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_' || first >= '\u{c0}') {
        word.insert_str(0, "x_");
    }
    // Mermaid takes these words for keys.
    if ["pk", "fk", "uk"].contains(&word.to_lowercase().as_str()) {
        word.push('_');
    }
    word
}

/// A short name of a type, without the name of its schema and without length or precision.
fn short_type(name: &str) -> String {
    let (name, array) = name.split_at(name.find("[]").unwrap_or(name.len()));
    let mut depth = 0_usize;
    let mut words = Vec::new();
    for token in tokens(name).filter(|token| !token.is_blank()) {
        if token.is_symbol("(") {
            depth += 1;
        } else if token.is_symbol(")") {
            depth = depth.saturating_sub(1);
        } else if token.is_symbol(".") {
            words.clear();
        } else if depth == 0 && matches!(token.kind, Kind::Word | Kind::QuotedIdentifier) {
            words.push(token.identifier().unwrap_or_else(|| token.text.to_owned()));
        }
    }
    let name = words.join(" ");
    let short = match name.as_str() {
        "character varying" => "varchar",
        "character" => "char",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        "time with time zone" => "timetz",
        "time without time zone" => "time",
        "double precision" => "float8",
        "bit varying" => "varbit",
        interval if interval.starts_with("interval ") => "interval",
        other => other,
    };
    format!("{short}{array}")
}
