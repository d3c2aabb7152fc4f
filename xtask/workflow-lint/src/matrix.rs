//! A job's matrix, where it is written out: what `${{ matrix.… }}` in a script stands for.
//!
//! <https://docs.github.com/en/actions/how-tos/write-workflows/choose-what-workflows-do/run-job-variations>

use crate::expression;
use crate::text::Text;
use crate::yaml::{Entry, Node};

/// GitHub makes no more jobs of a matrix than that.
const LIMIT: usize = 256;

/// The values that one run of a job has.
#[derive(Clone, Default)]
pub(crate) struct Combination<'a> {
    /// One of each list.
    axes: Vec<(&'a str, &'a Node)>,
    /// What `include` adds to them.
    added: Vec<&'a Entry>,
}

/// All combinations of a job's matrix. One without values, if it has none, or one that is only known on GitHub.
pub(crate) fn combinations<'a>(job: &'a Node) -> Vec<Combination<'a>> {
    let matrix = job.get("strategy").and_then(|strategy| strategy.get("matrix"));
    let entries = matrix.map_or(&[][..], Node::entries);
    let list = |key| matrix.and_then(|matrix| matrix.get(key)).map_or(&[][..], Node::items);
    let axes = entries.iter().filter(|entry| !matches!(&entry.key[..], "include" | "exclude"));
    let mut all: Vec<Combination<'a>> = Vec::new();
    for axis in axes.filter(|axis| !axis.value.items().is_empty()) {
        let so_far = if all.is_empty() { vec![Combination::default()] } else { all };
        let with = |one: &Combination<'a>, value: &'a Node| Combination {
            axes: one.axes.iter().copied().chain([(&axis.key[..], value)]).collect(),
            added: Vec::new(),
        };
        let product = so_far.iter().flat_map(|one| axis.value.items().iter().map(move |value| with(one, value)));
        all = product.take(LIMIT).collect();
    }
    all.retain(|combination| !list("exclude").iter().any(|excluded| combination.is_excluded_by(excluded)));
    let mut added = Vec::new();
    for included in list("include") {
        let mut fits_one = false;
        for combination in all.iter_mut().filter(|combination| combination.has_room_for(included)) {
            fits_one = true;
            combination.added.retain(|entry| included.entry(&entry.key).is_none());
            combination.added.extend(included.entries());
        }
        if !fits_one {
            added.push(Combination { axes: Vec::new(), added: included.entries().iter().collect() });
        }
    }
    all.append(&mut added);
    if all.is_empty() { vec![Combination::default()] } else { all }
}

/// The script with what its expressions stand for in this combination, as GitHub writes it before a shell sees it.
/// What isn't known is left as it is.
pub(crate) fn resolve(script: &Text, combination: &Combination<'_>) -> Text {
    let (mut resolved, mut at) = (Text::default(), 0);
    for range in expression::all(script) {
        let value = expression::matrix_path(script, &range).and_then(|path| combination.value(&path));
        if let Some(value) = value {
            resolved.0.extend_from_slice(&script.0[at..range.start]);
            resolved.0.extend_from_slice(&value.0);
            at = range.end;
        }
    }
    resolved.0.extend_from_slice(&script.0[at..]);
    resolved
}

impl<'a> Combination<'a> {
    fn axis(&self, key: &str) -> Option<&'a Node> {
        self.axes.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    fn is_excluded_by(&self, excluded: &Node) -> bool {
        let meets = |entry: &Entry| self.axis(&entry.key).is_some_and(|value| value.same(&entry.value));
        !excluded.entries().is_empty() && excluded.entries().iter().all(meets)
    }

    /// Whether an entry of `include` leaves the values of this one's lists as they are.
    fn has_room_for(&self, included: &Node) -> bool {
        included.entries().iter().all(|entry| self.axis(&entry.key).is_none_or(|value| value.same(&entry.value)))
    }

    /// The scalar at a path: `["server", "name"]` for `matrix.server.name`.
    fn value(&self, path: &[String]) -> Option<&'a Text> {
        let (first, rest) = path.split_first()?;
        let is_first = |name: &str| name.eq_ignore_ascii_case(first);
        let axis = self.axes.iter().find(|(name, _)| is_first(name)).map(|(_, value)| *value);
        let added = || self.added.iter().find(|entry| is_first(&entry.key)).map(|entry| &entry.value);
        let below = |node: &'a Node, part: &String| {
            let mut entries = node.entries().iter();
            entries.find(|entry| entry.key.eq_ignore_ascii_case(part)).map(|entry| &entry.value)
        };
        rest.iter().try_fold(axis.or_else(added)?, below)?.text()
    }
}
