//! Text that knows where in its file each character stands.
//!
//! YAML folds lines, takes indentation away and knows escapes; a matrix puts a value from elsewhere into a script. What
//! is wrong in the result is still to be shown where somebody typed it.

use std::fmt;

/// A place in a file. Line and column count from one, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    /// Where every file begins.
    pub(crate) const START: Self = Self { line: 1, column: 1 };

    /// The place behind a character that stands here.
    pub(crate) fn behind(self, character: char) -> Self {
        match character {
            '\n' => Self { line: self.line + 1, column: 1 },
            _ => Self { column: self.column + 1, ..self },
        }
    }
}

/// Characters with their places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text(pub(crate) Vec<(char, Place)>);

impl Text {
    /// A whole file.
    pub(crate) fn of_file(source: &str) -> Self {
        let mut place = Place::START;
        let located = source.chars().map(|character| {
            let here = place;
            place = here.behind(character);
            (character, here)
        });
        Self(located.collect())
    }

    /// `value`, which YAML read from `source`: each character stands where it is met next there. Blanks can be what
    /// YAML made of line ends and indentation, so they stand where the reading has come to.
    pub(crate) fn of_value(value: &str, source: &[(char, Place)], start: Place) -> Self {
        let (mut at, mut place) = (0, start);
        let located = value.chars().map(|character| {
            if !character.is_whitespace() {
                // A character that isn't met is an escape's.
                if let Some(ahead) = source[at..].iter().position(|(met, _)| *met == character) {
                    at += ahead;
                }
            }
            place = source.get(at).map_or(place, |(_, place)| *place);
            if source.get(at).is_some_and(|(met, _)| *met == character) {
                at += 1;
            }
            (character, place)
        });
        Self(located.collect())
    }

    /// Where it begins.
    pub(crate) fn place(&self) -> Option<Place> {
        self.0.first().map(|(_, place)| *place)
    }

    pub(crate) fn starts_with(&self, prefix: &str) -> bool {
        let mut characters = self.0.iter();
        prefix.chars().all(|wanted| characters.next().is_some_and(|(character, _)| *character == wanted))
    }

    /// The parts between commas.
    pub(crate) fn split_at_commas(&self) -> impl Iterator<Item = Self> {
        self.0.split(|(character, _)| *character == ',').map(|part| Self(part.to_vec()).trimmed())
    }

    fn trimmed(&self) -> Self {
        let filled = |(character, _): &(char, Place)| !character.is_whitespace();
        let start = self.0.iter().position(filled).unwrap_or(0);
        let end = self.0.iter().rposition(filled).map_or(start, |last| last + 1);
        Self(self.0[start..end].to_vec())
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0.iter().map(|(character, _)| *character).eq(other.chars())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(character, _)| write!(f, "{character}"))
    }
}
