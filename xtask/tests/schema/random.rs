//! Random changes, made by a grammar: whatever the deep proof sees, the fast proof has to see. Where every difference has a
//! statement that repairs it, the statements have to bring back what there was.
//!
//! `XTASK_RANDOM_CHANGES` sets how many are tried, and `XTASK_RANDOM_SEED` which one is the first. Each has a number of its
//! own, so one that fails can be tried again alone.

use std::collections::{BTreeMap, BTreeSet};

use xtask_schema::{Catalog, Deep, History, Repair, compare};

use super::every_kind;
use super::support::sql::Session;
use super::support::{Server, skip};

/// The number of changes in every run of the tests.
const FEW: u64 = 20;

/// The objects of kinds that `every_kind.sql` lacks. They are not in it because a role that isn't a superuser can't make
/// them, or because a schema file can't.
const MORE_KINDS: &str = include_str!("more_kinds.sql");

const HISTORY: History<'static> = History { schema: Some("_sqlx"), table: "migrations" };

/// Numbers that look random and are the same each time (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(limit).unwrap()).unwrap()
    }
}

/// The rules of the grammar, each with its alternatives.
struct Grammar(BTreeMap<&'static str, Vec<&'static str>>);

impl Grammar {
    /// A blank line and a name begin a rule. A blank line inside a rule is an empty alternative.
    fn read(text: &'static str) -> Self {
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let names: BTreeSet<&str> = text
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
            .filter(|name| !name.is_empty())
            .chain(["change"])
            .collect();
        let mut rules = BTreeMap::<&str, Vec<&str>>::new();
        let mut rule = None;
        for (at, line) in lines.iter().enumerate() {
            let begins = at > 0 && lines[at - 1].is_empty() && names.contains(line) && !rules.contains_key(line);
            if begins {
                // The blank line before it was no alternative.
                if let Some(alternatives) = rule.and_then(|rule| rules.get_mut(rule)) {
                    alternatives.pop();
                }
                rules.insert(line, Vec::new());
                rule = Some(*line);
            } else if let Some(alternatives) = rule.and_then(|rule| rules.get_mut(rule)) {
                alternatives.push(line);
            }
        }
        let unknown: Vec<_> = names.iter().filter(|name| !rules.contains_key(*name)).collect();
        assert!(unknown.is_empty(), "rules without alternatives: {unknown:?}");
        Self(rules)
    }

    fn expand(&self, rule: &str, numbers: &mut Numbers) -> String {
        let alternatives = &self.0[rule];
        let mut rest = alternatives[numbers.below(alternatives.len())];
        let mut text = String::new();
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap();
            text.push_str(before);
            text.push_str(&if name.is_empty() { "{}".to_owned() } else { self.expand(name, numbers) });
            rest = after;
        }
        text.push_str(rest);
        text
    }
}

/// The database before the changes.
struct Before {
    catalog: Catalog,
    deep: Deep,
}

/// What became of a change.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// The server refused it.
    Refused,
    /// Neither proof sees it.
    Nothing,
    /// The fast proof sees it.
    Seen,
    /// The fast proof sees it, and the statements that it prints bring back what there was.
    Repaired,
    /// The statements fail, or leave a difference.
    NotRepaired(Vec<String>),
    /// Only the deep proof sees it.
    Missed(Vec<String>),
}

/// Runs the statements that repair what the fast proof sees. Returns `None` if it sees nothing.
pub(super) fn repaired(session: &mut Session, before: &Catalog, deep: Option<&Deep>) -> Option<Fate> {
    let after = session.catalog(&HISTORY);
    if after == *before {
        return None;
    }
    let differences = compare(before, &after);
    let repairs: Option<Vec<&String>> = differences
        .iter()
        .map(|difference| match &difference.repair {
            Some(Repair::Statements(statements)) => Some(statements),
            _ => None,
        })
        .collect();
    let Some(repairs) = repairs else { return Some(Fate::Seen) };
    for statements in repairs {
        if let Err(error) = session.execute(statements) {
            let said = statements.contains("fails if ");
            return Some(if said { Fate::Seen } else { Fate::NotRepaired(vec![format!("{statements}: {error}")]) });
        }
    }
    let mut left: Vec<String> = compare(before, &session.catalog(&HISTORY)).iter().map(ToString::to_string).collect();
    left.extend(deep.into_iter().flat_map(|before| session.deep().compare(before).unwrap().differences));
    Some(if left.is_empty() { Fate::Repaired } else { Fate::NotRepaired(left) })
}

/// Makes a change in a copy of the database, and looks at it. If `deep`, the deep proof judges the repairs as well.
fn fate(server: &Server, before: &Before, change: &str, deep: bool) -> Fate {
    server.execute("postgres", "CREATE DATABASE copy TEMPLATE library STRATEGY file_copy");
    let mut session = Session::open(&server.admin("copy")).unwrap();
    session.execute("SET client_min_messages = error; SET check_function_bodies = off").unwrap();
    let made = session.execute(change).is_ok();
    // What a change sets for its own session isn't what is compared.
    session.execute("DISCARD ALL").unwrap();
    let fate = if !made {
        Fate::Refused
    } else if let Some(fate) = repaired(&mut session, &before.catalog, deep.then_some(&before.deep)) {
        fate
    } else {
        let differences = session.deep().compare(&before.deep).unwrap().differences;
        if differences.is_empty() { Fate::Nothing } else { Fate::Missed(differences) }
    };
    session.close();
    server.execute("postgres", "DROP DATABASE copy WITH (FORCE)");
    fate
}

#[test]
fn the_fast_proof_sees_whatever_the_deep_one_sees() {
    let Some((server, _workspace)) = every_kind() else {
        skip!("PostgreSQL's contributed extensions are not installed")
    };
    server.execute("library", MORE_KINDS);
    let mut session = Session::open(&server.admin("library")).unwrap();
    let before = Before { catalog: session.catalog(&HISTORY), deep: session.deep() };
    session.close();

    let grammar = Grammar::read(include_str!("grammar.txt"));
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let first = number("XTASK_RANDOM_SEED").unwrap_or(1);
    let changes = number("XTASK_RANDOM_CHANGES").unwrap_or(FEW);
    let (mut counts, mut missed) = (BTreeMap::<&str, u64>::new(), Vec::new());
    for seed in first..first + changes {
        let change = grammar.expand("change", &mut Numbers(seed));
        let kind = match fate(&server, &before, &change, changes > FEW) {
            Fate::Refused => "refused by the server",
            Fate::Nothing => "no difference",
            Fate::Seen => "seen by the fast proof",
            Fate::Repaired => "seen and repaired",
            Fate::Missed(differences) => {
                let shown: Vec<String> = differences.into_iter().take(4).collect();
                missed.push(format!("{seed}: {change}\n    {}", shown.join("\n    ")));
                "missed by the fast proof"
            }
            Fate::NotRepaired(left) => {
                let shown: Vec<String> = left.into_iter().take(4).collect();
                missed.push(format!("{seed}: {change}\n    after its repairs: {}", shown.join("\n    ")));
                "not repaired"
            }
        };
        *counts.entry(kind).or_default() += 1;
    }
    println!("changes from seed {first} on: {counts:?}");
    assert!(missed.is_empty(), "{counts:?}\n{}", missed.join("\n"));
    assert!(changes < FEW || counts.contains_key("seen by the fast proof"), "nothing was tried: {counts:?}");
}
