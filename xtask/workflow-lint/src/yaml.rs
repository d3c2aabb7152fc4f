//! YAML as a tree in which everything knows its place, and in which keys that are there twice are still there twice.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScanError, Span};

use crate::text::{Place, Text};

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// The three kinds of values. Scalars aren't read any further: to a workflow nearly everything is text.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Scalar(Text),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// A key and what it stands for.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) place: Place,
    pub(crate) value: Node,
}

/// What a file contains.
pub(crate) struct Parsed {
    /// Nothing, if the file is empty.
    pub(crate) root: Option<Node>,
    /// Keys that a mapping has already, each with the place of the first one.
    pub(crate) duplicates: Vec<(Entry, Place)>,
    /// Where a second document begins.
    pub(crate) second: Option<Place>,
}

impl Node {
    /// What the key stands for, if this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// None, if this is no mapping.
    pub(crate) fn entries(&self) -> &[Entry] {
        if let Value::Mapping(entries) = &self.value { entries } else { &[] }
    }

    /// None, if this is no sequence.
    pub(crate) fn items(&self) -> &[Self] {
        if let Value::Sequence(items) = &self.value { items } else { &[] }
    }

    pub(crate) fn text(&self) -> Option<&Text> {
        if let Value::Scalar(text) = &self.value { Some(text) } else { None }
    }

    /// Whether nothing is said: `key:` and no value. The parser writes that as `~`.
    pub(crate) fn is_null(&self) -> bool {
        self.text().is_some_and(|text| text == "~" || text == "null")
    }

    /// Whether it is this scalar.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.text().is_some_and(|scalar| scalar == text)
    }

    /// Whether both have the same content, wherever it stands.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Scalar(one), Value::Scalar(two)) => one.to_string() == two.to_string(),
            (Value::Sequence(one), Value::Sequence(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.same(two))
            }
            (Value::Mapping(one), Value::Mapping(two)) => {
                let found = |entry: &Entry| other.get(&entry.key).is_some_and(|value| entry.value.same(value));
                one.len() == two.len() && one.iter().all(found)
            }
            _ => false,
        }
    }
}

/// Reads a file. The error is the first one: behind it nothing can be told.
pub(crate) fn parse(source: &str) -> Result<Parsed, ScanError> {
    let mut builder = Builder { source: Text::of_file(source), ..Builder::default() };
    for event in Parser::new_from_str(source) {
        let (event, span) = event?;
        builder.event(event, span);
    }
    let Builder { root, duplicates, second, .. } = builder;
    Ok(Parsed { root, duplicates, second })
}

/// A marker's place. Its columns count from zero.
pub(crate) fn place(marker: &Marker) -> Place {
    Place { line: marker.line(), column: marker.col() + 1 }
}

/// Makes a tree of the parser's events.
#[derive(Default)]
struct Builder {
    source: Text,
    /// The collections that have begun and not ended.
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    documents: usize,
    root: Option<Node>,
    duplicates: Vec<(Entry, Place)>,
    second: Option<Place>,
}

/// A collection that has begun.
struct Open {
    node: Node,
    /// Zero for none.
    anchor: usize,
    /// A mapping's key that has no value yet.
    key: Option<(String, Place)>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span) {
        let start = place(&span.start);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents == 2 {
                    self.second = Some(start);
                }
            }
            Event::SequenceStart(anchor, _) => self.open(Value::Sequence(Vec::new()), start, anchor),
            Event::MappingStart(anchor, _) => self.open(Value::Mapping(Vec::new()), start, anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { node, anchor, .. }) = self.open.pop() {
                    self.add(node, anchor);
                }
            }
            Event::Scalar(value, _, anchor, _) => {
                let from = span.start.index().min(self.source.0.len());
                let to = span.end.index().clamp(from, self.source.0.len());
                let text = Text::of_value(&value, &self.source.0[from..to], start);
                self.add(Node { place: start, value: Value::Scalar(text) }, anchor);
            }
            Event::Alias(anchor) => {
                // The parser refuses an alias whose anchor wasn't met; one within its own anchor has no content yet.
                let empty = || Node { place: start, value: Value::Scalar(Text::default()) };
                let node = self.anchors.get(&anchor).cloned().unwrap_or_else(empty);
                self.add(node, 0);
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
    }

    fn open(&mut self, value: Value, place: Place, anchor: usize) {
        self.open.push(Open { node: Node { place, value }, anchor, key: None });
    }

    /// Puts a node where it belongs: into the collection that is open, or at the root.
    fn add(&mut self, node: Node, anchor: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            if self.documents == 1 {
                self.root = Some(node);
            }
            return;
        };
        match (&mut open.node.value, open.key.take()) {
            (Value::Sequence(items), _) => items.push(node),
            (Value::Mapping(entries), Some((key, place))) => {
                let entry = Entry { key, place, value: node };
                match entries.iter().find(|other| other.key == entry.key) {
                    Some(first) => self.duplicates.push((entry, first.place)),
                    None => entries.push(entry),
                }
            }
            (Value::Mapping(_), None) => {
                // GitHub knows no keys but text.
                let key = node.text().map(ToString::to_string).unwrap_or_default();
                open.key = Some((key, node.place));
            }
            (Value::Scalar(_), _) => {}
        }
    }
}
