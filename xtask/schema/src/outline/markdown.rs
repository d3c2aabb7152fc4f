//! Writes the outline as Markdown, in GitHub's dialect.

use super::{Entity, EntityKind, Field, Outline, mermaid};

impl Outline {
    /// Returns a section with this title: the diagram, and for each table and view its columns.
    #[must_use]
    pub fn to_markdown(&self, title: &str) -> String {
        let mut text = format!("## {}\n\n", plain(title));
        text.push_str(&match mermaid::diagram(self) {
            Some(diagram) => format!("```mermaid\n{diagram}```\n"),
            None if self.entities.iter().any(|entity| !entity.kind.is_view()) => {
                "There are too many tables for a diagram.\n".to_owned()
            }
            None => "There are no tables.\n".to_owned(),
        });
        self.entities.iter().for_each(|entity| text.push_str(&section(entity)));
        text
    }
}

fn section(entity: &Entity) -> String {
    let mut text = format!("\n### {}\n", plain(&entity.name));
    let mut about = Vec::new();
    match entity.kind {
        EntityKind::Table => {}
        EntityKind::ForeignTable => about.push("A foreign table.".to_owned()),
        EntityKind::View => about.push("A view.".to_owned()),
        EntityKind::MaterializedView => about.push("A materialized view.".to_owned()),
    }
    if let Some((key, number)) = &entity.partitions {
        let number = if *number == 1 { "1 partition".to_owned() } else { format!("{number} partitions") };
        about.push(format!("Partitioned by {}; it has {number}.", code(key)));
    }
    if !entity.inherits.is_empty() {
        let parents: Vec<_> = entity.inherits.iter().map(|parent| code(parent)).collect();
        about.push(format!("It inherits from {}.", parents.join(" and ")));
    }
    about.extend(entity.comment.as_deref().map(plain));
    about.iter().for_each(|paragraph| text.push_str(&format!("\n{paragraph}\n")));
    if !entity.columns.is_empty() {
        // A telephone shows three columns without scrolling, and not four.
        text.push_str("\n| column | type and keys | comment |\n|---|---|---|\n");
        entity.columns.iter().for_each(|field| text.push_str(&row(field)));
    }
    text
}

fn row(field: &Field) -> String {
    let null = if field.nullable { ", or null" } else { "" };
    let mut keys = vec![format!("{}{null}", code(&field.type_name))];
    if field.in_primary_key {
        keys.push("primary key".to_owned());
    }
    keys.extend(field.refers_to.iter().map(|table| format!("references {}", code(table))));
    keys.extend(field.unique_with.iter().map(|others| match others.as_slice() {
        [] => "unique".to_owned(),
        others => format!("unique with {}", others.iter().map(|name| code(name)).collect::<Vec<_>>().join(", ")),
    }));
    let comment = field.comment.as_deref().map(plain).unwrap_or_default();
    let cells = [code(&field.name), keys.join("; "), comment];
    format!("| {} |\n", cells.join(" | "))
}

/// Text that Markdown shows as it is, also in the cell of a table. Its lines stay lines.
fn plain(text: &str) -> String {
    let characters: Vec<char> = text.trim().chars().collect();
    let mut written = String::new();
    for (at, character) in characters.iter().copied().enumerate() {
        let is_in_word = |at: Option<usize>| {
            at.and_then(|at| characters.get(at)).is_some_and(|character| character.is_alphanumeric())
        };
        let between_letters = is_in_word(at.checked_sub(1)) && is_in_word(Some(at + 1));
        let ends_number = at > 0 && characters[..at].iter().all(char::is_ascii_digit);
        match character {
            '\n' => written.push_str("<br>"),
            '\r' => {}
            other if other.is_control() => written.push('?'),
            '_' if between_letters => written.push('_'),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '~' | '$' | '#' | '|' => {
                written.extend(['\\', character]);
            }
            // These begin a list, or underline a heading.
            '-' | '+' | '=' if at == 0 => written.extend(['\\', character]),
            '.' | ')' if ends_number => written.extend(['\\', character]),
            other => written.push(other),
        }
    }
    written
}

/// Text as code. It is on one line. What backticks or the cell of a table can't hold is written in HTML.
fn code(text: &str) -> String {
    let is_plain = |character: char| !character.is_control() && !"`|\\".contains(character);
    if !text.is_empty() && text.trim() == text && text.chars().all(is_plain) {
        return format!("`{text}`");
    }
    let mut written = String::from("<code>");
    for character in text.chars() {
        match character {
            other if other.is_control() => written.push('?'),
            other if other.is_ascii_alphanumeric() || !other.is_ascii() => written.push(other),
            other => written.push_str(&format!("&#{};", u32::from(other))),
        }
    }
    written + "</code>"
}
