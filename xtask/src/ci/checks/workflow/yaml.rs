//! The YAML of workflows, which are written in lines and indentation.
//!
//! A library that reads all of YAML costs everybody who compiles `xtask` 1.5 s or more. This reader only reads the
//! parts that the check needs, and reports the first place that it can't read.

/// A place in a file. Line and column count from one. The column counts characters.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A piece of text, and where it begins.
pub(super) type Piece = (String, Place);

/// A key or an item of a list, with the text behind it.
pub(super) struct Entry {
    /// The keys that lead to it. An item of a list has its line's number, with a hyphen.
    pub(super) path: Vec<String>,
    pub(super) place: Place,
    /// The entry's text, unchanged. An entry that has other entries below it has no text.
    pub(super) lines: Vec<Piece>,
}

/// Reads a file. The error is the place of the first line that is neither a key nor an item nor a part of a text.
pub(super) fn read(source: &str) -> Result<Vec<Entry>, Place> {
    let (mut entries, mut open) = (Vec::<Entry>::new(), Vec::<(usize, String)>::new());
    for (text, line) in source.trim_start_matches('\u{feff}').lines().zip(1..) {
        let mut rest = behind(&(text.trim_end().to_owned(), Place { line, column: 1 }), 0);
        let place = rest.1;
        // Blank lines and comments mean nothing in a script either.
        if rest.0.is_empty() || text == "---" {
            continue;
        }
        if let Some(last) = entries.last_mut().filter(|last| !last.lines.is_empty())
            && open.last().is_none_or(|(column, _)| *column < place.column)
        {
            last.lines.push(rest);
            continue;
        }
        // The items of a list may stand in the same column as its key.
        let is_list = |name: &str| is_item(&rest.0) && !name.starts_with('-');
        open.retain(|(column, name)| *column < place.column || *column == place.column && is_list(name));
        let outer = open.len();
        while is_item(&rest.0) {
            open.push((rest.1.column, format!("-{line}")));
            rest = behind(&rest, 1);
        }
        let key = rest.0.split_once(": ").map(|(key, _)| key).or_else(|| rest.0.strip_suffix(':'));
        if let Some(key) = key.filter(|key| !key.starts_with(['[', '{'])).map(str::to_owned) {
            open.push((rest.1.column, key.trim_matches(['\'', '"']).to_owned()));
            rest = behind(&rest, key.len() + 1);
        } else if open.len() == outer {
            return Err(place);
        }
        let path = open.iter().map(|(_, name)| name.clone()).collect();
        entries.push(Entry { path, place, lines: Vec::from_iter(Some(rest).filter(|(text, _)| !text.is_empty())) });
    }
    Ok(entries)
}

fn is_item(text: &str) -> bool {
    text == "-" || text.starts_with("- ")
}

/// Returns the text after the first `start` bytes, or an empty text if a comment follows.
fn behind((text, place): &Piece, start: usize) -> Piece {
    let rest = text[start..].trim_start_matches(' ');
    let column = place.column + text[..text.len() - rest.len()].chars().count();
    (if rest.starts_with('#') { "" } else { rest }.to_owned(), Place { column, ..*place })
}

impl Entry {
    /// The names in the entry's text, which is a single name or a list in brackets.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let is_other = |character: char| !character.is_alphanumeric() && !"-_".contains(character);
        let texts = self.lines.iter().filter_map(|(text, _)| text.split(" #").next());
        texts.flat_map(move |text| text.split(is_other)).filter(|name| !name.is_empty())
    }

    /// The characters of the entry's text. Returns `None` for an alias, a tag, and quotes with an escape or a comment.
    pub(super) fn script(&self) -> Option<Vec<(char, Place)>> {
        let mark = self.lines.first()?.0.chars().next()?;
        let mut script = Vec::new();
        for (text, place) in &self.lines[usize::from("|>".contains(mark))..] {
            script.extend(text.chars().zip(place.column..).map(|(one, column)| (one, Place { column, ..*place })));
            script.push((if mark == '|' { '\n' } else { ' ' }, *place));
        }
        if let ('\'' | '"', [_, inner @ .., (last, _), _]) = (mark, &script[..]) {
            let is_plain = *last == mark && !inner.iter().any(|(one, _)| *one == mark || *one == '\\');
            return is_plain.then(|| inner.to_vec());
        }
        (!"&*!'\"".contains(mark)).then_some(script)
    }
}
